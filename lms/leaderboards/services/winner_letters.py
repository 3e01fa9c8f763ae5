"""What the people of a team are told by mail about the proof of their place, in their language."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.mail import queue_mails
from lms.leaderboards.models import TeamMember
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim

LETTERS = {
    ClaimState.ASKED: {
        "ko": (
            "[두리] 수상 확인 자료를 내 주세요",
            (
                "{name} 님,\n\n‘{title}’ 챌린지의 ‘{team}’ 팀이 수상 후보입니다. 순위를 확인할 자료를 "
                "{until}까지 내 주세요.\n\n{wanted}\n\n"
                "팀장이 챌린지의 ‘수상 확인’ 페이지에서 낼 수 있습니다.\n"
            ),
        ),
        "en": (
            "[Duri] Show how you got your place",
            (
                "Hello {name},\n\nyour team “{team}” may have won in the challenge “{title}”. Hand in what "
                "shows how you got your place until {until}.\n\n{wanted}\n\n"
                "The leader of the team does it on the page “Verification” of the challenge.\n"
            ),
        ),
    },
    ClaimState.ACCEPTED: {
        "ko": (
            "[두리] 순위가 확인되었습니다",
            (
                "{name} 님,\n\n운영자가 ‘{title}’ 챌린지에서 ‘{team}’ 팀의 순위를 확인했습니다.\n\n"
                "{reason}\n\n리더보드에 ‘확인됨’으로 표시됩니다.\n"
            ),
        ),
        "en": (
            "[Duri] Your place is verified",
            (
                "Hello {name},\n\nthe organisers of the challenge “{title}” verified the place of your team "
                "“{team}”.\n\n{reason}\n\nThe leaderboard says so.\n"
            ),
        ),
    },
    ClaimState.REFUSED: {
        "ko": (
            "[두리] 순위를 확인하지 못했습니다",
            (
                "{name} 님,\n\n운영자가 ‘{title}’ 챌린지에서 ‘{team}’ 팀의 자료를 받아들이지 않았습니다.\n"
                "이유: {reason}\n\n리더보드의 순위는 그대로입니다. 다르게 생각하면 운영자에게 알려 주세요.\n"
            ),
        ),
        "en": (
            "[Duri] Your place was not verified",
            (
                "Hello {name},\n\nthe organisers of the challenge “{title}” did not accept what your team "
                "“{team}” handed in.\nReason: {reason}\n\n"
                "Your place on the leaderboard stays as it is. If you see it differently, write to the "
                "organisers.\n"
            ),
        ),
    },
}
"""By what a claim has become. What was asked for again is told like what is asked for at first."""


def tell_team(session: Session, claim: WinnerClaim) -> None:
    """Write to everybody in a team what is asked of it, or what was decided."""
    people = session.scalars(
        select(User)
        .join(TeamMember, TeamMember.user_id == User.id)
        .where(TeamMember.team_id == claim.team_id, User.disabled_at.is_(None))
        .order_by(TeamMember.id)
    )
    queue_mails(session, [_letter(each, claim) for each in people])


def _letter(user: User, claim: WinnerClaim) -> tuple[str, str, str]:
    language = "ko" if user.language == "ko" else "en"
    subject, body = LETTERS[claim.state][language]
    titles = claim.round.board.title
    told = {
        "name": user.name,
        "team": claim.team.name,
        "title": titles.get(language) or next(iter(titles.values()), ""),
        "until": f"{claim.due_at:%Y-%m-%d %H:%M} (UTC)",
        "wanted": "\n\n".join(each for each in (claim.round.wanted, claim.reason) if each),
        "reason": claim.reason,
    }
    return user.email, subject, body.format(**told)
