"""Ranking a plain table: one row for each team, by the rules of every board here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lms.leaderboards.core.honours import medal
from lms.leaderboards.core.loss_tables import Losses, losses_of
from lms.leaderboards.core.moves import rank_changes, shake_up
from lms.leaderboards.core.rank import Direction, Place, Scored, places
from lms.leaderboards.core.selection import Candidate, chosen
from lms.leaderboards.core.tables import Row, Table
from lms.leaderboards.core.ties import Tie, equal_groups, tie_groups


@dataclass(frozen=True)
class RankedRow:
    """Where one team stands; a baseline, or a team without a finite score, has no rank."""

    team: str
    rank: int | None
    tie_group: int | None
    medal: str | None
    public_rank: int | None
    private_rank: int | None
    change: int | None  # public minus private rank: a positive one rose


@dataclass(frozen=True)
class Ranking:
    """A ranked table; `scores` and `ties` (with losses only) tell what the rows rest on, by team."""

    shake_up: float | None
    rows: Sequence[RankedRow]
    scores: Mapping[str, float]
    ties: Mapping[str, Tie]

    def to_dict(self) -> dict[str, Any]:
        """Return what `lms boards rank --json` prints."""
        return {"shake_up": self.shake_up, "rows": [asdict(row) for row in self.rows]}


def rank_table(table: Table, direction: Direction, losses: Mapping[str, Losses] | None = None) -> Ranking:
    """Rank the teams of a table.

    A team stands with its best public entry. Where the table has private scores, the private score of that
    entry ranks, or the best private one of those that the team selected. Of equal scores the earlier received
    stands ahead, of equal times the smaller team id. Baselines stand at their score, below teams of the same
    one, and take no rank; what cannot be ranked stands last, so that nobody is missing.

    Args:
        table: the entries.
        direction: which end of the scores is the better one.
        losses: of each ranked team on each item, for statistical tie groups.

    Raises:
        TableProblem: losses do not fit the table.
    """
    field = _Field(table, direction)
    public = field.board(field.public())
    private = field.board(field.private()) if table.has_private else None
    final = public if private is None else private
    ranked = [place for place in final if place.rank is not None]
    names = [field.name(place) for place in ranked]
    ties = _ties(names, table, losses)
    groups = [tie.group for tie in ties] or equal_groups([place.score for place in ranked])
    public_ranks = field.ranks(public)
    private_ranks = field.ranks(private) if private is not None else {}
    changes = rank_changes(public_ranks, private_ranks)
    group_of = dict(zip(names, groups, strict=True))
    final_ranks = field.ranks(final)

    def row(team: str) -> RankedRow:
        rank = final_ranks.get(team)
        return RankedRow(
            team=team,
            rank=rank,
            tie_group=group_of.get(team),
            medal=None if rank is None else medal(rank, len(ranked)),
            public_rank=public_ranks.get(team),
            private_rank=private_ranks.get(team),
            change=changes.get(team),
        )

    order = [field.name(place) for place in final]
    return Ranking(
        None if private is None else shake_up(public_ranks, private_ranks),
        [row(team) for team in (*order, *field.others(order, public_ranks))],
        {field.name(place): place.score for place in final},
        dict(zip(names, ties, strict=False)),
    )


class _Field:
    """The entries of a table by name, in the order of receipt."""

    def __init__(self, table: Table, direction: Direction) -> None:
        self._direction = direction
        self._rows = sorted(table.rows, key=self._receipt)
        self._entries: dict[str, list[Candidate]] = {}
        self._teams: dict[str, int | None] = {}
        for sequence, row in enumerate(self._rows):
            self._teams.setdefault(row.team, None if row.baseline else len(self._teams))
            self._entries.setdefault(row.team, []).append(
                Candidate(self._teams[row.team], sequence, row.score, row.private_score, row.selected)
            )

    def _receipt(self, row: Row) -> tuple[Any, ...]:
        """Order rows so that their order in the file decides nothing.

        Entries of one team at one time with one public score differ by private score only; the better counts.
        """
        private = row.private_score if self._direction == "min" else -row.private_score
        last = math.isnan(private)
        return row.received_at, row.finer, row.team, last, 0.0 if last else private, not row.selected

    def public(self) -> list[Scored]:
        """Return every entry with its public score."""
        return [
            Scored(one.competitor, one.sequence, one.public)
            for own in self._entries.values()
            for one in self._best(own, [one.public for one in own])
            if one.public is not None
        ]

    def private(self) -> list[Scored]:
        """Return the entries that count in the end with their private score."""
        found = []
        for own in self._entries.values():
            kept = chosen(own, self._direction, most=None)
            found += [
                Scored(one.competitor, one.sequence, one.private)
                for one in self._best(kept, [one.private for one in kept])
                if one.private is not None
            ]
        return found

    def _best(self, own: Sequence[Candidate], scores: Sequence[float | None]) -> list[Candidate]:
        """Return the best entry of one name, if any has a score; of equal ones the earlier received."""
        scored = [
            (-score if self._direction == "max" else score, one.sequence, one)
            for one, score in zip(own, scores, strict=True)
            if score is not None and math.isfinite(score)
        ]
        return [min(scored, key=lambda one: one[:2])[2]] if scored else []

    def board(self, entries: Sequence[Scored]) -> list[Place]:
        """Return the places."""
        return places(entries, self._direction)

    def name(self, place: Place) -> str:
        """Return whose place it is."""
        return self._rows[place.entry].team

    def ranks(self, board: Sequence[Place]) -> dict[str, int]:
        """Return the ranks by team."""
        return {self.name(place): place.rank for place in board if place.rank is not None}

    def others(self, order: Sequence[str], public_ranks: Mapping[str, int]) -> list[str]:
        """Return the names that do not stand on a board, by public rank and then by name."""
        on = frozenset(order)
        left = [team for team in self._teams if team not in on]
        return sorted(left, key=lambda team: (public_ranks.get(team, math.inf), team))


def _ties(names: Sequence[str], table: Table, losses: Mapping[str, Losses] | None) -> list[Tie]:
    if losses is None:
        return []
    return tie_groups(losses_of(losses, names, frozenset(row.team for row in table.rows)))
