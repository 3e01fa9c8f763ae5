"""What students and instructors are told by mail about grades from boards, in their language."""

from typing import Any

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.mail import queue_mail, queue_mails
from lms.leaderboards.models import Board
from lms.leaderboards.queries.awards import explanation, graded_people
from lms.leaderboards.tables.grades import GradeRule, RankAward

CHANGED = {
    "ko": (
        "[두리] 점수 규칙이 바뀌었습니다",
        (
            "{name} 님,\n\n‘{title}’ 리더보드의 점수 규칙이 바뀌었습니다.\n이유: {reason}\n\n"
            "새 규칙은 리더보드에서 볼 수 있습니다.\n"
        ),
    ),
    "en": (
        "[Duri] A grade rule has changed",
        (
            "Hello {name},\n\nthe rule by which the leaderboard “{title}” gives points has changed.\n"
            "Reason: {reason}\n\nThe new rule stands on the leaderboard.\n"
        ),
    ),
}
CONFIRMED = {
    "ko": (
        "[두리] 리더보드 점수가 확정되었습니다",
        (
            "{name} 님,\n\n‘{title}’ 리더보드에서 {maximum}점 만점에 {points}점을 받았습니다.\n\n{why}\n\n"
            "담당 강사가 확인했습니다. {until}까지 리더보드의 점수 페이지에서 이의를 제기할 수 있습니다.\n"
        ),
    ),
    "en": (
        "[Duri] Your points from a leaderboard",
        (
            "Hello {name},\n\nthe leaderboard “{title}” gave you {points} of {maximum} points.\n\n{why}\n\n"
            "An instructor has confirmed this. Until {until} you can object on the leaderboard's page of "
            "points.\n"
        ),
    ),
}
OBJECTED = {
    "ko": (
        "[두리] 점수에 이의가 제기되었습니다",
        (
            "{name} 님,\n\n한 학생이 ‘{title}’ 리더보드의 점수에 이의를 제기했습니다.\n"
            "점수 페이지에서 읽고 답해 주세요.\n"
        ),
    ),
    "en": (
        "[Duri] A student objects to their points",
        (
            "Hello {name},\n\na student objects to their points from the leaderboard “{title}”.\n"
            "Read it on the page of points, and answer it there.\n"
        ),
    ),
}
ANSWERED = {
    "ko": (
        "[두리] 점수에 대한 답이 있습니다",
        (
            "{name} 님,\n\n‘{title}’ 리더보드의 점수에 대해 담당 강사가 이렇게 썼습니다.\n\n{reason}\n\n"
            "점수: {maximum}점 만점에 {points}점.\n"
        ),
    ),
    "en": (
        "[Duri] An answer about your points",
        (
            "Hello {name},\n\nthis is what an instructor wrote about your points from the leaderboard "
            "“{title}”.\n\n{reason}\n\nPoints: {points} of {maximum}.\n"
        ),
    ),
}
Letter = dict[str, tuple[str, str]]


def tell_changed(session: Session, board: Board, rule: GradeRule) -> None:
    """Write to everybody whom a board grades that its rule changed, and why."""
    people = graded_people(session, board)
    queue_mails(session, [_letter(each, CHANGED, board, reason=rule.reason) for each in people])


def tell_confirmed(session: Session, awards: list[RankAward]) -> None:
    """Write to each student what they got, why, and until when they can object."""
    queue_mails(session, [_confirmed(each) for each in awards])


def _confirmed(award: RankAward) -> tuple[str, str, str]:
    confirmation = award.confirmation
    return _letter(
        award.user,
        CONFIRMED,
        confirmation.board,
        points=f"{award.points:g}",
        maximum=f"{award.maximum:g}",
        why="\n".join(explanation(award, award.user.language)),
        until=f"{confirmation.objections_until:%Y-%m-%d %H:%M} (UTC)",
    )


def tell_objected(session: Session, award: RankAward) -> None:
    """Write to the instructor who confirmed an award that a student objects."""
    confirmation = award.confirmation
    queue_mail(session, *_letter(confirmation.confirmed_by, OBJECTED, confirmation.board))


def tell_answered(session: Session, award: RankAward, reason: str) -> None:
    """Write to a student what an instructor decided about their award, and why."""
    figures = {"points": f"{award.points:g}", "maximum": f"{award.maximum:g}"}
    letter = _letter(award.user, ANSWERED, award.confirmation.board, reason=reason, **figures)
    queue_mail(session, *letter)


def _letter(user: User, letter: Letter, board: Board, **values: Any) -> tuple[str, str, str]:
    language = "ko" if user.language == "ko" else "en"
    subject, body = letter[language]
    title = board.title.get(language) or next(iter(board.title.values()), "")
    return user.email, subject, body.format(name=user.name, title=title, **values)
