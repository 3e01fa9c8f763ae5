"""`lms boards diff`, `recompute` and `import`: looking after the boards of this installation."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.commands import LANGUAGE, Database
from lms.db import now
from lms.leaderboards.cli.tables import long_values
from lms.leaderboards.core.tables import TableProblem, printable, read_table
from lms.leaderboards.models import Board, Challenge, Team
from lms.leaderboards.queries.counting import Counting, Difference, differences
from lms.leaderboards.services.honouring import count_results, mend_people
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.services.standing import recompute as work_out
from lms.leaderboards.services.ties import lock_truth

DIFFERS, REFUSED = 1, 2
WORDS = {
    "same": (
        "Board {}: the kept standings are what the entries say.",
        "리더보드 {}: 저장된 순위가 제출 기록과 같습니다.",
    ),
    "differs": ("Board {}: {} standings differ.", "리더보드 {}: 순위 {}개가 다릅니다."),
    "mended": (
        "Board {}: {} standings differed and were mended.",
        "리더보드 {}: 순위 {}개가 달라 바로잡았습니다.",
    ),
    "row": (
        "  {share}, team {team} ({name}): kept {kept}, entries say {counts}",
        "  {share}, 팀 {team}({name}): 저장 {kept}, 기록 {counts}",
    ),
    "standing": ("entry {} with {!r}, best of {}", "제출 {}, 점수 {!r}, {}개 중 최고"),
    "nothing": ("nothing", "없음"),
    "unknown": (
        "There is no board {}. Give its number, or the name of its challenge.",
        "리더보드 {}: 찾을 수 없습니다. 번호나 챌린지 이름을 쓰세요.",
    ),
    "none": ("There is no board here yet.", "아직 리더보드가 없습니다."),
    "reading": ("Reading {}", "{} 읽는 중"),
    "importing": ("Importing", "가져오는 중"),
    "imported": (
        "{} rows are on board {}, with {} standings.",
        "{}행을 리더보드 {}에 넣었습니다. 순위는 {}개입니다.",
    ),
}


@click.command("diff", short_help="Say where kept standings are not what the entries say.")
@click.argument("names", metavar="[BOARD]...", nargs=-1)
@LANGUAGE
@click.pass_context
def diff(context: click.Context, names: Sequence[str], language: str) -> None:
    """Work boards out anew from their entries and say where the kept standings differ; nothing changes.

    BOARD is a number, or the name of a challenge; without one all boards are looked at. Status 1: something
    differs.
    """
    tools: Database = context.obj
    with tools.sessions() as session:
        found = {board.id: differences(session, board) for board in _boards(session, names, language)}
        for number, different in found.items():
            _say(session, number, different, language)
    if any(found.values()):
        context.exit(DIFFERS)


@click.command("recompute", short_help="Work boards out anew from their entries.")
@click.argument("names", metavar="[BOARD]...", nargs=-1)
@LANGUAGE
@click.pass_context
def recompute(context: click.Context, names: Sequence[str], language: str) -> None:
    """Work boards out anew from their entries, and mend what differs. BOARD as with `diff`.

    Points and medals of challenges that have ended follow.
    """
    tools: Database = context.obj
    with tools.sessions() as session:
        numbers = [board.id for board in _boards(session, names, language)]
    for number in numbers:
        with tools.sessions.begin() as session:
            board = lock_truth(session, number)  # before any team, as who publishes a new truth does
            different = work_out(session, board)
            if count_results(session, board, now()) is not None:
                mend_people(session, board)
            _say(session, number, different, language, mended=True)


@click.command("import", short_help="Bring a table of entries onto a challenge's board.")
@click.argument("table", metavar="FILE.csv", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--board", "name", required=True, help="Its number, or the name of its challenge.")
@LANGUAGE
@click.pass_context
def import_entries(context: click.Context, table: Path, name: str, language: str) -> None:
    """Enter every row of FILE.csv on a challenge's board: all of it, or nothing where something is wrong.

    The table is that of `lms boards rank`: team, score, received_at, and if there are such private_score,
    baseline, selected. Stop the server first where the database is SQLite: nobody can write meanwhile.
    """
    tools: Database = context.obj
    click.echo(_word("reading", language).format(table.name), err=True)
    try:
        with long_values():
            read = read_table(table.read_bytes())
    except TableProblem as problem:
        _refuse(*problem.sentences(language))
    with tools.sessions.begin() as session:
        (board,) = _boards(session, [name], language)
        with click.progressbar(length=len(read.rows), label=_word("importing", language)) as bar:
            standing = import_table(session, None, board, read, at=now(), tell=bar.update)
        click.echo(_word("imported", language).format(len(read.rows), board.id, standing))


def _boards(session: Session, names: Sequence[str], language: str) -> list[Board]:
    if not names:
        every = list(session.scalars(select(Board).order_by(Board.id)))
        if not every:
            click.echo(_word("none", language))
        return every
    return [named_board(session, name, language) for name in names]


def named_board(session: Session, name: str, language: str) -> Board:
    """Return the board of a number or of a challenge's name; without one the command ends."""
    found = session.scalar(
        select(Board).join(Challenge, Challenge.id == Board.challenge_id).where(Challenge.slug == name)
    )
    if found is None and name.isascii() and name.isdigit() and len(name) < 10:  # noqa: PLR2004 - fits 32 bits
        found = session.get(Board, int(name))
    if found is None:
        _refuse(_word("unknown", language).format(printable(name)))
    return found


def _say(
    session: Session, number: int, found: Sequence[Difference], language: str, *, mended: bool = False
) -> None:
    code = ("mended" if mended else "differs") if found else "same"
    click.echo(_word(code, language).format(number, len(found)))
    for each in found:
        name = printable(session.get_one(Team, each.team_id).name)
        kept, counts = (_standing(one, language) for one in (each.kept, each.counts))
        row = _word("row", language)
        click.echo(row.format(share=each.share, team=each.team_id, name=name, kept=kept, counts=counts))


def _standing(counting: Counting | None, language: str) -> str:
    if counting is None:
        return _word("nothing", language)
    return _word("standing", language).format(counting.entry_id, counting.score, counting.entries)


def _word(code: str, language: str) -> str:
    english, korean = WORDS[code]
    return korean if language == "ko" else english


def _refuse(*lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    raise SystemExit(REFUSED)
