"""Slots: one number for each running jail, and with it a user id of its own.

A slot is a lock file held with `flock`, so a killed worker gives its slots back by dying. Nothing else
of a jail lives outside of it: its folders are memory file systems that vanish with its namespaces.
"""

import fcntl
import os
import stat
import tempfile
from pathlib import Path
from typing import Self

from lms.runtime.faults import JailUnavailable

FIRST_UID = 590_000  # far above every range that Debian or systemd hand out
SLOTS = 256


class Slot:
    """One taken slot; give it back with `release`."""

    def __init__(self, number: int, lock: int) -> None:
        self.number = number
        self.uid = FIRST_UID + number
        self._lock = lock

    @classmethod
    def take(cls) -> Self:
        """Take the first free slot.

        Raises:
            JailUnavailable: all are taken, or the lock folder belongs to somebody else.
        """
        folder = _lock_folder()
        for number in range(SLOTS):
            lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            return cls(number, lock)
        raise JailUnavailable("every slot is taken")

    def release(self) -> None:
        """Give the slot back; a second call does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _lock_folder() -> Path:
    parent = Path("/run") if os.geteuid() == 0 else Path(tempfile.gettempdir())
    folder = parent / f"duri-slots-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise JailUnavailable(f"{folder} belongs to somebody else; remove it")
    return folder
