"""Check a course folder: every error at once, each at its place, each with what to do."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lms.courses.core.check_certificate import check_certificate
from lms.courses.core.check_labs import check_lab
from lms.courses.core.check_lessons import check_lesson, lesson_files
from lms.courses.core.folder import Folder, read_folder
from lms.courses.core.outline import SLUG, CourseFile, Lab, Language, Lesson, Outline
from lms.courses.core.problems import Problem, errors, warning
from lms.courses.core.shape import fit, guess
from lms.courses.core.texts import check_texts
from lms.courses.core.yaml_file import Path as Keys
from lms.courses.core.yaml_file import YamlFile, read_yaml

COURSE_FILE = "course.yml"
LANGUAGES: tuple[Language, ...] = ("ko", "en")
_LESSON_FILE = re.compile(r"lessons/([a-z0-9-]+)(?:\.[a-z]{2})?\.(?:md|ipynb)\Z")


@dataclass
class Checked:
    """A folder that was read and checked; `outline` is there only if nothing stands in the way."""

    folder: Folder
    problems: list[Problem] = field(default_factory=list)
    outline: Outline | None = None


def check_folder(path: Path, environments: Collection[str]) -> list[Problem]:
    """Return everything that is wrong with the course folder at `path`, in the order of its files."""
    return read_course(path, environments).problems


def read_course(path: Path, environments: Collection[str]) -> Checked:
    """Read and check the course folder at `path`; `environments` are the names a lab may use."""
    folder = read_folder(path)
    checker = _Checker(folder, environments)
    outline = checker.run() if path.is_dir() else None
    problems = _in_order([*checker.problems, *folder.problems])
    return Checked(folder, problems, None if errors(problems) else outline)


def _in_order(problems: list[Problem]) -> list[Problem]:
    once = {(*_place(one), str(sorted(one.params.items(), key=str))): one for one in problems}
    return sorted(once.values(), key=_place)


def _place(problem: Problem) -> tuple[str, int, int, str]:
    return (problem.file, problem.line, problem.column, problem.code)


class _Checker:
    def __init__(self, folder: Folder, environments: Collection[str]) -> None:
        self.folder = folder
        self.environments = environments
        self.problems: list[Problem] = []
        self.languages: tuple[Language, ...] = LANGUAGES
        self.lessons: dict[str, Lesson] = {}
        self.labs: dict[str, Lab] = {}
        self.points: dict[str, float] = {}

    def run(self) -> Outline | None:
        """Look at everything, also where something else is wrong already."""
        if not re.match(SLUG, self.folder.name):
            self.problems.append(Problem(".", 0, 0, "folder_name", {"name": self.folder.name}))
        text = self.folder.text(COURSE_FILE)
        if text is None:
            if COURSE_FILE not in self.folder.files:
                self.problems.append(Problem(COURSE_FILE, 0, 0, "file_missing", {"path": COURSE_FILE}))
            return None
        parsed = read_yaml(COURSE_FILE, text)
        self.problems += parsed.problems
        if parsed.value is None:
            return None
        course, found = fit(parsed, CourseFile)
        self.problems += found
        if isinstance(parsed.value, dict):
            self._meaning(parsed)
        return self._outline(course)

    def _outline(self, course: CourseFile | None) -> Outline | None:
        if course is None or errors(self.problems):
            return None
        whole = course.model_dump(mode="json")
        whole["slug"] = self.folder.name
        whole["lessons"] = {slug: lesson.model_dump(mode="json") for slug, lesson in self.lessons.items()}
        whole["labs"] = {slug: lab.model_dump(mode="json") for slug, lab in self.labs.items()}
        return Outline.parse(whole)

    def _meaning(self, parsed: YamlFile) -> None:
        self._languages(parsed)
        self.problems += check_texts(parsed, self.languages)
        organisations = _mapping(parsed.value.get("organisations"))
        university, company = organisations.get("university"), organisations.get("company")
        if university == company and university is not None:
            self.problems.append(parsed.problem(("organisations", "company"), "same_organisation"))
        self._modules(parsed)
        self._unlisted()
        self.problems += check_certificate(parsed, self.points)

    def _languages(self, parsed: YamlFile) -> None:
        listed = _listed(parsed.value.get("languages"))
        known = [language for language in LANGUAGES if language in listed]
        self.languages = tuple(sorted(known, key=listed.index)) or LANGUAGES
        for index, language in enumerate(listed):
            if language in listed[:index]:
                self.problems.append(
                    parsed.problem(("languages", index), "language_twice", language=language)
                )

    def _modules(self, parsed: YamlFile) -> None:
        slugs: list[object] = []
        for number, module in enumerate(_listed(parsed.value.get("modules"))):
            if not isinstance(module, dict):
                continue
            slug = module.get("slug")
            if slug in slugs and isinstance(slug, str):
                self.problems.append(parsed.problem(("modules", number, "slug"), "module_twice", slug=slug))
            slugs.append(slug)
            for index, item in enumerate(_listed(module.get("items"))):
                if isinstance(item, dict):
                    self._item(parsed, ("modules", number, "items", index), item)

    def _item(self, parsed: YamlFile, path: Keys, item: dict[str, Any]) -> None:
        kinds = [kind for kind in ("lesson", "lab") if item.get(kind) is not None]
        if len(kinds) != 1:
            self.problems.append(parsed.problem(path, "item_kind"))
        for kind in kinds:
            slug = item[kind]
            if isinstance(slug, str) and re.match(SLUG, slug):  # anything else was said by the shape
                self._listed(parsed, (*path, kind), kind, slug)

    def _listed(self, parsed: YamlFile, path: Keys, kind: str, slug: str) -> None:
        if slug in (self.lessons if kind == "lesson" else self.points):
            self.problems.append(parsed.problem(path, "item_twice", slug=slug))
        elif kind == "lesson":
            self._lesson(parsed, path, slug)
        else:
            self._lab(parsed, path, slug)

    def _lesson(self, parsed: YamlFile, path: Keys, slug: str) -> None:
        lesson, found = check_lesson(self.folder, slug, self.languages)
        self.problems += found
        if lesson is not None:
            self.lessons[slug] = lesson
        elif not lesson_files(self.folder, slug, self.languages[:1]):
            self._absent(parsed, path, slug, "lesson_missing", self._lesson_slugs())

    def _lab(self, parsed: YamlFile, path: Keys, slug: str) -> None:
        if not self.folder.below(f"labs/{slug}"):
            self._absent(parsed, path, slug, "lab_missing", self._lab_slugs())
            return
        lab, self.points[slug], found = check_lab(self.folder, slug, self.languages, self.environments)
        self.problems += found
        if lab is not None:
            self.labs[slug] = lab

    def _absent(self, parsed: YamlFile, path: Keys, slug: str, code: str, there: set[str]) -> None:
        self.problems.append(parsed.problem(path, code, slug=slug, **guess(slug, there)))

    def _unlisted(self) -> None:
        for path in sorted(self.folder.files):
            found = _LESSON_FILE.match(path)
            if found and found[1] not in self.lessons and not self._listed_with_error("lesson", found[1]):
                self.problems.append(warning(path, 0, 0, "lesson_not_listed"))
        for slug in sorted(self._lab_slugs() - self.points.keys()):
            self.problems.append(warning(f"labs/{slug}", 0, 0, "lab_not_listed"))

    def _listed_with_error(self, kind: str, slug: str) -> bool:
        return any(one.params.get("slug") == slug for one in self.problems if one.code.startswith(kind))

    def _lesson_slugs(self) -> set[str]:
        return {found[1] for path in self.folder.files if (found := _LESSON_FILE.match(path))}

    def _lab_slugs(self) -> set[str]:
        return {
            path.split("/")[1]
            for path in self.folder.files
            if path.startswith("labs/") and path.count("/") > 1
        }


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
