"""Choosing which entries count in the end."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.errors import N_, Conflict, Invalid, NotAllowed
from lms.leaderboards.models import Entry, EntryState, Team, TeamMember
from lms.leaderboards.services.standing import lock_team, refresh_team


def select_entries(
    session: Session, user: User, team: Team, entry_ids: Collection[int], *, at: datetime
) -> None:
    """Let exactly these entries of a team count in the end; with none, its best public ones count.

    Raises:
        NotAllowed: the user is not in the team.
        Conflict: the challenge has ended, or every entry counts anyway.
        Invalid: they are too many, or not scored entries of the team.
    """
    team = lock_team(session, team.id)
    board = team.board
    in_it = select(TeamMember.id).where(TeamMember.team_id == team.id, TeamMember.user_id == user.id)
    if session.scalar(in_it) is None:
        raise NotAllowed(N_("Only members of the team can choose its entries."))
    if not board.selections:
        raise Conflict(N_("On this board every entry counts, so there is nothing to choose."))
    if board.ends_at is not None and at > board.ends_at:
        raise Conflict(N_("The challenge has ended, so the choice stands."))
    wanted = set(entry_ids)
    if len(wanted) > board.selections:
        raise Invalid(N_("Choose at most %(limit)d entries."), field="entries", limit=board.selections)
    own = session.scalars(
        select(Entry).where(Entry.team_id == team.id, Entry.selected | Entry.id.in_(wanted))
    ).all()
    if {each.id for each in own if each.state is EntryState.SCORED} & wanted != wanted:
        raise Invalid(N_("Choose scored entries of your own team."), field="entries")
    for entry in own:
        entry.selected = entry.id in wanted
    session.flush()
    refresh_team(session, board, team.id)
