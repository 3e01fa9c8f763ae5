"""How many certificates are signed and verified in a second, and how long one waits for an answer.

`python -m benchmarks.certificates [COUNT]`: every certificate is of the present form and differs from all
others in holder, identifier, salts, hashes and points; nothing is kept between two of them. The long way
(PyLD alone) runs over a part of the same certificates, in turns with ours. Beside the time on the clock
stands processor time, which a busy machine stretches less.
"""

import argparse
import json
import os
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
from secrets import token_hex
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient

from benchmarks.machine import tell_machine
from lms.app import create_app
from lms.certs.core import jsonld
from lms.certs.core.document import Claim, Evidence, build_credential, hash_email
from lms.certs.core.evidence import salted_digest
from lms.certs.core.keys import decode_public
from lms.certs.core.proofs import verify_proof
from lms.certs.core.status import build_status_list
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import write_trust
from lms.certs.core.verify import Status, verify
from lms.certs.queries.credentials import content_of
from lms.certs.views import pages
from lms.config import ROOT, Settings
from lms.db import make_engine, make_sessions
from lms.migrate import upgrade
from tests.certs.conftest import NOW, STATUS_URL, SUSPENSION_URL, Pair, edition, whole_claim
from tests.factories.certs import NOW as SIGNED_AT
from tests.factories.certs import PUBLIC_URL, make_credential
from tests.factories.certs import Pair as Signers

COUNT = 2_000
LONG_WAY = 10  # of so many one is taken the long way too
BATCH = 50
COLD = 20
PAGES = 200
WARM_UP = 10
AT = NOW + timedelta(hours=1)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=COUNT)
    options = parser.parse_args()
    tell_machine()
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
    page()


def distinct(pair: Pair, count: int) -> Iterator[Document]:
    """Yield certificates of which no two are alike."""
    claim = whole_claim(pair)
    for number in range(count):
        yield build_credential(_other(claim, number))


def compare(what: str, items: list[Any], work: Callable[[Any], object]) -> None:
    """Print how many a second ours does, and the long way over every tenth, batch by batch in turns."""
    ours, long = Times(), Times()
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        for item in batch:
            ours.take(work, item)
        with only_the_long_way():
            for item in batch[::LONG_WAY]:
                long.take(work, item)
    ratio = statistics.mean(long.processor) / statistics.mean(ours.processor)
    print(f"{what}: {ours.rates}; by PyLD alone {long.rates}; ratio {ratio:.1f} ×", flush=True)


class Times:
    """Durations on the clock and of the processor, children included."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.processor: list[float] = []

    def take(self, work: Callable[[Any], object], item: Any = None) -> None:
        """Time one piece of work."""
        used, begun = _processor(), time.perf_counter()
        work(item)
        self.clock.append(time.perf_counter() - begun)
        self.processor.append(_processor() - used)

    @property
    def rates(self) -> str:
        """Say how many a second."""
        clock, processor = (1 / statistics.mean(some) for some in (self.clock, self.processor))
        return f"{clock:,.0f}/s ({processor:,.0f}/s of processor time)"

    @property
    def spread(self) -> str:
        """Say how long one takes."""
        ordered = sorted(self.clock)
        p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
        found = (statistics.median(ordered), p95, statistics.mean(self.processor))
        return "median {:.0f} ms, p95 {:.0f} ms, processor {:.0f} ms".format(*(one * 1000 for one in found))


def _processor() -> float:
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


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
        ours, floor = Times(), Times()
        for _ in range(COLD):
            ours.take(lambda _: _run(["-m", "lms.certs.verifier", *arguments], folder))
            floor.take(lambda _: _run(["-c", "pass"], folder))
    print(f"lms-verify, cold: {ours.spread}; a Python that does nothing {floor.spread}", flush=True)


def page() -> None:
    """Print how long the verify page takes to answer for an uploaded file, warm, one client at a time."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(
            instance=Path(scratch) / "instance", secret_key=token_hex(), public_url=PUBLIC_URL
        )
        settings.make_instance()
        upgrade(settings.database)
        sessions, signers = make_sessions(make_engine(settings.database)), Signers()
        settings.trust.write_bytes(write_trust(signers.trust.parties))
        files = [content_of(make_credential(sessions, signers)) for _ in range(PAGES // 4)]
        app = create_app(settings)
        app.config.update(WTF_CSRF_ENABLED=False)
        pages.now = lambda: SIGNED_AT + timedelta(seconds=1)
        client = app.test_client()
        warm, times = Times(), Times()
        for number in range(PAGES):
            chosen = times if number >= WARM_UP else warm
            chosen.take(lambda file: _upload(client, file), files[number % len(files)])
    print(f"JSON uploaded, page answered, no network between: {times.spread}", flush=True)


def _upload(client: FlaskClient, file: bytes) -> None:
    part = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="credential.json"\r\n\r\n'
    kind = "multipart/form-data; boundary=edge"
    answer = client.post("/verify", data=part + file + b"\r\n--edge--\r\n", content_type=kind)
    assert 'data-status="valid"' in answer.get_data(as_text=True)


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


def _run(arguments: list[str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done


if __name__ == "__main__":
    main()
