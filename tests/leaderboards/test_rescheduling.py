"""Moving the dates of a challenge: what can be moved and what cannot, and what follows from it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from lms.accounts.models import AuditEvent, User
from lms.db import Clock, make_sessions, now
from lms.errors import Conflict, DomainError, Invalid, NotAllowed
from lms.leaderboards.core.schedule import MOVABLE, Schedule, as_shown
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Challenge, Share, Standing
from lms.leaderboards.policy import Phase, phase_of, share_at
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.queries.dates import DateChange, date_changes, schedule_of
from lms.leaderboards.services.challenges import publish_challenge
from lms.leaderboards.services.honouring import count_results
from lms.leaderboards.services.rescheduling import reschedule
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.teams import join
from lms.leaderboards.services.ties import lock_truth
from lms.leaderboards.tables.dates import ChallengeDateChange, DateChangeOrigin
from lms.leaderboards.tables.honours import BoardResult
from tests.factories.grades import make_class
from tests.factories.leaderboards import NOW, OPENS, Contest, make_contest

DAY = timedelta(days=1)
typed = datetime.fromisoformat
"""A time as people type it, on the calendar of the challenge's zone."""
WHY = "The server was down for a day."
WAIT = 60
"""Seconds after which a thread no longer waits for another."""


def until_one_waits(engine: Engine) -> None:
    """Return once a transaction waits for another one's lock."""
    with engine.connect() as looking:
        for _ in range(WAIT * 20):
            if looking.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
            time.sleep(0.05)
    pytest.fail("nobody waits")


def shown(challenge: Challenge) -> dict[str, datetime | None]:
    """The dates as the form shows them."""
    dates = schedule_of(challenge)
    return {
        name: None if (at := dates.date(name)) is None else as_shown(at, challenge.timezone)
        for name in MOVABLE
    }


def move(
    contest: Contest,
    *,
    actor: User | None = None,
    at: datetime | Clock = NOW,
    why: str = WHY,
    no_freeze: bool = False,
    **dates: Any,
) -> ChallengeDateChange:
    """Type some dates anew; a timedelta moves the date that is there."""
    found = shown(contest.challenge)
    for name, value in dates.items():
        before = found[name]
        found[name] = before + value if isinstance(value, timedelta) and before else value
    return reschedule(
        contest.session,
        actor or contest.organiser,
        contest.challenge,
        found,
        why,
        seen=schedule_of(contest.challenge).mark,
        clock=at if callable(at) else lambda: at,
        no_freeze=no_freeze,
    )


def moved(contest: Contest) -> list[DateChange]:
    return date_changes(contest.session, contest.challenge)


@pytest.fixture
def frozen(session: Session) -> Contest:
    """A challenge of 28 days that freezes after 24."""
    return make_contest(session, freeze={"after_days": 24})


def test_dates_move_with_the_board_and_it_is_written_down(contest: Contest) -> None:
    before = schedule_of(contest.challenge)
    made = move(contest, ends_at=7 * DAY, entry_deadline=DAY, why="  The server\x00 was down. ")
    after = schedule_of(contest.challenge)
    assert (after.ends_at, after.entry_deadline) == (before.ends_at + 7 * DAY, before.entry_deadline + DAY)
    assert (after.opens_at, after.merge_deadline) == (before.opens_at, before.merge_deadline)
    assert contest.board.ends_at == after.ends_at
    (told,) = moved(contest)
    assert (told.changed_at, told.reason) == (NOW, "The server was down.")
    assert (told.origin, told.organisation.id) == (DateChangeOrigin.PAGE, contest.sponsor.id)
    assert [(each.name, each.before, each.after) for each in told.moves] == [
        ("entry_deadline", before.entry_deadline, after.entry_deadline),
        ("ends_at", before.ends_at, after.ends_at),
    ]
    assert made.changed_by_id == contest.organiser.id
    assert all(text is None or text.endswith("+00:00") for text in (made.before | made.after).values())
    event = contest.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.action, event.subject) == ("challenge.reschedule", f"challenge:{contest.challenge.id}")
    assert event.details == {"change": made.id}


