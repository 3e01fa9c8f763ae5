"""What a board costs as it grows: pages and places from kept standings, and from all entries at every visit.

`python -m benchmarks.leaderboards [--entries 1000,10000,100000,1000000] [--teams 10000] [--on postgres]`:
every size is a board of its own in a fresh database on disk, on SQLite and on a PostgreSQL that is started
for it and writes as durably as by default. Medians of repeated reads in one session, without the web; the
naive statement is the usual one, `ROW_NUMBER` over the best entry of each team, run over the same rows. The
ratio of the two says more than either figure, as both have the same machine.
"""

import argparse
import csv
import io
import os
import pwd
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.machine import tell_machine
from lms.accounts.models import User
from lms.db import make_engine, make_sessions
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.core.tables import read_table
from lms.leaderboards.models import Board, EntryKind, Share, Standing, Team
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.queries.finding import Sought, found
from lms.leaderboards.queries.standings import own_place, standings
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.standing import rebuild
from lms.migrate import upgrade
from tests.factories.leaderboards import NOW, OPENS, make_contest

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TEAMS = 10_000
READS = 30
NAIVE_READS = 5
WRITES = 100
NAIVE_TOP = """
    SELECT team_id, released_score FROM (
        SELECT team_id, released_score, sequence,
               ROW_NUMBER() OVER (PARTITION BY team_id ORDER BY released_score DESC, sequence) AS place
        FROM entries WHERE board_id = :board AND state = 'scored' AND team_id IS NOT NULL
    ) best WHERE place = 1 ORDER BY released_score DESC, sequence LIMIT 50
"""
NAIVE_OWN = """
    WITH best AS (
        SELECT team_id, released_score, sequence,
               ROW_NUMBER() OVER (PARTITION BY team_id ORDER BY released_score DESC, sequence) AS place
        FROM entries WHERE board_id = :board AND state = 'scored' AND team_id IS NOT NULL
    )
    SELECT rank FROM (
        SELECT team_id, ROW_NUMBER() OVER (ORDER BY released_score DESC, sequence) AS rank
        FROM best WHERE place = 1
    ) ranked WHERE team_id = :team
"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", default=",".join(map(str, SIZES)))
    parser.add_argument("--teams", type=int, default=TEAMS)
    parser.add_argument("--on", choices=["sqlite", "postgres", "both"], default="both")
    options = parser.parse_args()
    sizes = [int(size) for size in options.entries.split(",")]
    tell_machine()
    with tempfile.TemporaryDirectory(prefix="duri-boards-") as folder:
        for size in sizes if options.on != "postgres" else ():
            measure("SQLite", f"sqlite:///{Path(folder) / f'{size}.db'}", size, options.teams)
    if options.on != "sqlite":
        with postgres() as address:
            for size in sizes:
                measure("PostgreSQL", address(f"board_{size}"), size, options.teams)


@contextmanager
def postgres() -> Iterator[Callable[[str], str]]:
    """Start a server with its usual settings; yield what makes an empty database and returns its address."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        print("PostgreSQL is not installed: not measured")
        yield lambda _: sys.exit(0)
        return
    with tempfile.TemporaryDirectory(prefix="duri-pg-", dir="/tmp") as scratch:
        home = Path(scratch)
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # it refuses to run as root
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)

        def call(program: str, *arguments: str) -> None:
            command = [str(found[-1].with_name(program)), "-D", str(home / "data"), *arguments]
            user = account.pw_uid if account is not None else None
            subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL, user=user)

        call("initdb", "-U", "duri", "-A", "trust", "-E", "UTF8")
        call("pg_ctl", "-o", f"-c listen_addresses='' -k {home}", "-w", "-l", str(home / "log"), "start")
        server = create_engine(
            f"postgresql+psycopg://duri@/postgres?host={home}", isolation_level="AUTOCOMMIT"
        )

        def address(name: str) -> str:
            with server.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            return server.url.set(database=name).render_as_string(hide_password=False)

        try:
            yield address
        finally:
            server.dispose()
            call("pg_ctl", "-m", "fast", "-w", "stop")


def measure(name: str, url: str, entries: int, most_teams: int) -> None:
    """Print what one board costs."""
    upgrade(url)
    engine = make_engine(url)
    sessions = make_sessions(engine, writing=True)
    count = min(most_teams, entries)
    with sessions.begin() as session:
        contest = make_contest(session, per_day=1000, total=100_000)
        joined = [contest.team() for _ in range(10)]
        people = [(team.id, team.leader_id) for team in joined]
        number = contest.board.id
    print(f"{name}: {entries:,} entries of {count:,} teams", flush=True)
    bring_in(sessions, number, entries, count)
    with sessions.begin() as session:
        for team_id, _ in people:  # so that the middle of the board is somebody's
            enter(session, number, team_id, random.Random(team_id).random() ** 0.1)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    with sessions() as session:
        reads(session, session.get_one(Board, number), people[0])
    writes(sessions, number, people)
    whole(sessions, number)
    print(flush=True)
    engine.dispose()


