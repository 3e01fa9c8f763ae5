"""Check the lessons: their titles, twins, links, images and formulas."""

import posixpath
from urllib.parse import unquote

from markdown_it.token import Token

from lms.courses.core.folder import Folder
from lms.courses.core.front_matter import FrontMatter, split
from lms.courses.core.links import Target, aim
from lms.courses.core.markdown import flat, is_elsewhere, mathml, parse, render
from lms.courses.core.notebooks import Notebook, notebook_title, read_notebook
from lms.courses.core.outline import Language, Lesson
from lms.courses.core.problems import Problem, Severity, warning

_SCHEMES = ("https:", "http:", "mailto:")


def lesson_files(folder: Folder, slug: str, languages: tuple[Language, ...]) -> dict[Language, str]:
    """Return the file of a lesson in each language that it has."""
    found: dict[Language, str] = {}
    for suffix in (".md", ".ipynb"):
        names = [f"lessons/{slug}{suffix}", *(f"lessons/{slug}.{lang}{suffix}" for lang in languages[1:])]
        for language, name in zip(languages, names, strict=True):
            if name in folder.files:
                found.setdefault(language, name)
    return found


def check_lesson(
    folder: Folder, slug: str, languages: tuple[Language, ...]
) -> tuple[Lesson | None, list[Problem]]:
    """Read one lesson in all its languages; None if it cannot be shown."""
    files = lesson_files(folder, slug, languages)
    problems: list[Problem] = []
    if f"lessons/{slug}.md" in folder.files and f"lessons/{slug}.ipynb" in folder.files:
        problems.append(Problem(f"lessons/{slug}.md", 1, 1, "lesson_two_formats"))
    titles: dict[Language, str] = {}
    objectives: dict[Language, tuple[str, ...]] = {}
    minutes: int | None = None
    for language, file in files.items():
        title, head, found = _read(folder, file)
        problems += found
        titles[language] = title[:300] or slug
        minutes = minutes or head.minutes
        if head.objectives:
            objectives[language] = head.objectives
    first = languages[0]
    if first not in files:
        return None, problems
    problems += [_twin(files[first], language, first) for language in languages if language not in files]
    return Lesson(slug=slug, title=titles, files=files, minutes=minutes, objectives=objectives), problems


def _twin(file: str, language: str, first: str) -> Problem:
    stem, suffix = posixpath.splitext(file)
    return warning(
        file, 1, 1, "twin_missing", language=language, path=f"{stem}.{language}{suffix}", first=first
    )


def _read(folder: Folder, file: str) -> tuple[str, FrontMatter, list[Problem]]:
    if file.endswith(".ipynb"):
        return _read_notebook(folder, file)
    text = folder.text(file)
    if text is None:
        return "", FrontMatter(), []
    parts = split(file, text)
    title = parts.head.title or render(parts.body, lambda _: None).title
    problems = parts.problems + _check_text(folder, file, parts.body, parts.first_line)
    if not title and not parts.problems:
        problems.append(Problem(file, 1, 1, "title_missing"))
    return title, parts.head, problems


def _read_notebook(folder: Folder, file: str) -> tuple[str, FrontMatter, list[Problem]]:
    try:
        notebook = read_notebook(folder.files[file])
    except ValueError as error:
        return "", FrontMatter(), [Problem(file, 1, 1, "notebook_json", {"detail": str(error)})]
    title = notebook_title(notebook)
    problems = _check_cells(folder, file, notebook)
    if not title:
        problems.append(Problem(file, 1, 1, "title_missing"))
    return title, FrontMatter(), problems


def _check_cells(folder: Folder, file: str, notebook: Notebook) -> list[Problem]:
    found = [
        problem
        for cell in notebook.cells
        if cell.kind == "markdown"
        for problem in _check_text(folder, file, cell.source, 1)
    ]
    # lines within a cell mean nothing to somebody who looks at the file
    return [Problem(file, 1, 1, one.code, one.params, one.severity) for one in found]


def _check_text(folder: Folder, file: str, text: str, first_line: int) -> list[Problem]:
    lines = text.split("\n")
    problems = []
    for token, line in flat(parse(text)):
        code, params = _wrong(folder, file, token)
        if code:
            written = str(params.get("written", token.content))
            row, column = _find(lines, line, written)
            params.pop("written", None)
            severity: Severity = "warning" if code == "image_without_words" else "error"
            problems.append(Problem(file, row + first_line, column, code, params, severity))
    return problems


def _find(lines: list[str], line: int, written: str) -> tuple[int, int]:
    for row in range(line, min(line + 200, len(lines))):
        for form in (written, unquote(written)):
            if form and form in lines[row]:
                return row, lines[row].find(form) + 1
    return line, 1


def _wrong(folder: Folder, file: str, token: Token) -> tuple[str | None, dict[str, object]]:
    if token.type in {"math_inline", "math_inline_double", "math_block"}:
        try:
            mathml(token.content, block=token.type != "math_inline")
        except ValueError as error:
            return "maths", {"detail": str(error), "written": token.content.strip().split("\n")[0]}
        return None, {}
    if token.type == "link_open":
        return _wrong_link(folder, file, str(token.attrGet("href") or ""))
    if token.type == "image":
        return _wrong_image(folder, file, str(token.attrGet("src") or ""), token.content)
    return None, {}


def _wrong_link(folder: Folder, file: str, link: str) -> tuple[str | None, dict[str, object]]:
    params: dict[str, object] = {"path": unquote(link)[:120], "written": link}
    if link.startswith("#"):
        return None, {}
    if is_elsewhere(link):
        return (None, {}) if link.lower().startswith(_SCHEMES) else ("link_scheme", params)
    target = aim(file, link)
    if target.kind is Target.OUTSIDE:
        return "link_outside", params
    there = target.path in folder.files or folder.below(target.path)
    if not there:
        return "link_missing", params
    return ("link_not_shown", params) if target.kind is Target.OTHER else (None, {})


def _wrong_image(folder: Folder, file: str, source: str, words: str) -> tuple[str | None, dict[str, object]]:
    params: dict[str, object] = {"path": unquote(source)[:120], "written": source}
    target = aim(file, source)
    if is_elsewhere(source) or target.kind is not Target.ASSET:
        return "image_outside", params
    if target.path not in folder.files:
        return "link_missing", params
    return (None, {}) if words.strip() else ("image_without_words", {"written": source})
