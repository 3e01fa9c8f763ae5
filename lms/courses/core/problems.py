"""What can be wrong with a course folder, said in two languages.

A sentence says what is wrong and what to do. Codes are kept apart from words so that the same problem
reads well in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lms.courses.core.sentences import SENTENCES

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to put right, at a place in a file."""

    file: str
    """Path within the course folder."""
    line: int
    """From 1; 0 where the whole file is meant."""
    column: int
    code: str
    params: Mapping[str, object] = field(default_factory=dict, compare=False)
    severity: Severity = field(default="error", compare=False)

    def sentence(self, language: str = "en") -> str:
        """Return what is wrong and what to do."""
        english, korean = SENTENCES[self.code]
        return (korean if language == "ko" else english).format(**self.params)

    def render(self, language: str = "en", prefix: str = "") -> str:
        """Return `file:line:column: sentence`, warnings marked as such."""
        place = f"{prefix}{self.file}:{self.line}:{self.column}" if self.line else f"{prefix}{self.file}"
        word = ""
        if self.severity == "warning":
            word = "주의: " if language == "ko" else "warning: "
        return f"{place}: {word}{self.sentence(language)}"


def errors(problems: list[Problem]) -> list[Problem]:
    """Return the problems that stand in the way of publishing."""
    return [problem for problem in problems if problem.severity == "error"]


def warning(file: str, line: int, column: int, code: str, /, **params: object) -> Problem:
    """Make a problem that does not stand in the way of publishing."""
    return Problem(file, line, column, code, params, "warning")
