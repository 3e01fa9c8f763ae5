"""Files that cross the wall of a jail: laid into its memory, or read out of it, by the worker."""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterator

_libc = ctypes.CDLL(None)


@contextlib.contextmanager
def as_user(uid: int | None) -> Iterator[None]:
    """Touch files as another user; only this thread does.

    A file system that was mounted in a user namespace takes no files of users that the namespace lacks,
    and root is such a user.
    """
    if uid is None or os.geteuid() != 0:
        yield
        return
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    try:
        yield
    finally:
        _libc.setfsuid(0)
        _libc.setfsgid(0)


def put(path: str, content: bytes, uid: int | None = None) -> None:
    """Write a new file; an existing one is not overwritten."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with as_user(uid):
        opened = os.open(path, flags, 0o644)
    with os.fdopen(opened, "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(content)


def fetch(path: str, limit: int) -> bytes | None:
    """Read a file; None if it is missing, special or longer than the limit."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(opened).st_mode):  # a folder would not even become a file object
        os.close(opened)
        return None
    with os.fdopen(opened, "rb") as file:
        content = file.read(limit + 1)
    return content if len(content) <= limit else None
