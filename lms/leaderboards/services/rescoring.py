"""A new version of the truth: scored in private, shown as a difference, then published at once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict, Invalid
from lms.leaderboards.core.losses import losses_of, pack
from lms.leaderboards.core.prints import Print
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import (
    Board,
    Entry,
    EntryState,
    Rescore,
    Share,
    Standing,
    Team,
    TieGroup,
    Truth,
)
from lms.leaderboards.queries.counting import shares_of
from lms.leaderboards.queries.waiting import prepared_truth
from lms.leaderboards.services import climbing
from lms.leaderboards.services.honouring import recount
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.services.replacing import WITHOUT_SYNC, concerned, keep_old, unfiled, write_new
from lms.leaderboards.services.scoring import NOT_FINITE, write_print
from lms.leaderboards.services.standing import lock_teams, rebuild
from lms.leaderboards.services.ties import lock_truth
from lms.leaderboards.tables.changes import TruthChange, TruthComparison


@dataclass(frozen=True)
class Change:
    """One row of a difference; ranks and scores are None where the team does not stand."""

    share: Share
    team_id: int
    name: str
    rank_before: int | None
    rank_after: int | None
    score_before: float | None
    score_after: float | None


def prepare_rescore(
    session: Session, actor: User | None, board: Board, reason: str, *, blob: str | None, at: datetime
) -> Truth:
    """Begin a new version of a board's truth; nothing changes on the board.

    Args:
        blob: the new truth or scorer in the store.

    Raises:
        NotAllowed: the actor does not run the board.
        Invalid: there is no reason.
    """
    check_organiser(session, actor, board)
    if not reason.strip():
        raise Invalid(N_("Say why the scores change."), field="reason")
    newest = session.scalar(select(func.max(Truth.version)).where(Truth.board_id == board.id))
    if newest is None:  # the truth that the board began with
        session.add(_truth(board, board.truth_version, "", None, at=at, published_at=at))
        newest = board.truth_version
    truth = _truth(board, newest + 1, reason.strip()[:300], actor, at=at)
    truth.blob = blob
    session.add(truth)
    session.flush()
    record(session, actor, "board.rescore", f"board:{board.id}", version=truth.version)
    return truth


def _truth(
    board: Board,
    version: int,
    reason: str,
    actor: User | None,
    *,
    at: datetime,
    published_at: datetime | None = None,
) -> Truth:
    return Truth(
        board_id=board.id,
        version=version,
        reason=reason,
        made_by_id=actor.id if actor is not None else None,
        made_at=at,
        published_at=published_at,
    )


def rescore_entry(
    session: Session,
    truth: Truth,
    entry_id: int,
    scores: Scores | None,
    code: str = "",
    *,
    compared_by: Print | None = None,
) -> None:
    """Keep what an entry scores against a truth that is prepared; None with the code of a failure.

    Args:
        compared_by: as in `scoring.score_entry`.
    """
    _check_prepared(truth)
    if scores is not None and not (math.isfinite(scores.public) and math.isfinite(scores.private)):
        scores, code = None, NOT_FINITE
    known = session.get(Rescore, (truth.id, entry_id))
    if known is None:
        known = Rescore(truth_id=truth.id, entry_id=entry_id)
        session.add(known)
    known.failure = code if scores is None else ""
    known.public_score = None if scores is None else scores.public
    known.private_score = None if scores is None else scores.private
    also = {} if scores is None else scores.also
    known.public_metrics = {name: pair[0] for name, pair in also.items() if math.isfinite(pair[0])}
    known.private_metrics = {name: pair[1] for name, pair in also.items() if math.isfinite(pair[1])}
    known.mistakes = (
        None if compared_by is None or compared_by.mistakes is None else pack(compared_by.mistakes)
    )
    known.public_losses = _packed(scores and scores.public_losses)
    known.private_losses = _packed(scores and scores.private_losses)
    session.flush()
    entry = session.get_one(Entry, entry_id)
    if entry.state is EntryState.FAILED and compared_by is not None:
        write_print(session, entry, compared_by)


def _packed(losses: Any) -> bytes | None:
    return None if losses is None else pack(losses_of(losses))


def not_rescored(session: Session, truth: Truth) -> list[int]:
    """Return the entries that are still to be scored against the prepared truth.

    Those without a file are among them until somebody decides about them (`decide_unfiled`).
    """
    missing = (
        select(Entry.id)
        .outerjoin(Rescore, and_(Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id))
        .where(concerned(truth.board_id), Rescore.entry_id.is_(None))
        .order_by(Entry.sequence)
    )
    if truth.keeps_unfiled is not None:
        missing = missing.where(Entry.blob.is_not(None))
    return list(session.scalars(missing))


def number_unfiled(session: Session, truth: Truth) -> int:
    """Return how many entries cannot be scored against a truth, as they came without a file."""
    return session.scalar(select(func.count()).select_from(unfiled(truth).subquery())) or 0


def decide_unfiled(session: Session, actor: User | None, truth: Truth, *, keep: bool) -> None:
    """Decide what becomes of scores that came without a file: they stay as they are, or leave the board.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: the truth was published or discarded.
    """
    board = _hold(session, truth)
    check_organiser(session, actor, board)
    _check_prepared(truth)
    truth.keeps_unfiled = keep
    _forget_changes(session, truth)
    record(session, actor, "board.decide_unfiled", f"board:{board.id}", version=truth.version, keep=keep)


def discard_rescore(session: Session, actor: User | None, truth: Truth, *, at: datetime) -> None:
    """Give a prepared truth up: nothing more is scored against it, and nobody can publish it.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: it was published or discarded already.
    """
    board = _hold(session, truth)
    check_organiser(session, actor, board)
    _check_prepared(truth)
    truth.discarded_at = at
    _forget_changes(session, truth)
    session.execute(delete(Rescore).where(Rescore.truth_id == truth.id), execution_options=WITHOUT_SYNC)
    record(session, actor, "board.discard", f"board:{board.id}", version=truth.version)


def _forget_changes(session: Session, truth: Truth) -> None:
    session.flush()
    for table in (TruthChange, TruthComparison):
        session.execute(delete(table).where(table.truth_id == truth.id))


def board_difference(session: Session, actor: User | None, truth: Truth) -> list[Change]:
    """Return what publishing a truth would change on the board; nothing of it stays.

    The truth is published, looked at and taken back within a savepoint, so that what is shown is by
    construction what will be.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: entries are not scored yet, or the truth is published already.
    """
    board = session.get_one(Board, truth.board_id)
    check_organiser(session, actor, board)
    before = _places(session, board)
    savepoint = session.begin_nested()
    try:
        _apply(session, board, truth)
        after = _places(session, board)
    finally:
        savepoint.rollback()
    session.expire_all()
    rows: Any = session.execute(select(Team.id, Team.name).where(Team.board_id == board.id))
    names: dict[int, str] = dict(iter(rows))
    return [
        Change(
            share,
            team_id,
            names[team_id],
            *(known[0] for known in _pair(before, after, (share, team_id))),
            *(known[1] for known in _pair(before, after, (share, team_id))),
        )
        for share, team_id in sorted(before.keys() | after.keys())
        if before.get((share, team_id)) != after.get((share, team_id))
    ]


Places = Mapping[tuple[Share, int], tuple[int, float]]


def _pair(
    before: Places, after: Places, at: tuple[Share, int]
) -> list[tuple[int, float] | tuple[None, None]]:
    return [before.get(at, (None, None)), after.get(at, (None, None))]


def _places(session: Session, board: Board) -> Places:
    rank = func.row_number().over(partition_by=Standing.share, order_by=Standing.key)
    rows = session.execute(
        select(Standing.share, Standing.team_id, rank, Standing.score).where(
            Standing.board_id == board.id, Standing.share.in_(shares_of(board))
        )
    )
    return {(share, team_id): (place, score) for share, team_id, place, score in rows}


def publish_rescore(session: Session, actor: User | None, truth: Truth, *, at: datetime) -> None:
    """Let a prepared truth count: all scores and the whole board change at once.

    What the entries scored before stays in the records of the truth before. Where the board has ended, the
    points and medals that it gave follow.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: entries are not scored yet, or the truth is published already.
    """
    board = session.get_one(Board, truth.board_id)
    check_organiser(session, actor, board)
    _apply(session, board, truth)
    truth.published_at = at
    session.execute(
        update(Entry)
        .where(Entry.board_id == board.id, Entry.state == EntryState.SCORED, Entry.scored_at.is_(None))
        .values(scored_at=at)
    )
    session.flush()
    recount(session, board, at)
    record(session, actor, "board.publish", f"board:{board.id}", version=truth.version)


def _hold(session: Session, truth: Truth) -> Board:
    """Return a truth's board, both as they are now: nobody else decides about them before this ends.

    Whoever scores reads the version under the team's lock; whoever publishes or discards one waits here.
    """
    session.flush()
    board = lock_truth(session, truth.board_id)
    session.refresh(truth)
    return board


def _check_prepared(truth: Truth) -> None:
    if truth.published_at is not None:
        raise Conflict(N_("This version is published already. Prepare a new one."))
    if truth.discarded_at is not None:
        raise Conflict(N_("This version was discarded. Prepare a new one."))


def _apply(session: Session, board: Board, truth: Truth) -> None:
    _hold(session, truth)
    _check_prepared(truth)
    lock_teams(session, board)
    newest = prepared_truth(session, board)
    if newest is not None and newest.version > truth.version:  # nothing is scored against the older one
        raise Conflict(
            N_("Version %(version)d was prepared after this one. Publish that, or discard it first."),
            version=newest.version,
        )
    missing = len(not_rescored(session, truth))
    if missing:
        raise Conflict(N_("%(count)d entries are not scored again yet. Wait for them."), count=missing)
    if truth.version <= board.truth_version:
        raise Conflict(N_("A newer version counts already. Prepare a new one."))
    keep_old(session, board)
    write_new(session, board, truth)
    session.execute(  # they say what the old truth could tell apart
        delete(TieGroup).where(TieGroup.board_id == board.id), execution_options=WITHOUT_SYNC
    )
    board.truth_version = truth.version
    session.flush()
    session.expire_all()
    if board.ladder:
        for team_id in session.scalars(
            select(Team.id).where(Team.board_id == board.id, Team.merged_into_id.is_(None))
        ).all():
            climbing.replay_team(session, board, team_id)
    rebuild(session, board)
