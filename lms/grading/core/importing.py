"""Make a course of ours out of a course of nbgrader's, and say what could not be brought over.

Nothing of it is executed: `nbgrader_config.py` is read as text, its plain values are taken.
"""

import ast
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from lms.grading.core.contracts import Notice
from lms.grading.core.import_notebooks import (
    MARKS,
    NoNotebook,
    is_graded,
    lab_notebook,
    lesson_notebook,
    read,
)

FILE_NAME = re.compile(r"[\w][\w.-]{0,119}\Z")
LARGEST_FILE = 20_000_000
SHARE = 0.6  # of all points, for the certificate, until somebody decides
SLUG_CHARACTERS = 60
CELL_SECONDS = ("Execute.timeout", "ExecutePreprocessor.timeout")
# Settings that the course's own files already say.
KNOWN = {
    "CourseDirectory.course_id", "CourseDirectory.root", "CourseDirectory.source_directory",
    "CourseDirectory.db_url", *CELL_SECONDS, *(setting for setting, _ in MARKS),
}  # fmt: skip
ANNOUNCED = re.compile(r"NBGRADER_(?:EXECUTION|VALIDATING)")


@dataclass(frozen=True)
class Assignment:
    """A folder of nbgrader's source directory."""

    name: str
    notebooks: Mapping[str, bytes]  # name without its ending -> content
    files: Mapping[str, bytes]  # path within the folder -> content
    due: datetime | None = None  # aware


@dataclass(frozen=True)
class Wishes:
    """What the new course shall be called, and who gives it."""

    title: str
    language: str = "en"
    university: str = "my-university"
    company: str = "my-company"
    environment: str = "ml-basics"


@dataclass
class Brought:
    """A course folder of ours, and what to know about it."""

    files: dict[str, bytes] = field(default_factory=dict)
    remarks: list[Notice] = field(default_factory=list)
    labs: list[str] = field(default_factory=list)
    lessons: list[str] = field(default_factory=list)
    points: float = 0


def read_config(text: str) -> tuple[dict[str, Any], list[Notice]]:
    """Return the plain values that an nbgrader_config.py or .json sets, and remarks about the rest."""
    if text.lstrip().startswith("{"):
        return _json_config(text), []
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}, [Notice("import-config-unreadable", for_staff=True)]
    config: dict[str, Any] = {}
    remarks = []
    for node in ast.walk(tree):
        name = _setting(node)
        if not name or not isinstance(node, ast.Assign):
            continue
        try:
            config[name] = ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            remarks.append(
                Notice("import-setting-computed", {"setting": name, "line": node.lineno}, for_staff=True)
            )
    return config, remarks


def _json_config(text: str) -> dict[str, Any]:
    try:
        groups = json.loads(text)
        return {
            f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()
        }
    except (ValueError, AttributeError, RecursionError):
        return {}


def _setting(node: ast.AST) -> str:
    """Return `Class.name` of an assignment to `c.Class.name`."""
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Attribute):
        root = target.value.value
        if isinstance(root, ast.Name) and root.id == "c":
            return f"{target.value.attr}.{target.attr}"
    return ""


