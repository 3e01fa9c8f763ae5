"""Read a course of nbgrader's from its folder; nothing of it is executed or changed."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from lms.errors import N_, Invalid, NotFound, TooLarge
from lms.grading.core.contracts import Notice
from lms.grading.core.importing import LARGEST_FILE, Assignment, natural, read_config

CONFIGS = ("nbgrader_config.py", "nbgrader_config.json")
GRADEBOOK = "gradebook.db"
SQLITE = "sqlite:///"
MOST_FILES = 5_000
MOST_BYTES = 500_000_000
CONFIG_BYTES = 1_000_000


@dataclass
class NbgraderCourse:
    """What a course folder of nbgrader's holds."""

    name: str
    config: Mapping[str, Any]
    assignments: list[Assignment]
    autotests: bytes | None = None
    remarks: list[Notice] = field(default_factory=list)


@dataclass
class _Gradebook:
    due: dict[str, datetime] = field(default_factory=dict)
    remarks: list[Notice] = field(default_factory=list)


def nbgrader_course(root: Path) -> NbgraderCourse:
    """Return the course in the folder `root`.

    Raises:
        NotFound: it has no source folder.
        Invalid: its source folder lies outside.
        TooLarge: it has more files than we take.
    """
    config, remarks = _config(root)
    source = _within(root, str(config.get("CourseDirectory.source_directory", "source")))
    if not source.is_dir():
        raise NotFound(
            N_("%(path)s is no course of nbgrader's: it has no folder source. Name the course's folder."),
            path=str(root),
        )
    gradebook = _gradebook(root, config)
    files = _files(source)
    outside = [path for path in files if "/" not in path]
    remarks += [Notice("import-file-outside", {"path": path}, for_staff=True) for path in outside]
    names = sorted({path.partition("/")[0] for path in files if "/" in path}, key=natural)
    tests = root / "autotests.yml"
    return NbgraderCourse(
        name=str(config.get("CourseDirectory.course_id") or root.resolve().name),
        config=config,
        assignments=[_assignment(name, files, gradebook.due.get(name)) for name in names],
        autotests=tests.read_bytes() if tests.is_file() and not tests.is_symlink() else None,
        remarks=[*remarks, *gradebook.remarks],
    )


def _config(root: Path) -> tuple[dict[str, Any], list[Notice]]:
    for name in CONFIGS:
        path = root / name
        if path.is_file():
            with path.open("rb") as opened:
                return read_config(opened.read(CONFIG_BYTES).decode("utf-8", "replace"))
    return {}, []


def _within(root: Path, name: str) -> Path:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Invalid(N_("%(path)s lies outside of the course's folder. Copy it there."), path=name)
    return path


def _files(source: Path) -> dict[str, bytes]:
    """Read every file below the source folder; no link is followed."""
    found: dict[str, bytes] = {}
    size = 0
    for path in _walk(source):
        with path.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
        size += len(content)
        found[path.relative_to(source).as_posix()] = content
        if len(found) > MOST_FILES or size > MOST_BYTES:
            raise TooLarge(
                N_("The course has more than %(files)d files or %(mib)d MB. Bring it in in parts."),
                files=MOST_FILES,
                mib=MOST_BYTES // 1_000_000,
            )
    return found


def _walk(source: Path) -> Iterator[Path]:
    for home, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(home, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def _assignment(name: str, files: Mapping[str, bytes], due: datetime | None) -> Assignment:
    own = {path.partition("/")[2]: content for path, content in files.items() if path.startswith(f"{name}/")}
    notebooks = {path for path in own if PurePosixPath(path).suffix == ".ipynb" and "/" not in path}
    return Assignment(
        name=name,
        notebooks={path.removesuffix(".ipynb"): own[path] for path in sorted(notebooks)},
        files={path: content for path, content in own.items() if path not in notebooks},
        due=due,
    )


def _gradebook(root: Path, config: Mapping[str, Any]) -> _Gradebook:
    """Return due dates from the gradebook, if there is one in the course's folder."""
    url = str(config.get("CourseDirectory.db_url", f"{SQLITE}{GRADEBOOK}"))
    path = root / url.removeprefix(SQLITE)
    if not url.startswith(SQLITE) or not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        missing = "CourseDirectory.db_url" in config
        remark = Notice("import-gradebook-unreadable", {"path": GRADEBOOK}, for_staff=True)
        return _Gradebook(remarks=[remark] if missing else [])
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            return _read_gradebook(opened)
    except (sqlite3.Error, ValueError, OverflowError):
        return _Gradebook(
            remarks=[Notice("import-gradebook-unreadable", {"path": path.name}, for_staff=True)]
        )


def _read_gradebook(opened: sqlite3.Connection) -> _Gradebook:
    rows = opened.execute("SELECT name, duedate FROM assignment WHERE duedate IS NOT NULL").fetchall()
    due = {str(name): datetime.fromisoformat(str(moment)).replace(tzinfo=UTC) for name, moment in rows}
    (students,) = opened.execute("SELECT count(*) FROM student").fetchone()
    (submissions,) = opened.execute("SELECT count(*) FROM submitted_assignment").fetchone()
    counts = {"students": students, "submissions": submissions}
    people = [Notice("import-people-left-out", counts, for_staff=True)] if students or submissions else []
    return _Gradebook(due, people)
