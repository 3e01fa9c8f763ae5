"""A new version of the truth: scored in private, shown as a difference, then published at once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, literal, literal_column, or_, select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict, Invalid
from lms.leaderboards.core.losses import Losses, losses_of, pack
from lms.leaderboards.core.prints import Print
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import (
    Board,
    Entry,
    EntryLosses,
    EntryState,
    PrivateScore,
    Rescore,
    Share,
    Standing,
    Team,
    TieGroup,
    Truth,
)
from lms.leaderboards.queries.counting import shares_of
from lms.leaderboards.queries.waiting import has_part_in_versions
from lms.leaderboards.services import climbing
from lms.leaderboards.services.honouring import recount
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.services.receiving import hold_slots
from lms.leaderboards.services.scoring import NOT_FINITE, write_print
from lms.leaderboards.services.standing import rebuild
from lms.leaderboards.tables.flags import EntryPrint

WITHOUT_SYNC = {"synchronize_session": False}


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
    resampled: Losses | None = None,
    compared_by: Print | None = None,
) -> None:
    """Keep what an entry scores against a truth that is prepared; None with the code of a failure.

    Args:
        resampled: for a Ladder whose metric is no mean over rows: the losses on resamples.
        compared_by: as in `scoring.score_entry`, for an entry that has no score so far.
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
    known.public_losses = _packed(scores and scores.public_losses)
    known.private_losses = _packed(scores and scores.private_losses)
    if scores is not None and resampled is not None:
        known.public_losses = pack(resampled)
    session.flush()
    entry = session.get_one(Entry, entry_id)
    if entry.state is EntryState.FAILED and compared_by is not None:
        write_print(session, entry, compared_by)


def _packed(losses: Any) -> bytes | None:
    return None if losses is None else pack(losses_of(losses))


def not_rescored(session: Session, truth: Truth) -> list[int]:
    """Return the entries that are still to be scored against the prepared truth."""
    return list(
        session.scalars(
            select(Entry.id)
            .outerjoin(Rescore, and_(Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id))
            .where(_concerned(truth.board_id), Rescore.entry_id.is_(None))
            .order_by(Entry.sequence)
        )
    )


def _concerned(board_id: int) -> Any:
    return and_(Entry.board_id == board_id, has_part_in_versions())


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


def _check_prepared(truth: Truth) -> None:
    if truth.published_at is not None:
        raise Conflict(N_("This version is published already. Prepare a new one."))


def _apply(session: Session, board: Board, truth: Truth) -> None:
    _check_prepared(truth)
    session.flush()
    session.execute(  # whoever scores reads the version under the team's lock; whoever rescores waits here
        update(Board).where(Board.id == board.id).values(truth_version=Board.truth_version),
        {},
        execution_options=WITHOUT_SYNC,
    )
    session.execute(
        update(Team).where(Team.board_id == board.id).values(taken=Team.taken),
        execution_options=WITHOUT_SYNC,
    )
    missing = len(not_rescored(session, truth))
    if missing:
        raise Conflict(N_("%(count)d entries are not scored again yet. Wait for them."), count=missing)
    if truth.version <= board.truth_version:
        raise Conflict(N_("A newer version counts already. Prepare a new one."))
    _keep_old(session, board)
    _write_new(session, board, truth)
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


def _keep_old(session: Session, board: Board) -> None:
    """Write down what the entries score against the truth that counts now."""
    old = session.scalars(
        select(Truth.id).where(Truth.board_id == board.id, Truth.version == board.truth_version)
    ).one()
    session.execute(delete(Rescore).where(Rescore.truth_id == old), execution_options=WITHOUT_SYNC)
    packed = {
        share: select(EntryLosses.packed)
        .where(EntryLosses.entry_id == Entry.id, EntryLosses.share == share)
        .scalar_subquery()
        for share in (Share.PUBLIC, Share.PRIVATE)
    }
    names = [
        "truth_id", "entry_id", "public_score", "private_score", "public_metrics", "private_metrics",
        "public_losses", "private_losses", "failure",
    ]  # fmt: skip
    rows = (
        select(
            literal(old),
            Entry.id,
            Entry.public_score,
            PrivateScore.score,
            Entry.metrics,
            func.coalesce(PrivateScore.metrics, literal_column("'{}'")),
            packed[Share.PUBLIC],
            packed[Share.PRIVATE],
            Entry.failure,
        )
        .outerjoin(PrivateScore, PrivateScore.entry_id == Entry.id)
        .where(_concerned(board.id))
    )
    session.execute(insert(Rescore).from_select(names, rows), execution_options=WITHOUT_SYNC)


