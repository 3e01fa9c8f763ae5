"""Flags: noticed across teams, kept once, decided by a person; nothing happens to anybody by itself."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import AuditEvent
from lms.errors import Conflict, Invalid, NotAllowed, NotFound
from lms.leaderboards.core.prints import Print, print_of
from lms.leaderboards.core.scoring import Scores, Truth
from lms.leaderboards.models import Entry, EntryLosses, Share, Team
from lms.leaderboards.queries import suspects
from lms.leaderboards.queries.flags import flag_on, flags_of, number_of_flags
from lms.leaderboards.services.addresses import KEEP, KEEP_AFTER_END, forget_addresses, keep_address
from lms.leaderboards.services.boards import keep_baselines
from lms.leaderboards.services.challenges import set_baselines
from lms.leaderboards.services.deciding import decide_flag
from lms.leaderboards.services.flagging import flag_boards
from lms.leaderboards.services.judging import disqualify_entry
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.tables.flags import EntryAddress, EntryPrint, Flag, FlagKind, FlagState
from tests.factories.leaderboards import NOW, Contest, make_contest

LATER = NOW + timedelta(hours=1)
ROWS = 400
TRUTH = Truth(
    tuple(f"p{at}" for at in range(ROWS)), {"place": ["north", "south"] * (ROWS // 2)}, tuple(range(200))
)


def losses(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    hard = np.random.default_rng(0).beta(0.5, 2, ROWS)
    return (generator.random(ROWS) < hard).astype(float)


def hand_in(
    contest: Contest, team: Team, wrong: np.ndarray, *, digest: str | None = None, **take: Any
) -> Entry:
    """A scored entry with these mistakes."""
    entry = contest.take(team, **take)
    value = 1 - float(wrong.mean())
    found = Scores(value, value, public_losses=wrong[:200], private_losses=wrong[200:])
    return score_entry(contest.session, entry.id, found, at=NOW, compared_by=Print(digest))


def flags(contest: Contest, kind: FlagKind | None = None) -> Sequence[Flag]:
    found = select(Flag).where(Flag.board_id == contest.board.id).order_by(Flag.id)
    rows = contest.session.scalars(found.execution_options(populate_existing=True)).all()
    return [flag for flag in rows if kind is None or flag.kind is kind]


def test_the_same_predictions_of_two_teams_are_one_flag(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    first, second, third = (contest.team() for _ in range(3))
    one = hand_in(contest, first, losses(1), digest="d" * 64)
    hand_in(contest, first, losses(1), digest="d" * 64)
    assert flag_boards(sessions, LATER) == 0
    two = hand_in(contest, second, losses(1), digest="d" * 64)
    hand_in(contest, third, losses(2), digest="e" * 64)
    assert flag_boards(sessions, LATER) == 1
    assert flag_boards(sessions, LATER) == 0
    (flag,) = flags(contest)
    assert (flag.kind, flag.state, flag.teams) == (FlagKind.DUPLICATE, FlagState.OPEN, [first.id, second.id])
    assert {one.id, two.id} <= set(flag.entries)
    assert flag.evidence["same"] == "predictions"
    assert contest.standing(second) is not None


def test_what_everybody_was_given_and_what_scores_as_a_baseline_is_no_copy(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    keep_baselines(
        contest.session, contest.board, [{"key": "north", "public_score": 0.5, "private_score": 0.5}], at=NOW
    )
    contest.challenge.files = {"sample_submission.csv": {"sha256": "c" * 64, "bytes": 1}}
    half = np.tile([0.0, 1.0], ROWS // 2)
    for _ in range(2):
        hand_in(contest, contest.team(), half, digest="d" * 64)
        hand_in(contest, contest.team(), losses(3), digest="e" * 64, blob="c" * 64)
    contest.session.flush()
    flag_boards(sessions, LATER)
    assert flags(contest, FlagKind.DUPLICATE) == []


def test_a_copy_with_some_rows_changed_is_flagged_and_other_work_is_not(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    teams = [contest.team() for _ in range(8)]
    for number, team in enumerate(teams[:7]):
        hand_in(contest, team, losses(number), digest=f"{number}" * 64)
    assert flag_boards(sessions, LATER) == 0
    copy = losses(0)
    copy[[3, 250]] = 1 - copy[[3, 250]]
    hand_in(contest, teams[7], copy, digest="f" * 64)
    assert flag_boards(sessions, LATER) == 1
    (flag,) = flags(contest)
    assert (flag.kind, flag.teams) == (FlagKind.NEAR_DUPLICATE, [teams[0].id, teams[7].id])
    assert flag.evidence["shared"] > flag.evidence["expected"]
    assert flag.evidence["rows"] == ROWS


def test_a_baseline_that_has_no_score_hides_no_twins(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    set_baselines(contest.session, contest.challenge, {"north": (0.4, 0.4)}, at=NOW)
    baseline = contest.session.scalars(select(Entry).where(Entry.baseline.is_not(None))).one()
    baseline.public_score = None
    for _ in range(2):
        hand_in(contest, contest.team(), losses(1), digest="d" * 64)
    assert flag_boards(sessions, LATER) == 1
    (flag,) = flags(contest)
    assert flag.kind is FlagKind.DUPLICATE


def test_a_board_too_large_to_compare_is_told_by_its_size_alone(
    contest: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        hand_in(contest, contest.team(), losses(1), digest=f"{number}" * 64)
    assert suspects.compared(contest.session, contest.board) is not None
    monkeypatch.setattr(suspects, "MOST_CELLS", 2 * ROWS - 1)
    monkeypatch.setattr(suspects, "unpack", None)
    assert suspects.compared(contest.session, contest.board) is None


def test_a_faulty_board_holds_no_other_up(contest: Contest, sessions: sessionmaker[Session]) -> None:
    session, other = contest.session, make_contest(contest.session)
    for each in (contest, other):
        for _ in range(2):
            hand_in(each, each.team(), losses(1), digest="d" * 64)
    broken = session.scalars(select(Entry).where(Entry.board_id == contest.board.id)).first()
    session.get_one(EntryLosses, (broken.id, Share.PUBLIC)).packed = b"x"  # type: ignore[union-attr]
    session.commit()
    assert flag_boards(sessions, LATER) == 1
    assert (len(flags(contest)), len(flags(other))) == (0, 1)


def test_mistakes_are_kept_where_the_metric_has_no_losses_of_rows(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    places: list[str | float] = ["north" if at < 10 else "south" for at in range(ROWS)]
    told = print_of(TRUTH, {"place": places}, keep_mistakes=True)
    for number in range(2):
        entry = contest.take(contest.team(), blob=f"{number}" * 64)
        score_entry(
            contest.session, entry.id, Scores(0.4, 0.4), at=NOW, compared_by=Print(None, told.mistakes)
        )
    assert flag_boards(sessions, LATER) == 1
    (flag,) = flags(contest, FlagKind.NEAR_DUPLICATE)
    assert flag.evidence["shared"] == ROWS // 2


def test_teams_with_nothing_wrong_are_one_flag_that_comes_back_only_when_they_are_many_more(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    for number in range(3):
        hand_in(contest, contest.team(), np.zeros(ROWS), digest=f"{number}" * 64)
    flag_boards(sessions, LATER)
    (flag,) = flags(contest)
    assert (flag.kind, flag.evidence) == (FlagKind.PERFECT, {"score": 1.0, "teams": 3, "of": 3})
    decide_flag(contest.session, contest.organiser, flag, FlagState.DISMISSED, "An easy set.", at=LATER)
    hand_in(contest, contest.team(), np.zeros(ROWS), digest="a" * 64)
    assert flag_boards(sessions, LATER) == 0
    for number in range(2):
        hand_in(contest, contest.team(), np.zeros(ROWS), digest=f"{number}b" * 32)
    assert flag_boards(sessions, LATER) == 1
    assert [each.occasion for each in flags(contest)] == [1, 2]


def test_two_teams_behind_one_address_that_use_two_quotas_are_flagged_without_the_address(
    session: Session, sessions: sessionmaker[Session]
) -> None:
    contest = make_contest(session, per_day=2)
    first, second, apart = (contest.team() for _ in range(3))
    for day in range(2):
        for team in (first, second, apart):
            for number in range(2):
                at = NOW + timedelta(days=day, hours=team.id % 5, minutes=7 * number + day)
                wrong = losses(100 * team.id + 10 * day + number)
                digest = f"{team.id % 10}{day}{number}a" * 16
                entry = hand_in(contest, team, wrong, digest=digest, at=at)
                keep_address(session, entry, "192.0.2.7" if team is not apart else "192.0.2.8", "key")
    flag_boards(sessions, NOW + timedelta(days=3))
    assert [flag.kind for flag in flags(contest)] == [FlagKind.ADDRESS, FlagKind.QUOTA]
    for flag in flags(contest):
        assert flag.teams == [first.id, second.id]
        assert "192.0.2" not in str(flag.evidence)
    assert flags(contest)[1].evidence["linked_by"] == ["address"]
    kept = session.scalars(select(EntryAddress.address)).all()
    assert len(set(kept)) == 2
    assert all("192" not in address[:4] and len(address) == 32 for address in kept)


def test_teams_in_step_and_many_entries_in_a_minute_are_flagged(
    session: Session, sessions: sessionmaker[Session]
) -> None:
    contest = make_contest(session, per_day=30)
    one, other, eager = (contest.team() for _ in range(3))
    for day in range(6):
        for number, team in enumerate((one, other)):
            hand_in(contest, team, losses(day + 10 * number), digest=f"{day}{number}" * 32,
                    at=NOW + timedelta(days=day, seconds=number))  # fmt: skip
    for number in range(12):
        hand_in(contest, eager, losses(50 + number), digest=f"{number:02}" * 32,
                at=NOW + timedelta(hours=9, seconds=number))  # fmt: skip
    flag_boards(sessions, NOW + timedelta(days=6))
    found = {tuple(flag.teams): flag.evidence for flag in flags(contest, FlagKind.BURST)}
    assert set(found) == {(one.id, other.id), (eager.id,)}
    assert found[one.id, other.id]["days"] == 6
    assert found[eager.id,]["most"] == 12


def test_hashes_of_addresses_are_deleted_after_their_time(contest: Contest) -> None:
    session = contest.session
    entry = contest.take(contest.team())
    keep_address(session, entry, "2001:db8::1", "key")
    keep_address(session, contest.take(contest.team()), None, "key")
    forget_addresses(session, NOW + timedelta(days=10))
    assert session.scalars(select(EntryAddress.entry_id)).all() == [entry.id]
    assert contest.board.ends_at is not None
    forget_addresses(session, min(contest.board.ends_at + KEEP_AFTER_END, NOW + KEEP) + timedelta(days=1))
    assert session.scalars(select(EntryAddress.entry_id)).all() == []


def test_a_disqualified_entry_is_compared_with_nobody(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    one = hand_in(contest, contest.team(), losses(1), digest="d" * 64)
    disqualify_entry(contest.session, contest.organiser, one, "copied", at=NOW)
    hand_in(contest, contest.team(), losses(1), digest="d" * 64)
    assert flag_boards(sessions, LATER) == 0
    assert contest.session.scalar(select(EntryPrint.entry_id).where(EntryPrint.looked_at.is_(None))) is None


@pytest.fixture
def flag(contest: Contest, sessions: sessionmaker[Session]) -> Flag:
    for _ in range(2):
        hand_in(contest, contest.team(), losses(1), digest="d" * 64)
    flag_boards(sessions, LATER)
    return flags(contest)[0]


def test_a_decision_has_a_person_and_a_reason_and_changes_nothing_on_the_board(
    contest: Contest, flag: Flag, sessions: sessionmaker[Session]
) -> None:
    session, board = contest.session, contest.board
    before = [contest.standing(session.get_one(Team, team)) for team in flag.teams]
    decide_flag(session, contest.organiser, flag, FlagState.UPHELD, " One team sent both. ", at=LATER)
    assert (flag.state, flag.reason, flag.decided_by_id) == (
        FlagState.UPHELD, "One team sent both.", contest.organiser.id,
    )  # fmt: skip
    assert [contest.standing(session.get_one(Team, team)) for team in flag.teams] == before
    assert number_of_flags(session, board)[FlagState.UPHELD] == 1
    assert list(flags_of(session, board, FlagState.OPEN)) == []
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "board.decide_flag")).one()
    assert event.details == {"flag": flag.id, "state": "upheld"}
    hand_in(contest, contest.team(), losses(1), digest="d" * 64)
    flag_boards(sessions, LATER)
    assert [(each.state, each.occasion, len(each.teams)) for each in flags(contest, FlagKind.DUPLICATE)] == [
        (FlagState.UPHELD, 1, 2),
        (FlagState.OPEN, 2, 3),
    ]


def test_nobody_else_decides_and_no_decision_is_without_a_reason(contest: Contest, flag: Flag) -> None:
    session = contest.session
    member = contest.leader(session.get_one(Team, flag.teams[0]))
    for actor in (member, contest.person()):
        with pytest.raises(NotAllowed):
            decide_flag(session, actor, flag, FlagState.DISMISSED, "no", at=LATER)
    for state, reason in ((FlagState.OPEN, "why"), (FlagState.UPHELD, "  "), (FlagState.UPHELD, "x" * 1001)):
        with pytest.raises(Invalid):
            decide_flag(session, contest.organiser, flag, state, reason, at=LATER)
    decide_flag(session, contest.organiser, flag, FlagState.DISMISSED, "They sat together.", at=LATER)
    with pytest.raises(Conflict):
        decide_flag(session, contest.organiser, flag, FlagState.DISMISSED, "again", at=LATER)
    decide_flag(session, contest.organiser, flag, FlagState.UPHELD, "They wrote it together.", at=LATER)
    with pytest.raises(NotFound):
        flag_on(session, make_contest(session).board, flag.id)


def test_an_organiser_does_not_decide_about_their_own_team(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    own, other = contest.team(), contest.team()
    for team in (own, other):
        hand_in(contest, team, losses(1), digest="d" * 64)
    own.members[0].user_id = contest.organiser.id
    contest.session.flush()
    flag_boards(sessions, LATER)
    (flag,) = flags(contest)
    with pytest.raises(NotAllowed, match="your own team"):
        decide_flag(contest.session, contest.organiser, flag, FlagState.DISMISSED, "fine", at=LATER)


@pytest.mark.postgres
def test_flags_are_made_and_decided_on_postgresql_too(postgres_engine: Engine) -> None:
    sessions = sessionmaker(postgres_engine, expire_on_commit=False)
    with sessions() as session:
        contest = make_contest(session)
        for _ in range(2):
            entry = hand_in(contest, contest.team(), losses(1), digest="d" * 64)
            for _ in range(2):
                again = hand_in(contest, entry.team or contest.team(), losses(2), digest="e" * 64)
                keep_address(session, again, "192.0.2.7", "key")
        session.commit()
        assert flag_boards(sessions, LATER) == 3
        assert [flag.kind for flag in flags(contest)] == [
            FlagKind.DUPLICATE, FlagKind.DUPLICATE, FlagKind.ADDRESS,
        ]  # fmt: skip
        flag = flags(contest)[0]
        decide_flag(session, contest.organiser, flag, FlagState.DISMISSED, "fine", at=LATER)
        session.commit()
