"""Putting what entries score against another truth in the place of what they scored: whole boards at once."""

from typing import Any

from sqlalchemy import Select, and_, case, delete, func, insert, literal, literal_column, or_, select, update
from sqlalchemy.orm import Session

from lms.leaderboards.core.failures import EntryFailed, write_failure
from lms.leaderboards.models import (
    Board,
    Entry,
    EntryLosses,
    EntryState,
    PrivateScore,
    Rescore,
    Share,
    Team,
    Truth,
)
from lms.leaderboards.queries.waiting import has_part_in_versions
from lms.leaderboards.services.receiving import move_slots
from lms.leaderboards.tables.flags import EntryPrint
from lms.leaderboards.tables.slots import ReturnedSlot

WITHOUT_SYNC = {"synchronize_session": False}
BATCH = 10_000  # entries that one statement names
NO_FILE = write_failure(EntryFailed("no_file"))


def concerned(board_id: int) -> Any:
    """Pick the entries of a board that every version of its truth scores."""
    return and_(Entry.board_id == board_id, has_part_in_versions())


def unfiled(truth: Truth) -> Select[int]:
    """Return the statement for the entries without a file, which cannot be scored against a truth."""
    return (
        select(Entry.id)
        .outerjoin(Rescore, and_(Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id))
        .where(concerned(truth.board_id), Rescore.entry_id.is_(None), Entry.blob.is_(None))
    )


def keep_old(session: Session, board: Board) -> None:
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
        .where(concerned(board.id))
    )
    session.execute(insert(Rescore).from_select(names, rows), execution_options=WITHOUT_SYNC)


def write_new(session: Session, board: Board, truth: Truth) -> None:
    """Let what was collected count, in a few statements however many entries there are."""
    is_lost = and_(Rescore.failure != "", Entry.state == EntryState.SCORED)
    is_found = and_(Rescore.failure == "", Entry.state == EntryState.FAILED)
    scores = update(Entry).where(
        Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id, concerned(board.id)
    )
    if truth.keeps_unfiled is False:
        _drop_unfiled(session, truth)
    concerns = select(Entry.id).where(concerned(board.id))
    session.execute(  # what was let be scored again meanwhile has its score, or its failure, still to come
        delete(Rescore).where(Rescore.truth_id == truth.id, Rescore.entry_id.not_in(concerns)),
        execution_options=WITHOUT_SYNC,
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
    """Give back the slots of what fails now, and let what is scored after all hold its own again.

    What fails by another truth did not fail by itself, so it counts as no failure of its day.
    """
    takes_again = and_(is_found, ReturnedSlot.entry_id.is_not(None))
    moved = (
        select(
            Entry.team_id,
            Entry.day,
            func.sum(case((is_found, 1), else_=-1)),
            func.sum(case((and_(is_found, ReturnedSlot.counted), 1), else_=0)),
        )
        .join(Rescore, and_(Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id))
        .outerjoin(ReturnedSlot, ReturnedSlot.entry_id == Entry.id)
        .where(or_(is_lost, takes_again), Entry.team_id.is_not(None), Entry.day.is_not(None))
        .group_by(Entry.team_id, Entry.day)
    )
    for team_id, day, slots, counted in session.execute(moved).all():
        team = session.get_one(Team, team_id, populate_existing=True)
        move_slots(session, team, day, used=slots, failed=-counted)
        session.flush()
    concerns = and_(Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id)
    found = select(Entry.id).join(Rescore, concerns).where(is_found)
    lost = (
        select(Entry.id, literal(value=False)).join(Rescore, concerns).where(is_lost, Entry.day.is_not(None))
    )
    session.execute(
        delete(ReturnedSlot).where(ReturnedSlot.entry_id.in_(found)), execution_options=WITHOUT_SYNC
    )
    session.execute(
        insert(ReturnedSlot).from_select(["entry_id", "counted"], lost), execution_options=WITHOUT_SYNC
    )


def _drop_unfiled(session: Session, truth: Truth) -> None:
    """Take what has no file off the board; the entries stay in the records, without a score."""
    entries = session.scalars(unfiled(truth)).all()
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        for table in (PrivateScore, EntryLosses):
            session.execute(delete(table).where(table.entry_id.in_(batch)), execution_options=WITHOUT_SYNC)
        session.execute(
            update(Entry)
            .where(Entry.id.in_(batch))
            .values(
                public_score=None,
                released_score=None,
                failure=NO_FILE,
                state=case((Entry.state == EntryState.SCORED, EntryState.FAILED.value), else_=Entry.state),
            ),
            execution_options=WITHOUT_SYNC,
        )


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
    session.execute(  # what was wrong by the old truth is no evidence any more
        update(EntryPrint)
        .where(EntryPrint.entry_id == Rescore.entry_id, Rescore.truth_id == truth.id)
        .values(mistakes=Rescore.mistakes),
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
    lost = select(Rescore.entry_id).where(Rescore.truth_id == truth.id, Rescore.private_score.is_(None))
    session.execute(
        delete(PrivateScore).where(PrivateScore.entry_id.in_(lost)), execution_options=WITHOUT_SYNC
    )
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
