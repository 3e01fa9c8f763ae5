"""A board in use: pages browsed and predictions files entered over HTTP at once, on a board of a million.

`python -m benchmarks.board_rush [--minutes 10] [--entries 1000000] [--pages 100] [--files 50] [--on sqlite]`
makes one challenge with so many entries of 10,000 teams on disk, on SQLite or on a PostgreSQL started for it.
Open loop: every request leaves at its planned moment. Web server, scorer and generator share the machine. A
page is the first 50 with the visitor's own place, half of them signed in; a file has 1,000 rows and comes by
token. Printed: pages, receipts, receipt to scored (a page may be a quarter of a second older), what was
lost or over the quota (nothing may be), and what used the processors.
"""

import argparse
import csv
import http.client
import io
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.course import PORT
from benchmarks.leaderboards import bring_in, postgres
from lms.accounts.models import OrganisationKind, User
from lms.accounts.services.organisations import create_organisation
from lms.accounts.services.people import create_user
from lms.accounts.services.tokens import Purpose, make_token
from lms.app import create_app
from lms.config import Settings
from lms.db import now
from lms.demo.processes import web_of
from lms.demo.seed import settings_for
from lms.installation import Installation
from lms.leaderboards.core.ground import Ground
from lms.leaderboards.core.scoring import Truth
from lms.leaderboards.models import Board, Challenge, Entry, EntryState, Team
from lms.leaderboards.models import Truth as KeptTruth
from lms.leaderboards.services.challenges import accept_rules, publish_challenge
from lms.leaderboards.services.data import SAMPLE
from lms.leaderboards.services.teams import join
from lms.migrate import upgrade
from lms.supervisor import Process, answers

ROWS = 1_000
PEOPLE = 400
PER_DAY = 1_000
PATIENCE_SECONDS = 120
IDLE_SECONDS = 1.0  # the server closes a connection after two
SLUG = "rush"
BOARD_PATH = f"/challenges/{SLUG}/board"
ENTER_PATH = f"/api/challenges/{SLUG}/entries"


@dataclass
class Tally:
    """What the generator saw."""

    pages: list[float] = field(default_factory=list)
    receipts: list[float] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Rush:
    """An installation with its board, and who comes."""

    installation: Installation
    board_id: int
    tokens: tuple[str, ...]
    cookies: tuple[str, ...]
    files: tuple[bytes, ...]


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--pages", type=float, default=100, help="a second")
    parser.add_argument("--files", type=float, default=50, help="a second")
    parser.add_argument("--on", choices=["sqlite", "postgres"], default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="duri-rush-") as scratch, database(options.on) as url:
        settings = replace(settings_for(Path(scratch) / "instance", PORT), database_url=url)
        rush = prepared(settings, options.entries)
        prepared_in = time.process_time()
        with running(rush.installation) as processes:
            begun = [processor_of(process) for process in processes]
            before = used_by_all()
            tally, seconds = played(rush, options.minutes * 60, options.pages, options.files)
            used = {
                process.name: processor_of(process) - at_first
                for process, at_first in zip(processes, begun, strict=True)
            } | {"generator": time.process_time() - prepared_in}
            total = used_by_all() - before
            waited = wait_for_all(rush)
        told(rush, tally, seconds, waited)
        shares = ", ".join(f"{name} {each / seconds:.2f}" for name, each in used.items())
        print(f"processors in use, of {os.cpu_count()}: {total / seconds:.2f}; {shares}")


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Yield the address of a fresh database; empty: SQLite in the installation's folder."""
    if kind == "sqlite":
        yield ""
    else:
        with postgres() as address:
            yield address("rush")


