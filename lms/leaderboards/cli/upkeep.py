"""`lms boards diff`, `recompute` and `import`: looking after the boards of this installation."""

from collections.abc import Sequence
from datetime import datetime
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
from lms.leaderboards.queries.results import ResultDifference, result_differences
from lms.leaderboards.services.honouring import count_results, mend_people, people_to_mend
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.services.standing import recompute as work_out
from lms.leaderboards.services.ties import lock_truth, tie_again

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
    "one_differs": ("Board {}: one standing differs.", "리더보드 {}: 순위 1개가 다릅니다."),
    "one_mended": (
        "Board {}: one standing differed and was mended.",
        "리더보드 {}: 순위 1개가 달라 바로잡았습니다.",
    ),
    "results_same": (
        "Board {}: the kept results are what the standings give.",
        "리더보드 {}: 저장된 결과가 순위와 같습니다.",
    ),
    "results_differ": (
        "Board {}: kept results differ from what the standings give, values: {}.",
        "리더보드 {}: 저장된 결과가 순위와 다릅니다. 값 {}개.",
    ),
    "results_mended": (
        "Board {}: kept results differed from what the standings give and were mended, values: {}.",
        "리더보드 {}: 저장된 결과가 순위와 달라 바로잡았습니다. 값 {}개.",
    ),
    "people_differ": (
        "Board {}: sums of points and medals that are not what the places give, people: {}.",
        "리더보드 {}: 포인트와 메달 합계가 결과와 다른 사람 {}명.",
    ),
    "people_mended": (
        "Board {}: sums of points and medals were mended, people: {}.",
        "리더보드 {}: 포인트와 메달 합계를 바로잡은 사람 {}명.",
    ),
    "ties": (
        "Board {}: its tie groups are worked out anew within a minute or so, where a worker runs.",
        "리더보드 {}: 동률 묶음은 작업 프로세스가 1분쯤 안에 다시 계산합니다.",
    ),
    "key": (
        "  {share}, team {team} ({name}): only the sort key differs, kept {kept}, entries say {counts}",
        "  {share}, 팀 {team}({name}): 정렬 키만 다름, 저장 {kept}, 기록 {counts}",
    ),
    "result": (
        "  team {team} ({name}), {column}: kept {kept}, standings give {given}",
        "  팀 {team}({name}), {column}: 저장 {kept}, 순위로는 {given}",
    ),
    "figure": (
        "  {column}: kept {kept}, standings give {given}",
        "  {column}: 저장 {kept}, 순위로는 {given}",
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
        "Rows brought in: {}. Teams that stand on board {} now: {}.",
        "{}행을 넣었습니다. 리더보드 {}에 순위가 있는 팀은 {}개입니다.",
    ),
}


@click.command("diff", short_help="Say where kept standings are not what the entries say.")
@click.argument("names", metavar="[BOARD]...", nargs=-1)
@LANGUAGE
@click.pass_context
def diff(context: click.Context, names: Sequence[str], language: str) -> None:
    """Work boards out anew from their entries and say where the kept standings differ; nothing changes.

    Of boards that have ended, what is kept of their results (ranks, medals, points, the shake-up) is compared
    with their standings, and the sums of their people with those results.

    BOARD is a number, or the name of a challenge; without one all boards are looked at. Status 1: something
    differs.
    """
    tools: Database = context.obj
    with tools.sessions() as session:
        differs = False
        for board in _boards(session, names, language):
            different, results = differences(session, board), result_differences(session, board)
            people = 0 if results is None else len(people_to_mend(session, board))
            _say(session, board.id, different, language)
            _say_results(session, board.id, results, people, language)
            differs |= bool(different or results or people)
    if differs:
        context.exit(DIFFERS)


