"""When the first teams are asked to prove their place, who answers, who decides."""

from collections.abc import Mapping
from datetime import datetime

from lms.accounts.models import User
from lms.errors import N_, Conflict
from lms.leaderboards.models import Board
from lms.leaderboards.policy import check_can_lead
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim

CLAIM_STEPS: Mapping[ClaimState, frozenset[ClaimState]] = {
    ClaimState.ASKED: frozenset(ClaimState),
    ClaimState.HANDED_IN: frozenset(ClaimState),
    ClaimState.ACCEPTED: frozenset({ClaimState.ASKED, ClaimState.REFUSED}),
    ClaimState.REFUSED: frozenset({ClaimState.ASKED, ClaimState.ACCEPTED}),
}
"""Where a claim may go; a decision can be taken back, as people err."""
OPEN = frozenset({ClaimState.ASKED, ClaimState.HANDED_IN})


def check_can_ask(board: Board, waiting: int, stopped: int, at: datetime) -> None:
    """Refuse to ask anybody before places are final.

    Args:
        waiting: entries that came in time and have no score yet.
        stopped: entries that the challenge's own scorer failed on, and that a corrected one scores.

    Raises:
        Conflict: it is too early.
    """
    if board.ends_at is None or at <= board.ends_at:
        raise Conflict(N_("This challenge has not ended yet. Winners are verified from then on."))
    if waiting:
        raise Conflict(
            N_("%(count)d entries that came in time are not scored yet. Wait for them."), count=waiting
        )
    if stopped:
        raise Conflict(
            N_(
                "Your scorer failed on %(count)d entries. Let them be scored again, or publish a version "
                "with a corrected scorer, before you ask anybody."
            ),
            count=stopped,
        )


def check_can_hand_in(user: User, claim: WinnerClaim, at: datetime) -> None:
    """Let the leader of a team that is asked hand in, also anew, until the last moment.

    Raises:
        NotAllowed: somebody else leads the team.
        Conflict: it is decided, or too late.
    """
    check_can_lead(user, claim.team)
    if claim.state not in OPEN:
        raise Conflict(N_("This is decided already, so nothing more can be handed in."))
    if at > claim.due_at:
        raise Conflict(N_("The time to hand this in has passed. Ask the organisers for more."))


def check_claim_step(claim: WinnerClaim, to: ClaimState, at: datetime) -> None:
    """Refuse a decision that a claim cannot take now.

    Raises:
        Conflict: it was decided so already, there is no evidence to accept, or its time still runs.
    """
    if to is ClaimState.ACCEPTED and claim.handed_in_at is None:
        raise Conflict(N_("The team has handed nothing in yet, so there is nothing to accept."))
    if to not in CLAIM_STEPS[claim.state]:
        raise Conflict(N_("This has been decided so already. Load the page again."))
    if to is ClaimState.REFUSED and claim.state is ClaimState.ASKED and at <= claim.due_at:
        raise Conflict(N_("The team still has time to hand it in. Decide when it has, or when that is over."))
