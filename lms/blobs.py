"""The content-addressed store: bytes in, SHA-256 out, never changed."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

PIECE_BYTES = 256 << 10


class BlobStore(Protocol):
    """Keeps immutable bytes under the hash of their content."""

    def put(self, content: bytes) -> str:
        """Keep `content` durably; return its SHA-256 in hexadecimal. The same content twice is kept once."""

    def get(self, sha256: str) -> bytes:
        """Return the content with this hash.

        Raises:
            KeyError: it is not in the store.
            ValueError: what is stored does not match its hash.
        """

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """Return the content with this hash piece by piece, for what is large and sent on.

        Memory: two pieces of `PIECE_BYTES`.

        Raises:
            KeyError: it is not in the store; told at once.
            ValueError: what is stored does not match its hash. Told before the last piece is given, so
                that nobody takes what came for the whole.
        """

    def size_bytes(self, sha256: str) -> int:
        """Return how many bytes the content with this hash has.

        Raises:
            KeyError: it is not in the store.
        """

    def forget(self, sha256: str) -> None:
        """Delete the content with this hash for good; nothing happens where it is not in the store.

        Who calls this knows that nothing names it any more.
        """


class FolderBlobs:
    """A store in a folder: `ab/cdef…`, written aside, synced, then renamed into place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> str:
        """Keep `content` durably; see `BlobStore.put`."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._path(sha256)
        if path.exists():
            return sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{secrets.token_hex(8)}")
        try:
            with scratch.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return the content with this hash; see `BlobStore.get`."""
        try:
            content = self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise KeyError(sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"blob {sha256} is damaged")
        return content

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """Return the content with this hash piece by piece; see `BlobStore.pieces`."""
        path = self._path(sha256)
        if not path.exists():
            raise KeyError(sha256)
        return _checked_pieces(path, sha256)

    def size_bytes(self, sha256: str) -> int:
        """Return how large a content is; see `BlobStore.size_bytes`."""
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            raise KeyError(sha256) from None

    def forget(self, sha256: str) -> None:
        """Delete the content with this hash; see `BlobStore.forget`."""
        self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        if len(sha256) != hashlib.sha256().digest_size * 2 or not set(sha256) <= set("0123456789abcdef"):
            raise KeyError(sha256)
        return self.folder / sha256[:2] / sha256[2:]


class _Beside:
    """Puts into another store in threads."""

    def __init__(self, store: BlobStore, threads: ThreadPoolExecutor) -> None:
        self._store, self._threads = store, threads
        self.begun: list[Future[str]] = []

    def put(self, content: bytes) -> str:
        """Begin to keep `content`; return its SHA-256."""
        self.begun.append(self._threads.submit(self._store.put, content))
        return hashlib.sha256(content).hexdigest()

    def get(self, sha256: str) -> bytes:
        """Return what the store holds; see `BlobStore.get`."""
        return self._store.get(sha256)

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """Return what the store holds piece by piece; see `BlobStore.pieces`."""
        return self._store.pieces(sha256)

    def size_bytes(self, sha256: str) -> int:
        """Return how large a content is; see `BlobStore.size_bytes`."""
        return self._store.size_bytes(sha256)

    def forget(self, sha256: str) -> None:
        """Delete a content; see `BlobStore.forget`."""
        self._store.forget(sha256)


@contextmanager
def beside(store: BlobStore) -> Iterator[BlobStore]:
    """Keep contents while the block goes on: the disk is waited for at its end, and then they are durable.

    What cannot be kept is raised there, so a transaction that names them must stand around this block.
    """
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="blobs") as threads:
        putting = _Beside(store, threads)
        yield putting
        for each in putting.begun:
            each.result()


def _checked_pieces(path: Path, sha256: str) -> Iterator[bytes]:
    """Read a file; its last piece is held back until all of it is known to be what it should be."""
    found, held = hashlib.sha256(), b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            found.update(piece)
            if held:
                yield held
            held = piece
    if found.hexdigest() != sha256:
        raise ValueError(f"blob {sha256} is damaged")
    if held:
        yield held


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
