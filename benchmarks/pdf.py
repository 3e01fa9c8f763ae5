"""How long a certificate PDF takes that both organisations sign, and how many can be made anew in a second.

`python -m benchmarks.pdf [COUNT]`: no web, no database, no network; the keys are made for this run. Every PDF
is of a certificate of its own. Setting on paper, both signatures with stamps, and our own check of the result
are timed apart and together, on the clock and of the processor; no time-stamping authority is asked.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from uuid import uuid4

from benchmarks.machine import tell_machine
from lms.certs.adapters.pdf import render_certificate
from lms.certs.core.document import build_credential
from lms.certs.core.pdf_signatures import examine_pdf
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.trust import Role
from tests.certs.conftest import CLAIM, Pair
from tests.factories import pdf as pdfs

WARM_UP = 2


class Taken(NamedTuple):
    """How long something took, in seconds."""

    clock: float
    processor: float


_PAIR = Pair()
_T = TypeVar("_T")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=40)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    tell_machine()
    warm = [steps for _, steps in zip(range(options.count + WARM_UP), _made(), strict=False)][WARM_UP:]
    for position, name in enumerate(("set on paper", "university", "company", "checked")):
        _show(name, [steps[position] for steps in warm])
    _show("signed PDF, in all", [_sum(steps[:3]) for steps in warm])
    _show("signed and checked", [_sum(steps) for steps in warm])
    _show_rate(options.count, options.processes)


def _made() -> Iterator[tuple[Taken, ...]]:
    while True:
        yield _make_one(_credential())


def _make_one(document: Document) -> tuple[Taken, ...]:
    draft, setting = _timed(lambda: _set(document))
    first, university = _timed(lambda: pdfs.seal(draft, document, Role.UNIVERSITY))
    whole, company = _timed(lambda: pdfs.seal(first, document, Role.COMPANY))
    answer, checked = _timed(lambda: examine_pdf(whole, pdfs.roots(), datetime.now(UTC)))
    assert not answer.findings, answer.findings
    return setting, university, company, checked


def _credential() -> Document:
    return _PAIR.sign(build_credential(replace(CLAIM, credential_id=f"urn:uuid:{uuid4()}")))


def _set(document: Document) -> bytes:
    url = f"https://duri.example/verify/{document['id'][9:]}#h={sha256_of(document)}"
    return render_certificate(document, language="ko", verify_url=url, to_sign=True)


def _timed(step: Callable[[], _T]) -> tuple[_T, Taken]:
    clock, processor = time.perf_counter(), time.process_time()
    made = step()
    return made, Taken(time.perf_counter() - clock, time.process_time() - processor)


def _sum(steps: Sequence[Taken]) -> Taken:
    return Taken(sum(step.clock for step in steps), sum(step.processor for step in steps))


def _show(name: str, taken: list[Taken]) -> None:
    ordered = sorted(step.clock for step in taken)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    processor = statistics.median(step.processor for step in taken)
    print(
        f"{name:20} median {statistics.median(ordered) * 1000:6.1f} ms   p95 {p95 * 1000:6.1f} ms"
        f"   of the processor {processor * 1000:6.1f} ms"
    )


def _show_rate(count: int, processes: int) -> None:
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(_batch, [WARM_UP] * processes))
        begun = time.perf_counter()
        done = sum(pool.map(_batch, [count // processes] * processes))
        taken = time.perf_counter() - begun
    print(f"{'made anew':20} {done / taken:6.1f} PDFs/s in {processes} processes ({done} in {taken:.1f} s)")


def _batch(count: int) -> int:
    for _ in range(count):
        _make_one(_credential())
    return count


if __name__ == "__main__":
    main()
