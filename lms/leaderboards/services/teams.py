"""Teams: of one person at first; people and whole teams come together until the team deadline."""

import unicodedata
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.errors import N_, Conflict, Invalid, NotFound
from lms.leaderboards import policy
from lms.leaderboards.models import (
    Board,
    Challenge,
    Entry,
    QuotaDay,
    Standing,
    Team,
    TeamInvitation,
    TeamMember,
    TeamMerge,
    TieGroup,
)
from lms.leaderboards.policies.impartiality import check_can_take_part
from lms.leaderboards.policies.merging import check_can_merge, entries_by_now
from lms.leaderboards.policies.naming import check_can_rename
from lms.leaderboards.queries.boards import accepted_version, board_of_challenge, team_of
from lms.leaderboards.services import climbing
from lms.leaderboards.services.boards import make_team_of_one
from lms.leaderboards.services.honouring import count_people
from lms.leaderboards.services.receiving import microseconds
from lms.leaderboards.services.standing import lock_team, refresh_team

LONGEST_NAME = 60
NAME_TAKEN = N_("Another team has this name. Choose a different one.")


def join(session: Session, user: User, challenge: Challenge, name: str, *, at: datetime) -> Team:
    """Take part as a team of one. Repeatable: who is in a team stays in it.

    Raises:
        NotAllowed: the rules are not accepted as they are now, or the user runs the challenge.
        Conflict: nobody can join at this time, or another team has the name.
        Invalid: the name cannot be shown.
    """
    board = board_of_challenge(session, challenge)
    known = team_of(session, board, user)
    if known is not None:
        return known
    check_can_take_part(user, challenge)
    policy.check_can_join(challenge, at)
    policy.check_rules_accepted(challenge, accepted_version(session, challenge, user))
    shown, name_key = _fresh_name(session, board, name, None)
    try:
        with session.begin_nested():
            return make_team_of_one(session, board, user, name=shown, name_key=name_key, at=at)
    except IntegrityError:  # at the same moment the user asked twice, or another team took the name
        known = team_of(session, board, user)
        if known is None:
            raise Conflict(NAME_TAKEN) from None
        return known


def rename(session: Session, user: User, team: Team, name: str, *, at: datetime) -> None:
    """Give a team another name.

    Raises:
        NotAllowed: only the leader may.
        Conflict, Invalid: as `join`; or the challenge has ended.
    """
    policy.check_can_lead(user, team)
    check_can_rename(team.board, at)
    shown, name_key = _fresh_name(session, team.board, name, team)
    try:
        with session.begin_nested():
            team.name, team.name_key = shown, name_key
    except IntegrityError:  # another team took it at the same moment
        raise Conflict(NAME_TAKEN) from None


def show_member(session: Session, user: User, team: Team, *, shown: bool) -> None:
    """Let others see the person's own name beside the team's, or not; their points follow."""
    member = session.scalar(
        select(TeamMember).where(TeamMember.team_id == team.id, TeamMember.user_id == user.id)
    )
    if member is None:
        raise NotFound
    member.shown = shown
    count_people(session, [user.id])


def invite(session: Session, user: User, team: Team, invited: User, *, at: datetime) -> TeamInvitation:
    """Ask a person to come into a team; who leads one brings it along.

    Raises:
        NotAllowed: only the leader may.
        Conflict: the teams stand, it would be too many people, or the person is in the team.
    """
    challenge = _challenge_of(team)
    policy.check_can_lead(user, team)
    policy.check_can_change_team(challenge, at)
    theirs = team_of(session, team.board, invited)
    if theirs is not None and theirs.id == team.id:
        raise Conflict(N_("This person is in your team already."))
    policy.check_team_size(challenge, _size(session, team) + (_size(session, theirs) if theirs else 1))
    asked = _invitation(session, team, invited)
    if asked is None:
        try:
            with session.begin_nested():
                asked = TeamInvitation(
                    team_id=team.id, user_id=invited.id, invited_by_id=user.id, invited_at=at
                )
                session.add(asked)
        except IntegrityError:  # asked twice at once: the other one is the invitation
            asked = _invitation(session, team, invited)
            if asked is None:
                raise
    asked.invited_by_id, asked.invited_at = user.id, at
    asked.answered_at, asked.accepted = None, False
    session.flush()
    return asked


def _invitation(session: Session, team: Team, invited: User) -> TeamInvitation | None:
    return session.scalar(
        select(TeamInvitation).where(TeamInvitation.team_id == team.id, TeamInvitation.user_id == invited.id)
    )


def decline(session: Session, user: User, invitation: TeamInvitation, *, at: datetime) -> None:
    """Say no to an invitation."""
    _check_open(user, invitation)
    invitation.answered_at = at
    session.flush()


def accept(session: Session, user: User, invitation: TeamInvitation, *, at: datetime) -> Team:
    """Say yes to an invitation; who leads a team brings it along, with its entries.

    Raises:
        NotFound: it is not the user's, or was answered.
        NotAllowed: the rules are not accepted, the user does not lead their team, or runs the challenge.
        Conflict: the time is over, it would be too many people, or too many entries together.
    """
    _check_open(user, invitation)
    challenge = _challenge_of(invitation.team)
    policy.check_can_change_team(challenge, at)
    policy.check_rules_accepted(challenge, accepted_version(session, challenge, user))
    theirs = team_of(session, invitation.team.board, user)
    if theirs is None:
        check_can_take_part(user, challenge)
        policy.check_can_join(challenge, at)
        into = lock_team(session, invitation.team_id)
        _check_standing(into)
        policy.check_team_size(challenge, _size(session, into) + 1)
        _add_member(session, into, user, at)
    else:
        policy.check_can_lead(user, theirs)
        into = merge(session, user, invitation.team, theirs, at=at)
    invitation.answered_at, invitation.accepted = at, True
    session.flush()
    return into


