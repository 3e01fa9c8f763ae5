"""Whose entry is scored next."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from lms.leaderboards.models import Entry, EntryKind, Team
from lms.leaderboards.queries.waiting import waiting_entries
from tests.factories.leaderboards import NOW, Contest

Waiting = Callable[..., list[int]]


@pytest.fixture
def waiting(contest: Contest) -> Waiting:
    def waiting(kind: EntryKind, *without: int) -> list[int]:
        return [entry.entry_id for entry in waiting_entries(contest.session, {kind}, 50, without)]

    return waiting


def send(contest: Contest, kind: EntryKind, *teams: Team) -> list[int]:
    return [contest.take(team, kind=kind, blob=f"{at}" * 64).id for at, team in enumerate(teams)]


def test_a_team_s_second_model_waits_for_the_first_ones_of_all_others(
    contest: Contest, waiting: Waiting
) -> None:
    busy, other = contest.team(), contest.team()
    first, second, third, theirs = send(contest, EntryKind.MODEL, busy, busy, busy, other)
    assert waiting(EntryKind.MODEL) == [first, theirs, second, third]
    contest.score(contest.session.get_one(Entry, first), 0.5)  # what was served counts
    assert waiting(EntryKind.MODEL) == [theirs, second, third]
    [late] = send(contest, EntryKind.MODEL, contest.team())
    assert waiting(EntryKind.MODEL, theirs) == [late, second, third]
    tomorrow = contest.take(contest.team(), kind=EntryKind.MODEL, blob="d" * 64, at=NOW + timedelta(days=1))
    assert waiting(EntryKind.MODEL) == [theirs, late, second, third, tomorrow.id]


def test_files_are_taken_as_they_came(contest: Contest, waiting: Waiting) -> None:
    busy, other = contest.team(), contest.team()
    came = send(contest, EntryKind.PREDICTIONS, busy, busy, other)
    assert waiting(EntryKind.PREDICTIONS) == came


def test_what_waits_is_found_by_its_index_alone(contest: Contest) -> None:
    """A scorer asks five times a second, however many entries there have been."""
    asked: list[tuple[str, Any]] = []
    connection = contest.session.connection()

    def note(*told: Any) -> None:  # connection, cursor, statement, parameters, …
        asked.append(told[2:4])

    event.listen(connection, "before_cursor_execute", note)
    waiting_entries(contest.session, [EntryKind.PREDICTIONS], 50)
    event.remove(connection, "before_cursor_execute", note)
    [(statement, parameters)] = asked
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert any("ix_entries_waiting" in row[3] for row in plan), plan
    assert not any(row[3].startswith("SCAN entries") and "USING" not in row[3] for row in plan), plan
