"""The content-addressed store: bytes in, SHA-256 out, never changed."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