def slug_of(name: str, otherwise: str, taken: Collection[str] = ()) -> str:
    """Return a short name for addresses that is not taken yet."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_CHARACTERS].strip("-") or otherwise
    made, number = base, 2
    while made in taken:
        made, number = f"{base}-{number}", number + 1
    return made


def bring_over(
    assignments: Iterable[Assignment],
    config: Mapping[str, Any],
    wishes: Wishes,
    autotests: bytes | None = None,
) -> Brought:
    """Make the files of a course: a lab for each graded notebook, a lesson for each of the others.

    Args:
        assignments: in the order in which they are taken.
        config: of `read_config`.
        wishes: what nbgrader does not know.
        autotests: the course's own autotests.yml, for assignments without one.
    """
    made = Brought()
    modules: list[dict[str, Any]] = []
    for assignment in assignments:
        items = _assignment(made, assignment, config, wishes, autotests)
        if items:
            slugs = [module["slug"] for module in modules]
            slug = slug_of(assignment.name, f"part-{len(modules) + 1}", slugs)
            modules.append({"slug": slug, "title": {wishes.language: assignment.name}, "items": items})
        else:
            made.remarks.append(_remark("import-nothing", path=assignment.name))
    for setting in sorted(config.keys() - KNOWN):
        made.remarks.append(_remark("import-setting-left-out", setting=setting))
    made.files["course.yml"] = _yaml(_course(made, modules, wishes))
    made.remarks.append(_remark("import-fill-in", path="course.yml"))
    return made


def _remark(code: str, **params: str | float) -> Notice:
    return Notice(code, params, for_staff=True)


def _yaml(document: Any) -> bytes:
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110).encode()


def _course(made: Brought, modules: list[dict[str, Any]], wishes: Wishes) -> dict[str, Any]:
    text = {wishes.language: wishes.title}
    korean = wishes.language == "ko"
    done = "실습을 마칩니다." if korean else "Finish the labs."
    return {
        "title": text,
        "summary": dict(text),  # the same again, written out: course files have no aliases
        "description": dict(text),
        "languages": [wishes.language],
        "organisations": {"university": wishes.university, "company": wishes.company},
        "level": "beginner",
        "hours": max(1, 2 * len(made.labs)),
        "modules": modules,
        "certificate": {
            "title": dict(text),
            "criteria": {wishes.language: done},
            "minimum_points": round(SHARE * made.points, 2),
        },
    }


def _assignment(
    made: Brought,
    assignment: Assignment,
    config: Mapping[str, Any],
    wishes: Wishes,
    autotests: bytes | None,
) -> list[dict[str, str]]:
    items = []
    data = _data(made, assignment)
    for name, content in sorted(assignment.notebooks.items(), key=lambda pair: natural(pair[0])):
        path = f"{assignment.name}/{name}.ipynb"
        try:
            document = read(path, content)
        except NoNotebook as problem:
            made.remarks.append(problem.notice)
            continue
        whole = assignment.name if len(assignment.notebooks) == 1 else f"{assignment.name}-{name}"
        if is_graded(document):
            slug = slug_of(whole, f"lab-{len(made.labs) + 1}", made.labs)
            tests = assignment.files.get("autotests.yml", autotests)
            _lab(made, slug, _Lab(path, name, document, data, tests, assignment.due), config, wishes)
            items.append({"lab": slug})
        else:
            slug = slug_of(whole, f"lesson-{len(made.lessons) + 1}", made.lessons)
            _lesson(made, slug, (path, name), document, assignment.files)
            items.append({"lesson": slug})
    return items


@dataclass(frozen=True)
class _Lab:
    path: str
    name: str
    document: dict[str, Any]
    data: Mapping[str, bytes]
    autotests: bytes | None
    due: datetime | None


def _data(made: Brought, assignment: Assignment) -> dict[str, bytes]:
    """Return the files that students get, as far as course folders may hold them."""
    kept = {}
    for path, content in sorted(assignment.files.items()):
        if path == "autotests.yml":
            continue
        if len(content) > LARGEST_FILE:
            made.remarks.append(_remark("import-file-large", path=f"{assignment.name}/{path}"))
        elif all(FILE_NAME.match(part) for part in path.split("/")):
            kept[path] = content
        else:
            made.remarks.append(_remark("import-file-name", path=f"{assignment.name}/{path}"))
    return kept


def _lab(made: Brought, slug: str, lab: _Lab, config: Mapping[str, Any], wishes: Wishes) -> None:
    converted = lab_notebook(lab.path, lab.document, config)
    made.remarks += converted.remarks
    made.labs.append(slug)
    made.points += converted.points
    home = f"labs/{slug}"
    source = converted.content
    made.files[f"{home}/{slug}.ipynb"] = source
    made.files |= {f"{home}/data/{path}": content for path, content in lab.data.items()}
    if b"AUTOTEST" in source:
        if lab.autotests is None:
            made.remarks.append(_remark("import-autotests-missing", path=lab.path))
        else:
            made.files[f"{home}/autotests.yml"] = lab.autotests
    made.files[f"{home}/lab.yml"] = _yaml(_settings(lab, source.decode(), config, wishes))


def _settings(lab: _Lab, source: str, config: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "title": {wishes.language: lab.name},
        "summary": {wishes.language: lab.name},
        "environment": wishes.environment,
        "data": "beside",
    }
    seconds = next((config[name] for name in CELL_SECONDS if name in config), None)
    if isinstance(seconds, int | float) and 0 < seconds <= 3600:  # noqa: PLR2004  # as course files allow
        settings |= {"cell_seconds": seconds, "total_seconds": min(max(120, 4 * seconds), 7200)}
    if ANNOUNCED.search(source):
        settings["announce_grading"] = True
    if lab.due is not None:
        settings["due"] = lab.due.astimezone(UTC).isoformat(timespec="minutes")
    return settings


def _lesson(
    made: Brought, slug: str, names: tuple[str, str], document: dict[str, Any], files: Mapping[str, bytes]
) -> None:
    converted = lesson_notebook(names[0], document, names[1], files, slug)
    made.remarks += converted.remarks
    made.lessons.append(slug)
    made.files[f"lessons/{slug}.ipynb"] = converted.content
    made.files |= {f"assets/{name}": content for name, content in converted.pictures.items()}


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that puts `ps2` before `ps10`."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in re.split(r"(\d+)", name)
    ]