def test_the_newest_change_stands_first(contest: Contest) -> None:
    move(contest, ends_at=DAY, why="first")
    move(contest, ends_at=DAY, why="second", at=NOW + DAY)
    assert [each.reason for each in moved(contest)] == ["second", "first"]


@pytest.mark.parametrize(
    ("dates", "field"),
    [
        ({"ends_at": -20 * DAY}, "entry_deadline"),  # out of order
        ({"entry_deadline": 8 * DAY}, "entry_deadline"),
        ({"merge_deadline": 8 * DAY}, "merge_deadline"),
        ({"freezes_at": typed("2026-12-01")}, "freezes_at"),
        ({"ends_at": NOW.replace(tzinfo=None)}, "ends_at"),  # not after now
        ({"entry_deadline": -18 * DAY}, "entry_deadline"),
        ({"freezes_at": typed("2026-09-02")}, "freezes_at"),
        ({"ends_at": typed("9999-12-31T23:59")}, "ends_at"),
        ({"ends_at": typed("2096-09-27")}, "ends_at"),
        ({"ends_at": typed("0001-01-01")}, "ends_at"),
        ({"ends_at": None}, "ends_at"),
        ({}, None),
        ({"ends_at": DAY, "why": " \u200b "}, "reason"),
        ({"ends_at": DAY, "why": "x" * 301}, "reason"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    contest: Contest, dates: dict[str, Any], field: str | None
) -> None:
    before = schedule_of(contest.challenge)
    with pytest.raises(Invalid) as refused:
        move(contest, **dates)
    assert refused.value.field == field
    contest.session.flush()
    contest.session.expire_all()
    assert schedule_of(contest.challenge) == before
    assert (contest.board.ends_at, moved(contest)) == (before.ends_at, [])


@pytest.mark.parametrize("name", ["entry_deadline", "merge_deadline"])
def test_a_date_that_has_passed_stays_and_the_others_move(contest: Contest, name: str) -> None:
    late = contest.challenge.entry_deadline + timedelta(seconds=1)
    for by in (3 * DAY, -3 * DAY):
        other: dict[str, Any] = {name: by}
        with pytest.raises(Invalid, match="has passed") as refused:
            move(contest, at=late, **other)
        assert refused.value.field == name
    move(contest, at=late, ends_at=DAY)
    assert [each.name for each in moved(contest)[0].moves] == ["ends_at"]


def test_a_date_is_in_time_up_to_its_own_moment(contest: Contest) -> None:
    move(contest, at=contest.challenge.entry_deadline, entry_deadline=DAY)
    assert len(moved(contest)) == 1


def test_nothing_moves_once_the_challenge_has_ended(contest: Contest) -> None:
    ended = contest.challenge.ends_at + timedelta(seconds=1)
    assert phase_of(contest.challenge, ended) is Phase.ENDED
    with pytest.raises(Conflict, match="private scores have been shown"):
        move(contest, at=ended, ends_at=7 * DAY)
    assert moved(contest) == []


def test_a_freeze_that_has_begun_stays_while_the_end_moves(frozen: Contest) -> None:
    """Lifted or put off it would show what came while the board stood still."""
    team, freezes = frozen.team(), frozen.challenge.freezes_at
    assert freezes is not None
    frozen.enter(team, 0.5, at=freezes)
    frozen.enter(team, 0.9, at=freezes + timedelta(hours=1))
    during = freezes + timedelta(hours=2)
    for by, none in ((None, False), (None, True), (DAY, False), (-DAY, False)):
        with pytest.raises(Invalid, match="stands still already") as refused:
            move(frozen, at=during, freezes_at=by, no_freeze=none)
        assert refused.value.field == "freezes_at"
    move(frozen, at=during, ends_at=2 * DAY)
    assert share_at(frozen.board, during + 2 * DAY) is Share.FROZEN
    kept = frozen.standing(team, "frozen")
    assert kept is not None
    assert kept.score == 0.5
    assert differences(frozen.session, frozen.board) == []


def test_a_freeze_comes_moves_and_goes_with_its_standings(contest: Contest) -> None:
    team = contest.team()
    contest.enter(team, 0.5)
    count = select(func.count()).select_from(Standing).where(Standing.share == Share.FROZEN)
    assert contest.session.scalar(count) == 0
    move(contest, freezes_at=typed("2026-09-20T12:00"))
    assert contest.board.freezes_at == datetime(2026, 9, 20, 12, tzinfo=UTC)
    assert contest.session.scalar(count) == 1, "what was shown before stands there too"
    move(contest, freezes_at=DAY)
    contest.enter(team, 0.9, at=datetime(2026, 9, 21, 12, 1, tzinfo=UTC))
    kept, public = contest.standing(team, "frozen"), contest.standing(team)
    assert kept is not None
    assert public is not None
    assert (kept.score, public.score) == (0.5, 0.9)
    assert differences(contest.session, contest.board) == []


def test_a_freeze_ahead_can_be_lifted(frozen: Contest) -> None:
    frozen.enter(frozen.team(), 0.5)
    move(frozen, freezes_at=None, no_freeze=True)
    assert (frozen.challenge.freezes_at, frozen.board.freezes_at) == (None, None)
    assert differences(frozen.session, frozen.board) == []
    (told,) = moved(frozen)
    assert told.moves[0].after is None


def test_a_freeze_goes_only_where_somebody_says_so(frozen: Contest) -> None:
    """A browser sends a date of which a part is missing as nothing."""
    stands = frozen.challenge.freezes_at
    for wrong in ({"freezes_at": None}, {"freezes_at": DAY, "no_freeze": True}):
        with pytest.raises(Invalid) as refused:
            move(frozen, ends_at=DAY, **wrong)
        assert refused.value.field == "freezes_at"
    assert (frozen.challenge.freezes_at, moved(frozen)) == (stands, [])
    move(frozen, no_freeze=True)  # the date that stood is still in its field
    assert frozen.challenge.freezes_at is None
    move(frozen, ends_at=DAY)
    assert frozen.challenge.freezes_at is None, "where none stands nothing has to be said"


def test_an_end_that_passes_while_it_is_put_off_stays(contest: Contest) -> None:
    """Working out the standings may take a while, and others were shown private scores meanwhile."""
    before = schedule_of(contest.challenge)
    moments = iter([before.ends_at, before.ends_at + timedelta(microseconds=1)])
    contest.challenge.entry_deadline = contest.challenge.merge_deadline = before.ends_at
    contest.session.flush()
    with pytest.raises(Conflict, match="private scores have been shown"):
        move(contest, at=lambda: next(moments), ends_at=7 * DAY, freezes_at=typed("2026-10-01"))
    for _ in range(2):
        assert contest.challenge.ends_at == contest.board.ends_at == before.ends_at
        assert (contest.board.freezes_at, moved(contest)) == (None, [])
        contest.session.flush()
        contest.session.expire_all()


def test_who_may_join_and_when_a_board_ends_follow_at_once(contest: Contest) -> None:
    team, ends = contest.team(), contest.challenge.ends_at
    deadline = contest.challenge.entry_deadline
    move(contest, entry_deadline=-10 * DAY, merge_deadline=-10 * DAY, ends_at=-7 * DAY)
    with pytest.raises(Conflict, match="entry deadline"):
        join(contest.session, contest.person(), contest.challenge, "late", at=deadline - DAY)
    with pytest.raises(Conflict, match="has ended"):
        contest.take(team, at=ends - DAY)
    assert share_at(contest.board, ends - DAY) is Share.PRIVATE
    count_results(contest.session, contest.board, ends - DAY)
    kept = contest.session.get(BoardResult, contest.board.id)
    assert kept is not None
    assert kept.ended_at == ends - 7 * DAY


def test_dates_are_those_of_the_zone_also_where_its_clocks_change(session: Session) -> None:
    contest = make_contest(session, timezone="America/New_York", opens_at=datetime(2026, 10, 10, tzinfo=UTC))
    at = datetime(2026, 10, 12, tzinfo=UTC)
    move(contest, at=at, ends_at=typed("2026-11-01T01:30"))
    assert contest.challenge.ends_at == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    contest.challenge.ends_at = datetime(2026, 11, 1, 5, 30, 12, tzinfo=UTC)  # the first of both
    session.flush()
    move(contest, at=at, entry_deadline=-DAY)
    assert contest.challenge.ends_at == datetime(2026, 11, 1, 5, 30, 12, tzinfo=UTC), "nobody touched it"
    move(contest, at=at, ends_at=typed("2027-03-14T02:30"))
    assert contest.challenge.ends_at == datetime(2027, 3, 14, 7, 30, tzinfo=UTC)


def test_only_those_who_run_the_challenge_move_its_dates(contest: Contest) -> None:
    stranger, member = contest.person(), contest.leader(contest.team())
    for someone in (stranger, member):
        with pytest.raises(NotAllowed):
            move(contest, actor=someone, ends_at=DAY)
    assert moved(contest) == []


def test_a_change_is_told_in_the_name_of_whose_course_it_is(session: Session) -> None:
    group = make_class(session)
    assert group.contest.challenge.lab is not None
    move(group.contest, actor=group.instructor, ends_at=DAY)
    (told,) = moved(group.contest)
    assert told.organisation in (group.course.university, group.course.company)
    assert told.organisation.id in {each.organisation_id for each in group.instructor.memberships}


def test_who_saw_older_dates_is_told_and_keeps_nothing(contest: Contest) -> None:
    seen, wanted = schedule_of(contest.challenge).mark, shown(contest.challenge)
    move(contest, ends_at=DAY)
    wanted["ends_at"] = typed("2026-10-30")
    before = schedule_of(contest.challenge)
    with pytest.raises(Conflict, match="meanwhile"):
        reschedule(
            contest.session, contest.organiser, contest.challenge, wanted, WHY, seen=seen, clock=lambda: NOW
        )
    assert schedule_of(contest.challenge) == before


@pytest.fixture
def running(crossing: Engine) -> tuple[Engine, int, int]:
    """A challenge on a database on which connections meet: its number and its organiser's."""
    with make_sessions(crossing, writing=True).begin() as session:
        contest = make_contest(session)
        found = contest.challenge.id, contest.organiser.id
    return crossing, *found


def test_of_two_organisers_at_once_one_is_told_of_the_other(running: tuple[Engine, int, int]) -> None:
    engine, challenge_id, organiser_id = running
    sessions, gate = make_sessions(engine, writing=True), threading.Barrier(4, timeout=WAIT)
    with sessions() as session:
        challenge = session.get_one(Challenge, challenge_id)
        seen, dates, ends = schedule_of(challenge).mark, shown(challenge), challenge.ends_at

    def act(number: int) -> str:
        gate.wait()
        try:
            with sessions.begin() as session:
                challenge = session.get_one(Challenge, challenge_id)
                own = dates | {"ends_at": (ends + (number + 1) * DAY).replace(tzinfo=None)}
                actor = session.get_one(User, organiser_id)
                reschedule(session, actor, challenge, own, WHY, seen=seen, clock=lambda: NOW)
        except Conflict:
            return "told"
        return "moved"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(act, range(4), timeout=WAIT)) == ["moved", "told", "told", "told"]
    with sessions() as session:
        challenge = session.get_one(Challenge, challenge_id)
        (told,) = date_changes(session, challenge)
        assert told.moves[0].after == challenge.ends_at > ends


def test_publishing_while_somebody_moves_dates_keeps_them(crossing: Engine) -> None:
    """Its board ends with the challenge, whichever of both comes first."""
    sessions, gate = make_sessions(crossing, writing=True), threading.Barrier(4, timeout=WAIT)
    with sessions.begin() as session:
        contest = make_contest(session)
        challenge_id, organiser_id, document = contest.challenge.id, contest.organiser.id, contest.document
        seen, dates = schedule_of(contest.challenge).mark, shown(contest.challenge)

    def act(number: int) -> None:
        with sessions.begin() as session:
            challenge, actor = session.get_one(Challenge, challenge_id), session.get_one(User, organiser_id)
            if crossing.dialect.name == "postgresql":  # each has read the dates before; SQLite has one writer
                gate.wait()
            if number:
                publish_challenge(session, None, document | {"licence": f"licence {number}"}, at=NOW)
            else:
                wanted = dates | {"ends_at": typed("2026-10-30T12:00")}
                reschedule(session, actor, challenge, wanted, WHY, seen=seen, clock=lambda: NOW)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, range(4), timeout=WAIT))
    with sessions() as session:
        challenge = session.get_one(Challenge, challenge_id)
        assert challenge.ends_at == datetime(2026, 10, 30, 12, tzinfo=UTC)
        assert board_of_challenge(session, challenge).ends_at == challenge.ends_at
        assert len(date_changes(session, challenge)) == 1


