import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import make_sessions
from lms.errors import Conflict, DomainError, NotAllowed, NotFound, TooSoon
from lms.leaderboards.core.failures import SCORER_FAILED
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Challenge, Entry, EntryKind, EntryState, QuotaDay, Team
from lms.leaderboards.queries.entries import quota_of
from lms.leaderboards.services import rescoring
from lms.leaderboards.services.receiving import Work, microseconds, take_entry
from lms.leaderboards.services.scoring import fail_entry, retry_entry, score_entry
from tests.factories.leaderboards import NOW, OPENS, Contest, make_contest

WORK = Work(EntryKind.PREDICTIONS, "b" * 64, "mine.csv", 10)
THREADS = 6


@pytest.fixture
def team(contest: Contest) -> Team:
    return contest.team()


def test_a_receipt_has_its_stamp_its_place_and_its_day(contest: Contest, team: Team) -> None:
    entry = contest.take(team, at=NOW, filename="mine.csv")
    assert (entry.received_at, entry.sequence, entry.day) == (NOW, microseconds(NOW), NOW.date())
    assert (entry.state, entry.filename) == (EntryState.RECEIVED, "mine.csv")


def test_receipts_of_one_microsecond_have_places_of_their_own(contest: Contest) -> None:
    entries = [contest.take(contest.team(), at=NOW) for _ in range(3)]
    assert [entry.sequence - microseconds(NOW) for entry in entries] == [0, 1, 2]


def test_receipt_counts_and_not_the_order_of_writing_down(contest: Contest) -> None:
    late, early = contest.team(), contest.team()
    contest.enter(late, 0.9, at=NOW + timedelta(seconds=1))
    contest.enter(early, 0.9, at=NOW)
    first, second = contest.standing(early), contest.standing(late)
    assert first is not None
    assert second is not None
    assert first.key < second.key


def test_entries_in_flight_hold_a_slot(contest: Contest, team: Team) -> None:
    for _ in range(5):
        contest.take(team)
    with pytest.raises(TooSoon) as refused:
        contest.take(team)
    midnight = datetime(2026, 9, 5, tzinfo=UTC)
    wait = midnight - contest.session.scalars(select(func.max(Entry.received_at))).one()
    assert 0 <= wait.total_seconds() - refused.value.retry_after_seconds < 3
    assert refused.value.params["time"] == "2026-09-05 00:00 (UTC)"
    assert contest.take(team, at=midnight).day == midnight.date()


def test_a_failure_gives_its_slot_back_under_a_cap_of_its_own(contest: Contest, team: Team) -> None:
    for _ in range(3):
        fail_entry(contest.session, contest.take(team).id, "broken")
    assert counted(contest, team) == (0, 3, 0)
    fail_entry(contest.session, contest.take(team).id, "broken")  # beyond the cap: it costs its slot
    assert counted(contest, team) == (1, 3, 1)
    for _ in range(4):
        contest.enter(team, 0.5)
    with pytest.raises(TooSoon, match="All 5 entries of this day"):
        contest.take(team)


def test_entries_in_flight_that_all_fail_give_no_more_slots_back_than_the_cap(
    contest: Contest, team: Team
) -> None:
    for _ in range(2):
        entries = [contest.take(team) for _ in range(5 - counted(contest, team)[0])]
        for entry in entries:
            fail_entry(contest.session, entry.id, "broken")
    assert counted(contest, team) == (5, 3, 5)  # 8 files: the limit and the cap


def test_an_entry_that_the_organisers_scorer_failed_on_counts_too_and_is_scored_again_for_nothing(
    contest: Contest, team: Team
) -> None:
    """Predictions can be made for that, and each is a run in the jail."""
    entries = [contest.take(team) for _ in range(4)]
    for entry in entries:
        fail_entry(contest.session, entry.id, SCORER_FAILED)
    assert counted(contest, team) == (1, 3, 1)
    for entry in entries:
        retry_entry(contest.session, entry.id)
    assert counted(contest, team) == (4, 0, 4)


def test_what_is_to_be_scored_again_is_not_scored_by_a_truth_that_is_published_meanwhile(
    contest: Contest, team: Team
) -> None:
    session, (again, failing) = contest.session, [contest.take(team) for _ in range(2)]
    for entry in (again, failing):
        fail_entry(session, entry.id, SCORER_FAILED)
    truth = rescoring.prepare_rescore(session, None, contest.board, "mended", blob=None, at=NOW)
    for entry in (again, failing):
        rescoring.rescore_entry(session, truth, entry.id, Scores(0.7, 0.7))
        retry_entry(session, entry.id)
    fail_entry(session, failing.id, "not_finite")
    assert counted(contest, team) == (1, 1, 1)
    rescoring.publish_rescore(session, None, truth, at=NOW)
    assert counted(contest, team) == (1, 1, 1)
    assert [entry.state for entry in (again, failing)] == [EntryState.RECEIVED, EntryState.FAILED]
    score_entry(session, again.id, Scores(0.7, 0.7), at=NOW, truth_version=truth.version)
    assert again.state is EntryState.SCORED


def test_an_entry_that_kept_its_slot_takes_no_second_one_when_it_is_tried_again(
    contest: Contest, team: Team
) -> None:
    entries = [contest.take(team) for _ in range(4)]
    for entry in entries:
        fail_entry(contest.session, entry.id, "broken")
    for at, expected in ((3, (1, 3, 1)), (0, (2, 2, 2))):
        retry_entry(contest.session, entries[at].id)
        assert counted(contest, team) == expected
    fail_entry(contest.session, entries[3].id, "broken")  # a place under the cap has come free
    assert counted(contest, team) == (1, 3, 1)


