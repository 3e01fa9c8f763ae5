"""How many certificates go through the whole ceremony in a second, and how long a single one takes.

`python -m benchmarks.ceremony [COUNT]`: a course of so many learners on SQLite, two signer processes with a
roster that lists all of them, asked over HTTPS with client certificates; fsynced journals, self-verification,
the log, and the heads that both co-sign. Beside the time on the clock stands the processor time of all three.
"""

import argparse
import gc
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.mandate import Mandate, read_mandate, write_mandate
from lms.certs.core.trust import Role
from lms.certs.services.batches import issue, issue_many
from lms.certs.services.log import keep_heads_signed
from lms.certs.services.signing import Signing
from lms.certs.signer.roster import add_entries, make_entry
from lms.courses.models import Enrolment
from lms.db import now
from lms.demo.processes import signers_of
from lms.demo.seed import make_signers, settings_for
from lms.installation import Installation
from lms.migrate import upgrade
from lms.supervisor import Supervisor, answers
from tests.factories.accounts import make_user
from tests.factories.certs import make_enrolment, make_request

COUNT = 2_000
ALONE = 20
PORT = 24_600


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=COUNT)
    count = parser.parse_args().count
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    print(f"load before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder)) as (installation, supervisor):
        sessions = installation.sessions
        requests = _requests(installation, count + ALONE)
        signing = installation.signing
        issue(sessions, requests.pop(), signing, now())  # lists and endorsement are there from then on
        _alone(sessions, requests[count:], signing)
        _together(sessions, requests[:count], signing, supervisor)


def _alone(sessions: sessionmaker[Session], requests: list[int], signing: Signing) -> None:
    took = []
    for request_id in requests:
        begun = time.perf_counter()
        if issue(sessions, request_id, signing, now()) is None:
            raise SystemExit(f"request {request_id} was not issued")
        took.append((time.perf_counter() - begun) * 1000)
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"one alone: median {statistics.median(took):.0f} ms, p95 {p95:.0f} ms", flush=True)


def _together(
    sessions: sessionmaker[Session], requests: list[int], signing: Signing, supervisor: Supervisor
) -> None:
    gc.collect()
    gc.freeze()  # as the worker does when it starts
    before, begun = _processor(supervisor), time.perf_counter()
    issued = len(issue_many(sessions, requests, signing, now()))
    keep_heads_signed(sessions, signing, now())
    seconds = time.perf_counter() - begun
    used = {name: seconds - before[name] for name, seconds in _processor(supervisor).items()}
    parts = ", ".join(f"{name} {each * 1000 / issued:.1f} ms" for name, each in used.items())
    print(
        f"{issued} together: {issued / seconds:,.0f}/s; processor time of each certificate: {parts}",
        flush=True,
    )


@contextmanager
def _running(folder: Path) -> Iterator[tuple[Installation, Supervisor]]:
    settings = settings_for(folder / "instance", PORT)
    settings.make_instance()
    (settings.instance / "logs").mkdir()
    upgrade(settings.database)
    make_signers(settings)
    supervisor = Supervisor(signers_of(settings))
    supervisor.start()
    try:
        for order, role in enumerate(Role):
            authority = settings.demo_signers / role / "tls" / "ca.pem"
            if not answers(
                f"https://localhost:{PORT + 101 + order}/health", seconds=120, authority=authority
            ):
                raise SystemExit(f"the signer of the {role} does not answer")
        yield Installation(settings), supervisor
    finally:
        supervisor.end()


def _requests(installation: Installation, count: int) -> list[int]:
    """Let so many learners of one course meet its rule; put them on both rosters, and close these."""
    made = []
    with installation.sessions.begin() as session:
        first = make_enrolment(session)
        everyone = [first, *(_classmate(session, first) for _ in range(count))]
        made = [make_request(session, enrolment=each).id for each in everyone]
        course = f"{installation.settings.public_url}/courses/{first.cohort.course.slug}/"
        listed = [make_entry(each.user.email, course) for each in everyone]
    for role in Role:
        folder = installation.settings.demo_signers / role
        add_entries(folder, listed)
        path = folder / "signer.json"
        closed: Mandate = replace(read_mandate(path.read_bytes()), open_roster=False, daily_quota=10 * count)
        path.write_bytes(write_mandate(closed))
    return made


def _classmate(session: Session, first: Enrolment) -> Enrolment:
    enrolment = Enrolment(
        user_id=make_user(session).id, cohort_id=first.cohort_id, enrolled_at=first.enrolled_at,
        requested_name="김하늘", confirmed_name="김하늘",
    )  # fmt: skip
    session.add(enrolment)
    session.flush()
    session.refresh(enrolment)
    return enrolment


def _processor(supervisor: Supervisor) -> dict[str, float]:
    """Return the processor seconds of the platform and of each signer so far."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {"platform": time.process_time()}
    for process in supervisor.processes:
        if process.running is not None:
            fields = Path(f"/proc/{process.running.pid}/stat").read_text().rpartition(")")[2].split()
            found[process.name] = (int(fields[11]) + int(fields[12])) / tick
    return found


if __name__ == "__main__":
    main()