def used_by_all() -> float:
    """Return the processor seconds that this machine has spent on anything."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / os.sysconf("SC_CLK_TCK")


def prepared(settings: Settings, entries: int) -> Rush:
    """Make the board with its entries, and people on teams of their own."""
    instance = settings.instance
    (instance / "logs").mkdir(parents=True, exist_ok=True)
    upgrade(settings.database)
    installation = Installation(settings)
    ids = [f"r{number}" for number in range(ROWS)]
    chance = random.Random(3)
    truth = Truth(tuple(ids), {"place": [chance.choice("ab") for _ in ids]}, tuple(range(ROWS // 2)))
    sample = written(ids, ["a"] * ROWS)
    with installation.sessions.begin() as session:
        create_organisation(
            session, None, slug="rush", kind=OrganisationKind.COMPANY, name={"ko": "기업", "en": "Company"}
        )
        challenge = publish_challenge(session, None, document(), at=now() - timedelta(days=4))
        challenge.files = {SAMPLE: {"sha256": installation.blobs.put(sample), "bytes": len(sample)}}
        board = session.scalars(select(Board).where(Board.challenge_id == challenge.id)).one()
        ground = installation.blobs.put(Ground(truth, "").to_json())
        session.add(
            KeptTruth(board_id=board.id, version=1, blob=ground, reason="", made_at=now(), published_at=now())
        )
        board_id = board.id
    bring_in(installation.sessions, board_id, entries, min(entries, 10_000))
    with installation.sessions.begin() as session:
        found = session.scalars(select(Challenge)).one()
        people = [somebody(session, found, number) for number in range(PEOPLE)]
        key = settings.session_key()
        tokens = tuple(make_token(user, Purpose.BOARDS, key) for user in people)
        cookies = tuple(cookie(settings, user) for user in people)
    files = tuple(written(ids, [chance.choice("ab") for _ in ids]) for _ in range(200))
    return Rush(installation, board_id, tokens, cookies, files)


def document() -> dict[str, object]:
    """Return the challenge that is published."""
    return {
        "slug": SLUG,
        "title": {"ko": "붐비는 날", "en": "A busy day"},
        "summary": {"ko": "둘 중 하나를 맞혀요.", "en": "Say which of two."},
        "description": {"ko": "측정용.", "en": "To be measured."},
        "rules": {"ko": "규칙.", "en": "Rules."},
        "sponsor": "rush",
        "kind": "predictions",
        "environment": "ml-basics",
        "metric": "accuracy",
        "form": {"columns": [{"name": "place", "kind": "label", "labels": ["a", "b"]}]},
        "timezone": "UTC",
        "dates": {"ends": {"after_days": 90}},
        "limits": {"per_day": PER_DAY, "total": 100_000, "team_size": 4, "selections": 2},
        "rules_version": "1",
        "licence": "CC0-1.0",
    }


def written(ids: list[str], places: list[str]) -> bytes:
    """Return a predictions file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("id", "place"), *zip(ids, places, strict=True)])
    return text.getvalue().encode()


def somebody(session: Session, found: Challenge, number: int) -> User:
    """Make a person on a team of their own."""
    user = create_user(
        session, None, email=f"p{number}@bench.example", name=f"Person {number}", confirmed_at=now()
    )
    accept_rules(session, user, found, found.rules_version, at=now())
    join(session, user, found, f"Own team {number}", at=now())
    return user


def cookie(settings: Settings, user: User) -> str:
    """Return the session of somebody who signed in."""
    app = create_app(settings)
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]  # Flask's default
    return str(signer.dumps({"_user_id": user.session_token, "_fresh": True}))


@contextmanager
def running(installation: Installation) -> Iterator[list[Process]]:
    """Run the web server and the scorer."""
    settings = installation.settings
    script = "from lms.config import Settings; from lms.installation import Installation; "
    script += "Installation(Settings.load()).scorer().run()"
    command = [sys.executable, "-c", script]
    processes = [
        web_of(settings, PORT),
        Process("scorer", command, settings.to_environment(), settings.instance / "logs" / "scorer.log"),
    ]
    for process in processes:
        process.start()
    try:
        if not answers(f"http://127.0.0.1:{PORT}/healthz", seconds=60):
            raise SystemExit("the web server does not answer")
        yield processes
    finally:
        for process in processes:
            process.tell(signal.SIGTERM)
            if process.running is not None:
                process.running.wait(timeout=30)


def played(rush: Rush, seconds: float, pages: float, files: float) -> tuple[Tally, float]:
    """Send every request at its planned moment; return what was seen, and how long it took."""
    tally, chance = Tally(), random.Random(11)
    plan = [(chance.uniform(0, seconds), False) for _ in range(round(seconds * pages))]
    plan += [(chance.uniform(0, seconds), True) for _ in range(round(seconds * files))]
    begun = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        for number, (moment, enters) in enumerate(sorted(plan)):
            time.sleep(max(begun + moment - time.monotonic(), 0))
            planned = begun + moment
            pool.submit(_noted(tally, _enter if enters else _browse), rush, number, planned, tally)
    return tally, time.monotonic() - begun


