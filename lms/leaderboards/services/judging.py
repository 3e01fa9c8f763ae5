"""Taking work off a board for a reason, and putting it back; the evidence stays."""

from datetime import datetime

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict, Invalid
from lms.leaderboards import policy
from lms.leaderboards.models import Board, Disqualification, Entry, EntryState, Team
from lms.leaderboards.queries.waiting import scorer_failures
from lms.leaderboards.services.honouring import recount
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.services.receiving import give_back
from lms.leaderboards.services.scoring import retry_entry, take_off
from lms.leaderboards.services.standing import lock_team, refresh_team
from lms.leaderboards.services.ties import lock_truth

LONGEST_REASON = 1000


def disqualify_entry(
    session: Session, actor: User | None, entry: Entry, reason: str, *, at: datetime
) -> Disqualification:
    """Take one entry off the board; its file, its scores and the reason stay. No slot comes back.

    Raises:
        NotAllowed: the actor does not run the board, or takes part in its challenge.
        Conflict: it is off already, or a baseline.
        Invalid: there is no reason.
    """
    check_organiser(session, actor, entry.board)
    if entry.team_id is None:
        raise Conflict(N_("A baseline takes no rank, so there is nothing to take off."))
    lock_truth(session, entry.board_id)  # before a team, as who publishes a new truth does
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
    check_organiser(session, actor, team.board)
    lock_truth(session, team.board_id)
    team = lock_team(session, team.id)
    if team.disqualified:
        raise Conflict(N_("This team is disqualified already."))
    made = _note(session, actor, team.board, (team.id, None), reason=reason, at=at)
    team.disqualified = True
    session.flush()
    refresh_team(session, team.board, team.id)
    recount(session, team.board, at)
    return made


def score_again(session: Session, actor: User | None, entry: Entry) -> None:
    """Let a failed entry be scored once more, after the fault was mended; it holds its slot again.

    Raises:
        NotAllowed: the actor does not run the board, or takes part in its challenge.
        Conflict: it has not failed, or there is nothing to score.
    """
    check_organiser(session, actor, entry.board)
    if entry.board.challenge_id is None or entry.blob is None:
        raise Conflict(N_("Only entries of challenges can be scored again here."))
    retry_entry(session, entry.id)
    record(session, actor, "board.score_again", f"board:{entry.board_id}", entry=entry.id)


def score_all_again(session: Session, actor: User | None, board: Board) -> int:
    """Let everything be scored once more that the challenge's own scorer failed on; return how much it is.

    Raises:
        NotAllowed: as `score_again`.
    """
    check_organiser(session, actor, board)
    lock_truth(session, board.id)  # before its teams, and these in the order in which others lock several
    failed = session.scalars(scorer_failures(board).order_by(Entry.team_id, Entry.sequence)).all()
    for number in failed:
        retry_entry(session, number)
    record(session, actor, "board.score_again", f"board:{board.id}", entries=len(failed))
    return len(failed)


def lift(
    session: Session, actor: User | None, disqualification: Disqualification, reason: str, *, at: datetime
) -> None:
    """Take a disqualification back; the entry, or the team, stands again as if nothing had been.

    Raises:
        NotAllowed: the actor does not run the board, or takes part in its challenge.
        Conflict: it was lifted already.
        Invalid: there is no reason.
    """
    board = session.get_one(Board, disqualification.board_id)
    check_organiser(session, actor, board)
    lock_truth(session, board.id)
    session.refresh(disqualification)
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
    team = lock_team(session, entry.team_id)
    session.refresh(entry)
    before = EntryState(disqualification.state_before)
    if before is EntryState.SCORED and entry.public_score is None:  # a newer truth could not score it
        before = EntryState.FAILED
        give_back(session, team, entry, counts=False)
    if before in {EntryState.RECEIVED, EntryState.SCORING}:  # what came of it meanwhile, or once more
        before = EntryState.RECEIVED if entry.public_score is None else EntryState.SCORED
    entry.state = before
    session.flush()
    take_off(session, entry)


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
