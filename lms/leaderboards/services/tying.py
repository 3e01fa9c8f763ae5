"""Working out tie groups: from the losses of the entries that stand, apart from ranking."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session, sessionmaker

from lms.db import reading
from lms.leaderboards.core.losses import unpack
from lms.leaderboards.core.metrics import METRICS, Metric
from lms.leaderboards.core.ties import Tie, tie_groups_of
from lms.leaderboards.models import Board, Share
from lms.leaderboards.queries.counting import shares_of
from lms.leaderboards.queries.waiting import boards_to_tie
from lms.leaderboards.services.ties import (
    Tied,
    extent_of_standings,
    keep_tie_groups,
    lock_truth,
    losses_of_standings,
)

EVERY = timedelta(seconds=60)
MOST_CELLS = 40_000_000
"""The largest table of teams by rows, or resamples, that is compared; a larger board shows no tie groups."""
MOST_ROWS = 2_000_000
"""Likewise the most rows, of which each resample draws as many."""

log = structlog.get_logger()


def tie_boards(sessions: sessionmaker[Session], at: datetime) -> int:
    """Bring the tie groups of all boards in line with what stands; return how many boards were looked at.

    A board is looked at once in `EVERY` at most. Nothing is locked while its teams are compared.
    """
    with reading(sessions) as session:
        boards = boards_to_tie(session, at - EVERY)
    for board_id in boards:
        try:
            _tie(sessions, board_id, at)
        except Exception:  # one board's fault holds no other up; it is tried again at the next look
            log.exception("boards.not_tied", board=board_id)
    return len(boards)


def _tie(sessions: sessionmaker[Session], board_id: int, at: datetime) -> None:
    with reading(sessions) as session:
        board = session.get_one(Board, board_id)
        version = board.truth_version  # read first: what is read of a newer one is thrown away below
        standing = {share: _losses(session, board, share) for share in shares_of(board)}
        measured = METRICS.get(board.metric)
    found = {share: _tied(rows, measured) for share, rows in standing.items()}
    with sessions.begin() as session:
        tied_against = lock_truth(session, board_id)
        if tied_against.truth_version != version:  # these losses are against a truth that counts no more
            return
        for share in Share:
            keep_tie_groups(session, tied_against, share, found.get(share, ()), at=at)


def _losses(session: Session, board: Board, share: Share) -> dict[int, tuple[int, bytes]]:
    """Return what the teams lost; nothing where they cannot be compared, or are too many."""
    teams, extent = extent_of_standings(session, board, share)
    if extent is None or not 0 < teams * extent.values <= MOST_CELLS or extent.values > MOST_ROWS:
        return {}
    return losses_of_standings(session, board, share)


def _tied(rows: dict[int, tuple[int, bytes]], measured: Metric | None) -> list[Tied]:
    """Compare the teams of a board, which come in its order; without a known metric no scores are told."""
    losses = [unpack(packed) for _, packed in rows.values()]
    if not losses or len({each.extent for each in losses}) != 1:
        return []
    ties = tie_groups_of(losses, largest=measured is not None and measured.largest)
    return [
        Tied(team_id, entry_id, tie.group, tie.best, tie.worst, *_scores(tie, measured))
        for (team_id, (entry_id, _)), tie in zip(rows.items(), ties, strict=True)
    ]


def _scores(tie: Tie, measured: Metric | None) -> tuple[float, float] | tuple[()]:
    """Return between which scores a team lies, the smaller number first."""
    if measured is None:
        return ()
    ends = sorted((measured.score_of(tie.low), measured.score_of(tie.high)))
    return ends[0], ends[1]
