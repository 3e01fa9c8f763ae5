"""Clocks that step back, differ or are made up: an entry has one stamp, place and day, and none is lost."""

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import make_engine, make_sessions
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Entry, EntryState, QuotaDay, Share, Standing, Team
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.services.scoring import score_entry
from tests.leaderboards.clocks import CLOCK, GOOD, MICROSECOND, Site, Steps, make_site

SECOND = timedelta(seconds=1)
PER_DAY = 2
WAIT_SECONDS = 60
SKEW = 5 * SECOND  # of each of two servers, in opposite directions


@pytest.fixture
def site(crossing: Engine, settings: Settings, tmp_path: Path) -> Site:
    return make_site(crossing, settings, tmp_path, per_day=PER_DAY)


@pytest.fixture
def midnight(site: Site) -> datetime:
    """The beginning of a day of the quota, some days before the end."""
    return datetime.combine(site.ends_at.date() - timedelta(days=5), time(), UTC)


def test_a_clock_that_steps_back_leaves_every_entry_its_place_and_its_day(
    site: Site, midnight: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, clock = site.leader(), Steps(midnight)
    monkeypatch.setattr(CLOCK, clock)
    answers = []
    for seconds in (1, -1, 1, 2, -1, -2):  # over midnight and back, and twice at one and the same moment
        clock.moment = midnight + seconds * SECOND
        answers.append(site.send(leader))
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 202, 429]
    first, before, again, _, before_again, _ = [answer.get_json().get("id") for answer in answers]
    entries = site.receipts()
    assert [entry.id for entry in entries] == [before, before_again, first, again]
    assert [entry.received_at for entry in entries] == [midnight - SECOND] * 2 + [midnight + SECOND] * 2
    assert len({entry.sequence for entry in entries}) == 4
    with site.sessions() as session:
        days = session.execute(select(QuotaDay.day, QuotaDay.used).order_by(QuotaDay.day)).all()
        yesterday = midnight.date() - timedelta(days=1)
        assert [tuple(day) for day in days] == [(yesterday, PER_DAY), (midnight.date(), PER_DAY)]
        team = session.scalars(select(Team)).one()
        assert (team.taken, team.last_received_at) == (4, midnight + SECOND)


def test_of_equal_scores_the_earlier_stamp_stands_though_its_clock_had_stepped_back(
    site: Site, midnight: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, other, clock = site.leader(), site.leader(), Steps(midnight)
    monkeypatch.setattr(CLOCK, clock)
    sent = []
    for person, seconds in ((leader, 3), (other, 2), (leader, 1)):
        clock.moment = midnight + seconds * SECOND
        sent.append(site.send(person).get_json()["id"])
    late, others, early = sent
    with site.sessions.begin() as session:
        for number in sent:
            score_entry(session, number, Scores(0.5, 0.5), at=midnight)
    with site.sessions() as session:
        stands = select(Standing.entry_id).where(Standing.share == Share.PUBLIC).order_by(Standing.key)
        assert session.scalars(stands).all() == [early, others]
        assert session.get_one(Entry, late).state is EntryState.SCORED
        assert differences(session, session.scalars(select(Board)).one()) == []


def send_as_server(
    url: str, settings: Settings, folder: Path, path: str, posts: list[tuple[datetime, dict[str, str]]]
) -> list[int]:
    """Be a web server with a clock of its own: take posts, each at a moment of it; return the codes."""
    engine, clock = make_engine(url), Steps(posts[0][0])
    app = create_app(settings, sessions=make_sessions(engine), blobs=FolderBlobs(folder))
    codes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CLOCK, clock)
        for clock.moment, headers in posts:
            codes.append(app.test_client().post(path, data=GOOD, headers=headers).status_code)
    engine.dispose()
    return codes


@pytest.fixture
def servers() -> Iterator[list[ProcessPoolExecutor]]:
    """Two processes."""
    spawn = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, mp_context=spawn) for _ in range(2)]
    yield pools
    for pool in pools:
        pool.shutdown()


def test_servers_whose_clocks_differ_take_all_entries_in_the_order_of_their_stamps(
    site: Site, crossing: Engine, settings: Settings, tmp_path: Path, servers: list[ProcessPoolExecutor]
) -> None:
    """As documented: the order, the day and the end are those of the clock that took the entry."""
    fast, slow = servers
    url = crossing.url.render_as_string(hide_password=False)
    people = [site.token(site.leader()) for _ in range(4)]

    def send(server: ProcessPoolExecutor, *posts: tuple[datetime, dict[str, str]]) -> Future[list[int]]:
        return server.submit(send_as_server, url, settings, tmp_path / "site-blobs", site.path, list(posts))

    noon = site.ends_at - timedelta(days=3)
    assert send(fast, (noon + SKEW, people[0])).result(WAIT_SECONDS) == [202]
    assert send(slow, (noon + SECOND - SKEW, people[1])).result(WAIT_SECONDS) == [202]  # a second later
    assert [entry.received_at - noon for entry in site.receipts()] == [SECOND - SKEW, SKEW]
    both = [
        send(server, *[(noon + sign * SKEW + each * SECOND, people[2]) for each in range(PER_DAY + 1)])
        for server, sign in ((fast, 1), (slow, -1))
    ]
    codes = Counter(code for each in both for code in each.result(WAIT_SECONDS))
    assert codes == {202: PER_DAY, 429: PER_DAY + 2}  # one quota for both
    last = site.ends_at - SECOND
    assert send(fast, (last + SKEW, people[3])).result(WAIT_SECONDS) == [409]
    assert send(slow, (last - SKEW, people[3])).result(WAIT_SECONDS) == [202]
    entries = site.receipts()
    assert len({entry.sequence for entry in entries}) == len(entries) == 2 + PER_DAY + 1


FORGED = (
    "Date",
    "If-Unmodified-Since",
    "Last-Modified",
    "Received-At",
    "X-Received-At",
    "X-Request-Start",
    "X-Queue-Start",
    "X-Forwarded-Time",
    "Timestamp",
)


@pytest.mark.parametrize("proxies", [0, 1])
def test_what_a_client_says_of_the_time_changes_nothing(
    crossing: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxies: int
) -> None:
    site = make_site(crossing, replace(settings, trusted_proxies=proxies), tmp_path, per_day=PER_DAY)
    leader, clock = site.leader(), Steps(site.ends_at - SECOND)
    monkeypatch.setattr(CLOCK, clock)
    said = clock.moment - timedelta(days=3)
    claims = {name: format_datetime(said, usegmt=True) for name in FORGED}
    claims |= {"X-Request-Start": f"t={said.timestamp():.3f}", "X-Received-At": said.isoformat()}
    assert site.send(leader, received_at=said, headers=claims).status_code == 202
    [entry] = site.receipts()
    assert (entry.received_at, entry.day) == (clock.moment, clock.moment.date())
    clock.moment = site.ends_at + MICROSECOND
    assert site.send(leader, received_at=said, headers=claims).status_code == 409
    assert len(site.receipts()) == 1