@pytest.mark.postgres
def test_an_entry_scored_while_a_freeze_comes_stands_before_it_too(postgres_engine: Engine) -> None:
    """Whoever scores has read a board without a freeze; who sets it waits for them."""
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest = make_contest(session)
        team = contest.team()
        contest.enter(team, 0.5)
        entry, challenge_id, organiser_id = contest.take(team).id, contest.challenge.id, contest.organiser.id
    scored = threading.Event()

    def score() -> None:
        with sessions.begin() as session:
            score_entry(session, entry, Scores(0.9, 0.9), at=NOW)
            scored.set()
            until_one_waits(postgres_engine)

    def freeze() -> None:
        assert scored.wait(WAIT)
        with sessions.begin() as session:
            challenge, actor = session.get_one(Challenge, challenge_id), session.get_one(User, organiser_id)
            dates = shown(challenge) | {"freezes_at": typed("2026-09-20")}
            seen = schedule_of(challenge).mark
            reschedule(session, actor, challenge, dates, WHY, seen=seen, clock=lambda: NOW)

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(score), threads.submit(freeze)]:
            done.result(WAIT)
    with sessions() as session:
        challenge = session.get_one(Challenge, challenge_id)
        board = board_of_challenge(session, challenge)
        assert board.freezes_at is not None
        assert differences(session, board) == []


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("name", "words"), [("ends_at", "private scores have been shown"), ("entry_deadline", "has passed")]
)
def test_a_date_that_passes_while_one_waits_for_another_stays(
    postgres_engine: Engine, name: str, words: str
) -> None:
    sessions, held = make_sessions(postgres_engine, writing=True), threading.Event()
    with sessions.begin() as session:
        contest = make_contest(session, opens_at=now() - 3 * DAY)
        challenge = contest.challenge
        soon = now() + timedelta(seconds=3)
        for each in MOVABLE if name == "ends_at" else (name,):
            setattr(challenge, each, soon)
        contest.board.freezes_at, contest.board.ends_at = challenge.freezes_at, challenge.ends_at
        challenge_id, organiser_id, board_id = challenge.id, contest.organiser.id, contest.board.id

    def hold() -> None:
        with sessions.begin() as session:
            lock_truth(session, board_id)
            held.set()
            until_one_waits(postgres_engine)
            while now() <= soon:
                time.sleep(0.05)

    def put_off() -> None:
        assert held.wait(WAIT)
        with sessions.begin() as session:
            challenge, actor = session.get_one(Challenge, challenge_id), session.get_one(User, organiser_id)
            dates = shown(challenge) | {name: as_shown(soon + 7 * DAY, challenge.timezone)}
            seen = schedule_of(challenge).mark
            reschedule(session, actor, challenge, dates, WHY, seen=seen, clock=now)

    with ThreadPoolExecutor(2) as threads:
        holding, putting = threads.submit(hold), threads.submit(put_off)
        holding.result(WAIT)
        with pytest.raises(DomainError, match=words):
            putting.result(WAIT)
    with sessions() as session:
        assert schedule_of(session.get_one(Challenge, challenge_id)).date(name) == soon


