"""Reading what each team lost on each item, beside a plain table of a board.

Two forms, told apart by the first line: `team` and a column for each item, whatever it is called; or
`team,losses`, where one cell holds all of a team's losses: characters 0 (right) and 1 (wrong), or numbers
separated by spaces.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lms.leaderboards.core.tables import Problem, TableProblem, clean_name, problem, read_lines

PACKED = ["team", "losses"]
_DIGITS = re.compile(r"[01]+")
MOST_ITEMS = 10_000_000
Losses = NDArray[Any]


def read_losses(content: bytes) -> dict[str, Losses]:
    """Read the losses of each team; a byte each where all of a team's are 0 or 1.

    Raises:
        TableProblem: something is wrong with them; every fault is told at once.
    """
    lines = read_lines(content)
    line, header = next(lines)
    names = [name.strip() for name in header]
    if names[0] != "team":
        raise TableProblem([problem("missing_column", line, column="team", columns="team,losses")])
    if len(names) == 1:
        raise TableProblem([problem("no_items", line)])
    packed = names == PACKED
    found: dict[str, Losses] = {}
    at: dict[str, int] = {}
    problems: list[Problem] = []
    for line, values in lines:
        losses = _line(line, values, len(header), at, packed=packed)
        if isinstance(losses, Problem):
            problems.append(losses)
            continue
        team = clean_name(values[0])
        first = next(iter(found), team)
        expected = len(found.get(first, losses))
        at[team], found[team] = line, losses
        if len(losses) != expected:
            problems.append(
                problem("other_items", line, found=len(losses), expected=expected, other=at[first])
            )
    if problems:
        raise TableProblem(problems)
    return found


def losses_of(found: Mapping[str, Losses], teams: Sequence[str], known: frozenset[str]) -> Losses:
    """Return the losses of some teams, in their order.

    Args:
        found: the losses that a file holds.
        teams: whose losses are needed.
        known: every name that the table of the board has.

    Shape:
        (teams, items)

    Raises:
        TableProblem: a needed team has none, or there are some of a team that the table does not have.
    """
    problems = [problem("unknown_team", team=team) for team in found if team not in known]
    problems += [problem("no_losses", team=team) for team in teams if team not in found]
    if problems:
        raise TableProblem(problems)
    return np.array([found[team] for team in teams])


def read_outcomes(line: int, content: bytes, expected: int | None) -> Losses:
    """Read one submission of the Ladder's filter: a character 0 (right) or 1 (wrong) for each item.

    Args:
        line: its number.
        content: the line, with or without its end.
        expected: how many items there are; None: this line decides.

    Raises:
        TableProblem: it is no such line.
    """
    text = content.removesuffix(b"\n").removesuffix(b"\r")
    if len(text) > MOST_ITEMS:
        raise TableProblem([problem("line_too_long", line, limit=MOST_ITEMS)])
    if not text:
        raise TableProblem([problem("empty_line", line)])
    wrong = text.translate(None, b"01")
    if wrong:
        before, found = text.partition(wrong[:1])[0], text[text.index(wrong[:1]) :][:4]
        sign = found.decode("utf-8", "replace")[0]
        raise TableProblem([problem("bad_character", line, position=len(before) + 1, value=sign)])
    if expected is not None and len(text) != expected:
        raise TableProblem([problem("wrong_length", line, found=len(text), expected=expected)])
    return np.frombuffer(text, dtype=np.uint8) - ord("0")


def _line(
    line: int, values: Sequence[str], width: int, at: Mapping[str, int], *, packed: bool
) -> Losses | Problem:
    if len(values) != width:
        return problem("wrong_width", line, found=len(values), expected=width)
    team = clean_name(values[0])
    if not team:
        return problem("no_team", line)
    if team in at:
        return problem("duplicate_team", line, team=team, other=at[team])
    if packed and _DIGITS.fullmatch(values[1].strip()):
        return np.frombuffer(values[1].strip().encode(), dtype=np.uint8) - ord("0")
    return _numbers(line, values[1].split() if packed else values[1:])


def _numbers(line: int, cells: Sequence[str]) -> Losses | Problem:
    if not cells:
        return problem("no_items", line)
    numbers = np.empty(len(cells))
    for item, cell in enumerate(cells):
        try:
            numbers[item] = float(cell)
        except ValueError:
            return problem("bad_loss", line, value=cell, item=item + 1)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if wrong.size:
        return problem("bad_loss", line, value=cells[wrong[0]], item=int(wrong[0]) + 1)
    return numbers.astype(np.uint8) if bool(((numbers == 0) | (numbers == 1)).all()) else numbers
