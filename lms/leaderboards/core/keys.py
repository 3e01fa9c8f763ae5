"""The sortable key of a standing: who stands ahead, as sixteen bytes.

The first eight order the score, the better first; the last eight order receipt, the earlier first. Two keys
compare as bytes, so that any database finds a page of a board and a place on it by one index, whatever its
collation and however it keeps floating point numbers.
"""

import math
import struct

from lms.leaderboards.core.rank import Direction

BYTES = 16
LARGEST_SEQUENCE = 2**64 - 1
_SIGN = 1 << 63
_ALL = 2**64 - 1


def key(score: float, sequence: int, direction: Direction) -> bytes:
    """Return the key of an entry; of two entries the one with the smaller key stands ahead.

    Args:
        score: unrounded; -0.0 and 0.0 are the same score.
        sequence: receipt on this board; the smaller came first.
        direction: which end of the scores is the better one.

    Raises:
        ValueError: the score is no finite number, or the sequence does not fit into eight bytes.
    """
    if not math.isfinite(score):
        raise ValueError("only a finite score has a place on a board")
    if not 0 <= sequence <= LARGEST_SEQUENCE:
        raise ValueError("a sequence is a whole number of at most 64 bits")
    ahead = -score if direction == "max" else score
    (bits,) = struct.unpack(">Q", struct.pack(">d", ahead + 0.0))  # adding makes -0.0 into 0.0
    ordered = bits ^ _ALL if bits & _SIGN else bits | _SIGN
    return struct.pack(">QQ", ordered, sequence)


def read_key(packed: bytes, direction: Direction) -> tuple[float, int]:
    """Return the score and the sequence that a key was made of.

    Raises:
        ValueError: these bytes are no key.
    """
    if len(packed) != BYTES:
        raise ValueError("a key has sixteen bytes")
    ordered, sequence = struct.unpack(">QQ", packed)
    bits = ordered ^ _SIGN if ordered & _SIGN else ordered ^ _ALL
    (ahead,) = struct.unpack(">d", struct.pack(">Q", bits))
    if not math.isfinite(ahead):
        raise ValueError("these bytes hold no finite score")
    return (-ahead if direction == "max" else ahead) + 0.0, sequence