def publish(contest: Contest, at: datetime = NOW + DAY, **changes: Any) -> Schedule:
    document = contest.document | changes
    publish_challenge(contest.session, None, document, at=at)
    return schedule_of(contest.challenge)


def test_publishing_anew_keeps_what_was_moved_while_the_documents_dates_are_what_they_were(
    contest: Contest,
) -> None:
    move(contest, ends_at=7 * DAY, freezes_at=typed("2026-09-25"))
    stands = schedule_of(contest.challenge)
    for changes in ({}, {"title": {"ko": "새 소포", "en": "New parcels"}}, {"licence": "CC0-1.0"}):
        assert publish(contest, **changes) == stands
        assert (contest.board.ends_at, contest.board.freezes_at) == (stands.ends_at, stands.freezes_at)
    assert contest.challenge.licence == "CC0-1.0"
    assert [each.reason for each in moved(contest)] == [WHY]


def test_a_date_that_changed_in_the_document_wins_and_is_written_down(contest: Contest) -> None:
    move(contest, ends_at=7 * DAY, entry_deadline=DAY)
    before = schedule_of(contest.challenge)
    changed = {"dates": contest.document["dates"] | {"ends": {"after_days": 30}}}
    after = publish(contest, **changed)
    assert after.ends_at == datetime(2026, 10, 1, 23, 59, tzinfo=UTC)
    assert after.entry_deadline == before.entry_deadline, "of which the document says nothing new"
    newest, oldest = moved(contest)
    assert (newest.origin, newest.reason) == (DateChangeOrigin.PUBLICATION, "")
    assert (newest.changed_at, newest.organisation) == (NOW + DAY, contest.sponsor)
    assert [(each.name, each.after) for each in newest.moves] == [("ends_at", after.ends_at)]
    assert oldest.origin is DateChangeOrigin.PAGE
    assert publish(contest, **changed) == after, "the same document changes nothing more"
    assert len(moved(contest)) == 2


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"merge_deadline": {"after_days": 21}}, {"merge_deadline"}),
        ({"entry_deadline": None}, {"entry_deadline"}),  # then it is the end's
        ({"freeze": None}, {"freezes_at"}),
        ({"ends": {"moment": "2026-09-29T08:59:00+09:00"}}, set()),  # the same, written otherwise
    ],
)
def test_a_running_challenge_takes_only_what_its_document_says_anew(
    frozen: Contest, change: dict[str, Any], taken: set[str]
) -> None:
    """An end that was put off stays: else all would read private scores at once."""
    end = frozen.challenge.ends_at
    move(frozen, ends_at=7 * DAY)
    before = schedule_of(frozen.challenge)
    after = publish(frozen, at=end + 2 * DAY, dates=frozen.document["dates"] | change)
    assert {name for name in MOVABLE if after.date(name) != before.date(name)} == taken
    assert (after.ends_at, frozen.board.ends_at) == (end + 7 * DAY, end + 7 * DAY)
    assert share_at(frozen.board, end + 2 * DAY) is not Share.PRIVATE


