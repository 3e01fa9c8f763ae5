"""The Ladder on a board: what each entry of a team was told, replayed from the team's entries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.leaderboards.core.ladder import Climb, History, Unscored, replay
from lms.leaderboards.core.losses import unpack
from lms.leaderboards.core.metrics import metric
from lms.leaderboards.models import Board, Entry, EntryLosses, EntryState, Share, TeamMerge

WAITING = frozenset({EntryState.RECEIVED, EntryState.SCORING})


@dataclass(frozen=True)
class Climbing:
    """What a replay is made of: the entries of a team and of those merged into it, in order of receipt."""

    board: Board
    entries: Sequence[Entry]
    packed: dict[int, bytes]  # entry -> losses
    merges: Sequence[TeamMerge]

    def history(self, team_id: int) -> History:
        """Return a team's history: its own entries, parted by the merges that it took in."""
        taken_in = [merge for merge in self.merges if merge.into_id == team_id]
        own = [each for each in self.entries if each.origin_id == team_id]
        begin = 0
        merged: tuple[History, ...] = ()
        for merge in taken_in:
            before = History(self._climbs(own, begin, merge.sequence), merged)
            merged = (before, self.history(merge.from_id))
            begin = merge.sequence
        return History(self._climbs(own, begin, None), merged)

    def _climbs(self, own: Sequence[Entry], begin: int, end: int | None) -> list[Climb | Unscored]:
        return [
            Unscored(each.sequence) if each.state in WAITING else self._climb(each)
            for each in own
            if begin <= each.sequence and (end is None or each.sequence < end)
            if each.state in WAITING or each.state is EntryState.SCORED
        ]

    def _climb(self, entry: Entry) -> Climb:
        return unpack(self.packed[entry.id]).climb(entry.sequence)

    def score(self, loss: float) -> float:
        """Return the score that a released loss stands for."""
        return metric(self.board.metric).score_of(loss)


def replay_team(session: Session, board: Board, team_id: int) -> None:
    """Write what each entry of a team was told; the team is locked.

    An entry that waits holds back what is told of those that came after it. The standings are brought in
    line by `standing.refresh_team`.

    Complexity: O(n) in the losses of the team's entries.
    """
    session.flush()
    climbing = _climbing(session, board, team_id)
    told = dict(_told(climbing.history(team_id)))
    for entry in climbing.entries:
        loss = told.get(entry.sequence)
        entry.released_score = None if loss is None else climbing.score(loss)
    session.flush()


def _told(history: History) -> Iterator[tuple[int, float | None]]:
    yield from replay(history).told.items()
    for before in history.merged:
        yield from _told(before)


def _climbing(session: Session, board: Board, team_id: int) -> Climbing:
    entries = session.scalars(select(Entry).where(Entry.team_id == team_id).order_by(Entry.sequence)).all()
    losses = session.execute(
        select(EntryLosses.entry_id, EntryLosses.packed).where(
            EntryLosses.share == Share.PUBLIC, EntryLosses.entry_id.in_([each.id for each in entries])
        )
    )
    merges = session.scalars(
        select(TeamMerge).where(TeamMerge.board_id == board.id).order_by(TeamMerge.sequence, TeamMerge.id)
    ).all()
    return Climbing(board, entries, dict(iter(losses)), merges)
