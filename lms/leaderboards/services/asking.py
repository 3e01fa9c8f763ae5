"""Asking people into a team: by a link that its leader hands on, or by a letter that carries it."""

from datetime import datetime

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.queries import user_by_email
from lms.accounts.services.limits import HOUR, Limit
from lms.accounts.services.mail import queue_mail
from lms.errors import N_, Conflict, NotFound
from lms.leaderboards import policy
from lms.leaderboards.models import Board, Challenge, Team
from lms.leaderboards.queries.boards import accepted_version, board_of_challenge, team_of
from lms.leaderboards.queries.organising import members_of
from lms.leaderboards.services import teams

DAYS = 7
_SECONDS = DAYS * 24 * HOUR
_SALT = "leaderboards.team"
LETTERS_PER_LEADER = Limit(name="team-letters", tries=20, seconds=24 * HOUR)
LETTERS_PER_ADDRESS = Limit(name="team-letters-to", tries=5, seconds=24 * HOUR)
LETTER = {
    "ko": (
        "[두리] ‘{title}’ 챌린지에 함께해요",
        (
            "{leader} 님이 ‘{title}’ 챌린지의 ‘{team}’ 팀으로 초대했어요.\n\n"
            "들어오려면 {days}일 안에 아래 주소를 열어 주세요. 먼저 로그인하거나 계정을 만들어야 해요.\n\n"
            "{link}\n\n"
            "모르는 사람의 초대라면 이 편지를 지우면 돼요.\n"
        ),
    ),
    "en": (
        "[Duri] Come into a team for “{title}”",
        (
            "{leader} asks you to come into the team “{team}” of the challenge “{title}”.\n\n"
            "Open this address within {days} days to come in. You sign in, or make an account, first.\n\n"
            "{link}\n\n"
            "If you do not know them, delete this letter.\n"
        ),
    ),
}


def make_ticket(team: Team, key: str) -> str:
    """Return what a team's link holds; it works for some days, and while the same person leads.

    Args:
        team: the team into which the link leads.
        key: of this installation.
    """
    return URLSafeTimedSerializer(key, salt=_SALT).dumps([team.id, team.leader_id])


def team_of_ticket(session: Session, board: Board, ticket: str, key: str) -> Team:
    """Return the team into which a link leads.

    Raises:
        NotFound: the link is none, too old, of another challenge, or the team is not there any more.
    """
    try:
        team_id, leader_id = URLSafeTimedSerializer(key, salt=_SALT).loads(ticket, max_age=_SECONDS)
    except (BadData, TypeError, ValueError):
        team_id = leader_id = None
    team = session.get(Team, team_id) if team_id is not None else None
    if team is None or team.board_id != board.id or team.leader_id != leader_id or team.merged_into_id:
        raise NotFound(N_("This link does not lead into a team any more. Ask its leader for a new one."))
    return team


def check_can_write(
    session: Session, leader: User, challenge: Challenge, team: Team, *, at: datetime
) -> None:
    """Refuse letters of whoever may send none for a team, before any is counted.

    Raises:
        NotAllowed: only the leader may.
        Conflict: the teams stand, or the team is full.
    """
    policy.check_can_lead(leader, team)
    policy.check_can_change_team(challenge, at)
    policy.check_team_size(challenge, len(members_of(session, team)) + 1)


def write_to(
    session: Session, leader: User, challenge: Challenge, team: Team, *, email: str, link: str, at: datetime
) -> None:
    """Send a team's link by mail; who has an account here finds the invitation on the challenge's page too.

    Says nothing of whether there is an account.

    Raises:
        NotAllowed: only the leader may.
        Conflict: the teams stand, the team is full, or the person is in it.
    """
    check_can_write(session, leader, challenge, team, at=at)
    own = members_of(session, team)
    known = user_by_email(session, email)
    if known is not None and known.id in {one.user_id for one in own}:
        raise Conflict(N_("This person is in your team already."))
    if known is not None and _fits(session, challenge, team, known, len(own)):
        teams.invite(session, leader, team, known, at=at)
    language = known.language if known is not None and known.language in LETTER else leader.language
    subject, body = LETTER[language if language in LETTER else "ko"]
    title = challenge.title.get(language) or next(iter(challenge.title.values()))
    told = {"title": title, "leader": leader.name, "team": team.name, "link": link, "days": DAYS}
    queue_mail(session, email, subject.format(**told), body.format(**told))


def _fits(session: Session, challenge: Challenge, team: Team, known: User, people: int) -> bool:
    theirs = team_of(session, team.board, known)
    brought = len(members_of(session, theirs)) if theirs is not None else 1
    return people + brought <= challenge.team_size


def come(session: Session, user: User, challenge: Challenge, team: Team, *, at: datetime) -> Team:
    """Come into a team by its link; who leads one brings it along.

    Raises:
        NotAllowed, Conflict: as `teams.invite` and `teams.accept`.
        NotFound: nobody leads the team.
    """
    policy.check_rules_accepted(challenge, accepted_version(session, challenge, user))
    known = team_of(session, board_of_challenge(session, challenge), user)
    if known is not None and known.id == team.id:
        return known
    leader = session.get(User, team.leader_id) if team.leader_id is not None else None
    if leader is None:
        raise NotFound(N_("This link does not lead into a team any more. Ask its leader for a new one."))
    return teams.accept(session, user, teams.invite(session, leader, team, user, at=at), at=at)