def bring_in(sessions: sessionmaker[Session], number: int, entries: int, count: int) -> None:
    """Import the entries as `lms boards import` does."""
    content = table(entries, count)
    begun = time.perf_counter()
    read = read_table(content)
    parsed = time.perf_counter() - begun
    with sessions.begin() as session:
        import_table(session, None, session.get_one(Board, number), read, at=NOW)
    whole_seconds = time.perf_counter() - begun
    rate = entries / whole_seconds
    print(f"  import {whole_seconds:.1f} s ({parsed:.1f} s of it reading), {rate:,.0f} rows/s", flush=True)


def table(entries: int, count: int) -> bytes:
    """Return a table as organisers export it; scores get better with time, and one in twenty is equal."""
    chance = random.Random(5)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(("team", "score", "received_at", "private_score"))
    step = timedelta(days=3) / entries
    for at in range(entries):
        team = at if at < count else chance.randrange(count)
        score = round(chance.betavariate(5 + 3 * at / entries, 2), 2 if at % 20 == 0 else 9)
        moment = (OPENS + at * step).isoformat()
        writer.writerow((f"team {team}", score, moment, round(score - chance.random() / 50, 9)))
    return file.getvalue().encode()


def enter(session: Session, number: int, team_id: int, score: float, *, at: datetime | None = None) -> None:
    """Take and score one entry."""
    board, team = session.get_one(Board, number), session.get_one(Team, team_id)
    work = Work(EntryKind.PREDICTIONS, "b" * 64)
    assert board.challenge is not None
    leader = session.get_one(User, team.leader_id)
    received = at or datetime.now(UTC).replace(year=2026, month=9, day=4)
    entry = take_entry(session, leader, board.challenge, work, received_at=received)
    score_entry(session, entry.id, Scores(score, score), at=NOW)


def reads(session: Session, board: Board, person: tuple[int, int | None]) -> None:
    """Print what a page, a place and a search cost, beside the naive way."""
    team, viewer = session.get_one(Team, person[0]), session.get_one(User, person[1])
    ours = {
        "top 50 with names, own row and count": lambda: standings(session, board, viewer, NOW),
        "page at 5,000": lambda: standings(session, board, None, NOW, offset=5000),
        "own place": lambda: own_place(session, board, Share.PUBLIC, team),
        "search by name": lambda: found(session, board, None, NOW, Sought("team 77")).rows,
    }
    bound = {"board": board.id, "team": team.id}
    naive = {
        "top 50 with names, own row and count": lambda: session.execute(text(NAIVE_TOP), bound).all(),
        "own place": lambda: session.execute(text(NAIVE_OWN), bound).all(),
    }
    for what, work in ours.items():
        fast = median(work, READS)
        line = f"  {what}: {fast.clock:.2f} ms ({fast.processor:.2f} of processor time)"
        if what in naive:
            slow = median(naive[what], NAIVE_READS)
            line += f"; from all entries {slow.clock:.1f} ms, {slow.clock / fast.clock:.1f} ×"
        print(line, flush=True)
    rank = session.execute(text(NAIVE_OWN), bound).scalar_one()
    assert rank == own_place(session, board, Share.PUBLIC, team), "the two ways must agree"


def writes(sessions: sessionmaker[Session], number: int, people: list[tuple[int, int | None]]) -> None:
    """Print what a receipt with its score costs, each in a durable transaction of its own."""
    chance = random.Random(7)

    def write() -> None:
        with sessions.begin() as session:
            enter(session, number, chance.choice(people)[0], chance.random())

    cost = median(write, WRITES)
    print(
        f"  receipt and score, one by one: {cost.clock:.1f} ms ({cost.processor:.1f} of processor time)",
        flush=True,
    )


def whole(sessions: sessionmaker[Session], number: int) -> None:
    """Print what working the whole board out anew costs."""
    with sessions.begin() as session:
        board = session.get_one(Board, number)
        begun = time.perf_counter()
        found = differences(session, board)
        compared = time.perf_counter() - begun
        begun = time.perf_counter()
        rows = rebuild(session, board)
        rebuilt = time.perf_counter() - begun
        kept = len(session.scalars(select(Standing.team_id).where(Standing.board_id == number)).all())
    assert kept == rows
    print(
        f"  all anew: compared in {compared:.2f} s ({len(found)} differences), written in {rebuilt:.2f} s",
        flush=True,
    )


class Cost(NamedTuple):
    """Milliseconds on the clock, and of processor time, which a busy machine stretches less."""

    clock: float
    processor: float


def median(work: Callable[[], object], times: int) -> Cost:
    """Return the median cost, after one time that warms up."""
    work()
    taken = []
    for _ in range(times):
        begun, used = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - begun, time.process_time() - used))
    return Cost(*(statistics.median(each) * 1000 for each in zip(*taken, strict=True)))


if __name__ == "__main__":
    main()
