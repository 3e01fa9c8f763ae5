"""`lms boards grades`: what a board's rule gives, worked out anew and compared with what was confirmed."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from sqlalchemy.orm import Session

from lms.commands import LANGUAGE, Database
from lms.db import now
from lms.leaderboards.cli.upkeep import DIFFERS, REFUSED, named_board
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.grade_rules import RuleProblem
from lms.leaderboards.core.tables import printable
from lms.leaderboards.models import Board, Share
from lms.leaderboards.policy import share_at
from lms.leaderboards.queries.awards import (
    Line,
    Unequal,
    awards_of,
    confirmation_of,
    current_rule,
    outcome,
    unequal_awards,
)
from lms.leaderboards.tables.grades import GradeConfirmation, GradeRule

WORDS = {
    "no_rule": ("Board {} has no grade rule.", "리더보드 {}에는 점수 규칙이 없습니다."),
    "preview": ("If board {} ended now:", "리더보드 {}: 지금 끝난다면"),
    "computed": (
        "Board {} has ended; nobody has confirmed this yet:",
        "리더보드 {}: 끝났고, 아직 아무도 확정하지 않았습니다.",
    ),
    "same": (
        "Board {}: all {} confirmed awards are what the entries say.",
        "리더보드 {}: 확정된 점수 {}개가 모두 제출 기록과 같습니다.",
    ),
    "differs": (
        "Board {}: {} confirmed awards are not what the entries say.",
        "리더보드 {}: 확정된 점수 {}개가 제출 기록과 다릅니다.",
    ),
    "row": (
        "  {rank}, {name} ({user}): {points} / {maximum}",
        "  {rank}, {name}({user}): {points} / {maximum}",
    ),
    "unequal": (
        "  {name} ({user}): kept {rank} with {points}, entries say {now_rank} with {now_points}",
        "  {name}({user}): 확정 {rank} {points}점, 기록 {now_rank} {now_points}점",
    ),
    "rank": ("rank {}", "{}위"),
    "no_rank": ("no rank", "순위 없음"),
}  # fmt: skip


@click.command(
    "grades", short_help="Work out anew what a board gives, and compare it with what was confirmed."
)
@click.argument("name", metavar="BOARD")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@LANGUAGE
@click.pass_context
def grades(context: click.Context, name: str, language: str, *, as_json: bool) -> None:
    """Work out anew from the stored entries what the grade rule of BOARD gives; nothing changes.

    BOARD is a number, or the name of a challenge. Before somebody confirmed the awards they are shown as they
    would be; afterwards those that were confirmed are compared. Status 1: something differs; 2: there is no
    such board, or no rule that can be used.
    """
    tools: Database = context.obj
    with tools.sessions() as session:
        board = named_board(session, name, language)
        declared, confirmed = current_rule(session, board), confirmation_of(session, board)
        if declared is None:
            _refuse(board, "no_rule", [_word("no_rule", language).format(board.id)], as_json=as_json)
        try:
            if confirmed is not None:
                context.exit(_compare(session, confirmed, language, as_json=as_json))
            _show(session, board, declared, language, as_json=as_json)
        except RuleProblem as problem:
            _refuse(board, "unusable_rule", problem.sentences(language), as_json=as_json)


def _show(session: Session, board: Board, declared: GradeRule, language: str, *, as_json: bool) -> None:
    share = share_at(board, now())
    state = "computed" if share is Share.PRIVATE else "preview"
    found = outcome(session, board, read_rule(declared.rule), share, anew=True)
    if as_json:
        rows = [_line(line) for line in found.lines]
        return _print(board, declared, state, {"grouping": found.grouping, "awards": rows})
    click.echo(_word(state, language).format(board.id))
    for line in found.lines:
        said = _line(line) | {"rank": _rank(line.placed.rank, language), "name": printable(line.user.name)}
        click.echo(_word("row", language).format(**said))
    return None


def _compare(session: Session, confirmed: GradeConfirmation, language: str, *, as_json: bool) -> int:
    board, unequal = confirmed.board, unequal_awards(session, confirmed)
    kept = awards_of(session, confirmed)
    if as_json:
        rows = [
            {"user": each.user_id, "team": each.team_id, "rank": each.rank, "score": each.score,
             "computed": each.computed, "points": each.points, "maximum": each.maximum}
            for each in kept
        ]  # fmt: skip
        differing = [_unequal(each) for each in unequal]
        _print(board, confirmed.rule, "confirmed", {"awards": rows, "unequal": differing})
        return DIFFERS if unequal else 0
    said = _word("differs" if unequal else "same", language)
    click.echo(said.format(board.id, len(unequal) or len(kept)))
    _tell(unequal, language)
    return DIFFERS if unequal else 0


def _tell(unequal: Sequence[Unequal], language: str) -> None:
    for each in unequal:
        said = _unequal(each) | {"name": printable(each.kept.user.name)}
        said |= {name: _rank(said[name], language) for name in ("rank", "now_rank")}
        click.echo(_word("unequal", language).format(**said))


def _print(board: Board, declared: GradeRule, state: str, more: dict[str, Any]) -> None:
    head = {"board": board.id, "state": state, "rule_version": declared.version, "rule": declared.rule}
    click.echo(json.dumps(head | more, ensure_ascii=False, indent=2))


def _line(line: Line) -> dict[str, Any]:
    return {
        "user": line.user.id,
        "team": line.team_id,
        "rank": line.placed.rank,
        "score": line.placed.score,
        "points": line.points,
        "maximum": float(line.award.maximum),
    }


def _unequal(each: Unequal) -> dict[str, Any]:
    return {
        "user": each.kept.user_id,
        "rank": each.kept.rank,
        "points": each.kept.computed,
        "now_rank": each.computed.placed.rank,
        "now_points": each.computed.points,
    }


def _rank(rank: int | None, language: str) -> str:
    return _word("no_rank" if rank is None else "rank", language).format(rank)


def _refuse(board: Board, state: str, reasons: Sequence[str], *, as_json: bool) -> NoReturn:
    """End without points; a program that asked for JSON gets it here too."""
    if as_json:
        told = {"board": board.id, "state": state, "reasons": list(reasons)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for line in reasons:
            click.echo(line, err=True)
    raise SystemExit(REFUSED)


def _word(code: str, language: str) -> str:
    english, korean = WORDS[code]
    return korean if language == "ko" else english
