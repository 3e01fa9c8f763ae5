import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.blobs import PIECE_BYTES, FolderBlobs, beside


@given(content=st.binary(max_size=2000))
def test_what_is_put_comes_back_under_its_hash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    blobs = FolderBlobs(tmp_path_factory.mktemp("blobs"))
    sha256 = blobs.put(content)
    assert sha256 == hashlib.sha256(content).hexdigest() == blobs.put(content)
    assert blobs.get(sha256) == content


def test_the_same_content_is_kept_once(blobs: FolderBlobs) -> None:
    for _ in range(3):
        blobs.put(b"one")
    assert len([path for path in blobs.folder.rglob("*") if path.is_file()]) == 1


def test_what_is_forgotten_is_gone_and_nothing_else(blobs: FolderBlobs) -> None:
    one, two = blobs.put(b"one"), blobs.put(b"two")
    for _ in range(2):
        blobs.forget(one)
    with pytest.raises(KeyError):
        blobs.get(one)
    assert blobs.get(two) == b"two"
    with pytest.raises(KeyError):
        blobs.forget("../../etc/passwd")


def test_damage_is_noticed(blobs: FolderBlobs) -> None:
    sha256 = blobs.put(b"one")
    (blobs.folder / sha256[:2] / sha256[2:]).write_bytes(b"two")
    with pytest.raises(ValueError, match="damaged"):
        blobs.get(sha256)


@pytest.mark.parametrize("count", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_what_is_read_in_pieces_is_the_whole(blobs: FolderBlobs, count: int) -> None:
    content = random.Random(count).randbytes(count)
    sha256 = blobs.put(content)
    pieces = list(blobs.pieces(sha256))
    assert blobs.size_bytes(sha256) == count
    assert b"".join(pieces) == content
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


@pytest.mark.parametrize("count", [1, PIECE_BYTES, 2 * PIECE_BYTES + 1])
def test_of_a_damaged_content_the_last_piece_is_never_given(blobs: FolderBlobs, count: int) -> None:
    sha256 = blobs.put(bytes(count))
    (blobs.folder / sha256[:2] / sha256[2:]).write_bytes(b"x" + bytes(count - 1))
    given: list[bytes] = []
    with pytest.raises(ValueError, match="damaged"):
        given.extend(blobs.pieces(sha256))
    assert sum(map(len, given)) < count


def test_what_is_not_there_is_told_before_the_first_piece(blobs: FolderBlobs) -> None:
    for name in ("0" * 64, "../../etc/passwd"):
        for ask in (blobs.pieces, blobs.size_bytes):
            with pytest.raises(KeyError):
                ask(name)
    with beside(blobs) as putting:
        sha256 = putting.put(b"one")
    assert b"".join(putting.pieces(sha256)) == b"one"
    assert putting.size_bytes(sha256) == 3


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "Z" * 64, "0" * 64])
def test_what_is_no_hash_of_ours_is_not_there(blobs: FolderBlobs, name: str) -> None:
    with pytest.raises(KeyError):
        blobs.get(name)


def test_a_write_that_fails_leaves_nothing(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device", str(descriptor))

    with monkeypatch.context() as patch:
        patch.setattr("lms.blobs.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            blobs.put(b"one")
    assert [path for path in Path(blobs.folder).rglob("*") if path.is_file()] == []


def test_what_is_put_beside_other_work_is_kept_at_the_end_of_it(blobs: FolderBlobs) -> None:
    contents = [b"%d" % number for number in range(5)]
    with beside(blobs) as putting:
        names = [putting.put(content) for content in contents]
    assert names == [hashlib.sha256(content).hexdigest() for content in contents]
    assert [blobs.get(name) for name in names] == contents
    with beside(blobs) as putting:
        assert putting.get(names[0]) == b"0"


def test_what_cannot_be_kept_beside_other_work_is_said_before_the_work_is_done(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device", str(descriptor))

    def work() -> None:
        with beside(blobs) as putting:
            putting.put(b"one")

    monkeypatch.setattr("lms.blobs.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        work()
