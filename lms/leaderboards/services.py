"""Verbs that change boards."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.accounts.services.audit import record
from lms.courses.core.due import due_at
from lms.courses.core.outline import Due
from lms.courses.models import Cohort
from lms.db import now
from lms.grading.models import Grade, LabRelease
from lms.leaderboards.models import Board, Direction, Entry


def open_board(session: Session, cohort: Cohort, release: LabRelease) -> Board | None:
    """Open the board of a released board lab for a cohort; None where the lab has no board.

    Repeatable. A board follows a newer release until somebody has an entry on it: from then on the hidden
    set is fixed, because scores on two hidden sets cannot be compared.
    """
    settings: Mapping[str, Any] | None = release.settings.get("board")
    if not settings or release.board_blob is None:
        return None
    board = session.scalar(select(Board).where(Board.lab_id == release.lab_id, Board.cohort_id == cohort.id))
    if board is not None and (board.release_id == release.id or _has_entries(session, board)):
        return board
    if board is None:
        board = Board(lab_id=release.lab_id, cohort_id=cohort.id)
        session.add(board)
    _describe(board, release, settings, cohort)
    session.flush()
    _replace_baselines(session, board, release, settings)
    record(session, None, "board.open", f"board:{board.id}", release=release.id, cohort=cohort.id)
    return board


def _has_entries(session: Session, board: Board) -> bool:
    count = select(func.count()).where(Entry.board_id == board.id, Entry.submission_id.is_not(None))
    return bool(session.scalar(count))


def _describe(board: Board, release: LabRelease, settings: Mapping[str, Any], cohort: Cohort) -> None:
    board.release_id = release.id
    board.title = dict(settings["title"])
    board.metric = str(settings["metric"])
    board.direction = Direction(settings["direction"])
    board.decimals = int(settings.get("decimals", 4))
    board.ends_at = _ends_at(settings.get("ends"), cohort)


def _ends_at(ends: Any, cohort: Cohort) -> datetime:
    due = Due.model_validate(ends, strict=False) if ends else None
    return due_at(due, cohort.starts_at, cohort.timezone) or cohort.ends_at


def _replace_baselines(
    session: Session, board: Board, release: LabRelease, settings: Mapping[str, Any]
) -> None:
    for old in session.scalars(select(Entry).where(Entry.board_id == board.id, Entry.baseline.is_not(None))):
        session.delete(old)
    session.flush()
    named = {row["key"]: row for row in settings.get("baselines") or ()}
    for score in (release.report or {}).get("baselines", ()):
        row = named.get(score["key"], {})
        session.add(
            Entry(
                board_id=board.id,
                baseline=score["key"],
                title=dict(row.get("title") or {"en": score["key"]}),
                source=str(row.get("source") or ""),
                public_score=score["public_score"],
                private_score=score["private_score"],
                received_at=now(),
            )
        )
    session.flush()


def enter(session: Session, grade: Grade) -> Entry | None:
    """Enter a graded submission on its cohort's board, or correct its entry after a regrade.

    None, and no entry, where the lab has no board, the run has no finite score, or the submission belongs
    to a release with another hidden set. Whether it came in time is decided by its receipt.
    """
    submission = grade.submission
    board = session.scalar(
        select(Board).where(
            Board.lab_id == grade.lab_id,
            Board.cohort_id == submission.enrolment.cohort_id,
            Board.release_id == submission.release_id,
        )
    )
    if board is None or (board.ends_at is not None and submission.received_at > board.ends_at):
        return None
    entry = session.scalar(
        select(Entry).where(Entry.board_id == board.id, Entry.submission_id == submission.id)
    )
    scores = _finite_scores(grade.run.board)
    if scores is None:
        if entry is not None:
            session.delete(entry)
        return None
    if entry is None:
        entry = Entry(
            board_id=board.id,
            enrolment_id=grade.enrolment_id,
            submission_id=submission.id,
            received_at=submission.received_at,
        )
        session.add(entry)
    entry.public_score, entry.private_score = scores
    entry.assurance = grade.run.assurance
    session.flush()
    return entry


def _finite_scores(result: Mapping[str, Any] | None) -> tuple[float, float] | None:
    scores = [(result or {}).get(share) for share in ("public_score", "private_score")]
    if not all(isinstance(score, int | float) and math.isfinite(score) for score in scores):
        return None
    public, private = (float(score) for score in scores if score is not None)
    return public, private
