"""How many certificates are signed and verified in a second, and how long one waits for an answer.

`python -m benchmarks.certificates [COUNT]`: every certificate is of the present form and differs from all
others in holder, identifier, salts, hashes and points; nothing is kept between two of them. The long way
(PyLD alone) runs over a part of the same certificates, in turns with ours.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from lms.certs.core import jsonld
from lms.certs.core.document import Claim, Evidence, build_credential, hash_email
from lms.certs.core.evidence import salted_digest
from lms.certs.core.keys import decode_public
from lms.certs.core.proofs import verify_proof
from lms.certs.core.status import build_status_list
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import write_trust
from lms.certs.core.verify import Status, verify
from lms.config import ROOT
from tests.certs.conftest import NOW, STATUS_URL, SUSPENSION_URL, Pair, edition, whole_claim

COUNT = 2_000
LONG_WAY = 10  # of so many one is taken the long way too
BATCH = 50
COLD = 20
PAGES = 200
AT = NOW + timedelta(hours=1)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=COUNT)
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    print(f"load before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}\n", flush=True)
    pair = Pair()
    drafts = list(distinct(pair, options.count))
    size = statistics.mean(len(json.dumps(draft, ensure_ascii=False).encode()) for draft in drafts)
    print(f"{len(drafts)} distinct certificates of {size / 1000:.1f} KB")
    compare("canonical N-Quads", drafts, jsonld.to_nquads)
    compare("signed by both", drafts, pair.sign)
    signed = [pair.sign(draft) for draft in drafts]
    keys = [decode_public(party.keys[0].multibase) for party in pair.trust.parties]
    compare("both proofs verified", signed, lambda one: both_proofs(one, keys))
    resources = lists(pair)
    files = [json.dumps(one, ensure_ascii=False).encode() for one in signed]
    compare("files verified, lists and all", files, lambda file: whole_answer(file, pair, resources))
    cold(pair, files[0], resources)


def distinct(pair: Pair, count: int) -> Iterator[Document]:
    """Yield certificates of which no two are alike."""
    claim = whole_claim(pair)
    for number in range(count):
        yield build_credential(_other(claim, number))


def compare(what: str, items: list[Any], work: Callable[[Any], object]) -> None:
    """Print how many a second ours does, and the long way over every tenth, batch by batch in turns."""
    ours, long = [], []
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        ours.append(_seconds(work, batch) / len(batch))
        few = batch[::LONG_WAY]
        with only_the_long_way():
            long.append(_seconds(work, few) / len(few))
    fast, slow = 1 / statistics.mean(ours), 1 / statistics.mean(long)
    print(f"{what}: {fast:,.0f}/s; by PyLD alone {slow:,.0f}/s; ratio {fast / slow:.1f} ×", flush=True)


@contextmanager
def only_the_long_way() -> Iterator[None]:
    """Let PyLD do all of it."""
    kept = jsonld.short_way
    jsonld.short_way = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        jsonld.short_way = kept


def both_proofs(document: Document, keys: Iterable[Any]) -> None:
    """Verify both proofs of a certificate, and nothing else."""
    for proof, key in zip(document["proof"], keys, strict=True):
        verify_proof(document, proof, key)


def whole_answer(file: bytes, pair: Pair, resources: dict[str, bytes]) -> None:
    """Verify a file as everybody does: form, proofs, endorsement, dates, both lists with their proofs."""
    assert verify(file, pair.trust, resources, AT).status is Status.VALID


def lists(pair: Pair) -> dict[str, bytes]:
    """Return both status lists."""
    editions = [edition(), edition(url=SUSPENSION_URL, purpose="suspension")]
    signed = [pair.sign(build_status_list(one)) for one in editions]
    return dict(zip((STATUS_URL, SUSPENSION_URL), (json.dumps(one).encode() for one in signed), strict=True))


def cold(pair: Pair, file: bytes, resources: dict[str, bytes]) -> None:
    """Print how long `lms-verify` takes from its start to its end, and a Python that does nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "credential.json").write_bytes(file)
        (folder / "trust.json").write_bytes(write_trust(pair.trust.parties))
        arguments = ["credential.json", "--trust", "trust.json", "--at", AT.isoformat()]
        for number, (url, content) in enumerate(resources.items()):
            (folder / f"list-{number}.json").write_bytes(content)
            arguments += ["--resource", f"{url}=list-{number}.json"]
        ours = [_run(["-m", "lms.certs.verifier", *arguments], folder) for _ in range(COLD)]
        floor = [_run(["-c", "pass"], folder) for _ in range(COLD)]
    print(f"lms-verify, cold: {_spread(ours)}; a Python that does nothing {_spread(floor)}", flush=True)


def _other(claim: Claim, number: int) -> Claim:
    salt, unique = uuid4().hex, uuid4()
    return replace(
        claim,
        credential_id=f"urn:uuid:{unique}",
        holder_name=f"김하늘 {number}",
        email_hash=hash_email(f"{number}@example.org", salt),
        email_salt=salt,
        score=f"{number % 1000 / 10:.1f}",
        labs=tuple(replace(lab, score=f"{number % 400 / 10:.1f}") for lab in claim.labs),
        evidence=tuple(
            Evidence(f"{lab.slug}.ipynb", salted_digest(uuid4().hex * 2, unique.bytes), salted=True)
            for lab in claim.labs
        ),
        status=replace(claim.status, index=number + 100),
    )


def _seconds(work: Callable[[Any], object], items: list[Any]) -> float:
    begun = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - begun


def _run(arguments: list[str], folder: Path) -> float:
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    return time.perf_counter() - begun


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"median {statistics.median(ordered) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"


if __name__ == "__main__":
    main()
