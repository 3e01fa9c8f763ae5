"""Files of a signer's folder: for its owner only, and whole or not at all."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes, like: Path | None = None) -> None:
    """Write a new file that only its owner reads; written by root, it belongs to whoever owns `like`.

    Args:
        like: another file; without one the folder counts, so that a signer reads what root made for it.

    Raises:
        FileExistsError: nothing is ever written over.
    """
    owner = (like or path.parent).lstat()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if os.geteuid() == 0:  # by descriptor: whoever owns the folder could put a link in the name's place
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_private(path: Path, content: bytes) -> None:
    """Put a file's new content in the place of the old one at one blow, under the same owner."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, content, path if path.exists() else None)
    fresh.replace(path)


def stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is replaced or written to."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
