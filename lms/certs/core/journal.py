"""A signer's journal: every signature it made, each line carrying the hash of the one before."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lms.certs.core.problems import CertificateProblem
from lms.certs.core.strict_json import Document, canonical, read_object

GENESIS = "0" * 64
_MOST_LINE_BYTES = 4_000_000


class JournalProblem(CertificateProblem):
    """Say at which line the journal does not hold together."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Hold the end of a journal: how many lines, and the hash of the last."""

    length: int = 0
    head: str = GENESIS

    def append(self, entry: Document) -> tuple[bytes, "Chain"]:
        """Return the line to write for an entry, and the new end."""
        line = canonical({**entry, "sequence": self.length + 1, "previous": self.head})
        return line + b"\n", Chain(self.length + 1, _hash(line))


def read_journal(lines: Iterable[bytes]) -> Iterator[tuple[Document, Chain]]:
    """Yield every entry with the end it makes, refusing a journal with a changed, missing or added line.

    Raises:
        JournalProblem: with the number of the line.
    """
    chain = Chain()
    for number, line in enumerate(lines, start=1):
        raw = line.rstrip(b"\n")
        try:
            entry = read_object(raw, max_bytes=_MOST_LINE_BYTES)
        except CertificateProblem:
            raise JournalProblem("journal.broken", line=number) from None
        if (entry.get("sequence"), entry.get("previous")) != (number, chain.head) or canonical(entry) != raw:
            raise JournalProblem("journal.broken", line=number)
        chain = Chain(number, _hash(raw))
        yield entry, chain


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
