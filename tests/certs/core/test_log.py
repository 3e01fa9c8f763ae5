"""The Merkle tree, against the definition, the reference implementation's known answers, and itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.certs.core.log import (
    EMPTY_ROOT,
    MOST_PATH,
    Frontier,
    consistency_path,
    includes,
    inclusion_path,
    is_consistent,
    leaf_hash,
    node_hash,
    nodes_of,
    root_of,
)

KNOWN_ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
KNOWN_PATHS = {
    (0, 8): ("96a296d224f285c6", "5f083f0a1a33ca07", "6b47aaf29ee3c2af"),
    (5, 8): ("bc1a0643b12e4d2d", "ca854ea128ed050b", "d37ee418976dd957"),
    (2, 3): ("fac54203e7cc696c",),
    (1, 5): ("6e340b9cffb37a98", "5f083f0a1a33ca07", "bc1a0643b12e4d2d"),
}
KNOWN_GROWTHS = {
    (1, 8): ("96a296d224f285c6", "5f083f0a1a33ca07", "6b47aaf29ee3c2af"),
    (6, 8): ("0ebc5d3437fbe2db", "ca854ea128ed050b", "d37ee418976dd957"),
    (2, 5): ("5f083f0a1a33ca07", "bc1a0643b12e4d2d"),
}

SIZES = st.integers(1, 70)


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def by_definition(hashes: list[bytes]) -> bytes:
    if len(hashes) < 2:
        return hashes[0] if hashes else EMPTY_ROOT
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(by_definition(hashes[:split]), by_definition(hashes[split:]))


def test_the_known_answers_of_certificate_transparency_come_out() -> None:
    hashes = [leaf_hash(entry) for entry in KNOWN_ENTRIES]
    node = nodes_of(hashes)
    assert [root_of(size, node).hex() for size in range(1, 9)] == KNOWN_ROOTS
    for (index, size), expected in KNOWN_PATHS.items():
        assert tuple(one.hex()[:16] for one in inclusion_path(index, size, node)) == expected
    for (first, second), expected in KNOWN_GROWTHS.items():
        assert tuple(one.hex()[:16] for one in consistency_path(first, second, node)) == expected
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.integers(0, 70))
def test_the_frontier_knows_the_root_that_the_definition_gives(count: int) -> None:
    hashes = leaves(count)
    frontier = Frontier().extend(hashes)
    assert frontier.root() == by_definition(hashes) == root_of(count, nodes_of(hashes))
    assert frontier.is_sound()
    assert (frontier.size, len(frontier.hashes)) == (count, count.bit_count())


@given(SIZES)
def test_what_each_entry_fills_is_enough_for_every_proof(count: int) -> None:
    frontier, kept = Frontier(), []
    for leaf in leaves(count):
        frontier, filled = frontier.append(leaf)
        kept.append(filled)

    def stored(level: int, position: int) -> bytes:
        return kept[((position + 1) << level) - 1][level]

    at_hand = nodes_of(leaves(count))
    for index in range(count):
        assert inclusion_path(index, count, stored) == inclusion_path(index, count, at_hand)
        assert consistency_path(index + 1, count, stored) == consistency_path(index + 1, count, at_hand)


@given(SIZES, st.data())
def test_every_entry_is_shown_to_be_in_its_place_and_in_no_other(count: int, data: st.DataObject) -> None:
    hashes = leaves(count)
    node, index = nodes_of(hashes), data.draw(st.integers(0, count - 1))
    path, root = inclusion_path(index, count, node), root_of(count, node)
    assert includes(hashes[index], index, count, path, root)
    for wrong in set(range(-1, count + 2)) - {index}:
        assert not includes(hashes[index], wrong, count, path, root)
    assert not includes(leaf_hash(b"other"), index, count, path, root)
    assert not includes(hashes[index], index, count, path, EMPTY_ROOT)
    assert not includes(hashes[index], index, count, [*path, root], root)
    if path:
        assert not includes(hashes[index], index, count, path[:-1], root)
        spoilt = data.draw(st.integers(0, len(path) - 1))
        path[spoilt] = bytes(32)
        assert not includes(hashes[index], index, count, path, root)


@given(SIZES, st.data())
def test_growth_is_shown_and_nothing_else_is(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, count))
    node = nodes_of(leaves(count))
    path, old, new = consistency_path(first, count, node), root_of(first, node), root_of(count, node)
    assert is_consistent(first, old, count, new, path)
    assert not is_consistent(first, bytes(32), count, new, path)
    assert not is_consistent(first, old, count, bytes(32), path)
    assert not is_consistent(count + 1, old, count, new, path)
    assert not is_consistent(0, old, count, new, path)
    assert not is_consistent(first, old, count, new, [*path, new])
    for spoilt in range(len(path)):
        assert not is_consistent(first, old, count, new, [*path[:spoilt], *path[spoilt + 1 :]])
        assert not is_consistent(first, old, count, new, [*path[:spoilt], bytes(32), *path[spoilt + 1 :]])


@given(SIZES.filter(lambda count: count > 1), st.data())
def test_a_rewritten_entry_cannot_be_passed_off_as_growth(count: int, data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, count - 2))
    first = data.draw(st.integers(changed + 1, count - 1))
    honest, rewritten = leaves(count), leaves(count)
    rewritten[changed] = leaf_hash(b"rewritten")
    node = nodes_of(rewritten)
    path = consistency_path(first, count, node)
    old = root_of(first, nodes_of(honest))
    assert not is_consistent(first, old, count, root_of(count, node), path)


def test_an_entry_cannot_pass_for_a_node() -> None:
    left, right = leaves(2)
    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_path_without_end_is_refused() -> None:
    (leaf,) = leaves(1)
    assert not includes(leaf, 0, 2**64, [leaf] * (MOST_PATH + 1), leaf)
    assert not is_consistent(1, leaf, 2**64, leaf, [leaf] * (2 * MOST_PATH + 1))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_what_is_not_there_has_no_path(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        inclusion_path(index, size, nodes_of(leaves(3)))


@pytest.mark.parametrize(("first", "second"), [(0, 3), (3, 2), (-1, 1)])
def test_what_did_not_grow_has_no_path(first: int, second: int) -> None:
    with pytest.raises(IndexError):
        consistency_path(first, second, nodes_of(leaves(3)))


@pytest.mark.parametrize("frontier", [Frontier(3, (bytes(32),)), Frontier(1, (b"x",)), Frontier(-1, ())])
def test_a_frontier_that_does_not_belong_together_is_noticed(frontier: Frontier) -> None:
    assert not frontier.is_sound()
