"""What of an entry is kept to compare it with others: a digest, its mistakes, a keyed hash of its address."""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lms.leaderboards.core.losses import Losses
from lms.leaderboards.core.predictions import Table, Value
from lms.leaderboards.core.scoring import Truth

HOST_BITS = 64  # of an address of IPv6: a household has all of them


@dataclass(frozen=True)
class Print:
    """What the predictions of an entry are compared by."""

    digest: str | None = None
    mistakes: Losses | None = None


def print_of(truth: Truth, table: Table, *, keep_mistakes: bool) -> Print:
    """Return what is kept of predictions; mistakes only where the metric has no losses of rows."""
    column = next(iter(table))
    mistakes = mistakes_of(truth.columns[column], table[column]) if keep_mistakes else None
    return Print(digest_of(table), mistakes)


def digest_of(table: Table) -> str | None:
    """Return the SHA-256 of predictions, whatever the order of rows, the form or the spelling of numbers was.

    None where each column holds one value only: everybody begins with such a file.
    """
    if all(len(set(values)) <= 1 for values in table.values()):
        return None
    found = hashlib.sha256()
    for name in sorted(table):
        coded = [text.encode() for text in (name, *map(_canonical, table[name]))]
        found.update(b"".join(len(one).to_bytes(4, "big") + one for one in coded) + b"\xff" * 4)
    return found.hexdigest()


def _canonical(value: Value) -> str:
    return value if isinstance(value, str) else repr(float(value) + 0.0)  # -0.0 becomes 0.0


def mistakes_of(truth: Sequence[object], said: Sequence[Value]) -> Losses:
    """Return what each row is wrong by: the distance of numbers; of labels 1 where they differ."""
    if said and isinstance(said[0], str):
        wrong = [float(str(right) != guess) for right, guess in zip(truth, said, strict=True)]
    else:
        pairs = zip(truth, said, strict=True)
        wrong = [abs(float(str(right)) - float(guess)) for right, guess in pairs]
    return Losses(np.asarray(wrong, dtype=np.float64), len(wrong))


def hide_address(address: str | None, board: str, key: str) -> str:
    """Return a keyed hash of an address, another one for each board; empty where there is no address."""
    if not address:
        return ""
    secret = hashlib.sha256(f"addresses of entries\n{key}".encode()).digest()
    return hmac.new(secret, f"{board}\n{_network(address)}".encode(), hashlib.sha256).hexdigest()[:32]


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 128 - HOST_BITS), strict=False))
    return str(found)
