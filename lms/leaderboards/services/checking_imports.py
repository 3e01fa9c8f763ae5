"""What is wrong with a table for the board that it is to be brought onto, told before anything is written."""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.leaderboards.core.tables import Problem, Row, TableProblem, problem
from lms.leaderboards.models import Board, Entry, PrivateScore, Team
from lms.leaderboards.services.teams import LONGEST_NAME, name_key

Key = tuple[str, datetime, float | None, float | None]
"""The name as it is compared, the receipt, and both scores."""


def shown_name(name: str) -> str:
    """Return a name with single spaces, as a team's form keeps it."""
    return " ".join(name.split())


def check_import(session: Session, board: Board, rows: Sequence[Row], *, at: datetime) -> None:
    """Refuse a table that cannot be brought onto a board.

    Complexity: O(n) in the rows, and in the entries that the board has from the time of the rows.

    Raises:
        TableProblem: the board takes no table: it is a lab's, has a Ladder, which needs more than scores, or
            has ended with entries of teams. Or rows are of the future, are there already or have names that
            no team can have, or a team has selected more than the board lets it.
    """
    if board.challenge_id is None or board.ladder:
        raise TableProblem([problem("not_importable")])
    is_empty = _has_no(session, Entry.board_id == board.id)
    if (
        not is_empty
        and board.ends_at is not None
        and at > board.ends_at
        and not _has_no(session, Entry.board_id == board.id, Entry.team_id.is_not(None))
    ):
        raise TableProblem([problem("board_ended")])
    problems = [
        problem("future", row.line, value=row.received_at.isoformat()) for row in rows if row.received_at > at
    ]
    problems += _of_names(rows)
    problems += _of_selections(session, board, rows)
    there = [] if is_empty or not rows else _there_already(session, board, rows)
    if there:
        problems.append(problem("rows_there", count=len(there)))
        problems += [problem("row_there", line) for line in there]
    if problems:
        raise TableProblem(sorted(problems, key=lambda one: one.line))


def _has_no(session: Session, *conditions: Any) -> bool:
    return session.scalar(select(Entry.id).where(*conditions).limit(1)) is None


def _of_names(rows: Sequence[Row]) -> Iterator[Problem]:
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row.team, row)
    compared: dict[str, Row] = {}
    for name, row in firsts.items():
        if len(shown_name(name)) > LONGEST_NAME:
            yield problem("long_name", row.line, limit=LONGEST_NAME)
        if any(unicodedata.category(sign)[0] == "C" for sign in name):
            yield problem("hidden_signs", row.line, team=name)
        if not row.baseline:
            first = compared.setdefault(name_key(shown_name(name)), row)
            if first is not row:
                yield problem("same_name", row.line, team=name, same=first.team, other=first.line)


def _of_selections(session: Session, board: Board, rows: Sequence[Row]) -> Iterator[Problem]:
    selected = [row for row in rows if row.selected and not row.baseline]
    if not selected:
        return
    counts: dict[str, int] = _counts(
        session.execute(
            select(Team.name_key, func.count())
            .join(Entry, Entry.team_id == Team.id)
            .where(Entry.board_id == board.id, Entry.selected, Team.name_key.is_not(None))
            .group_by(Team.name_key)
        )
    )
    for row in selected:
        name = name_key(shown_name(row.team))
        counts[name] = counts.get(name, 0) + 1
        if counts[name] == board.selections + 1:
            yield problem("too_many_selected", row.line, team=row.team, limit=board.selections)


def _counts(rows: Iterable[Any]) -> dict[str, int]:
    return dict(iter(rows))


def _there_already(session: Session, board: Board, rows: Sequence[Row]) -> list[int]:
    """Return the lines of rows that the board has already."""
    named: dict[str, str] = {}
    teams: dict[Key, list[int]] = {}
    baselines: dict[Key, list[int]] = {}
    for row in rows:
        name = named.get(row.team) or named.setdefault(row.team, name_key(shown_name(row.team)))
        is_score = math.isfinite(row.score)
        private = row.private_score if is_score and math.isfinite(row.private_score) else None
        key = name, row.received_at, row.score if is_score else None, private
        (baselines if row.baseline else teams).setdefault(key, []).append(row.line)
    of_these = (
        select(Team.name_key, Entry.title, Entry.received_at, Entry.public_score, PrivateScore.score)
        .select_from(Entry)
        .outerjoin(Team, Team.id == Entry.team_id)
        .outerjoin(PrivateScore, PrivateScore.entry_id == Entry.id)
        .where(
            Entry.board_id == board.id,
            Entry.received_at.between(
                min(row.received_at for row in rows), max(row.received_at for row in rows)
            ),
        )
    )
    found: set[int] = set()
    for team, title, received_at, public, private in session.execute(of_these):
        kept, name = (baselines, _title(title)) if team is None else (teams, team)
        found.update(kept.get((name, received_at, public, private), ()))
    return sorted(found)


def _title(title: Mapping[str, str]) -> str:
    return name_key(title.get("en", ""))
