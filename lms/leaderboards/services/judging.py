"""Taking work off a board for a reason, and putting it back; the evidence stays."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict, Invalid
from lms.leaderboards import policy
from lms.leaderboards.models import Board, Disqualification, Entry, EntryState, Team
from lms.leaderboards.services.honouring import recount
from lms.leaderboards.services.scoring import take_off
from lms.leaderboards.services.standing import lock_team, refresh_team

LONGEST_REASON = 1000


def disqualify_entry(
    session: Session, actor: User | None, entry: Entry, reason: str, *, at: datetime
) -> Disqualification:
    """Take one entry off the board; its file, its scores and the reason stay. No slot comes back.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: it is off already, or a baseline.
        Invalid: there is no reason.
    """
    policy.check_can_organise(actor, entry.board)
    if entry.team_id is None:
        raise Conflict(N_("A baseline takes no rank, so there is nothing to take off."))
    lock_team(session, entry.team_id)
    session.refresh(entry)
    policy.check_step(entry.state, EntryState.DISQUALIFIED)
    made = _note(session, actor, entry.board, (entry.team_id, entry), reason=reason, at=at)
    entry.state = EntryState.DISQUALIFIED
    session.flush()
    take_off(session, entry)
    recount(session, entry.board, at)
    return made


def disqualify_team(
    session: Session, actor: User | None, team: Team, reason: str, *, at: datetime
) -> Disqualification:
    """Take a whole team off the board: nothing of it ranks, and it enters nothing more.

    Raises:
        NotAllowed, Conflict, Invalid: as `disqualify_entry`.
    """
    policy.check_can_organise(actor, team.board)
    team = lock_team(session, team.id)
    if team.disqualified:
        raise Conflict(N_("This team is disqualified already."))
    made = _note(session, actor, team.board, (team.id, None), reason=reason, at=at)
    team.disqualified = True
    session.flush()
    refresh_team(session, team.board, team.id)
    recount(session, team.board, at)
    return made


def lift(
    session: Session, actor: User | None, disqualification: Disqualification, reason: str, *, at: datetime
) -> None:
    """Take a disqualification back; the entry, or the team, stands again as if nothing had been.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: it was lifted already.
        Invalid: there is no reason.
    """
    board = session.get_one(Board, disqualification.board_id)
    policy.check_can_organise(actor, board)
    if disqualification.lifted_at is not None:
        raise Conflict(N_("This disqualification was lifted already."))
    disqualification.lifted_reason = _reason(reason)
    disqualification.lifted_at = at
    disqualification.lifted_by_id = actor.id if actor is not None else None
    if disqualification.entry_id is None:
        team = lock_team(session, disqualification.team_id)
        team.disqualified = False
        session.flush()
        refresh_team(session, board, team.id)
    else:
        _restore(session, session.get_one(Entry, disqualification.entry_id), disqualification)
    recount(session, board, at)
    record(session, actor, "board.lift", f"board:{board.id}", disqualification=disqualification.id)


def _restore(session: Session, entry: Entry, disqualification: Disqualification) -> None:
    if entry.team_id is None:
        return
    lock_team(session, entry.team_id)
    session.refresh(entry)
    before = EntryState(disqualification.state_before)
    if before in {EntryState.RECEIVED, EntryState.SCORING}:  # what came of it meanwhile, or once more
        before = EntryState.RECEIVED if entry.public_score is None else EntryState.SCORED
    entry.state = before
    session.flush()
    take_off(session, entry)


def open_disqualification(session: Session, entry: Entry) -> Disqualification | None:
    """Return why an entry is off the board, if it is."""
    return session.scalar(
        select(Disqualification).where(
            Disqualification.entry_id == entry.id, Disqualification.lifted_at.is_(None)
        )
    )


def _note(
    session: Session,
    actor: User | None,
    board: Board,
    whom: tuple[int, Entry | None],
    *,
    reason: str,
    at: datetime,
) -> Disqualification:
    team_id, entry = whom
    made = Disqualification(
        board_id=board.id,
        team_id=team_id,
        entry_id=entry.id if entry is not None else None,
        state_before=entry.state.value if entry is not None else "",
        reason=_reason(reason),
        made_by_id=actor.id if actor is not None else None,
        made_at=at,
    )
    session.add(made)
    session.flush()
    record(session, actor, "board.disqualify", f"board:{board.id}", team=team_id, disqualification=made.id)
    return made


def _reason(reason: str) -> str:
    clean = reason.strip()
    if not 1 <= len(clean) <= LONGEST_REASON:
        raise Invalid(N_("Say why, in at most %(limit)d characters."), field="reason", limit=LONGEST_REASON)
    return clean
