"""The chain of the audit log: every row carries the hash of the one before it."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

START = "0" * 64
"""What the first row names as the hash before it."""
ACTION = re.compile(r"[a-z_]{1,28}\.[a-z_]{1,30}")
SUBJECT = re.compile(r"[a-z_]{1,20}:[A-Za-z0-9_.:/\-]{1,58}")
KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
CODE = re.compile(r"[A-Za-z0-9_.:/#\-]{0,120}")

Plain = str | int | bool | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one row of the log says."""

    number: int
    at: datetime
    actor_id: int | None
    action: str
    subject: str
    details: Mapping[str, object]
    previous_hash: str


@dataclass(frozen=True)
class Flaw:
    """The first place at which a chain does not hold, and why: `changed`, `removed`, `cut` or `replaced`."""

    number: int
    kind: str


def check_words(action: str, subject: str, details: Mapping[str, object]) -> None:
    """Refuse whatever could be a name or an address: the log holds ids, counts and codes.

    Raises:
        ValueError: something is neither an id, a count nor a code.
    """
    if not ACTION.fullmatch(action):
        raise ValueError(f"an action is written domain.verb, not {action!r}")
    if not SUBJECT.fullmatch(subject):
        raise ValueError(f"a subject is written kind:id, not {subject!r}")
    for key, value in details.items():
        values = value if isinstance(value, list | tuple) else [value]
        if not KEY.fullmatch(key) or not all(_is_plain(each) for each in values):
            raise ValueError(f"the detail {key!r} is neither an id, a count nor a code")


def entry_hash(entry: Entry) -> str:
    """Return the SHA-256 of the entry's canonical JSON, in hexadecimal."""
    document = {
        "action": entry.action,
        "actor_id": entry.actor_id,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "details": dict(entry.details),
        "number": entry.number,
        "previous_hash": entry.previous_hash,
        "subject": entry.subject,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def first_flaw(rows: Iterable[tuple[Entry, str]], head: str | None = None) -> Flaw | None:
    """Return where a chain of (entry, stored hash) breaks first; `head` is a hash noted down earlier.

    A tail that was cut leaves a chain that holds in itself; only a hash noted down outside shows it.

    Complexity: one pass, constant memory.
    """
    before, count, seen = START, 0, head in {None, START}
    for entry, stored in rows:
        count += 1
        if entry.number != count or entry.previous_hash != before:
            return Flaw(count, "removed" if entry.number != count else "replaced")
        if entry_hash(entry) != stored:
            return Flaw(count, "changed")
        before = stored
        seen = seen or stored == head
    return None if seen else Flaw(count + 1, "cut")


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return CODE.fullmatch(value) is not None
    return value is None or isinstance(value, int)
