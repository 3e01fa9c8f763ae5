"""Challenges that are over, for tests of what comes after the end."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from lms.db import now
from lms.leaderboards.models import EntryKind, Team
from tests.factories.leaderboards import Contest, make_contest


def make_ended(session: Session, names: tuple[str, ...] = (), **changes: Any) -> tuple[Contest, list[Team]]:
    """A challenge that ended some days ago; its teams stand on the final board in the order of their names.

    Each has one scored notebook.
    """
    contest = make_contest(session, opens_at=now() - timedelta(days=40), **changes)
    while_open = now() - timedelta(days=30)
    teams = []
    for place, name in enumerate(names):
        team = contest.team(name, at=while_open)
        work = {"kind": EntryKind.NOTEBOOK, "filename": "work.ipynb"}
        entry = contest.take(team, at=while_open + timedelta(seconds=place), **work)
        contest.score(entry, 0.5, 0.9 - place / 10)
        teams.append(team)
    return contest, teams
