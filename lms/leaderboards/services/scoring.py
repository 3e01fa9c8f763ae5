"""Scores come in, go, and come again; the standings follow in the same transaction."""

import math
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lms.errors import N_, Conflict, NotFound
from lms.leaderboards import policy
from lms.leaderboards.core.failures import SCORER_FAILED, is_own
from lms.leaderboards.core.losses import losses_of, pack
from lms.leaderboards.core.prints import Print
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Entry, EntryLosses, EntryState, PrivateScore, Share, Team
from lms.leaderboards.services import climbing
from lms.leaderboards.services.honouring import count_again_soon
from lms.leaderboards.services.receiving import give_back, take_again
from lms.leaderboards.services.scorer_letters import tell_scorer_failed
from lms.leaderboards.services.standing import count_in, lock_team, refresh_team
from lms.leaderboards.tables.flags import EntryPrint
from lms.leaderboards.tables.run_logs import EntryLog

NOT_FINITE = "not_finite"


def begin_scoring(session: Session, entry_id: int) -> Entry | None:
    """Mark an entry as being scored, or go on with one whose scorer died; None where it waits no more."""
    entry, _, _ = _locked(session, entry_id)
    if entry.state not in {EntryState.RECEIVED, EntryState.SCORING}:
        return None
    entry.state = EntryState.SCORING
    session.flush()
    return entry


def score_entry(
    session: Session,
    entry_id: int,
    scores: Scores,
    *,
    at: datetime,
    assurance: str | None = None,
    truth_version: int | None = None,
    compared_by: Print | None = None,
) -> Entry:
    """Keep what an entry got; entry, private score and standings change in this one transaction.

    Safe to repeat. A score that is no finite number is a failure. A score against another truth than the
    board's is not kept: the entry waits again.

    Args:
        truth_version: the version that the scores are against.
        compared_by: what of the predictions is kept to compare them with those of other teams.

    Raises:
        Conflict: the entry cannot be scored in its state.
        ValueError: the board has a Ladder and there are no losses.
    """
    entry, team, board = _locked(session, entry_id)
    if not (math.isfinite(scores.public) and math.isfinite(scores.private)):
        return _fail(session, entry, team, NOT_FINITE)
    if truth_version is not None and truth_version != board.truth_version:
        return _wait_again(session, entry)
    is_off = entry.state is EntryState.DISQUALIFIED  # its scores are kept as evidence; it stays off
    if not is_off:
        policy.check_step(entry.state, EntryState.SCORED)
        if entry.state is EntryState.FAILED:
            take_again(session, team, entry)
    is_new = entry.state in {EntryState.RECEIVED, EntryState.SCORING} and entry.public_score is None
    entry.assurance = assurance or entry.assurance
    if not is_off:
        entry.state = EntryState.SCORED
    _write_losses(session, board, entry, scores)
    write_print(session, entry, compared_by or Print())
    _write(session, board, entry, scores, at=at)
    session.flush()
    if is_new and not is_off and not board.ladder and not team.disqualified:
        count_in(session, board, entry, float(scores.private))
    else:
        take_off(session, entry)
    count_again_soon(session, board, at)
    return entry


def _write(session: Session, board: Board, entry: Entry, scores: Scores, *, at: datetime) -> None:
    known = session.get(PrivateScore, entry.id, populate_existing=True) if _was_scored(entry) else None
    private = known or PrivateScore(entry_id=entry.id)
    session.add(private)
    entry.public_score = float(scores.public)
    entry.released_score = entry.public_score
    entry.metrics = {name: pair[0] for name, pair in scores.also.items() if math.isfinite(pair[0])}
    entry.failure = ""
    entry.scored_at = at
    entry.truth_version = board.truth_version
    private.score = float(scores.private)
    private.metrics = {name: pair[1] for name, pair in scores.also.items() if math.isfinite(pair[1])}


