"""Asking the first teams to prove their place, taking what they hand in, deciding about it.

A refusal changes nothing on the board: taking a team off it is a decision of its own (`judging`).
"""

import io
import zipfile
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.accounts.services.limits import HOUR, Limit
from lms.errors import N_, Conflict, Invalid, TooLarge
from lms.grading.core.notices import Unreadable
from lms.grading.core.reading import read_notebook
from lms.leaderboards.core.challenge_file import FILE_BYTES
from lms.leaderboards.models import Board
from lms.leaderboards.policies import winners as rules
from lms.leaderboards.queries.waiting import number_waiting
from lms.leaderboards.queries.winners import number_stopped, round_of, teams_to_ask
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.services.winner_letters import tell_team
from lms.leaderboards.services.wording import file_name, reason, words
from lms.leaderboards.tables.winners import (
    LONGEST_REASON,
    LONGEST_STATEMENT,
    LONGEST_WANTED,
    MOST_DAYS,
    MOST_WINNERS,
    ClaimState,
    WinnerClaim,
    WinnerRound,
)

EVIDENCE_PER_PERSON = Limit(name="winner-evidence", tries=20, seconds=24 * HOUR)


class Evidence(NamedTuple):
    """A file that was checked and stored."""

    blob: str
    filename: str
    size_bytes: int


def check_can_ask(session: Session, board: Board, at: datetime) -> None:
    """Refuse to ask anybody before places are final.

    Raises:
        Conflict: as `policies.winners.check_can_ask`.
    """
    waiting, stopped = number_waiting(session, board), number_stopped(session, board)
    rules.check_can_ask(board, waiting, stopped, at)


def ask_winners(
    session: Session, actor: User, board: Board, *, winners: int, wanted: str, days: int, at: datetime
) -> list[WinnerClaim]:
    """Ask the first teams of a final board for proof, or more of them, or for something else from now on.

    Returns: those who are asked anew; each has `days` from now.

    Raises:
        NotAllowed: the actor does not run the challenge.
        Conflict: it has not ended, or entries still wait for their score.
        Invalid: a number is out of bounds, or nothing is said.
    """
    check_organiser(session, actor, board)
    _lock(session, board)
    check_can_ask(session, board, at)
    if not 1 <= winners <= MOST_WINNERS:
        raise Invalid(N_("Give between 1 and %(most)d."), field="winners", most=MOST_WINNERS)
    told, given = words(wanted, LONGEST_WANTED, "wanted"), _days(days)
    asked = round_of(session, board)
    if asked is None:
        asked = WinnerRound(board=board, opened_by_id=actor.id, opened_at=at)
        session.add(asked)
    asked.winners, asked.wanted, asked.days = winners, told, given
    session.flush()
    record(session, actor, "board.ask_winners", f"board:{board.id}", winners=winners)
    return _ask_missing(session, actor, asked, at)


def ask_next(session: Session, actor: User, board: Board, *, at: datetime) -> list[WinnerClaim]:
    """Ask whoever moved up among the first: after a disqualification, or a new version of the scores.

    Raises:
        NotAllowed: the actor does not run the challenge.
        Conflict: it is too early, or nobody was asked for anything yet.
    """
    check_organiser(session, actor, board)
    _lock(session, board)
    check_can_ask(session, board, at)
    asked = round_of(session, board)
    if asked is None:
        raise Conflict(N_("Say first what the winners are asked for."))
    return _ask_missing(session, actor, asked, at)


def _ask_missing(session: Session, actor: User, asked: WinnerRound, at: datetime) -> list[WinnerClaim]:
    made = [
        WinnerClaim(round=asked, team=team, asked_at=at, due_at=at + timedelta(days=asked.days))
        for team in teams_to_ask(session, asked)
    ]
    session.add_all(made)
    session.flush()
    for claim in made:
        tell_team(session, claim)
        record(session, actor, "board.ask_winner", f"board:{asked.board_id}", team=claim.team_id)
    return made


def check_evidence(content: bytes) -> None:
    """Look whether a file is of a kind that organisers can open; it is never unpacked or run here.

    Raises:
        TooLarge: it is larger than an entry may be.
        Invalid: it is neither a notebook nor a zip.
    """
    if len(content) > FILE_BYTES:
        raise TooLarge(
            N_("This is more than %(limit)d MiB. Send only what is asked for."), limit=FILE_BYTES >> 20
        )
    if zipfile.is_zipfile(io.BytesIO(content)):
        return
    try:
        read_notebook(content, FILE_BYTES)
    except Unreadable:
        raise Invalid(N_("Send a notebook (.ipynb) or a zip file."), field="file") from None


def hand_in_evidence(
    session: Session, user: User, claim: WinnerClaim, statement: str, file: Evidence | None, *, at: datetime
) -> None:
    """Take what a team has to show; it replaces what came before, and a file stays until another one comes.

    Raises:
        NotAllowed: somebody else leads the team.
        Conflict: it is decided, or too late.
        Invalid: there is neither a file nor a word, or too many of them.
    """
    _lock(session, claim.round.board)
    session.refresh(claim, ["state", "due_at", "blob"])
    rules.check_can_hand_in(user, claim, at)
    if file is None and claim.blob is None and not statement.strip():
        raise Invalid(N_("Send a file, or write what you want to say."), field="statement")
    claim.statement = words(statement, LONGEST_STATEMENT, "statement") if statement.strip() else ""
    if file is not None:
        claim.blob, claim.filename, claim.size_bytes = file.blob, file_name(file.filename), file.size_bytes
    claim.state, claim.handed_in_at, claim.handed_in_by_id = ClaimState.HANDED_IN, at, user.id
    session.flush()
    record(session, user, "board.hand_in_evidence", f"board:{claim.round.board_id}", claim=claim.id)


def decide_claim(
    session: Session,
    actor: User,
    claim: WinnerClaim,
    state: ClaimState,
    why: str,
    *,
    days: int = 0,
    at: datetime,
) -> list[WinnerClaim]:
    """Accept or refuse what a team has shown, or ask once more; the team reads why.

    A refusal asks the next team on the board, and takes nobody off it.

    Args:
        days: how much time the team has from now, where it is asked once more.

    Returns: who is asked because of it.

    Raises:
        NotAllowed: the actor does not run the challenge, or takes part in it.
        Conflict: the claim cannot take this decision now.
        Invalid: there is no reason, no decision, or a number out of bounds.
    """
    board = claim.round.board
    check_organiser(session, actor, board)
    _lock(session, board)
    session.refresh(claim, ["state", "due_at", "handed_in_at"])
    if state is ClaimState.HANDED_IN:
        raise Invalid(N_("Choose what you found."), field="state")
    rules.check_claim_step(claim, state, at)
    told = reason(why, LONGEST_REASON)
    if state is ClaimState.ASKED:
        claim.due_at, claim.decided_at, claim.decided_by_id = at + timedelta(days=_days(days)), None, None
    else:
        claim.decided_at, claim.decided_by_id = at, actor.id
    claim.state, claim.reason = state, told
    session.flush()
    tell_team(session, claim)
    record(session, actor, "board.decide_winner", f"board:{board.id}", claim=claim.id, state=state.value)
    return _ask_missing(session, actor, claim.round, at) if state is ClaimState.REFUSED else []


def _days(days: int) -> int:
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(N_("Give between 1 and %(most)d days."), field="days", most=MOST_DAYS)
    return days


def _lock(session: Session, board: Board) -> None:
    """Let nobody else ask or decide on a board until this transaction ends."""
    session.execute(select(Board.id).where(Board.id == board.id).with_for_update())
