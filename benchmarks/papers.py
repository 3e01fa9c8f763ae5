"""How long it takes to make and sign every certificate PDF anew after a change of its template.

`python -m benchmarks.papers [PDFS] [--workers N] [--kill-every SECONDS]`: certificates issued by the whole
ceremony, each with a paper in both languages that was set from an earlier template (one stored file stands
for all of them). Then the product's own job: workers take papers, set them, have both signer processes sign
them over HTTPS with client certificates, check them as a verifying person would, and keep them. Every so
often a worker is killed in the middle of whatever it does. At the end each paper must be there, from the new
template, in a file of its own; what a killed worker had signed and not kept is signed once more, which the
signers' journals show.
"""

import argparse
import multiprocessing
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.ceremony import processor_of, requests_for, running
from lms.certs.models import Credential, Paper
from lms.certs.services import papers
from lms.certs.services.batches import issue_many
from lms.certs.services.papers import LANGUAGES, make_next, renew_papers
from lms.config import Settings
from lms.db import now
from lms.installation import Installation

PDFS = 1_000
EARLIER = "an earlier template"
LEASE = timedelta(seconds=60)
"""Shorter than the product's, so that the end does not wait for what killed workers held."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pdfs", nargs="?", type=int, default=PDFS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kill-every", type=float, default=30, help="seconds; 0: never")
    options = parser.parse_args()
    papers.LEASE = LEASE
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    print(f"load before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (installation, supervisor):
        prepare(installation, options.pdfs)
        press = installation.press
        with installation.sessions.begin() as session:
            due = renew_papers(session, press.template)
        before, begun = processor_of(supervisor), time.monotonic()
        killed = work_through(installation, options.workers, options.kill_every)
        seconds = time.monotonic() - begun
        used = {name: each - before[name] for name, each in processor_of(supervisor).items()}
        with installation.sessions() as session:
            check(session, press.template, due)
    parts = ", ".join(f"{name} {each / due * 1000:.0f} ms" for name, each in used.items())
    print(f"{due} PDFs made anew in {seconds:.0f} s by {options.workers} workers, {killed} killed on the way")
    print(f"{due / seconds:.1f}/s on the clock; processor time of each: {parts}")


def prepare(installation: Installation, pdfs: int) -> None:
    """Issue certificates, with papers that were set from an earlier template."""
    requests = requests_for(installation, -(-pdfs // len(LANGUAGES)))
    issue_many(installation.sessions, requests, installation.signing, now)
    blob = installation.blobs.put(b"%PDF-1.7\n% of an earlier template\n")
    with installation.sessions.begin() as session:
        for credential_id in session.scalars(select(Credential.id)):
            session.add_all(
                Paper(
                    credential_id=credential_id, language=language, wanted=EARLIER, made=EARLIER, blob=blob,
                    due=False, signed_at=now(),
                )
                for language in LANGUAGES
            )  # fmt: skip


def work_through(installation: Installation, workers: int, kill_every: float) -> int:
    """Let workers make what is due, killing one every so often; return how many were killed."""
    chance, killed, told = random.Random(5), 0, 0
    with crew(installation.settings, workers) as at_work:
        next_kill = time.monotonic() + kill_every
        while left := waiting(installation):
            if kill_every and time.monotonic() > next_kill:
                victim = chance.randrange(workers)
                os.kill(at_work[victim].pid or 0, signal.SIGKILL)
                at_work[victim].join()
                at_work[victim] = started(installation.settings)
                killed, next_kill = killed + 1, time.monotonic() + kill_every
            if left // 500 != told:
                told = left // 500
                print(f"  {left} left, {killed} workers killed", flush=True)
            time.sleep(0.5)
    return killed


@contextmanager
def crew(settings: Settings, workers: int) -> Iterator[list[BaseProcess]]:
    """Run so many workers, which end with this."""
    at_work = [started(settings) for _ in range(workers)]
    try:
        yield at_work
    finally:
        for each in at_work:
            each.terminate()
            each.join()


def started(settings: Settings) -> BaseProcess:
    """Start a worker in a process of its own."""
    process = multiprocessing.get_context("fork").Process(target=work, args=(settings,))
    process.start()
    return process


def work(settings: Settings) -> None:
    """Make papers until the end; where all are held by others, look again."""
    installation = Installation(settings)
    while True:
        if make_next(installation.sessions, installation.signing, installation.press, now()) is None:
            time.sleep(0.5)


def waiting(installation: Installation) -> int:
    """Return how many papers are still to be made."""
    with installation.sessions() as session:
        return session.scalar(select(func.count(Paper.id)).where(Paper.due)) or 0


def check(session: Session, template: str, due: int) -> None:
    """Stop with a sentence unless each paper is there, once, from the new template."""
    rows = session.execute(select(Paper.made, Paper.blob)).all()
    blobs = {row.blob for row in rows if row.made == template}
    if len(rows) != due or len(blobs) != due:
        raise SystemExit(f"{due} papers were due; {len(blobs)} files are there, of {len(rows)} papers")


if __name__ == "__main__":
    main()