@click.command("recompute", short_help="Work boards out anew from their entries.")
@click.argument("names", metavar="[BOARD]...", nargs=-1)
@LANGUAGE
@click.pass_context
def recompute(context: click.Context, names: Sequence[str], language: str) -> None:
    """Work boards out anew from their entries, and mend what differs. BOARD as with `diff`.

    Points and medals of challenges that have ended follow; tie groups are worked out anew at the next look of
    a worker.
    """
    tools: Database = context.obj
    with tools.sessions() as session:
        numbers = [board.id for board in _boards(session, names, language)]
    for number in numbers:
        with tools.sessions.begin() as session:
            board = lock_truth(session, number)  # before any team, as who publishes a new truth does
            different = work_out(session, board)
            results, people = result_differences(session, board), 0
            if count_results(session, board, now()) is not None:
                people = mend_people(session, board)
            tie_again(session, board)
            _say(session, number, different, language, mended=True)
            _say_results(session, number, results, people, language, mended=True)
            click.echo(_word("ties", language).format(number))


@click.command("import", short_help="Bring a table of entries onto a challenge's board.")
@click.argument("table", metavar="FILE.csv", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--board", "name", required=True, help="Its number, or the name of its challenge.")
@LANGUAGE
@click.pass_context
def import_entries(context: click.Context, table: Path, name: str, language: str) -> None:
    """Enter every row of FILE.csv on a challenge's board: all of it, or nothing where something is wrong.

    The table is that of `lms boards rank`: team, score, received_at, and if there are such private_score,
    baseline, selected. Refused are times that are still to come, rows that the board has already, more
    selected rows of a team than the board takes, names that no team can have, and boards that have ended and
    are not empty. Stop the server first where the database is SQLite: nobody can write meanwhile.
    """
    tools: Database = context.obj
    click.echo(_word("reading", language).format(table.name), err=True)
    try:
        with long_values():
            read = read_table(table.read_bytes())
    except TableProblem as problem:
        _refuse(*problem.sentences(language))
    try:
        with tools.sessions.begin() as session:
            (board,) = _boards(session, [name], language)
            with click.progressbar(length=len(read.rows), label=_word("importing", language)) as bar:
                teams = import_table(session, None, board, read, at=now(), tell=bar.update)
            click.echo(_word("imported", language).format(len(read.rows), board.id, teams))
    except TableProblem as problem:
        _refuse(*problem.sentences(language))


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
    code = f"one_{code}" if len(found) == 1 else code
    click.echo(_word(code, language).format(number, len(found)))
    for each in found:
        kept, counts = (_standing(one, language) for one in (each.kept, each.counts))
        row = "row"
        if each.kept is not None and each.counts is not None and kept == counts:
            row, kept, counts = "key", each.kept.key.hex(), each.counts.key.hex()
        name = _team_name(session, each.team_id)
        told = _word(row, language)
        click.echo(told.format(share=each.share, team=each.team_id, name=name, kept=kept, counts=counts))


def _say_results(
    session: Session,
    number: int,
    found: Sequence[ResultDifference] | None,
    people: int,
    language: str,
    *,
    mended: bool = False,
) -> None:
    """Say what of a board's kept results differs; nothing where none are kept."""
    if found is None:
        return
    code = ("results_mended" if mended else "results_differ") if found else "results_same"
    click.echo(_word(code, language).format(number, len(found)))
    for each in found:
        kept, given = (_result(value, language) for value in (each.kept, each.given))
        told = _word("figure" if each.team_id is None else "result", language)
        name = "" if each.team_id is None else _team_name(session, each.team_id)
        click.echo(told.format(team=each.team_id, name=name, column=each.column, kept=kept, given=given))
    if people:
        click.echo(_word("people_mended" if mended else "people_differ", language).format(number, people))


def _team_name(session: Session, team_id: int) -> str:
    return printable(session.get_one(Team, team_id).name)


def _result(value: object, language: str) -> str:
    if value is None:
        return _word("nothing", language)
    return value.isoformat() if isinstance(value, datetime) else str(value)


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
