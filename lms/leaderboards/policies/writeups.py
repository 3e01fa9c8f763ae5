"""Who publishes a write-up, and when write-ups can be read."""

from datetime import datetime

from lms.accounts.models import User
from lms.errors import N_, Conflict, NotAllowed, NotFound
from lms.leaderboards.models import Challenge, Entry, EntryState, Team
from lms.leaderboards.policy import check_can_lead
from lms.leaderboards.tables.writeups import Writeup


def check_has_ended(challenge: Challenge, at: datetime) -> None:
    """Refuse everything that tells how a challenge was solved while it can still be entered.

    Raises:
        Conflict: it has not ended.
    """
    if at <= challenge.ends_at:
        raise Conflict(N_("This challenge has not ended yet. Write-ups can be published from then on."))


def check_can_publish(user: User, challenge: Challenge, team: Team, rank: int | None, at: datetime) -> None:
    """Let the leader of a team on the final board publish.

    Args:
        rank: the team's place on the final board; None: it has none.

    Raises:
        NotAllowed: somebody else leads the team, or it was disqualified.
        Conflict: the challenge has not ended, or the team stands nowhere.
    """
    check_can_lead(user, team)
    check_has_ended(challenge, at)
    if team.disqualified:
        raise NotAllowed(N_("This team was disqualified. Ask the organisers what can be done."))
    if rank is None:
        raise Conflict(N_("Your team is not on the final board, so there is nothing to write up."))


def can_offer(entry: Entry) -> bool:
    """Say whether readers of a write-up may have an entry: while its score counts."""
    return entry.state is EntryState.SCORED


def check_can_read(writeup: Writeup, *, belongs: bool, organises: bool) -> None:
    """Show what is hidden, or of a disqualified team, to the team and the organisers only.

    Args:
        belongs: whether the reader is in the team.

    Raises:
        NotFound: it is withdrawn, or not for this reader.
    """
    if writeup.withdrawn_at is not None:
        raise NotFound
    shown = writeup.hidden_at is None and not writeup.team.disqualified
    if not (shown or belongs or organises):
        raise NotFound
