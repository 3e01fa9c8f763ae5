"""What a run runs on here: the engine's own source, the machine, the installed packages."""

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import lms
from lms.db import now
from lms.grading.adapters.record_key import FolderKeys
from lms.grading.core.record import (
    EnginePart,
    EnvironmentPart,
    GradeRecord,
    MachinePart,
    Statement,
    Witness,
    canonical,
    commitment,
)
from lms.runtime.environments import Environment, prepare

PACKAGE = Path(lms.__file__).parent
ENGINE = ("runtime", "grading/core", "grading/adapters")
CPU = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class InstallationNotary:
    """Signs for one installation and describes its machine."""

    installation: str
    keys: FolderKeys
    environments_root: Path

    def __post_init__(self) -> None:
        """Take the engine's hash now, while its files are still those that were loaded."""
        engine()

    def witness(self, environment: str, lock_sha256: str) -> Witness:
        """Return what a run in this environment runs on here."""
        found = prepare(self.environments_root, environment, lock_sha256)
        return Witness(environment=describe_environment(found), machine=machine(), engine=engine())

    def commit(self, kind: str, content: str) -> str:
        """Return the commitment to `content` under this installation's secret."""
        return commitment(self.keys.secret(), kind, content)

    def sign(self, statement: Statement) -> GradeRecord:
        """Return the statement, signed with the newest key."""
        return self.keys.sign(statement, at=now())


@cache
def engine() -> EnginePart:
    """Return the engine's version, and the hash of the names and contents of its source files.

    Taken once a process: what it runs is what it has loaded.
    """
    total = hashlib.sha256()
    for part in ENGINE:
        for path in sorted((PACKAGE / part).rglob("*.py")):
            name = path.relative_to(PACKAGE).as_posix()
            total.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return EnginePart(version=_version(), sha256=total.hexdigest())


def _version() -> str:
    try:
        return metadata.version("duri")
    except metadata.PackageNotFoundError:
        return "unknown"


@cache
def machine() -> MachinePart:
    """Return the operating system, its kernel and the processor."""
    return MachinePart(
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        processor=_processor(),
    )


def _processor() -> str:
    """Return the processor's name: numeric libraries choose their code, and so the last digit, by it."""
    lines = CPU.read_text(encoding="utf-8", errors="replace").splitlines() if CPU.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())[:500]


@cache
def describe_environment(environment: Environment) -> EnvironmentPart:
    """Return the interpreter and the packages that stand in an environment; it never changes once built."""
    found = metadata.distributions(
        path=[str(one) for one in environment.path.glob("lib/python*/site-packages")]
    )
    packages = tuple(sorted({f"{one.name}=={one.version}" for one in found}))
    return EnvironmentPart(
        name=environment.name,
        lock_sha256=environment.sha256,
        python_version=_python_version(environment.path / "pyvenv.cfg"),
        interpreter_sha256=hashlib.sha256(environment.python.read_bytes()).hexdigest(),
        packages=packages,
        packages_sha256=hashlib.sha256(canonical(list(packages))).hexdigest(),
    )


def _python_version(configuration: Path) -> str:
    pairs = (line.partition("=") for line in configuration.read_text(encoding="utf-8").splitlines())
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    return settings.get("version") or settings.get("version_info") or "unknown"
