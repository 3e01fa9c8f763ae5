"""Telling those who run a challenge that their own scorer fails: they alone can mend it."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import Membership, User
from lms.accounts.services.limits import HOUR, Limit, count_try
from lms.accounts.services.mail import queue_mails
from lms.errors import TooSoon
from lms.leaderboards.models import Board, Challenge, TeamMember
from lms.leaderboards.policy import ORGANISERS

ONCE_A_DAY = Limit(name="scorer-failed", tries=1, seconds=24 * HOUR)
"""Of one version of a board's truth, however many entries its scorer fails on."""
LETTER = {
    "ko": (
        "[두리] ‘{title}’ 챌린지의 채점 프로그램이 멈췄어요",
        (
            "{name} 님,\n\n‘{title}’ 챌린지의 채점 프로그램이 제출을 채점하다가 멈췄어요. 점수를 받지 못한 "
            "제출도 다른 실패처럼 세고, 참가자에게는 다시 보내지 않아도 된다고 알렸어요.\n\n"
            "챌린지의 ‘운영’ 페이지에서 고친 채점 프로그램을 올려 새 버전을 준비해 주세요. 멈췄던 제출도 "
            "함께 채점돼요. 잠깐의 고장이었다면 그 페이지에서 다시 채점할 수 있어요.\n\n"
            "이 편지는 버전마다 하루에 한 번만 보내요.\n"
        ),
    ),
    "en": (
        "[Duri] The scorer of “{title}” fails",
        (
            "Hello {name},\n\nthe scorer of the challenge “{title}” stopped while it scored an entry. What "
            "got no score counts as other failures do, and the participants were told that they need not "
            "send it again.\n\n"
            "Prepare a new version with a corrected scorer on the page “Organise” of the challenge: these "
            "entries are scored with it too. If the fault has passed by itself, you can let them be scored "
            "again there.\n\n"
            "This letter comes once a day at most for each version.\n"
        ),
    ),
}


def tell_scorer_failed(session: Session, board: Board) -> None:
    """Write to who runs the board's challenge for its sponsor or course, once a day at most for each version.

    Who may run it as an admin of the site only is not written to.
    """
    if board.challenge is None:
        return
    try:
        count_try(session, ONCE_A_DAY, f"{board.id}:{board.truth_version}")
    except TooSoon:
        return
    queue_mails(
        session, [_letter(each, board.challenge) for each in _organisers(session, board, board.challenge)]
    )


def _organisers(session: Session, board: Board, challenge: Challenge) -> Sequence[User]:
    theirs = {challenge.sponsor_id}
    if challenge.lab is not None:
        theirs |= {challenge.lab.course.university_id, challenge.lab.course.company_id}
    members = select(Membership.user_id).where(
        Membership.organisation_id.in_(theirs),
        Membership.role.in_(ORGANISERS),
        Membership.ended_at.is_(None),
    )
    taking_part = select(TeamMember.user_id).where(TeamMember.board_id == board.id)  # they cannot run it
    return session.scalars(
        select(User)
        .where(User.id.in_(members), User.id.not_in(taking_part), User.disabled_at.is_(None))
        .order_by(User.id)
    ).all()


def _letter(user: User, challenge: Challenge) -> tuple[str, str, str]:
    language = "ko" if user.language == "ko" else "en"
    subject, body = LETTER[language]
    title = challenge.title.get(language) or next(iter(challenge.title.values()), challenge.slug)
    told = {"name": user.name, "title": title}
    return user.email, subject.format(**told), body.format(**told)
