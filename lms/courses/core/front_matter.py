"""The head of a Markdown lesson: title, minutes, objectives."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from lms.courses.core.outline import Line, Part
from lms.courses.core.problems import Problem
from lms.courses.core.shape import fit
from lms.courses.core.yaml_file import read_yaml


class FrontMatter(Part):
    """What a lesson's front matter may say."""

    title: Line | None = None
    minutes: Annotated[int, Field(ge=1, le=600)] | None = None
    objectives: tuple[Line, ...] = ()


@dataclass
class Split:
    """A lesson cut into head and body."""

    head: FrontMatter
    body: str
    first_line: int = 1
    """Line of the file on which the body begins."""
    problems: list[Problem] = field(default_factory=list)


def split(file: str, text: str) -> Split:
    """Cut off the front matter, if there is one; what is wrong with it is reported."""
    text = text.replace("\r\n", "\n")
    if not text.startswith("---\n"):
        return Split(FrontMatter(), text)
    head, fence, body = text[4:].partition("\n---\n")
    if not fence:
        return Split(FrontMatter(), text, 1, [Problem(file, 1, 1, "front_matter_open")])
    first_line = head.count("\n") + 4
    parsed = read_yaml(file, head, first_line=2)
    if parsed.problems:
        return Split(FrontMatter(), body, first_line, parsed.problems)
    front, problems = fit(parsed, FrontMatter)
    return Split(front or FrontMatter(), body, first_line, problems)