def test_deadlines_that_a_document_never_says_stay_where_they_were_moved(contest: Contest) -> None:
    """They follow the end as long as nobody moved them; one that was closed does not open again."""
    silent = {"ends": contest.document["dates"]["ends"]}
    publish(contest, dates=silent)
    end = contest.challenge.ends_at
    assert (contest.challenge.entry_deadline, contest.challenge.merge_deadline) == (end, end)
    move(contest, merge_deadline=-DAY)
    merge = contest.challenge.merge_deadline
    after = publish(contest, dates={"ends": {"after_days": 40}})
    assert after.ends_at > end
    assert (after.entry_deadline, after.merge_deadline) == (after.ends_at, merge)


def test_publishing_ends_a_running_challenge_only_if_its_document_says_so(contest: Contest) -> None:
    end = contest.challenge.ends_at
    move(contest, ends_at=7 * DAY)
    during, before = end + 2 * DAY, schedule_of(contest.challenge)
    with pytest.raises(Conflict, match="private scores") as refused, contest.session.begin_nested():
        publish(contest, at=during, timezone="Asia/Seoul")
    assert f'ends: "{before.ends_at.isoformat()}"' in str(refused.value)
    assert (schedule_of(contest.challenge), len(moved(contest))) == (before, 1)
    written = contest.document["dates"] | {"ends": before.ends_at.isoformat()}
    assert publish(contest, at=during, timezone="Asia/Seoul", dates=written).ends_at == before.ends_at
    early = contest.document["dates"] | {"ends": {"after_days": 28}}
    assert publish(contest, at=during, timezone="Asia/Seoul", dates=early).ends_at < during, "as it says"


