"""Lab environments: a named, hashed list of packages becomes a virtual environment of its own.

`environments/<name>.txt` -> `<root>/.environments/<name>-<first 12 of its SHA-256>/`. The same list is
what students download, and its hash is recorded with each run.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SHORT = 12


class EnvironmentBroken(Exception):
    """The environment cannot be built; the message is the installer's last words."""


@dataclass(frozen=True)
class Environment:
    """One built environment."""

    name: str
    sha256: str  # of the list
    path: Path
    python: Path


def describe(root: Path, name: str) -> Environment:
    """Return where the environment of that name is or will be.

    Raises:
        EnvironmentBroken: there is no list of that name.
    """
    lock = lock_file(root, name)
    try:
        sha256 = hashlib.sha256(lock.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise EnvironmentBroken(f"there is no {lock.name} in {lock.parent}") from None
    return _described(root, name, sha256)


def _described(root: Path, name: str, sha256: str) -> Environment:
    path = root / ".environments" / f"{name}-{sha256[:SHORT]}"
    return Environment(name, sha256, path, path / "bin" / "python")


def lock_file(root: Path, name: str) -> Path:
    """Return the path of an environment's list of packages."""
    return root / "environments" / f"{name}.txt"


def prepare(root: Path, name: str, sha256: str | None = None) -> Environment:
    """Build the environment unless it is there; two builders wait for each other.

    Args:
        sha256: of the list that is meant; an older one is used as long as it stands built.

    Raises:
        EnvironmentBroken: a package cannot be had, its hash is another, or the list meant is gone.
    """
    found = describe(root, name) if sha256 is None else _described(root, name, sha256)
    if found.python.exists():
        return found
    if sha256 is not None and describe(root, name).sha256 != sha256:
        raise EnvironmentBroken(
            f"the list {name} with hash {sha256[:SHORT]} is gone; publish the course again"
        )
    found.path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(found.path.with_name(f"{found.path.name}.lock")):
        if not found.python.exists():
            _build(lock_file(root, name), found.path)
    return found


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    opened = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _build(lock: Path, path: Path) -> None:
    # A virtual environment knows its interpreter, not its own place, so it may be renamed.
    workshop = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        workshop.chmod(0o755)
        _run([str(_base_python()), "-m", "venv", str(workshop)])
        _run(_installer(workshop, lock))
        workshop.rename(path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _base_python() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def _installer(workshop: Path, lock: Path) -> list[str]:
    python = str(workshop / "bin" / "python")
    uv = shutil.which("uv", path=f"{Path(sys.prefix) / 'bin'}:{os.environ.get('PATH', '')}")
    if uv:
        # Nothing in the jail can write compiled files, so they must be there from the start.
        return [
            uv,
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            python,
            "--require-hashes",
            "-r",
            str(lock),
        ]
    return [python, "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes", "-r", str(lock)]


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise EnvironmentBroken((result.stderr or result.stdout)[-2000:])
