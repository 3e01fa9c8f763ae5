"""What an entry lost on each row, as bytes: a bit a row where every row is right or wrong, else numbers."""

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lms.leaderboards.core.ladder import Climb, of_losses, of_resamples

MOST_BYTES = 100_000_000
"""The most that packed losses may unpack to."""
MOST_LOSS = 1e150
"""The most that a loss on a resample is taken for: squares of a thousand such ones add up to a number."""
HEAD_BYTES = 9
"""How many bytes of packed losses say what the others hold."""


class Extent(NamedTuple):
    """On what an entry's losses are; those of two entries can be compared if it is the same."""

    items: int  # rows
    values: int  # losses: one for each row, or one for each resample
    resampled: bool

    @property
    def rows(self) -> int:
        """Return of how many rows each one's loss is known; none where losses are on resamples."""
        return 0 if self.resampled else self.values


@dataclass(frozen=True, eq=False)
class Losses:
    """What an entry lost.

    Shape:
        values (n,) losses of the rows; or, of a metric that is no mean over rows, (B,) losses on resamples
    """

    values: NDArray[np.float64]
    items: int
    whole: float | None = None
    """The loss on all rows, of a metric that is no mean over rows."""

    @property
    def loss(self) -> float:
        """Return the loss on all rows."""
        return float(self.values.mean()) if self.whole is None else self.whole

    @property
    def extent(self) -> Extent:
        """Return on what these losses are."""
        return Extent(self.items, len(self.values), resampled=self.whole is not None)

    def climb(self, sequence: int) -> Climb:
        """Return the entry as the Ladder sees it."""
        if self.whole is None:
            return of_losses(sequence, self.values)
        return of_resamples(sequence, self.whole, self.values, self.items)


def losses_of(values: object) -> Losses:
    """Return the losses of rows; what is losses already is given back.

    Raises:
        ValueError: they are no list of finite numbers.
    """
    if isinstance(values, Losses):
        return values
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise ValueError("losses are finite numbers, one for each row")
    return Losses(found, len(found))


def pack(losses: Losses) -> bytes:
    """Return losses as bytes; `unpack` gives them back bit for bit."""
    head = struct.pack(">II", losses.items, len(losses.values))
    if losses.whole is not None:
        return b"r" + head + struct.pack(">d", losses.whole) + zlib.compress(_numbers(losses), 1)
    if ((losses.values == 0) | (losses.values == 1)).all():
        return b"b" + head + np.packbits(losses.values.astype(bool)).tobytes()
    return b"f" + head + zlib.compress(_numbers(losses), 1)


def extent_of(head: bytes) -> Extent:
    """Return on what packed losses are, from their first `HEAD_BYTES`; broken ones are on nothing."""
    if len(head) < HEAD_BYTES:
        return Extent(0, 0, resampled=False)
    items, values = struct.unpack(">II", head[1:HEAD_BYTES])
    return Extent(items, values, resampled=head[:1] == b"r")


def unpack(packed: bytes) -> Losses:
    """Bring back what `pack` gave.

    Raises:
        ValueError: these bytes are no losses.
    """
    kind, rest = packed[:1], packed[HEAD_BYTES:]
    items, count = struct.unpack(">II", packed[1:HEAD_BYTES])
    if count * 8 > MOST_BYTES:
        raise ValueError("more losses than there can be")
    if kind == b"b":
        bits = np.unpackbits(np.frombuffer(rest, dtype=np.uint8), count=count)
        return Losses(bits.astype(np.float64), items)
    whole: float | None = None
    if kind == b"r":
        (whole,), rest = struct.unpack(">d", rest[:8]), rest[8:]
    elif kind != b"f":
        raise ValueError("these bytes are no losses")
    numbers = zlib.decompressobj().decompress(rest, count * 8 + 1)
    if len(numbers) != count * 8:
        raise ValueError("these bytes are no losses")
    return Losses(np.frombuffer(numbers, dtype="<f8").astype(np.float64), items, whole)


def _numbers(losses: Losses) -> bytes:
    return losses.values.astype("<f8").tobytes()
