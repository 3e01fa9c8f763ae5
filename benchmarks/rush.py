"""A deadline rush: 500 realistic submissions over HTTP, 300 of them in the last minute, and pages browsed.

Open loop: every request leaves at its planned moment, whatever happened to those before. Web server, workers
and this generator share the machine. Printed: receipts (time to the answer of the upload), pages, waits, how
far the first estimate that a student was shown is off, and what was lost (nothing may be).
"""

import http.client
import random
import re
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select

from benchmarks.course import PORT, Class, cookies, opened, workers
from benchmarks.submissions import distinct
from lms.demo.processes import web_of
from lms.grading.models import Grade, GradingRun, Submission
from lms.supervisor import answers

SUBMISSIONS, LAST_MINUTE = 500, 300
BEFORE_SECONDS, LAST_SECONDS = 120, 60
PAGES_PER_SECOND = 4
WAIT_THAT_COUNTS_SECONDS = 5
PATIENCE_SECONDS = 900
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
SESSION = re.compile(r"session=([^;]+)")
BOUNDARY = "duri-bench-boundary"
LAB = "/courses/grading-speed/labs/realistic"


@dataclass
class Tally:
    """What the generator saw."""

    receipts: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    estimates: dict[int, float] = field(default_factory=dict)  # submission -> seconds told
    refused: list[str] = field(default_factory=list)


class Visitor:
    """One signed-in person with a connection of their own."""

    def __init__(self, cookie: str) -> None:
        self._cookie = cookie
        self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[float, int, str, str]:
        """Return seconds, status, target of a redirect, and text."""
        headers = {
            "Cookie": f"session={self._cookie}; language=en",
            **({"Content-Type": kind} if kind else {}),
        }
        begun = time.perf_counter()
        self._connection.request(method, path, body or None, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if kept := SESSION.search(answer.getheader("Set-Cookie", "")):
            self._cookie = kept.group(1)  # holds the key of the page's form
        return time.perf_counter() - begun, answer.status, answer.getheader("Location", ""), text


def main(submissions: int = SUBMISSIONS) -> None:
    """Play the rush and print what came of it."""
    with opened(submissions) as (group, _worker), ExitStack() as stack:
        web = web_of(group.installation.settings, PORT)
        web.start()
        stack.callback(web.tell, signal.SIGTERM)
        stack.enter_context(workers(group))
        if not answers(f"http://127.0.0.1:{PORT}/", seconds=60):
            raise SystemExit("the web server does not answer")
        tally = _play(group, submissions)
        _wait_for_all(group)
        _print(group, tally)


def _play(group: Class, count: int) -> Tally:
    works = distinct(group.template("realistic"))
    signed_in = cookies(group)
    tally, over = Tally(), threading.Event()
    plan = _plan(count)
    browsing = threading.Thread(target=_browse, args=(signed_in[0], tally, over))
    browsing.start()
    begun = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        for number, moment in enumerate(plan):
            time.sleep(max(begun + moment - time.monotonic(), 0))
            pool.submit(_noted(tally, _hand_in), signed_in[number], works[number % len(works)], tally)
    _wait_for_all(group)
    over.set()
    browsing.join()
    return tally


def _plan(count: int) -> list[float]:
    chance = random.Random(1)
    late = round(count * LAST_MINUTE / SUBMISSIONS)
    early = [chance.uniform(0, BEFORE_SECONDS) for _ in range(count - late)]
    return sorted(early + [BEFORE_SECONDS + chance.uniform(0, LAST_SECONDS) for _ in range(late)])


def _noted(tally: Tally, call: Callable[..., None]) -> Callable[..., None]:
    def run(*args: object) -> None:
        try:
            call(*args)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as problem:
            tally.refused.append(repr(problem))

    return run


def _hand_in(cookie: str, work: bytes, tally: Tally) -> None:
    visitor = Visitor(cookie)
    taken, status, _, page = visitor.ask("GET", LAB)
    tally.pages.append(taken)
    token = TOKEN.search(page)
    if status != http.HTTPStatus.OK or token is None:
        tally.refused.append(f"lab page {status}")
        return
    taken, status, target, _ = visitor.ask(
        "POST", LAB, _form(token.group(1), work), f"multipart/form-data; boundary={BOUNDARY}"
    )
    if status != http.HTTPStatus.SEE_OTHER:
        tally.refused.append(f"upload {status}")
        return
    tally.receipts.append(taken)
    number = int(target.rstrip("/").rsplit("/", 1)[1])
    taken, status, _, text = visitor.ask("GET", f"/api/submissions/{number}")
    told = re.search(r'"wait_seconds":\s*([0-9.]+)', text)
    if told is not None:
        tally.estimates[number] = float(told.group(1))


def _form(token: str, work: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'
    file = 'Content-Disposition: form-data; name="notebook"; filename="realistic.ipynb"'
    return (
        f"{head}--{BOUNDARY}\r\n{file}\r\nContent-Type: application/json\r\n\r\n".encode()
        + work
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def _browse(cookie: str, tally: Tally, over: threading.Event) -> None:
    visitor, chance = Visitor(cookie), random.Random(2)
    paths = [
        "/",
        "/courses",
        "/courses/grading-speed",
        "/labs",
        LAB,
        "/courses/grading-speed/lessons/01-start",
    ]
    while not over.wait(1 / PAGES_PER_SECOND):
        taken, status, _, _ = visitor.ask("GET", chance.choice(paths))
        if status != http.HTTPStatus.OK:
            tally.refused.append(f"page {status}")
        tally.pages.append(taken)


def _wait_for_all(group: Class) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while group.undone() and time.monotonic() < deadline:
        time.sleep(0.5)


def _print(group: Class, tally: Tally) -> None:
    with group.installation.sessions() as session:
        rows = session.execute(
            select(Submission.id, Submission.received_at, GradingRun.started_at, GradingRun.finished_at)
            .join(GradingRun, GradingRun.submission_id == Submission.id)
            .join(Grade, Grade.run_id == GradingRun.id)
        ).all()
    waits = {row.id: (row.started_at - row.received_at) / timedelta(seconds=1) for row in rows}
    print(f"{len(tally.receipts)} receipts, {len(rows)} graded, lost {len(tally.receipts) - len(rows)}, "
          f"refused {len(tally.refused)} {sorted(set(tally.refused))}")  # fmt: skip
    _print_seconds("receipt", tally.receipts)
    _print_seconds("page", tally.pages)
    _print_seconds("wait for a worker", list(waits.values()))
    counted = {
        work: wait
        for work, wait in waits.items()
        if wait > WAIT_THAT_COUNTS_SECONDS and work in tally.estimates
    }
    errors = [abs(tally.estimates[work] - wait) / wait for work, wait in counted.items()]
    if len(errors) > 1:
        parts = statistics.quantiles(errors, n=10)
        print(f"first estimate, {len(errors)} waits over {WAIT_THAT_COUNTS_SECONDS} s: "
              f"off by {statistics.median(errors):.0%} in the median, {parts[8]:.0%} at p90")  # fmt: skip


def _print_seconds(what: str, seconds: list[float]) -> None:
    if len(seconds) < 2:  # noqa: PLR2004 - quantiles need two
        return
    parts = statistics.quantiles(seconds, n=20)
    print(f"{what:18} median {statistics.median(seconds) * 1000:7.0f} ms   p95 {parts[18] * 1000:7.0f} ms   "
          f"most {max(seconds) * 1000:7.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SUBMISSIONS)