def test_dates_that_do_not_fit_those_that_were_moved_are_refused(contest: Contest) -> None:
    move(contest, ends_at=7 * DAY, entry_deadline=10 * DAY)
    early = contest.document["dates"] | {"ends": {"after_days": 25}}
    with pytest.raises(Invalid, match="moved on the challenge's page") as refused:
        publish(contest, dates=early)
    assert refused.value.field == "dates"
    contest.session.expire_all()
    dates = early | {"entry_deadline": {"after_days": 24}}
    assert publish(contest, dates=dates).entry_deadline == datetime(2026, 9, 25, 23, 59, tzinfo=UTC)


def test_a_document_that_says_what_stands_is_no_change(contest: Contest) -> None:
    move(contest, ends_at=typed("2026-10-05T23:59"))
    publish(contest, dates=contest.document["dates"] | {"ends": {"after_days": 34}})
    assert contest.challenge.ends_at == datetime(2026, 10, 5, 23, 59, tzinfo=UTC)
    assert len(moved(contest)) == 1


def test_another_zone_or_opening_counts_the_documents_days_anew(contest: Contest) -> None:
    move(contest, ends_at=7 * DAY)
    document = contest.document | {"timezone": "Asia/Seoul"}
    publish_challenge(contest.session, None, document, at=NOW)
    assert contest.challenge.ends_at == datetime(2026, 9, 28, 14, 59, tzinfo=UTC)
    move(contest, ends_at=7 * DAY)
    publish_challenge(contest.session, None, document, opens_at=OPENS + DAY, at=NOW)
    assert contest.challenge.ends_at == datetime(2026, 9, 29, 14, 59, tzinfo=UTC)
    assert moved(contest)[0].moves[0].name == "opens_at"


def test_publishing_a_challenge_for_the_first_time_moves_nothing(contest: Contest) -> None:
    assert moved(contest) == []


def test_a_document_out_of_order_is_refused_whole(contest: Contest) -> None:
    with pytest.raises(DomainError) as refused, contest.session.begin_nested():
        publish(contest, dates=contest.document["dates"] | {"ends": {"after_days": 3}})
    assert isinstance(refused.value, Invalid)
    assert refused.value.field == "dates"
    assert moved(contest) == []
