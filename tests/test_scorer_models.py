"""From a published challenge that takes models to scores on its board, through the real jail."""

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards.adapters.notebooks import JailedNotebooks
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.challenge_file import read_challenge
from lms.leaderboards.core.failures import read_failure
from lms.leaderboards.models import Board, Challenge, Entry, EntryState, PrivateScore, Rescore, Truth
from lms.leaderboards.services import teams
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.entering import check_file, hand_in
from lms.leaderboards.services.publishing import publish_folder
from lms.leaderboards.services.rescoring import prepare_rescore
from lms.runtime.environments import describe
from lms.runtime.probe import Isolation
from lms.scorer import Scorer
from tests.factories.accounts import make_organisation, make_user
from tests.factories.challenges import write_model_challenge
from tests.factories.models import graph, linear, node, onnx, safetensors, tensor, value
from tests.runtime.jails import ROOT, environment, isolation, need

__all__ = ["environment", "isolation"]
pytestmark = pytest.mark.jail

WEIGHTS = safetensors({"slope": ([2], [-1.0, 1.0]), "offset": ([2], [5.0, -5.0])})
GRAPH = onnx(
    graph(
        (1, node("MatMul", ["weight", "slope"], ["product"])),
        (1, node("Add", ["product", "offset"], ["output"])),
        (5, tensor("slope", [1, 2], [-1.0, 1.0])),
        (5, tensor("offset", [2], [5.0, -5.0])),
        (11, value("weight", "rows", 1)),
        (12, value("output", "rows", 2)),
    )
)
NARROW = linear([1.0], 0.0)  # one answer a row where two are asked for


class Arena:
    """A published challenge and its scorer."""

    def __init__(self, sessions: sessionmaker[Session], folder: Path) -> None:
        self.sessions, self.blobs, workshop = sessions, FolderBlobs(folder / "blobs"), JailedWorkshop(ROOT)
        with sessions.begin() as session:
            make_organisation(session, slug="nuri-ai")
        checked = read_challenge(write_model_challenge(folder), ["models"])
        assert publish_folder(sessions, self.blobs, workshop, checked)
        self.scorer = Scorer(sessions, self.blobs, workshop, JailedNotebooks(ROOT))

    def enter(self, content: bytes) -> int:
        with self.sessions.begin() as session:
            challenge = session.scalars(select(Challenge)).one()
            user = make_user(session)
            accept_rules(session, user, challenge, challenge.rules_version, at=now())
            teams.join(session, user, challenge, f"Team {user.id}", at=now())
            kind = check_file(challenge, content, self.blobs)
            return hand_in(
                session, user, challenge, kind, self.blobs.put(content),
                filename="model", size_bytes=len(content), received_at=now(),
            ).id  # fmt: skip

    def score_all(self) -> None:
        while self.scorer.score_waiting():
            pass


@pytest.fixture
def arena(isolation: Isolation, sessions: sessionmaker[Session], tmp_path: Path) -> Arena:
    assert isolation
    need(there=describe(ROOT, "models").python.exists(), what="the environment models is not built")
    return Arena(sessions, tmp_path)


def test_models_of_both_formats_are_scored_like_the_baseline_and_one_that_fails_says_why(
    arena: Arena,
) -> None:
    good = [arena.enter(WEIGHTS), arena.enter(GRAPH)]
    bad = arena.enter(NARROW)
    arena.score_all()
    with arena.sessions() as session:
        [baseline] = session.scalars(select(Entry).where(Entry.baseline.is_not(None)))
        assert baseline.public_score is not None
        assert baseline.public_score > 0.9
        for number in good:
            entry = session.get_one(Entry, number)
            assert (entry.state, entry.public_score) == (EntryState.SCORED, baseline.public_score)
            assert (
                session.get_one(PrivateScore, number).score
                == session.get_one(PrivateScore, baseline.id).score
            )
        failed = session.get_one(Entry, bad)
        assert failed.state is EntryState.FAILED
        message, params = read_failure(failed.failure)
        assert message % params == "The model must answer 2 finite numbers for each row of the sample."
        files = session.scalars(select(Challenge.files)).one()
        assert set(files) == {"train.csv", "test.csv", "model.py"}  # and no list of the hidden ids


def test_a_model_is_run_again_when_the_truth_is_corrected(arena: Arena) -> None:
    entry = arena.enter(GRAPH)
    arena.score_all()
    with arena.sessions.begin() as session:
        truth, board = session.scalars(select(Truth)).one(), session.scalars(select(Board)).one()
        prepare_rescore(session, None, board, "Looked at again.", blob=truth.blob, at=now())
    arena.score_all()
    with arena.sessions() as session:
        anew = session.scalars(select(Rescore).where(Rescore.entry_id == entry)).one()
        assert anew.failure == ""
        assert anew.public_score == session.get_one(Entry, entry).public_score
