"""Publishing how a team did it, after the end; what organisers do about it."""

from datetime import datetime

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.accounts.services.limits import HOUR, Limit
from lms.errors import N_, Conflict, Invalid, NotFound
from lms.leaderboards import policy
from lms.leaderboards.models import Share, Team
from lms.leaderboards.policies import writeups as rules
from lms.leaderboards.queries.standings import own_place
from lms.leaderboards.queries.writeups import linkable_entry, own_writeup
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.services.standing import lock_team
from lms.leaderboards.services.wording import line, prose, reason
from lms.leaderboards.tables.writeups import LONGEST_REASON, LONGEST_TEXT, LONGEST_TITLE, Writeup

WRITEUPS_PER_PERSON = Limit(name="writeups", tries=30, seconds=HOUR)


def check_can_publish(session: Session, user: User, team: Team, at: datetime) -> None:
    """Refuse who may not publish for the team now.

    Raises:
        NotFound: the team is of no challenge.
        NotAllowed, Conflict: as `policies.writeups.check_can_publish`.
    """
    if team.board.challenge is None:
        raise NotFound
    rank = own_place(session, team.board, Share.PRIVATE, team)
    rules.check_can_publish(user, team.board.challenge, team, rank, at)


def publish_writeup(
    session: Session, user: User, team: Team, title: str, text: str, *, entry_id: int | None, at: datetime
) -> Writeup:
    """Publish a team's write-up, or the newer words of it. What is hidden stays hidden.

    Args:
        entry_id: a scored notebook of the team that readers may download with it; None: nothing.

    Raises:
        NotFound, NotAllowed, Conflict: as `check_can_publish`.
        Invalid: the title or the text is empty or too long, or the notebook is none of the team's.
    """
    lock_team(session, team.id)
    check_can_publish(session, user, team, at)
    if entry_id is not None and linkable_entry(session, team, entry_id) is None:
        raise Invalid(N_("Choose a scored notebook of your own team."), field="entry")
    heading, told = line(title, LONGEST_TITLE), prose(text, LONGEST_TEXT)
    found = own_writeup(session, team)
    if found is None:
        found = Writeup(board_id=team.board_id, team_id=team.id, written_at=at)
        session.add(found)
    elif found.withdrawn_at is not None:
        found.written_at, found.edited_at, found.withdrawn_at = at, None, None
    else:
        found.edited_at = at
    found.title, found.text = heading, told
    found.entry_id, found.written_by_id = entry_id, user.id
    session.flush()
    record(session, user, "board.write_up", f"board:{team.board_id}", team=team.id, writeup=found.id)
    return found


def withdraw_writeup(session: Session, user: User, team: Team, *, at: datetime) -> None:
    """Take a team's write-up back: its words are gone for good. It can publish another one.

    Raises:
        NotAllowed: somebody else leads the team.
        NotFound: there is none.
    """
    lock_team(session, team.id)
    policy.check_can_lead(user, team)
    found = own_writeup(session, team)
    if found is None or found.withdrawn_at is not None:
        raise NotFound
    found.title = found.text = ""
    found.entry_id, found.withdrawn_at = None, at
    session.flush()
    record(session, user, "board.withdraw_writeup", f"board:{team.board_id}", team=team.id, writeup=found.id)


def hide_writeup(session: Session, actor: User, writeup: Writeup, why: str, *, at: datetime) -> None:
    """Take a write-up out of sight, for a reason that its team reads.

    Raises:
        NotAllowed: the actor does not run the challenge.
        Invalid: there is no reason.
        Conflict: it is hidden already.
    """
    check_organiser(session, actor, writeup.board)
    lock_team(session, writeup.team_id)
    session.refresh(writeup, ["hidden_at"])
    if writeup.hidden_at is not None:
        raise Conflict(N_("This is hidden already. Load the page again."))
    writeup.hidden_reason = reason(why, LONGEST_REASON)
    writeup.hidden_at, writeup.hidden_by_id = at, actor.id
    session.flush()
    record(session, actor, "board.hide_writeup", f"board:{writeup.board_id}", writeup=writeup.id)


def show_writeup(session: Session, actor: User, writeup: Writeup) -> None:
    """Let everyone see again what was hidden; the reason that was given stays in the records.

    Raises:
        NotAllowed: the actor does not run the challenge.
    """
    check_organiser(session, actor, writeup.board)
    writeup.hidden_at = writeup.hidden_by_id = None
    session.flush()
    record(session, actor, "board.show_writeup", f"board:{writeup.board_id}", writeup=writeup.id)
