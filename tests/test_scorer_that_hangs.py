"""An author's scorer that never answers, in the real jail: what it costs, and whom."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards.adapters.notebooks import JailedNotebooks
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.challenge_file import read_challenge
from lms.leaderboards.core.failures import SCORER_FAILED
from lms.leaderboards.models import Challenge, Entry, EntryKind, EntryState, Team
from lms.leaderboards.queries.entries import quota_of
from lms.leaderboards.services import teams
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.publishing import publish_folder
from lms.leaderboards.services.receiving import Work, take_entry
from lms.runtime.probe import Isolation
from lms.scorer import Scorer
from tests.factories.accounts import make_organisation, make_user
from tests.factories.challenges import CHALLENGE, SCRIPT, write_challenge
from tests.runtime.jails import ROOT, environment, isolation

__all__ = ["environment", "isolation"]
pytestmark = pytest.mark.jail

OWN = CHALLENGE.replace("metric: accuracy", "metric: own\ndirection: max").replace("[f1_macro]", "[]")
DEF = "def score(truth, predictions):\n"
HANGS = SCRIPT.replace(DEF, DEF + '    while (predictions["place"] == "south").all():\n        pass\n')
"""A scorer whose fault nobody met before: the baseline says north throughout."""
SOUTH = ("id,place\n" + "".join(f"p{number},south\n" for number in range(100, 200))).encode()


class Arena:
    """Two published challenges, of which one has a scorer that can hang."""

    def __init__(self, sessions: sessionmaker[Session], folder: Path) -> None:
        self.sessions, self.blobs, workshop = sessions, FolderBlobs(folder / "blobs"), JailedWorkshop(ROOT)
        with sessions.begin() as session:
            make_organisation(session, slug="nuri-ai")
        for slug, text, script in (("hanging", OWN, HANGS), ("quick", CHALLENGE, SCRIPT)):
            (folder / slug).mkdir()
            home = write_challenge(folder / slug, text=text, script=script)
            checked = read_challenge(home.rename(home.with_name(slug)), ["ml-basics"])
            assert publish_folder(sessions, self.blobs, workshop, checked)
        self.scorer = Scorer(
            sessions, self.blobs, workshop, JailedNotebooks(ROOT), kinds=frozenset({EntryKind.PREDICTIONS})
        )

    def enter(self, slug: str) -> int:
        with self.sessions.begin() as session:
            challenge, user = self.challenge(session, slug), make_user(session)
            accept_rules(session, user, challenge, challenge.rules_version, at=now())
            teams.join(session, user, challenge, f"Team {user.id}", at=now())
            work = Work(EntryKind.PREDICTIONS, self.blobs.put(SOUTH))
            return take_entry(session, user, challenge, work, received_at=now()).id

    def states(self, *entries: int) -> list[str]:
        with self.sessions() as session:
            return [session.get_one(Entry, number).state.value for number in entries]

    def challenge(self, session: Session, slug: str) -> Challenge:
        return session.scalars(select(Challenge).where(Challenge.slug == slug)).one()


@pytest.fixture
def arena(isolation: Isolation, sessions: sessionmaker[Session], tmp_path: Path) -> Arena:
    assert isolation
    return Arena(sessions, tmp_path)


def test_others_have_their_turn_before_the_next_entry_of_a_board_that_hangs(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, quick = arena.enter("hanging"), arena.enter("hanging"), arena.enter("quick")
    monkeypatch.setattr("lms.leaderboards.adapters.workshop.SCORE_SECONDS", 10)
    own, others = replace(arena.scorer, own=True), replace(arena.scorer, own=False)
    assert others.score_waiting() is True
    assert arena.states(first, second, quick) == ["received", "received", "scored"], "it waits for no author"
    late = arena.enter("quick")
    assert arena.scorer.score_waiting() is True
    assert arena.states(first, second, late) == ["failed", "received", "scored"]
    assert arena.scorer.score_waiting() is False, "the board is put off"
    assert own.score_waiting() is True, "whoever has not met it yet tries"
    assert arena.states(second) == ["failed"]


def test_a_scorer_that_hangs_fails_its_entry_and_the_next_board_is_scored(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, next_one = arena.enter("hanging"), arena.enter("quick")
    monkeypatch.setattr("lms.leaderboards.adapters.workshop.SCORE_SECONDS", 10)
    assert arena.scorer.score_waiting() is True
    assert arena.scorer.score_waiting() is False  # neither waits any longer
    with arena.sessions() as session:
        failed, scored = session.get_one(Entry, hanging), session.get_one(Entry, next_one)
        assert (failed.state, failed.failure) == (EntryState.FAILED, SCORER_FAILED)
        assert failed.public_score is None
        assert scored.state is EntryState.SCORED
        assert scored.public_score is not None
        team = session.get_one(Team, failed.team_id)
        left = quota_of(session, arena.challenge(session, "hanging"), team, failed.received_at)
        assert (left.used, left.failed, left.taken) == (0, 1, 0)
