"""Who may run a board now: whoever is in one of its teams may not, whatever their role."""

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.errors import NotAllowed
from lms.leaderboards import policy
from lms.leaderboards.models import Board
from lms.leaderboards.policies.impartiality import check_is_impartial
from lms.leaderboards.queries.boards import team_of


def check_organiser(session: Session, actor: User | None, board: Board) -> None:
    """Refuse whoever does not run a board, or takes part in its challenge; None is the command line.

    Raises:
        NotAllowed: the actor does not run it, or is in one of its teams.
    """
    policy.check_can_organise(actor, board)
    if actor is not None:
        check_is_impartial(board, team_of(session, board, actor))


def is_organiser(session: Session, user: User | None, board: Board) -> bool:
    """Say whether `check_organiser` would let a person run a board."""
    try:
        check_organiser(session, user, board)
    except NotAllowed:
        return False
    return user is not None
