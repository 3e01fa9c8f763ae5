"""Nobody both runs a challenge and takes part in it."""

from lms.accounts.models import User
from lms.errors import N_, NotAllowed
from lms.leaderboards.models import Board, Challenge, Team
from lms.leaderboards.policy import can_organise


def check_is_impartial(board: Board, own: Team | None) -> None:
    """Refuse to run a challenge to whoever takes part in it; a lab's teachers may try their own lab.

    Args:
        board: of the challenge, or of a lab.
        own: the team on this board of whoever wants to run it.

    Raises:
        NotAllowed: there is one.
    """
    if own is not None and board.challenge is not None:
        raise NotAllowed(N_("You take part in this challenge, so you cannot run it too. Ask a colleague."))


def check_can_take_part(user: User, challenge: Challenge) -> None:
    """Refuse whoever runs a challenge: they can see its hidden data, and decide about the others.

    Raises:
        NotAllowed: the user runs it.
    """
    if can_organise(user, challenge):
        raise NotAllowed(N_("You run this challenge, so you cannot take part in it."))