def _add_member(session: Session, team: Team, user: User, at: datetime) -> None:
    try:
        with session.begin_nested():
            session.add(TeamMember(team_id=team.id, board_id=team.board_id, user_id=user.id, joined_at=at))
    except IntegrityError:
        raise Conflict(N_("You have just come into a team. Load the page again.")) from None


def merge(session: Session, user: User, into: Team, other: Team, *, at: datetime) -> Team:
    """Bring two teams together, with their people, entries and what they used of the quota.

    Only together with the yes of both leaders: `accept` is the way here.

    Raises:
        Conflict: the time is over, or they have more people, or more entries, than one team could have.
    """
    challenge = _challenge_of(into)
    policy.check_can_change_team(challenge, at)
    into, other = _lock_both(session, into, other)
    _check_standing(into)
    _check_standing(other)
    policy.check_team_size(challenge, _size(session, into) + _size(session, other))
    used = into.taken + other.taken
    check_can_merge(challenge, used if into.taken and other.taken else 0, at)
    session.add(
        TeamMerge(
            board_id=into.board_id,
            from_id=other.id,
            into_id=into.id,
            sequence=microseconds(at),
            entries=used,
            allowed=entries_by_now(challenge, at),
            merged_by_id=user.id,
            merged_at=at,
        )
    )
    _move(session, other, into)
    board = into.board
    if board.ladder:
        climbing.replay_team(session, board, into.id)
    refresh_team(session, board, into.id)
    return into


def _lock_both(session: Session, one: Team, other: Team) -> tuple[Team, Team]:
    """Lock two teams, always in the same order, so that no two merges wait for each other."""
    locked = {team_id: lock_team(session, team_id) for team_id in sorted({one.id, other.id})}
    if len(locked) == 1:
        raise Conflict(N_("This person is in your team already."))
    return locked[one.id], locked[other.id]


def _move(session: Session, other: Team, into: Team) -> None:
    """Hand everything of one team over to another; both are locked."""
    still = {"synchronize_session": "fetch"}
    session.execute(
        update(Entry).where(Entry.team_id == other.id).values(team_id=into.id, selected=False),
        execution_options=still,
    )
    session.execute(
        update(TeamMember).where(TeamMember.team_id == other.id).values(team_id=into.id),
        execution_options=still,
    )
    for table in (Standing, TieGroup):
        session.execute(delete(table).where(table.team_id == other.id), execution_options=still)
    for day in session.scalars(select(QuotaDay).where(QuotaDay.team_id == other.id)).all():
        mine = session.get(QuotaDay, (into.id, day.day), populate_existing=True)
        if mine is None:
            mine = QuotaDay(team_id=into.id, day=day.day, used=0, failed=0)
            session.add(mine)
        mine.used += day.used
        mine.failed += day.failed
        session.delete(day)
    into.taken += other.taken
    received = [each for each in (into.last_received_at, other.last_received_at) if each is not None]
    into.last_received_at = max(received, default=None)
    other.taken = 0
    other.merged_into_id = into.id
    other.name_key = None
    session.flush()
    session.expire(other, ["members"])
    session.expire(into, ["members"])


def leave(session: Session, user: User, team: Team, *, at: datetime) -> None:
    """Go out of a team, while it has no entries: afterwards it would be a way to a new quota.

    Raises:
        NotFound: the user is not in it.
        Conflict: the team has entries, is disqualified, or the team deadline has passed.
    """
    policy.check_can_change_team(_challenge_of(team), at)
    locked = lock_team(session, team.id)
    if locked.disqualified:
        raise Conflict(N_("Your team is disqualified, so nobody can leave it any more."))
    has_entries = or_(Entry.team_id == team.id, Entry.origin_id == team.id)  # a merged team's are both
    if session.scalar(select(Entry.id).where(has_entries).limit(1)) is not None:
        raise Conflict(N_("Your team has entries already, so nobody can leave it any more."))
    gone = session.scalar(
        select(TeamMember).where(TeamMember.team_id == team.id, TeamMember.user_id == user.id)
    )
    if gone is None:
        raise NotFound
    session.delete(gone)
    session.flush()
    session.expire(locked, ["members"])
    if locked.leader_id == user.id:
        locked.leader_id = locked.members[0].user_id if locked.members else None
    if not locked.members:
        locked.name_key = None
    session.flush()


def name_key(name: str) -> str:
    """Return a name as it is compared: what looks alike to software is alike."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())[:120]


def _fresh_name(session: Session, board: Board, name: str, team: Team | None) -> tuple[str, str]:
    clean = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
    clean = " ".join(clean.split())
    if not 1 <= len(clean) <= LONGEST_NAME:
        raise Invalid(N_("A team's name has 1 to %(limit)d characters."), field="name", limit=LONGEST_NAME)
    compared = name_key(clean)
    other = select(Team.id).where(Team.board_id == board.id, Team.name_key == compared)
    if team is not None:
        other = other.where(Team.id != team.id)
    if session.scalar(other) is not None:
        raise Conflict(NAME_TAKEN)
    return clean, compared


def _challenge_of(team: Team) -> Challenge:
    if team.board.challenge is None:
        raise NotFound  # a lab's students stand alone
    return team.board.challenge


def _check_open(user: User, invitation: TeamInvitation) -> None:
    if invitation.user_id != user.id or invitation.answered_at is not None:
        raise NotFound


def _check_standing(team: Team) -> None:
    if team.merged_into_id is not None or team.disqualified or team.leader_id is None:
        raise Conflict(N_("This team is not there any more."))


def _size(session: Session, team: Team) -> int:
    count = select(func.count()).where(TeamMember.team_id == team.id)
    return session.scalar(count) or 0
