"""How many certificates go through the whole ceremony in a second, and how long a single one takes.

`python -m benchmarks.ceremony [COUNT] [--workers N]`: a course of so many learners on SQLite, two signer
processes with a roster that lists all of them, in another order, asked over HTTPS with client certificates;
fsynced journals, self-verification, the log, and the heads that both co-sign. With `--workers` so many
processes of the platform take a share each.

A machine that does much else gives each process a part of its time only. So beside the time on the clock
stands the processor time of each process, how many a second that makes on as many processors as there are,
and the floor: the same documents signed once by either organisation and both proofs checked once, with no
form, database, journal or network.
"""

import argparse
import gc
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.machine import tell_machine
from lms.certs.core.joint import SUITES
from lms.certs.core.keys import generate
from lms.certs.core.mandate import Mandate, read_mandate, write_mandate
from lms.certs.core.proofs import create_proof, verify_proof
from lms.certs.core.strict_json import Document, without_proof
from lms.certs.core.trust import Role
from lms.certs.models import Credential
from lms.certs.queries import under_way
from lms.certs.services.batches import issue, issue_many
from lms.certs.services.log import keep_heads_signed
from lms.certs.services.signing import Signing
from lms.certs.signer.roster import add_entries, make_entry
from lms.config import Settings
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
FLOOR = 300
PORT = 24_600


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=COUNT)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    count = options.count
    tell_machine()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (installation, supervisor):
        sessions = installation.sessions
        requests = requests_for(installation, count + ALONE)
        signing = installation.signing
        issue(sessions, requests.pop(), signing, now())  # lists and endorsement are there from then on
        _alone(sessions, requests[count:], signing)
        _together(installation, requests[:count], supervisor, options.workers)
        _floor(sessions)


def _alone(sessions: sessionmaker[Session], requests: list[int], signing: Signing) -> None:
    took = []
    for request_id in requests:
        begun = time.perf_counter()
        if issue(sessions, request_id, signing, now()) is None:
            raise SystemExit(f"request {request_id} was not issued")
        took.append((time.perf_counter() - begun) * 1000)
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"one alone: median {statistics.median(took):.0f} ms, p95 {p95:.0f} ms", flush=True)


def _together(installation: Installation, requests: list[int], supervisor: Supervisor, workers: int) -> None:
    gc.collect()
    gc.freeze()  # as the worker does when it starts
    before, begun = processor_of(supervisor), time.perf_counter()
    if workers == 1:
        issue_many(installation.sessions, requests, installation.signing, now)
    else:
        _shared(installation.settings, [requests[start::workers] for start in range(workers)])
    keep_heads_signed(installation.sessions, installation.signing, now())
    seconds = time.perf_counter() - begun
    used = {name: each - before[name] for name, each in processor_of(supervisor).items()}
    with installation.sessions() as session:
        issued = len(under_way.credentials_of(session, requests))
    whole = sum(used.values()) / issued
    parts = ", ".join(f"{name} {each * 1000 / issued:.1f} ms" for name, each in used.items())
    print(f"{issued} together, {workers} worker(s): {issued / seconds:,.0f}/s on the clock")
    print(f"processor time of each certificate: {whole * 1000:.1f} ms ({parts})")
    print(f"that makes {(os.cpu_count() or 1) / whole:,.0f}/s on {os.cpu_count()} CPUs", flush=True)


def _shared(settings: Settings, shares: list[list[int]]) -> None:
    """Let several processes of the platform take a share each."""
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_work, args=(settings, share)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _work(settings: Settings, requests: list[int]) -> None:
    installation = Installation(settings)
    issue_many(installation.sessions, requests, installation.signing, now)


def _floor(sessions: sessionmaker[Session]) -> None:
    """Print what signing and checking alone take, for some of the same documents."""
    with sessions() as session:
        found = session.scalars(select(Credential.document).order_by(Credential.id).limit(FLOOR))
        documents = [without_proof(document) for document in found]
    keys = {role: generate() for role in Role}
    for document in documents[:10]:
        _sign_and_check(document, keys)
    begun = time.process_time()
    for document in documents:
        _sign_and_check(document, keys)
    print(f"floor: {(time.process_time() - begun) * 1000 / len(documents):.2f} ms", flush=True)


def _sign_and_check(document: Document, keys: dict[Role, Ed25519PrivateKey]) -> None:
    for role, key in keys.items():
        proof = create_proof(document, key, "did:web:x#key", SUITES[role], now())
        verify_proof(document, proof, key.public_key())


@contextmanager
def running(folder: Path) -> Iterator[tuple[Installation, Supervisor]]:
    """Run an installation with its two signers."""
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


def requests_for(installation: Installation, count: int) -> list[int]:
    """Let so many learners of one course meet its rule; put them on both rosters, and close these."""
    made = []
    with installation.sessions.begin() as session:
        first = make_enrolment(session)
        everyone = [first, *(_classmate(session, first) for _ in range(count))]
        made = [make_request(session, enrolment=each).id for each in everyone]
        course = f"{installation.settings.public_url}/courses/{first.cohort.course.slug}/"
        listed = [make_entry(each.user.email, course) for each in everyone]
        random.Random(1).shuffle(listed)
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


def processor_of(supervisor: Supervisor) -> dict[str, float]:
    """Return the processor seconds of the platform and of each signer so far."""
    tick = os.sysconf("SC_CLK_TCK")
    children = os.times()  # workers that have ended
    found = {"platform": time.process_time() + children.children_user + children.children_system}
    for process in supervisor.processes:
        if process.running is not None:
            fields = Path(f"/proc/{process.running.pid}/stat").read_text().rpartition(")")[2].split()
            found[process.name] = (int(fields[11]) + int(fields[12])) / tick
    return found


if __name__ == "__main__":
    main()
