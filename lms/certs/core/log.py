"""The Merkle tree of the transparency log: hashes, what to keep, proofs and their checks.

A tree only grows. Its perfect subtrees never change once they are full, so a log keeps their hashes beside
the entry that filled them and reads a handful for any proof.

Source: RFC 9162, section 2.1.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32
MOST_PATH = 64

Node = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree over 2**level entries that is the position-th of its size."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry; its first byte keeps it from passing for a node."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """Hold what a growing tree must remember: the hashes of its perfect subtrees, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> tuple["Frontier", tuple[bytes, ...]]:
        """Return the tree with one entry more, and the hashes of the subtrees that it fills, leaf first."""
        hashes, filled = list(self.hashes), [leaf]
        size = self.size
        while size & 1:
            filled.append(node_hash(hashes.pop(), filled[-1]))
            size >>= 1
        return Frontier(self.size + 1, (*hashes, filled[-1])), tuple(filled)

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """Return the tree with more entries."""
        grown = self
        for leaf in leaves:
            grown, _ = grown.append(leaf)
        return grown

    def root(self) -> bytes:
        """Return the hash of the whole tree."""
        if not self.hashes:
            return EMPTY_ROOT
        right = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            right = node_hash(left, right)
        return right

    def is_sound(self) -> bool:
        """Tell whether so many hashes belong to a tree of this size."""
        return (
            self.size >= 0
            and len(self.hashes) == self.size.bit_count()
            and all(len(one) == HASH_BYTES for one in self.hashes)
        )


def nodes_of(leaves: Sequence[bytes]) -> Node:
    """Give the subtrees of a tree at hand, from the hashes of its entries."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        last = levels[-1]
        levels.append([node_hash(*last[at : at + 2]) for at in range(0, len(last) - 1, 2)])
    return lambda level, position: levels[level][position]


def root_of(size: int, node: Node) -> bytes:
    """Return the hash of the first `size` entries."""
    return _range(0, size, node) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Return the hashes that lead from one entry to the root of the first `size` entries.

    Raises:
        IndexError: the tree has no such entry.
    """
    if not 0 <= index < size:
        raise IndexError(index)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start = middle
    return path[::-1]


def consistency_path(first: int, second: int, node: Node) -> list[bytes]:
    """Return the hashes that show that a tree of `first` entries only grew to one of `second`.

    Raises:
        IndexError: the sizes are none of a tree that grew.
    """
    if not 0 < first <= second:
        raise IndexError(first)
    path: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start, whole = middle, False
    if not whole:
        path.append(_range(start, end, node))
    return path[::-1]


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether the path shows that the entry is in the tree, at this place.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size or len(path) > MOST_PATH:
        return False
    place, last, reached = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached = node_hash(step, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        place, last = place >> 1, last >> 1
    return last == 0 and reached == root


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether the path shows that the larger tree begins with exactly the smaller one.

    Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 < first <= second or len(path) > 2 * MOST_PATH:
        return False
    if first == second:
        return not path and first_root == second_root
    steps = [first_root, *path] if first & (first - 1) == 0 else list(path)
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    return bool(steps) and _climb(steps, place, last) == (first_root, second_root)


def _climb(steps: Sequence[bytes], place: int, last: int) -> tuple[bytes, bytes] | None:
    """Return the two roots that the steps lead to; None where they lead past the top or not up to it."""
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, step)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(count: int) -> int:
    """Return the largest power of two below a count of at least two."""
    return 1 << ((count - 1).bit_length() - 1)


def _range(start: int, end: int, node: Node) -> bytes:
    """Return the hash over entries from `start` to before `end`, as the tree has them together."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range(start, middle, node), _range(middle, end, node))
