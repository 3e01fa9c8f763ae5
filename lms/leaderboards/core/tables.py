"""Reading a board from a plain table, line by line, with every fault at its line.

The columns are `team`, `score`, `received_at` and, where there are such, `private_score`, `baseline` and
`selected`; others are passed over. A score that is missing, infinite or `nan` is read, and never ranks.
"""

import csv
import io
import math
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

NEEDED = ("team", "score", "received_at")
WANTED = ("private_score", "baseline", "selected")
LIMIT_MEGABYTES = 256
LONGEST_NAME = 100_000
MOST_PROBLEMS = 20
SENTENCES: Mapping[str, Mapping[str, str]] = tomllib.loads(
    Path(__file__).with_name("table_sentences.toml").read_text(encoding="utf-8")
)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NO_SCORE = re.compile(r"|[+-]?nan|[+-]?inf(inity)?|n/?a|none|null", re.IGNORECASE)
_FLAGS = {"": False, "0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_FINER = re.compile(r"[.,][0-9]{6}([0-9]+)")
_SHOWN = 40  # characters of a wrong value that are repeated


@dataclass(frozen=True)
class Problem:
    """One fault; `line` is 0 where it is the whole file's."""

    code: str
    line: int
    params: Mapping[str, str | int]

    def sentence(self, language: str) -> str:
        """Say where it is, what is wrong and what to do, in Korean for `ko`, else in English."""
        text = _say(self.code, self.params, language)
        return _say("at_line", {"line": self.line, "sentence": text}, language) if self.line else text


class TableProblem(Exception):
    """A table cannot be used; `problems` say why, in the order of its lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(one.sentence("en") for one in problems))
        self.problems = tuple(problems)

    def sentences(self, language: str) -> list[str]:
        """Return the first faults in Korean or English, and how many more there are."""
        said = [one.sentence(language) for one in self.problems[:MOST_PROBLEMS]]
        more = len(self.problems) - len(said)
        left = _say("more_one" if more == 1 else "more", {"count": more}, language)
        return [*said, left] if more else said


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a table; a score that is no finite number never ranks."""

    line: int
    team: str
    score: float
    received_at: datetime
    private_score: float = math.nan
    baseline: bool = False
    selected: bool = False
    finer: str = ""
    """The decimals of the second beyond the sixth, which a time does not hold; as texts they order well."""


@dataclass(frozen=True)
class Table:
    """The entries of a board; `has_private` if any entry of a team has a finite private score."""

    rows: Sequence[Row]
    has_private: bool


def problem(code: str, line: int = 0, **params: str | int) -> Problem:
    """Return a fault; what it repeats of a file is cut short and cannot steer a terminal."""
    cut = {
        key: printable(value)[:_SHOWN] if isinstance(value, str) else value for key, value in params.items()
    }
    return Problem(code, line, cut)


def printable(text: str) -> str:
    """Return a text in which nothing steers a terminal or turns the direction of writing."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def clean_name(text: str) -> str:
    """Return a team's name as tables and losses are matched: composed, without white space around it."""
    return unicodedata.normalize("NFC", text.strip())


def read_table(content: bytes) -> Table:
    """Read the entries of a board.

    Raises:
        TableProblem: something is wrong with it; every fault is told at once.
    """
    lines = read_lines(content)
    line, header = next(lines)
    columns = _columns(line, header)
    problems: list[Problem] = []
    rows: list[Row] = []
    has_private = False
    for line, values in lines:
        found = _row(line, values, columns, len(header))
        if isinstance(found, Row):
            rows.append(found)
            has_private |= math.isfinite(found.private_score) and not found.baseline
        else:
            problems += found
    problems += _mixed(rows)
    if problems:
        raise TableProblem(sorted(problems, key=lambda one: one.line))
    return Table(rows, has_private)


def read_lines(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the values of each line that is not empty; there is at least one.

    A value is as long as `csv.field_size_limit` of this process lets it be.

    Raises:
        TableProblem: the bytes are no CSV in UTF-8.
    """
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    before, found = 0, False
    try:
        for values in reader:
            if values:
                found = True
                yield before + 1, values
            before = reader.line_num
    except csv.Error as error:
        if "field limit" in str(error):
            found_wrong = problem("long_value", before + 1, limit=csv.field_size_limit())
        else:
            found_wrong = problem("not_csv", before + 1, reason=str(error))
        raise TableProblem([found_wrong]) from None
    if not found:
        raise TableProblem([problem("empty")])


def _text(content: bytes) -> str:
    if len(content) > LIMIT_MEGABYTES * 1_000_000:
        raise TableProblem([problem("too_large", limit=LIMIT_MEGABYTES)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableProblem([problem("not_utf8", line)]) from None
    if not text.strip():
        raise TableProblem([problem("empty")])
    return text


def _columns(line: int, header: Sequence[str]) -> dict[str, int]:
    names = [name.strip() for name in header]
    known = [*NEEDED, *WANTED]
    problems = [
        problem("missing_column", line, column=column, columns=",".join(NEEDED))
        for column in NEEDED
        if column not in names
    ]
    problems += [
        problem("duplicate_column", line, column=column) for column in known if names.count(column) > 1
    ]
    if problems:
        raise TableProblem(problems)
    return {column: names.index(column) for column in known if column in names}


def _row(line: int, values: Sequence[str], columns: Mapping[str, int], width: int) -> Row | list[Problem]:
    if len(values) != width:
        return [problem("wrong_width", line, found=len(values), expected=width)]
    reading = _Reading(line, values, columns)
    row = Row(
        line=line,
        team=reading.team(),
        score=reading.score("score"),
        received_at=reading.time(),
        finer=reading.finer(),
        private_score=reading.score("private_score"),
        baseline=reading.flag("baseline"),
        selected=reading.flag("selected"),
    )
    return reading.problems or row


class _Reading:
    """One line as it is read, and what is wrong with it."""

    def __init__(self, line: int, values: Sequence[str], columns: Mapping[str, int]) -> None:
        self._line, self._values, self._columns = line, values, columns
        self.problems: list[Problem] = []

    def team(self) -> str:
        """Return the name."""
        name = clean_name(self._values[self._columns["team"]])
        if not name:
            self._complain("no_team")
        elif len(name) > LONGEST_NAME:
            self._complain("long_name", limit=LONGEST_NAME)
        return name

    def score(self, column: str) -> float:
        """Return a score; nan where there is none."""
        value = _value(self._values, self._columns, column)
        if _NUMBER.fullmatch(value):
            return float(value)
        if not _NO_SCORE.fullmatch(value):
            self._complain("bad_number", value=value, column=column)
        return math.nan

    def time(self) -> datetime:
        """Return when it was received; a time without a zone is UTC."""
        value = _value(self._values, self._columns, "received_at")
        try:
            time = datetime.fromisoformat(value[:-1] + "Z" if value.endswith("z") else value)
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            self._complain("bad_time", value=value)
            return datetime.min.replace(tzinfo=UTC)

    def finer(self) -> str:
        """Return what the time has beyond microseconds."""
        found = _FINER.search(_value(self._values, self._columns, "received_at"))
        return found[1].rstrip("0") if found else ""

    def flag(self, column: str) -> bool:
        """Return a yes or no; empty is no."""
        value = _value(self._values, self._columns, column)
        found = _FLAGS.get(value.lower())
        if found is None:
            self._complain("bad_flag", value=value, column=column)
        return found is True

    def _complain(self, code: str, **params: str | int) -> None:
        self.problems.append(problem(code, self._line, **params))


def _value(values: Sequence[str], columns: Mapping[str, int], column: str) -> str:
    return values[columns[column]].strip() if column in columns else ""


def _mixed(rows: Sequence[Row]) -> list[Problem]:
    """Return a fault for each name that is a team's on one line and a baseline's on another."""
    first: dict[str, Row] = {}
    problems: dict[str, Problem] = {}
    for row in rows:
        known = first.setdefault(row.team, row)
        if known.baseline != row.baseline:
            code = "mixed_baseline" if row.baseline else "mixed_team"
            problems.setdefault(row.team, problem(code, row.line, team=row.team, other=known.line))
    return list(problems.values())


def _say(code: str, params: Mapping[str, str | int], language: str) -> str:
    return SENTENCES[code]["ko" if language == "ko" else "en"] % params
