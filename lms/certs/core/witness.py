"""What a signer looks at before it co-signs a tree head: that the log only grew, and by what it knows.

The signer keeps the few hashes of the tree it signed last and adds the new entries itself: a log that forked,
shrank or was rewritten cannot reach the root that it asks to be signed.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lms.certs.core.heads import (
    LogEntry,
    TreeHead,
    hash_entry,
    read_entry,
    read_head,
    show_entry,
    show_head,
)
from lms.certs.core.joint import CLOCK_SKEW
from lms.certs.core.log import Frontier
from lms.certs.core.problems import MISSHAPEN, LogProblem
from lms.certs.core.strict_json import Document
from lms.certs.core.times import read_time, write_time

MOST_ENTRIES = 5_000
"""So many entries one head may add; more are signed in several steps."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What a signer remembers of the log: its address (none before the first head), its tree, its time."""

    log: str = ""
    frontier: Frontier = field(default_factory=Frontier)
    time: datetime | None = None


def show_witness(witness: Witness) -> Document:
    """Return what a signer writes into its journal with each head."""
    return {
        "log": witness.log,
        "size": witness.frontier.size,
        "hashes": [one.hex() for one in witness.frontier.hashes],
        "time": None if witness.time is None else write_time(witness.time),
    }


def read_witness(value: Any) -> Witness:
    """Read what a signer wrote into its journal.

    Raises:
        LogProblem: it does not belong together.
    """
    try:
        frontier = Frontier(value["size"], tuple(bytes.fromhex(one) for one in value["hashes"]))
        time = None if value["time"] is None else read_time(value["time"])
        witness = Witness(value["log"], frontier, time)
    except MISSHAPEN:
        raise LogProblem("log.bad_head") from None
    if not frontier.is_sound():
        raise LogProblem("log.bad_head")
    return witness


def write_head_request(head: TreeHead, first: int, entries: Sequence[LogEntry]) -> Document:
    """Write what a signer is asked to co-sign: a head, and the entries from `first` on up to its size."""
    return {
        "id": head.log,
        "head": show_head(head),
        "first": first,
        "entries": [show_entry(entry) for entry in entries],
    }


def review_head(
    request: Document, before: Witness, own: Container[str], now: datetime
) -> tuple[TreeHead, Witness]:
    """Judge a tree head before co-signing it; return it with what to remember from then on.

    Args:
        own: the hashes (hex) of all certificates that this signer has signed, from its journal.

    Raises:
        LogProblem: with the first thing against it.
    """
    head, first, entries = _read(request)
    if before.log not in {"", head.log}:
        raise LogProblem("signer.other_log", log=before.log[:200])
    if not abs(now - head.time) <= CLOCK_SKEW or (before.time is not None and head.time < before.time):
        raise LogProblem("signer.head_not_now", time=write_time(head.time))
    seen = before.frontier.size - first
    if seen < 0:
        raise LogProblem("signer.log_gap", size=before.frontier.size)
    if head.size < before.frontier.size:
        raise LogProblem("signer.log_shrunk", size=before.frontier.size)
    fresh = entries[seen:]
    for index, entry in enumerate(fresh, start=before.frontier.size):
        if entry.document not in own:
            raise LogProblem("signer.log_unknown", index=index)
    grown = before.frontier.extend(hash_entry(entry) for entry in fresh)
    if grown.size != head.size or grown.root().hex() != head.root:
        raise LogProblem("signer.log_forked", size=head.size)
    return head, Witness(head.log, grown, head.time)


def _read(request: Document) -> tuple[TreeHead, int, list[LogEntry]]:
    entries, first = request.get("entries"), request.get("first")
    if set(request) != {"id", "head", "first", "entries"} or type(first) is not int or first < 0:
        raise LogProblem("log.bad_head")
    if not isinstance(entries, list) or len(entries) > MOST_ENTRIES:
        raise LogProblem("log.bad_head")
    head = read_head(request["head"])
    if head.log != request["id"] or head.size != first + len(entries):
        raise LogProblem("log.bad_head")
    return head, first, [read_entry(entry) for entry in entries]