def _write_new(session: Session, board: Board, truth: Truth) -> None:
    """Let what was collected count, in a few statements however many entries there are."""
    is_lost = and_(Rescore.failure != "", Entry.state == EntryState.SCORED)
    is_found = and_(Rescore.failure == "", Entry.state == EntryState.FAILED)
    scores = update(Entry).where(
        Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id, _concerned(board.id)
    )
    _move_slots(session, truth, is_lost, is_found)
    _compare_found(session, truth)
    _write_losses(session, truth)
    _write_private(session, truth)
    session.execute(
        scores.values(
            public_score=Rescore.public_score,
            released_score=Rescore.public_score,
            metrics=Rescore.public_metrics,
            failure=Rescore.failure,
            truth_version=truth.version,
            state=case(
                (is_lost, EntryState.FAILED.value), (is_found, EntryState.SCORED.value), else_=Entry.state
            ),
        ),
        execution_options=WITHOUT_SYNC,
    )


def _move_slots(session: Session, truth: Truth, is_lost: Any, is_found: Any) -> None:
    """Give back the slots of what fails now, and let what is scored after all hold its own again."""
    moved = session.execute(
        select(Entry.team_id, Entry.day, func.sum(case((is_found, 1), else_=-1)))
        .join(Rescore, and_(Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id))
        .where(or_(is_lost, is_found), Entry.team_id.is_not(None), Entry.day.is_not(None))
        .group_by(Entry.team_id, Entry.day)
    )
    for team_id, day, slots in moved.all():
        hold_slots(session, session.get_one(Team, team_id, populate_existing=True), day, slots)
        session.flush()


def _compare_found(session: Session, truth: Truth) -> None:
    """Let what is scored after all be compared with other entries, which it was not while it had failed."""
    found = (
        select(Entry.id)
        .join(Rescore, Rescore.entry_id == Entry.id)
        .where(Rescore.truth_id == truth.id, Rescore.failure == "", Entry.state == EntryState.FAILED)
    )
    session.execute(
        update(EntryPrint).where(EntryPrint.entry_id.in_(found)).values(looked_at=None),
        execution_options=WITHOUT_SYNC,
    )


def _write_losses(session: Session, truth: Truth) -> None:
    new = Rescore.truth_id == truth.id
    rescored = select(Rescore.entry_id).where(new)
    session.execute(
        delete(EntryLosses).where(EntryLosses.entry_id.in_(rescored)), execution_options=WITHOUT_SYNC
    )
    for share, packed in (
        (Share.PUBLIC, Rescore.public_losses),
        (Share.PRIVATE, Rescore.private_losses),
    ):
        rows = select(Rescore.entry_id, literal(share.value), packed).where(new, packed.is_not(None))
        session.execute(
            insert(EntryLosses).from_select(["entry_id", "share", "packed"], rows),
            execution_options=WITHOUT_SYNC,
        )


def _write_private(session: Session, truth: Truth) -> None:
    new = and_(Rescore.truth_id == truth.id, Rescore.private_score.is_not(None))
    is_known = select(PrivateScore.entry_id).where(PrivateScore.entry_id == Rescore.entry_id).exists()
    fresh: Any = select(Rescore.entry_id, Rescore.private_score, Rescore.private_metrics).where(
        new, ~is_known
    )
    session.execute(
        update(PrivateScore)
        .where(PrivateScore.entry_id == Rescore.entry_id, new)
        .values(score=Rescore.private_score, metrics=Rescore.private_metrics),
        execution_options=WITHOUT_SYNC,
    )
    session.execute(
        insert(PrivateScore).from_select(["entry_id", "score", "metrics"], fresh),
        execution_options=WITHOUT_SYNC,
    )