def processor_of(process: Process) -> float:
    """Return the processor seconds that a process and what it started have used."""
    fields = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
    family = {process.running.pid} if process.running is not None else set()
    for number in sorted(fields):  # a child has a larger number than its parent, unless they began anew
        if int(fields[number][1]) in family:
            family.add(number)
    ticks = sum(int(fields[number][11]) + int(fields[number][12]) for number in family if number in fields)
    return ticks / os.sysconf("SC_CLK_TCK")


def _noted(tally: Tally, call: Callable[..., None]) -> Callable[..., None]:
    def run(*args: object) -> None:
        try:
            call(*args)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            tally.refused[repr(problem)[:80]] += 1

    return run


_own = threading.local()


def _ask(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    """Send a request on this thread's own connection; a new one where the server has closed an idle one."""
    if time.monotonic() > getattr(_own, "until", 0):
        _own.line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    try:
        _own.line.request(method, path, body, headers)
        answer = _own.line.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException):
        _own.until = 0
        raise
    _own.until = time.monotonic() + IDLE_SECONDS
    return answer.status, content


def _browse(rush: Rush, number: int, planned: float, tally: Tally) -> None:
    who = {"Cookie": f"session={rush.cookies[number % PEOPLE]}; language=en"} if number % 2 else {}
    status, _ = _ask("GET", BOARD_PATH, None, who)
    if status != http.HTTPStatus.OK:
        tally.refused[f"page {status}"] += 1
    tally.pages.append(time.monotonic() - planned)


def _enter(rush: Rush, number: int, planned: float, tally: Tally) -> None:
    who = {"Authorization": f"Bearer {rush.tokens[number % PEOPLE]}", "Content-Type": "text/csv"}
    status, answer = _ask("POST", ENTER_PATH, rush.files[number % len(rush.files)], who)
    if status != http.HTTPStatus.ACCEPTED:
        tally.refused[f"entry {status}"] += 1
        return
    tally.receipts.append(time.monotonic() - planned)
    tally.entries.append(int(answer.split(b'"id": ', 1)[1].split(b",", 1)[0]))


def wait_for_all(rush: Rush) -> float:
    """Wait until nothing waits to be scored; return how long that took."""
    begun = time.monotonic()
    waiting = select(func.count(Entry.id)).where(Entry.state.in_((EntryState.RECEIVED, EntryState.SCORING)))
    while time.monotonic() - begun < PATIENCE_SECONDS:
        with rush.installation.sessions() as session:
            if not session.scalar(waiting):
                break
        time.sleep(0.2)
    return time.monotonic() - begun


def told(rush: Rush, tally: Tally, seconds: float, waited: float) -> None:
    """Print what came of it."""
    with rush.installation.sessions() as session:
        rows = session.execute(
            select(Entry.id, Entry.received_at, Entry.scored_at, Entry.state)
            .join(Team, Team.id == Entry.team_id)
            .where(Team.name.like("Own team %"))
        ).all()
        most = session.scalar(select(func.max(Team.taken)).where(Team.name.like("Own team %"))) or 0
    kept = {row.id for row in rows}
    print(f"{os.cpu_count()} CPUs; {seconds:.0f} s; load {os.getloadavg()[0]:.1f}")
    print(f"{len(tally.pages)} pages ({len(tally.pages) / seconds:.0f}/s), {len(tally.receipts)} receipts "
          f"({len(tally.receipts) / seconds:.0f}/s), refused {dict(tally.refused)}")  # fmt: skip
    print(f"lost {len(set(tally.entries) - kept)}, over the quota {max(0, most - PER_DAY)}, "
          f"not scored {sum(row.state is not EntryState.SCORED for row in rows)}, "
          f"backlog at the end {waited:.1f} s")  # fmt: skip
    visible = [(row.scored_at - row.received_at) / timedelta(seconds=1) for row in rows if row.scored_at]
    for what, values in (("page", tally.pages), ("receipt", tally.receipts), ("to scored", visible)):
        if len(values) > 1:
            high = statistics.quantiles(values, n=20)[18]
            shown = (f"{value * 1000:7.0f} ms" for value in (statistics.median(values), high, max(values)))
            print("{:12} median {}   p95 {}   most {}".format(what, *shown))


if __name__ == "__main__":
    main()
