"""Boards and challenges, and who is on them as what."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from lms.accounts.models import User
from lms.courses.models import Cohort, Course, Enrolment
from lms.errors import NotFound
from lms.grading.models import Lab
from lms.leaderboards import policy
from lms.leaderboards.models import (
    Board,
    Challenge,
    RulesAcceptance,
    Team,
    TeamInvitation,
    TeamMember,
    Visibility,
)
from lms.leaderboards.policies.placing import can_see_challenge


def board(session: Session, board_id: int) -> Board:
    """Return a board.

    Raises:
        NotFound: there is none with this number.
    """
    found = session.get(Board, board_id)
    if found is None:
        raise NotFound
    return found


def board_of(session: Session, lab_id: int, cohort_id: int) -> Board | None:
    """Return the board of a lab in a cohort, if it has one."""
    return session.scalar(select(Board).where(Board.lab_id == lab_id, Board.cohort_id == cohort_id))


def board_of_challenge(session: Session, challenge: Challenge) -> Board:
    """Return the board of a challenge; every published one has one."""
    return session.scalars(select(Board).where(Board.challenge_id == challenge.id)).one()


def board_at(session: Session, slug: str) -> Board:
    """Return the board of the challenge of a name, with what its pages ask of the challenge.

    Raises:
        NotFound: there is none of this name.
    """
    found = session.scalar(
        select(Board)
        .join(Board.challenge)
        .where(Challenge.slug == slug)
        .options(
            contains_eager(Board.challenge).joinedload(Challenge.sponsor),
            contains_eager(Board.challenge).joinedload(Challenge.lab),
        )
    )
    if found is None:
        raise NotFound
    return found


def boards_for(session: Session, user: User) -> Sequence[Board]:
    """Return a person's boards: of their cohorts' labs, the newest first, then of their challenges."""
    course = joinedload(Board.lab).joinedload(Lab.course).joinedload(Course.current_version)
    mine = select(TeamMember.board_id).where(TeamMember.user_id == user.id)
    cohorts = select(Enrolment.cohort_id).where(Enrolment.user_id == user.id, Enrolment.left_at.is_(None))
    return session.scalars(
        select(Board)
        .outerjoin(Board.cohort)
        .options(joinedload(Board.cohort), course, joinedload(Board.challenge).joinedload(Challenge.sponsor))
        .where(or_(Board.cohort_id.in_(cohorts), Board.challenge_id.is_not(None) & Board.id.in_(mine)))
        .order_by(Board.challenge_id.is_not(None), Cohort.starts_at.desc(), Board.id)
    ).all()


def enrolment_in(session: Session, board: Board, user: User) -> Enrolment | None:
    """Return a person's enrolment in the board's cohort, or in the course of its challenge's lab."""
    mine = select(Enrolment).where(Enrolment.user_id == user.id)
    if board.challenge is None:
        return session.scalar(mine.where(Enrolment.cohort_id == board.cohort_id))
    if board.challenge.lab is None:
        return None
    cohorts = select(Cohort.id).where(Cohort.course_id == board.challenge.lab.course_id)
    return session.scalars(
        mine.where(Enrolment.cohort_id.in_(cohorts)).order_by(
            Enrolment.left_at.is_not(None), Enrolment.id.desc()
        )
    ).first()


def seen_board(session: Session, board: Board, reader: User | None) -> Board:
    """Return a board if this reader, or with None any visitor, may see it.

    Raises:
        NotFound: it is not there for them.
    """
    policy.check_can_see(reader, board, enrolment_in(session, board, reader) if reader is not None else None)
    return board


def challenge(session: Session, slug: str) -> Challenge:
    """Return a challenge.

    Raises:
        NotFound: there is none of this name.
    """
    found = session.scalar(
        select(Challenge)
        .where(Challenge.slug == slug)
        .options(joinedload(Challenge.sponsor), joinedload(Challenge.lab))
    )
    if found is None:
        raise NotFound
    return found


def challenges(session: Session, user: User | None, at: datetime) -> Sequence[Challenge]:
    """Return the challenges that are for everyone, or for those signed in; those that run first.

    Those of a course are on the course's own pages.
    """
    seen = [Visibility.EVERYONE] if user is None else [Visibility.EVERYONE, Visibility.SIGNED_IN]
    return session.scalars(
        select(Challenge)
        .where(Challenge.visibility.in_(seen))
        .options(joinedload(Challenge.sponsor))
        .order_by(Challenge.ends_at < at, Challenge.ends_at, Challenge.id)
    ).all()


def challenges_of_lab(session: Session, lab: Lab, user: User, enrolment: Enrolment | None) -> list[Challenge]:
    """Return the challenges that belong to a lab, as far as this person may see them; those that end first.

    Args:
        enrolment: the person's own in a cohort of the lab's course.
    """
    found = session.scalars(
        select(Challenge)
        .where(Challenge.lab_id == lab.id)
        .options(joinedload(Challenge.sponsor), joinedload(Challenge.lab))
        .order_by(Challenge.ends_at, Challenge.id)
    )
    return [each for each in found if can_see_challenge(user, each, enrolment)]


def team_of(session: Session, board: Board, user: User) -> Team | None:
    """Return the team of a person on a board, if there is one."""
    return session.scalar(
        select(Team)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(TeamMember.board_id == board.id, TeamMember.user_id == user.id)
    )


def accepted_version(session: Session, challenge: Challenge, user: User) -> str | None:
    """Return the version of the rules that a person accepted last, if any."""
    return session.scalars(versions_accepted(challenge, user)).first()


def versions_accepted(challenge: Challenge, user: User) -> Select[str]:
    """Return the statement for the versions of the rules that a person accepted, the last one first."""
    return (
        select(RulesAcceptance.version)
        .where(RulesAcceptance.challenge_id == challenge.id, RulesAcceptance.user_id == user.id)
        .order_by(RulesAcceptance.accepted_at.desc(), RulesAcceptance.id.desc())
    )


def open_invitations(session: Session, board: Board, user: User) -> Sequence[TeamInvitation]:
    """Return the teams that ask a person to come, and wait for an answer."""
    return session.scalars(
        select(TeamInvitation)
        .join(Team, Team.id == TeamInvitation.team_id)
        .where(
            Team.board_id == board.id,
            Team.merged_into_id.is_(None),
            TeamInvitation.user_id == user.id,
            TeamInvitation.answered_at.is_(None),
        )
        .options(joinedload(TeamInvitation.team))
        .order_by(TeamInvitation.invited_at)
    ).all()
