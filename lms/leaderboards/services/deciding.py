"""What a person makes of a flag."""

from datetime import datetime

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict, Invalid, NotAllowed
from lms.leaderboards import policy
from lms.leaderboards.queries.flags import is_about
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.tables.flags import Flag, FlagState

LONGEST_REASON = 1000


def decide_flag(
    session: Session, actor: User, flag: Flag, state: FlagState, reason: str, *, at: datetime
) -> None:
    """Dismiss or uphold a flag, for a reason; it can be decided again. Nothing happens to the teams.

    Raises:
        NotAllowed: the actor does not run the board, or is in one of the teams.
        Invalid: there is no reason, or no decision.
        Conflict: it was decided so already.
    """
    policy.check_can_organise(actor, flag.board)
    if is_about(session, flag, actor):
        raise NotAllowed(N_("This is about your own team. Somebody else has to decide it."))
    check_organiser(session, actor, flag.board)
    if state is FlagState.OPEN:
        raise Invalid(N_("Choose what you found."), field="state")
    clean = reason.strip()
    if not 1 <= len(clean) <= LONGEST_REASON:
        raise Invalid(N_("Say why, in at most %(limit)d characters."), field="reason", limit=LONGEST_REASON)
    if flag.state is state:
        raise Conflict(N_("This flag has been decided so already. Load the page again."))
    flag.state, flag.reason, flag.decided_at, flag.decided_by_id = state, clean, at, actor.id
    session.flush()
    record(session, actor, "board.decide_flag", f"board:{flag.board_id}", flag=flag.id, state=state.value)