def _write_losses(session: Session, board: Board, entry: Entry, scores: Scores) -> None:
    if board.ladder and scores.public_losses is None and entry.team_id is not None:
        raise ValueError("a board with a Ladder needs losses of rows or on resamples")
    keep = session.merge if _was_scored(entry) else session.add
    for share, losses in ((Share.PUBLIC, scores.public_losses), (Share.PRIVATE, scores.private_losses)):
        if losses is not None:
            keep(EntryLosses(entry_id=entry.id, share=share, packed=pack(losses_of(losses))))


def write_print(session: Session, entry: Entry, compared_by: Print) -> None:
    """Keep what an entry is compared with other teams' by; it was not compared so far."""
    keep = session.merge if _was_scored(entry) else session.add
    mistakes = compared_by.mistakes
    keep(
        EntryPrint(
            entry_id=entry.id,
            board_id=entry.board_id,
            blob=entry.blob,
            digest=compared_by.digest,
            mistakes=None if mistakes is None else pack(mistakes),
            looked_at=None,
        )
    )


def _was_scored(entry: Entry) -> bool:
    return entry.public_score is not None or entry.failure != ""


def fail_entry(session: Session, entry_id: int, code: str, *, unless_scored: bool = False) -> Entry:
    """Note that an entry cannot be scored: its slot comes back under the day's cap, and its standing goes.

    Args:
        unless_scored: leave alone what has a score; another scorer was quicker and had more luck.

    Raises:
        Conflict: the entry cannot fail in its state.
    """
    entry, team, _ = _locked(session, entry_id)
    if unless_scored and entry.state is EntryState.SCORED:
        return entry
    return _fail(session, entry, team, code)


def _fail(session: Session, entry: Entry, team: Team, code: str) -> Entry:
    if entry.state in {EntryState.FAILED, EntryState.DISQUALIFIED}:
        entry.failure = code[:300]
        return entry
    policy.check_step(entry.state, EntryState.FAILED)
    entry.state = EntryState.FAILED
    entry.failure = code[:300]
    if entry.failure == SCORER_FAILED:
        tell_scorer_failed(session, entry.board)
    entry.released_score = None
    give_back(session, team, entry, counts=is_own(entry.failure))
    session.flush()
    take_off(session, entry)
    return entry


def _wait_again(session: Session, entry: Entry) -> Entry:
    """Let an entry that was scored against an old truth be scored once more."""
    if entry.state is EntryState.SCORING:
        entry.state = EntryState.RECEIVED
        session.flush()
    return entry


def retry_entry(session: Session, entry_id: int) -> Entry:
    """Let a failed entry be scored once more, after the fault was mended; it holds its slot again.

    Raises:
        Conflict: it has not failed, or waits for its score again already.
    """
    entry, team, _ = _locked(session, entry_id)
    if entry.state is not EntryState.FAILED:
        raise Conflict(N_("This entry has gone on meanwhile. Load the page again."))
    take_again(session, team, entry)
    entry.state = EntryState.RECEIVED
    entry.failure = ""
    entry.public_score = entry.released_score = None
    for table in (PrivateScore, EntryLosses, EntryPrint, EntryLog):
        session.execute(delete(table).where(table.entry_id == entry.id))
    session.flush()
    return entry


def take_off(session: Session, entry: Entry) -> None:
    """Bring standings in line after an entry stopped counting, or counts again.

    The team is locked, and its board was read after that, or is locked itself.
    """
    if entry.team_id is None:
        return
    if entry.board.ladder:
        climbing.replay_team(session, entry.board, entry.team_id)
    refresh_team(session, entry.board, entry.team_id, is_fresh=True)


def _locked(session: Session, entry_id: int) -> tuple[Entry, Team, Board]:
    """Return an entry, its team and its board, with the team's row locked; a merge meanwhile is followed."""
    team_id = session.scalars(select(Entry.team_id).where(Entry.id == entry_id)).one()
    while True:
        if team_id is None:
            raise NotFound  # a baseline: those are written by `boards.keep_baselines`
        team = lock_team(session, team_id)
        entry = session.scalars(
            select(Entry).where(Entry.id == entry_id).execution_options(populate_existing=True)
        ).one()
        if entry.team_id == team_id:  # the truth of its board may be a newer one
            return entry, team, session.get_one(Board, entry.board_id, populate_existing=True)
        team_id = entry.team_id
