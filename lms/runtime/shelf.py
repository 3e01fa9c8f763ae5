"""The shelf: a folder that all warm environments see, read-only, with each folder of files once.

A child gets what it was given bound to its place and sees nothing else of the shelf.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

PREFIX = "duri-shelf"


class Shelf:
    """A worker's shelf; it goes with the worker, or with the next one if the worker was killed."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._laid: OrderedDict[str, Path] = OrderedDict()
        _sweep()
        self._home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.geteuid()}-"))
        self._lock = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.folder = self._home / "shelf"
        self.folder.mkdir(mode=0o755)

    def lay(self, digest: str, write: Callable[[Path], None]) -> Path:
        """Make the folder of that digest unless it is there; `write` fills it. Seldom used ones go."""
        if digest not in self._laid:
            workshop = Path(tempfile.mkdtemp(prefix=".", dir=self.folder))
            try:
                write(workshop)
                _open_to_all(workshop)
                workshop.rename(self.folder / digest)
            finally:
                shutil.rmtree(workshop, ignore_errors=True)
            self._laid[digest] = self.folder / digest
        self._laid.move_to_end(digest)
        while len(self._laid) > self._most:
            _, oldest = self._laid.popitem(last=False)
            shutil.rmtree(oldest, ignore_errors=True)
        return self._laid[digest]

    def lay_for_a_run(self, mounts: Mapping[Path, str], files: Mapping[str, bytes]) -> "Laid":
        """Lay what one run gets; return where it lies and where it goes."""
        binds = []
        own = self.folder / f"run-{secrets.token_hex(8)}"
        for number, (outside, inside) in enumerate(mounts.items()):
            if outside.is_relative_to(self.folder):
                binds.append((outside.relative_to(self.folder), inside))
            else:
                _copy(outside, own / f"m{number}")
                binds.append(((own / f"m{number}").relative_to(self.folder), inside))
        for number, (inside, content) in enumerate(files.items()):
            own.mkdir(exist_ok=True)
            (own / f"f{number}").write_bytes(content)
            binds.append(((own / f"f{number}").relative_to(self.folder), inside))
        if own.exists():
            _open_to_all(own)
        return Laid(own, tuple(binds))

    def close(self) -> None:
        """Remove the shelf; a second call does nothing."""
        if self._lock >= 0:
            shutil.rmtree(self._home, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


class Laid:
    """What one run finds on the shelf; `binds` are (path below the shelf, inside path)."""

    def __init__(self, own: Path, binds: tuple[tuple[Path, str], ...]) -> None:
        self.binds = binds
        self._own = own

    def clear(self) -> None:
        """Remove what was laid for this run alone."""
        if self._own.exists():
            shutil.rmtree(self._own, ignore_errors=True)


def _copy(outside: Path, target: Path) -> None:
    if outside.is_dir():
        shutil.copytree(outside, target, ignore=_links)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(outside, target)


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_symlink()]


def _open_to_all(folder: Path) -> None:
    """Let the jail's user read: the shelf itself lies where nobody else comes."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o444)


def _sweep() -> None:
    """Remove the shelves of workers that were killed: nobody holds their locks."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}-{os.geteuid()}-*"):
        with contextlib.suppress(OSError):
            opened = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(opened).st_uid == os.geteuid():
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(home, ignore_errors=True)
            finally:
                os.close(opened)