def counted(contest: Contest, team: Team) -> tuple[int, int, int]:
    """Slots of the day that are held, counted failures of the day, slots of the whole."""
    quota = quota_of(contest.session, contest.challenge, team, NOW)
    assert quota.left == 5 - quota.used
    return quota.used, quota.failed, quota.taken


def test_a_failure_that_is_told_twice_gives_one_slot_back(contest: Contest, team: Team) -> None:
    entry = contest.take(team)
    for _ in range(2):
        fail_entry(contest.session, entry.id, "broken")
    counter = contest.session.get_one(QuotaDay, (team.id, NOW.date()))
    assert (counter.used, counter.failed) == (0, 1)


def test_an_entry_that_is_tried_again_holds_its_slot_again(contest: Contest, team: Team) -> None:
    entry = contest.take(team)
    fail_entry(contest.session, entry.id, "broken")
    retry_entry(contest.session, entry.id)
    quota = quota_of(contest.session, contest.challenge, team, NOW)
    assert (quota.used, quota.failed, quota.taken) == (1, 0, 1)
    assert contest.score(entry, 0.5).state is EntryState.SCORED


def test_the_day_is_a_day_of_the_challenges_zone(session: Session) -> None:
    contest = make_contest(session, timezone="Asia/Seoul", per_day=1)
    team = contest.team()
    evening = datetime(2026, 9, 4, 14, 59, tzinfo=UTC)  # 23:59 in Seoul
    contest.take(team, at=evening)
    with pytest.raises(TooSoon) as refused:
        contest.take(team, at=evening + timedelta(seconds=30))
    assert refused.value.retry_after_seconds == 30
    contest.take(team, at=evening + timedelta(minutes=1))


def test_the_whole_challenge_has_a_limit_too(session: Session) -> None:
    contest = make_contest(session, total=2)
    team = contest.team()
    contest.take(team)
    contest.take(team)
    with pytest.raises(Conflict, match="All 2 entries of your team"):
        contest.take(team, at=NOW + timedelta(days=1))
    assert quota_of(session, contest.challenge, team, NOW).next_at is None


def test_nothing_is_taken_before_the_opening_or_after_the_end(contest: Contest, team: Team) -> None:
    end = contest.challenge.ends_at
    with pytest.raises(Conflict):
        contest.take(team, at=OPENS - timedelta(microseconds=1))
    with pytest.raises(Conflict):
        contest.take(team, at=end + timedelta(microseconds=1))
    assert contest.take(team, at=end).received_at == end


def test_only_members_who_accepted_the_rules_as_they_are_can_enter(contest: Contest, team: Team) -> None:
    session, challenge = contest.session, contest.challenge
    with pytest.raises(NotFound):
        take_entry(session, contest.person(), challenge, WORK, received_at=NOW)
    challenge.rules_version = "2"
    with pytest.raises(NotAllowed, match="rules"):
        contest.take(team)


@pytest.fixture
def meeting(crossing: Engine) -> sessionmaker[Session]:
    return make_sessions(crossing, writing=True)


def test_parallel_posts_take_every_slot_once_and_none_twice(meeting: sessionmaker[Session]) -> None:
    with meeting.begin() as session:
        contest = make_contest(session, per_day=4, total=6)
        team = contest.team()
        number, user = contest.challenge.id, contest.leader(team).id
    gate = threading.Barrier(THREADS)

    def post(thread: int) -> list[str]:
        answers = []
        for day in (0, 1):
            gate.wait()
            try:
                with meeting.begin() as session:
                    moment = NOW + timedelta(days=day, microseconds=thread % 2)
                    person, challenge = session.get_one(User, user), session.get_one(Challenge, number)
                    take_entry(session, person, challenge, WORK, received_at=moment)
            except DomainError as refused:
                answers.append(type(refused).__name__)
            else:
                answers.append("taken")
        return answers

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for both in pool.map(post, range(THREADS)) for answer in both]
    assert Counter(answers) == {"taken": 6, "TooSoon": 2, "Conflict": 4}
    with meeting() as session:
        days = session.scalars(select(QuotaDay.used).order_by(QuotaDay.day)).all()
        assert sum(days) == 6
        assert max(days) <= 4
        sequences = session.scalars(select(Entry.sequence)).all()
        assert len(set(sequences)) == 6
        assert session.scalars(select(Team.taken)).one() == 6


def test_parallel_failures_give_no_more_slots_back_than_the_cap(meeting: sessionmaker[Session]) -> None:
    with meeting.begin() as session:
        contest = make_contest(session, per_day=4, failures_per_day=2)
        team = contest.team()
        number, user = contest.challenge.id, contest.leader(team).id

    def post_and_fail(thread: int) -> int:
        done = 0
        for turn in range(4):
            moment = NOW + timedelta(microseconds=4 * thread + turn)
            try:
                with meeting.begin() as session:
                    person, challenge = session.get_one(User, user), session.get_one(Challenge, number)
                    entry = take_entry(session, person, challenge, WORK, received_at=moment).id
            except TooSoon:
                continue
            done += 1
            with meeting.begin() as session:
                fail_entry(session, entry, "broken")
        return done

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(post_and_fail, range(THREADS))) == 6
    with meeting() as session:
        day = session.scalars(select(QuotaDay)).one()
        assert (day.used, day.failed, session.scalars(select(Team.taken)).one()) == (4, 2, 4)
