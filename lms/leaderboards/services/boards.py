"""Opening boards, and entering the graded work of labs on them."""

import math
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.courses.core.due import due_at
from lms.courses.core.outline import Due
from lms.courses.models import Cohort
from lms.db import now
from lms.grading.models import Grade, LabRelease, Submission
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import (
    Board,
    Direction,
    Entry,
    EntryKind,
    EntryState,
    PrivateScore,
    Team,
    TeamMember,
)
from lms.leaderboards.queries.boards import team_of
from lms.leaderboards.services.receiving import free_sequence, keep_entry
from lms.leaderboards.services.scoring import fail_entry, score_entry
from lms.leaderboards.services.standing import lock_team

NO_SCORE = "no_score"


def open_board(session: Session, cohort: Cohort, release: LabRelease) -> Board | None:
    """Open the board of a released board lab for a cohort; None where the lab has no board.

    Repeatable. A board follows a newer release until somebody has an entry on it: from then on the hidden
    set is fixed, because scores on two hidden sets cannot be compared.
    """
    settings: Mapping[str, Any] | None = release.settings.get("board")
    if not settings or release.board_blob is None:
        return None
    board = session.scalar(select(Board).where(Board.lab_id == release.lab_id, Board.cohort_id == cohort.id))
    if board is not None and (board.release_id == release.id or has_entries(session, board)):
        return board
    if board is None:
        board = Board(lab_id=release.lab_id, cohort_id=cohort.id)
        session.add(board)
    _describe(board, release, settings, cohort)
    session.flush()
    keep_baselines(session, board, _baselines(release, settings), at=now())
    record(session, None, "board.open", f"board:{board.id}", release=release.id, cohort=cohort.id)
    return board


def has_entries(session: Session, board: Board) -> bool:
    """Say whether anybody has an entry on a board."""
    found = select(Entry.id).where(Entry.board_id == board.id, Entry.team_id.is_not(None)).limit(1)
    return session.scalar(found) is not None


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


def _baselines(release: LabRelease, settings: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    named = {row["key"]: row for row in settings.get("baselines") or ()}
    for score in (release.report or {}).get("baselines", ()):
        yield {**named.get(score["key"], {}), **score}


def keep_baselines(
    session: Session, board: Board, rows: Iterable[Mapping[str, Any]], *, at: datetime
) -> None:
    """Put these baselines on a board instead of the ones before.

    Args:
        rows: each with `key`, `public_score`, `private_score`, and if known `title` by language, `source`,
            `blob`, and as `also` its other metrics: name -> public and private value.
    """
    old = select(Entry.id).where(Entry.board_id == board.id, Entry.baseline.is_not(None))
    session.execute(delete(PrivateScore).where(PrivateScore.entry_id.in_(old)))
    session.execute(delete(Entry).where(Entry.board_id == board.id, Entry.baseline.is_not(None)))
    for row in rows:
        entry = Entry(
            board_id=board.id,
            sequence=free_sequence(session, board.id, at),
            received_at=at,
            kind=EntryKind.LAB if board.challenge_id is None else EntryKind.PREDICTIONS,
            state=EntryState.SCORED,
            baseline=row["key"],
            blob=row.get("blob"),
            title=dict(row.get("title") or {"en": row["key"]}),
            source=str(row.get("source") or ""),
            public_score=row["public_score"],
            released_score=row["public_score"],
            metrics=_others(row, 0),
            scored_at=at,
            truth_version=board.truth_version,
        )
        session.add(entry)
        session.flush()
        session.add(PrivateScore(entry_id=entry.id, score=row["private_score"], metrics=_others(row, 1)))
    session.flush()


def _others(row: Mapping[str, Any], share: int) -> dict[str, float]:
    """Return the other metrics of a baseline that have a value on a share: 0 public, 1 private."""
    return {name: pair[share] for name, pair in row.get("also", {}).items() if math.isfinite(pair[share])}


def enter(session: Session, grade: Grade) -> Entry | None:
    """Enter a graded submission on its cohort's board, or correct its entry after a regrade.

    None where the lab has no board, the run has no finite score, or the submission belongs to a release with
    another hidden set. Whether it came in time is decided by its receipt. An entry that lost its score stays
    in the records and off the board.
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
            fail_entry(session, entry.id, NO_SCORE)
        return None
    if entry is None:
        entry = _keep_submission(session, board, submission)
    return score_entry(session, entry.id, scores, at=grade.graded_at, assurance=grade.run.assurance)


def _keep_submission(session: Session, board: Board, submission: Submission) -> Entry:
    user = submission.enrolment.user
    found = team_of(session, board, user) or make_team_of_one(
        session, board, user, name=user.name, at=submission.received_at
    )
    team = lock_team(session, found.id)
    team.taken += 1
    return keep_entry(
        session,
        board,
        team,
        received_at=submission.received_at,
        submitted_by_id=user.id,
        submission_id=submission.id,
        kind=EntryKind.LAB,
        blob=submission.blob,
        filename=submission.filename,
        size_bytes=submission.size_bytes,
    )


def make_team_of_one(
    session: Session, board: Board, user: User, *, name: str, at: datetime, name_key: str | None = None
) -> Team:
    """Put a person on a board as a team of one.

    Waits for whoever holds the board's row, as who moves its freeze does: they lock the teams that are there
    (`standing.lock_teams`), and this one would not be among them.

    Raises:
        sqlalchemy.exc.IntegrityError: the person is in a team of the board already.
    """
    if board.challenge_id is not None:  # only these freeze
        session.execute(select(Board.id).where(Board.id == board.id).with_for_update(read=True)).one()
    team = Team(
        board_id=board.id,
        name=name,
        name_key=name_key,
        alias=secrets.token_hex(3),
        leader_id=user.id,
        created_at=at,
    )
    session.add(team)
    session.flush()
    session.add(TeamMember(team_id=team.id, board_id=board.id, user_id=user.id, joined_at=at))
    session.flush()
    return team


def _finite_scores(result: Mapping[str, Any] | None) -> Scores | None:
    scores = [(result or {}).get(share) for share in ("public_score", "private_score")]
    if not all(isinstance(score, int | float) and math.isfinite(score) for score in scores):
        return None
    public, private = (float(score) for score in scores if score is not None)
    return Scores(public, private)
