"""The demonstration's challenge that ends: real data, programs and services, started again at every step."""

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.demo import warm_up
from lms.demo.after_end import AfterEnd
from lms.demo.contest import board_line, take_part
from lms.demo.seed import _make_people, person
from lms.demo.warm_up import CHOOSER, PROGRAM, RECIPES, SIDES, SLUG, Solved, WarmUp
from lms.leaderboards.adapters.notebooks import JailedNotebooks
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.models import Board, Entry, EntryState, Share, Team
from lms.leaderboards.policy import Phase, phase_of
from lms.leaderboards.queries.boards import board_of_challenge, team_of
from lms.leaderboards.queries.dates import date_changes
from lms.leaderboards.queries.honours import Wanted, people
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services.challenges import publish_challenge
from lms.leaderboards.services.verifying import Evidence, hand_in_evidence
from lms.leaderboards.tables.honours import BoardResult, TeamResult
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim
from lms.leaderboards.tables.writeups import Writeup
from lms.runtime.probe import Isolation
from lms.scorer import Scorer
from tests.factories.leaderboards import challenge_document
from tests.runtime.jails import ROOT

CONTENT = ROOT / "course_content"


@pytest.fixture
def installation(sessions: sessionmaker[Session], blobs: FolderBlobs) -> Any:
    settings = SimpleNamespace(course_content=CONTENT, environments=ROOT / "environments")
    workshop = JailedWorkshop(ROOT)
    with sessions.begin() as session:
        _make_people(session)
    return SimpleNamespace(sessions=sessions, blobs=blobs, workshop=workshop, settings=settings)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a round end at once that is to end soon."""
    monkeypatch.setattr(warm_up, "NOTICE", timedelta(seconds=1))


def steps(installation: Any) -> Iterator[str]:
    """Play step by step with objects of one start, as the story does; each step says its name."""
    played = WarmUp(installation)
    assert played.open()
    yield "opened"
    played.enter()
    yield "entered"
    scorer = Scorer(installation.sessions, installation.blobs, installation.workshop, JailedNotebooks(ROOT))
    while scorer.score_waiting():
        pass
    with installation.sessions() as session:
        assert played.scored(session)
    yield "scored"
    played.choose()
    yield "chosen"
    played.end()
    yield "ending"
    while True:
        with installation.sessions() as session:
            if played.ended(session):
                break
    yield "ended"
    after = AfterEnd(played)
    for step in (after.count, after.show, after.write_up, after.ask, after.prove, after.accept):
        step()
        yield step.__name__


def break_off_after(last: str, installation: Any) -> None:
    for step in steps(installation):
        if step == last:
            break


@pytest.mark.jail
@pytest.mark.usefixtures("hasty")
def test_a_round_is_played_once_however_often_its_story_is_broken_off(
    installation: Any, sessions: sessionmaker[Session], isolation: Isolation, tmp_path: Path
) -> None:
    assert isolation
    for last in ("entered", "chosen", "ending", "write_up", "prove"):
        break_off_after(last, installation)
    check_that_another_program_is_not_run(installation, tmp_path / "it ran")
    for _ in range(2):
        break_off_after("accept", installation)
    with sessions() as session:
        found = warm_up.warm_up(session)
        board = board_of_challenge(session, found)
        assert phase_of(found, now()) is Phase.ENDED
        assert [len(change.moves) for change in date_changes(session, found)] == [3]
        own = select(Entry).where(Entry.board_id == board.id, Entry.team_id.is_not(None))
        entries = session.scalars(own.order_by(Entry.sequence)).all()
        assert [entry.filename for entry in entries] == [name for side in SIDES for name in side.files]
        assert {entry.state for entry in entries} == {EntryState.SCORED}
        assert found.opens_at < entries[0].received_at < entries[-1].received_at < found.ends_at
        check_the_end(session, board)
        check_what_people_did(session, board)
    take_part(installation)  # the other challenges are not here, and this one is left alone
    with sessions() as session:
        assert session.scalar(select(func.count(Entry.id)).where(Entry.team_id.is_not(None))) == len(entries)


def check_the_end(session: Session, board: Board) -> None:
    """Ranks on the private part, kept with points and medals; the sound models ahead of the middle."""
    table = standings(session, board, None, now())
    assert table.share is Share.PRIVATE
    ranked = [row.name for row in table.rows if row.rank is not None]
    assert set(ranked) == {side.name for side in SIDES}
    assert set(ranked[-2:]) == {"조교실", "행정실"}
    assert len(table.rows) == len(SIDES) + 3  # its baselines
    kept = session.get_one(BoardResult, board.id)
    assert kept.teams == len(SIDES)
    assert kept.shake_up is not None
    medals = session.scalars(select(TeamResult.medal).order_by(TeamResult.rank)).all()
    assert medals[:3] == ["silver", "bronze", None]
    shown = people(session, Wanted(), now())
    assert [person.name for person in shown.rows if person.points > 0]
    assert shown.found == 4


def check_what_people_did(session: Session, board: Board) -> None:
    chooser = team_of(session, board, person(session, CHOOSER))
    assert chooser is not None
    chosen = select(Entry).where(Entry.team_id == chooser.id, Entry.selected)
    assert len(session.scalars(chosen).all()) == 2
    assert not session.scalars(select(Entry).where(Entry.selected, Entry.team_id != chooser.id)).all()
    [writeup] = session.scalars(select(Writeup))
    assert "{" not in writeup.text
    first, second = session.scalars(select(WinnerClaim).order_by(WinnerClaim.id))
    assert (first.state, second.state) == (ClaimState.ACCEPTED, ClaimState.ASKED)
    assert first.decided_by is not None
    assert first.decided_by.email == warm_up.ORGANISER
    assert board_line(session, SLUG).startswith(f"1 {first.team.name} · ")


def check_that_another_program_is_not_run(installation: Any, trace: Path) -> None:
    """What somebody hands in on the page is not run here, whatever it makes; the right one is accepted."""
    other = io.BytesIO()
    program = f"{PROGRAM.read_text(encoding='utf-8')}\nPath({str(trace)!r}).touch()\n"
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr(PROGRAM.name, program)
    right = hand_in_instead(installation, other.getvalue())
    assert AfterEnd(WarmUp(installation)).accept() is False
    assert not trace.exists()
    with installation.sessions() as session:
        assert session.scalars(select(WinnerClaim.state)).first() is ClaimState.HANDED_IN
    hand_in_instead(installation, right)


def hand_in_instead(installation: Any, content: bytes) -> bytes:
    """Replace the file of the first claim; return the one before."""
    with installation.sessions.begin() as session:
        claim = session.scalars(select(WinnerClaim).order_by(WinnerClaim.id)).first()
        before: bytes = installation.blobs.get(claim.blob)
        leader = session.get_one(User, claim.team.leader_id)
        file = Evidence(installation.blobs.put(content), "program.zip", len(content))
        hand_in_evidence(session, leader, claim, "이 프로그램으로 만들었습니다.", file, at=now())
    return before


def test_without_the_challenge_there_is_no_round_before_it(tmp_path: Path) -> None:
    settings = SimpleNamespace(course_content=tmp_path)
    assert WarmUp(SimpleNamespace(settings=settings)).open() is False  # type: ignore[arg-type]


def test_a_round_that_ended_before_anybody_entered_stays_as_it_is(
    sessions: sessionmaker[Session], session: Session, blobs: FolderBlobs
) -> None:
    _make_people(session)
    document = challenge_document("nuri-ai", slug=SLUG)
    publish_challenge(session, None, document, opens_at=now() - timedelta(days=40), at=now())
    session.commit()
    played = WarmUp(SimpleNamespace(sessions=sessions, blobs=blobs))  # type: ignore[arg-type]
    played.solved = Solved({}, dict.fromkeys(RECIPES, 0.0))
    played.enter()
    played.choose()
    played.end()
    assert played.scored(session)
    assert AfterEnd(played).play() is False
    assert session.scalar(select(func.count(Team.id))) == 0
    assert session.scalar(select(func.count(Writeup.id))) == 0
