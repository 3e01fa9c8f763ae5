"""`lms boards rank` and `lms boards ladder`: the ranking core on anyone's own board, without a database."""

import csv
import json
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from unicodedata import east_asian_width

import click

from lms.commands import LANGUAGE
from lms.leaderboards.core.ladder import Release, of_losses, step
from lms.leaderboards.core.loss_tables import MOST_ITEMS, Losses, read_losses, read_outcomes
from lms.leaderboards.core.rank import Direction
from lms.leaderboards.core.table_ranks import RankedRow, Ranking, rank_table
from lms.leaderboards.core.tables import LIMIT_MEGABYTES, TableProblem, printable, read_table

REFUSED = 2
DASH = "–"
WIDEST_NAME = 40
HEADS: Mapping[str, tuple[str, str]] = {
    "rank": ("rank", "순위"),
    "team": ("team", "팀"),
    "score": ("score", "점수"),
    "group": ("tie group", "동률 묶음"),
    "range": ("rank range", "순위 범위"),
    "medal": ("medal", "메달"),
    "public": ("public rank", "공개 순위"),
    "change": ("change", "변동"),
}
SHAKE_UP = ("Shake-up: {:.4f}", "순위 변동률: {:.4f}")
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("rank", short_help="Rank a plain table.")
@click.argument("table", metavar="FILE.csv", type=FILE)
@click.option(
    "--direction", type=click.Choice(["max", "min"]), required=True, help="Which end of the scores is better."
)
@click.option(
    "--losses",
    type=FILE,
    help="What each team lost on each item, for statistical tie groups: a CSV with the columns team,losses "
    "(characters 0 and 1, or numbers separated by spaces) or with team and a column for each item.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON document.")
@LANGUAGE
def rank(table: Path, direction: Direction, losses: Path | None, *, as_json: bool, language: str) -> None:
    """Rank the teams of FILE.csv: team, score, received_at and, if given, private_score, baseline, selected.

    One row for each team: its best by public score; its private score then ranks, or the best private one of
    its selected entries. Equal scores rank by receipt, then by team. Times without a zone are UTC.
    Baselines stand at their score without a rank. Missing, infinite and nan scores never rank. Exits 2 with
    every fault and its line where the table cannot be used.
    """
    try:
        with long_values():
            entries = read_table(_content(table))
            lost = None if losses is None else read_losses(_content(losses))
        ranking = rank_table(entries, direction, lost)
    except TableProblem as problem:
        _refuse(problem, language)
    if as_json:
        click.echo(_escaped(json.dumps(ranking.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)))
        return
    for line in _lines(ranking, language):
        click.echo(line)


@click.command("ladder", short_help="Answer a team's submissions by the Ladder.")
@LANGUAGE
def ladder(language: str) -> None:
    """Read one team's submissions and answer each with the loss that the Ladder releases.

    A filter: a submission is a line of characters, 0 (right) or 1 (wrong) for each item; the answer is a line
    with the released loss, a multiple of 1/n, written at once. Exits 2 at a line that is no submission; a
    byte order mark and one empty line at the end are passed over.
    """
    release: Release | None = None
    try:
        for number, losses in _submissions():
            release = step(release, of_losses(number, losses))
            click.echo(repr(release.score))
            sys.stdout.flush()
    except TableProblem as problem:
        _refuse(problem, language)


def _submissions() -> Iterator[tuple[int, Losses]]:
    source = sys.stdin.buffer
    number, items, is_over = 0, None, False
    while content := source.readline(MOST_ITEMS + 2 + len(BOM_UTF8)):
        number += 1
        if number == 1:
            content = content.removeprefix(BOM_UTF8)  # what programs of Windows begin with
        elif is_over:
            read_outcomes(number - 1, b"", items)
        is_over = number > 1 and not content.strip(b"\r\n")
        if is_over:
            continue
        losses = read_outcomes(number, content, items)
        items = len(losses)
        yield number, losses


@contextmanager
def long_values() -> Iterator[None]:
    """Let a cell of a CSV be as long as a file may be; as the limit is the process's, it is put back."""
    before = csv.field_size_limit(LIMIT_MEGABYTES * 1_000_000)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LIMIT_MEGABYTES * 1_000_000 + 1)


def _refuse(problem: TableProblem, language: str) -> NoReturn:
    for sentence in problem.sentences(language):
        click.echo(sentence, err=True)
    raise SystemExit(REFUSED)


def _lines(ranking: Ranking, language: str) -> Iterator[str]:
    column = 1 if language == "ko" else 0
    with_private = any(row.private_rank is not None for row in ranking.rows)
    shown = ["rank", "team", "score", "group"]
    shown += ["range"] * bool(ranking.ties) + ["medal"] + ["public", "change"] * with_private
    table = [[HEADS[name][column] for name in shown]]
    table += [[_cells(row, ranking)[name] for name in shown] for row in ranking.rows]
    widths = [max(map(_width, cells)) for cells in zip(*table, strict=True)]
    for cells in table:
        yield "  ".join(_padded(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    if ranking.shake_up is not None:
        yield ""
        yield SHAKE_UP[column].format(ranking.shake_up)


def _cells(row: RankedRow, ranking: Ranking) -> dict[str, str]:
    score, tie = ranking.scores.get(row.team), ranking.ties.get(row.team)
    change = DASH if row.change is None else f"{row.change:+d}" if row.change else "0"
    return {
        "rank": _or_dash(row.rank),
        "team": printable(row.team)[:WIDEST_NAME],
        "score": DASH if score is None else repr(score),
        "group": _or_dash(row.tie_group),
        "range": DASH if tie is None else f"{tie.best}{DASH}{tie.worst}",
        "medal": row.medal or DASH,
        "public": _or_dash(row.public_rank),
        "change": change,
    }


def _or_dash(number: int | None) -> str:
    return DASH if number is None else str(number)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes; Korean signs take two."""
    return len(text) + sum(east_asian_width(sign) in {"W", "F"} for sign in text)


def _escaped(text: str) -> str:
    """Escape in JSON what could steer a terminal or turn the direction of writing; it means the same."""
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)
