"""Who may see, enter, join, merge and organise which board, and when."""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from lms.accounts.models import Role, User
from lms.accounts.policy import has_role, is_site_admin
from lms.courses.models import Course, Enrolment
from lms.courses.policy import is_course_teacher
from lms.errors import N_, Conflict, DomainError, NotAllowed, NotFound, TooSoon
from lms.grading.policy import can_see_all
from lms.leaderboards.models import Board, Challenge, EntryState, Share, Team, Visibility
from lms.leaderboards.tables.grades import GradeConfirmation, GradeRule, RankAward

ORGANISERS = (Role.INSTRUCTOR, Role.ADMIN)

ENTRY_STEPS: Mapping[EntryState, frozenset[EntryState]] = {
    EntryState.RECEIVED: frozenset(
        {EntryState.SCORING, EntryState.SCORED, EntryState.FAILED, EntryState.DISQUALIFIED}
    ),
    EntryState.SCORING: frozenset(
        {EntryState.RECEIVED, EntryState.SCORED, EntryState.FAILED, EntryState.DISQUALIFIED}
    ),
    EntryState.SCORED: frozenset({EntryState.SCORED, EntryState.FAILED, EntryState.DISQUALIFIED}),
    EntryState.FAILED: frozenset({EntryState.RECEIVED, EntryState.SCORED}),
    EntryState.DISQUALIFIED: frozenset(EntryState) - {EntryState.DISQUALIFIED},
}
"""Where an entry may go from each state; nothing ever leaves the board's records."""


class Phase(StrEnum):
    """Where a challenge is between its dates."""

    AHEAD = "ahead"  # not open yet
    OPEN = "open"
    CLOSED_TO_NEW = "closed-to-new"  # who is in goes on
    FROZEN = "frozen"  # entries count; the public board stands still
    ENDED = "ended"


def phase_of(challenge: Challenge, at: datetime) -> Phase:
    """Return where a challenge is at a moment; a deadline itself is still in time."""
    if at < challenge.opens_at:
        return Phase.AHEAD
    if at > challenge.ends_at:
        return Phase.ENDED
    if challenge.freezes_at is not None and at > challenge.freezes_at:
        return Phase.FROZEN
    return Phase.CLOSED_TO_NEW if at > challenge.entry_deadline else Phase.OPEN


def share_at(board: Board, at: datetime) -> Share:
    """Say which scores a board shows: public ones, frozen from the freeze on, private after its end."""
    if board.ends_at is not None and at > board.ends_at:
        return Share.PRIVATE
    if board.freezes_at is not None and at > board.freezes_at:
        return Share.FROZEN
    return Share.PUBLIC


def check_can_see(user: User | None, board: Board, enrolment: Enrolment | None) -> None:
    """Let a lab's cohort and the staff of both organisations see its board; a challenge says itself who may.

    Args:
        user: None for a visitor who is not signed in.
        enrolment: the user's own in the board's cohort, or in the course of the challenge's lab.

    Raises:
        NotFound: it is not for this person.
    """
    if board.challenge is not None:
        check_can_see_challenge(user, board.challenge, enrolment)
    elif user is None or board.lab is None or not _belongs(user, board.lab.course, enrolment):
        raise NotFound


def check_can_see_challenge(user: User | None, challenge: Challenge, enrolment: Enrolment | None) -> None:
    """Let those see a challenge for whom it was published.

    Raises:
        NotFound: it is not for this person.
    """
    if challenge.visibility is Visibility.EVERYONE or (user is not None and can_organise(user, challenge)):
        return
    if user is None:
        raise NotFound
    if challenge.visibility is Visibility.COURSE and (
        challenge.lab is None or not _belongs(user, challenge.lab.course, enrolment)
    ):
        raise NotFound


def _belongs(user: User, course: Course, enrolment: Enrolment | None) -> bool:
    enrolled = enrolment is not None and enrolment.user_id == user.id and enrolment.left_at is None
    return enrolled or can_see_all(user, course)


def can_see(user: User | None, board: Board, enrolment: Enrolment | None) -> bool:
    """Say whether `check_can_see` would let the person in."""
    return _allowed(check_can_see, user, board, enrolment)


def can_organise(user: User, challenge: Challenge) -> bool:
    """Say whether a user runs a challenge: for its sponsor, for the course of its lab, or for the site."""
    if has_role(user, challenge.sponsor_id, *ORGANISERS) or is_site_admin(user):
        return True
    return challenge.lab is not None and is_course_teacher(user, challenge.lab.course)


def check_can_organise(user: User | None, board: Board) -> None:
    """Refuse whoever does not run the board; None is the operator's command line.

    Raises:
        NotAllowed: the user does not.
    """
    if user is None or (board.challenge is not None and can_organise(user, board.challenge)):
        return
    if board.lab is None or not (is_course_teacher(user, board.lab.course) or is_site_admin(user)):
        raise NotAllowed(N_("Only those who run this board can do this. Ask one of them."))


def check_can_publish(user: User | None, sponsor_id: int) -> None:
    """Refuse whoever may not publish a challenge in the sponsor's name; None is the command line.

    Raises:
        NotAllowed: the user may not.
    """
    if user is not None and not has_role(user, sponsor_id, *ORGANISERS) and not is_site_admin(user):
        raise NotAllowed(N_("Only instructors and admins of the sponsor can publish a challenge."))


def check_rules_accepted(challenge: Challenge, accepted: str | None) -> None:
    """Refuse a person who has not accepted the rules as they are now.

    Raises:
        NotAllowed: another version, or none, was accepted.
    """
    if accepted != challenge.rules_version:
        raise NotAllowed(N_("Read the rules of this challenge and accept them first."))


def check_can_join(challenge: Challenge, at: datetime) -> None:
    """Refuse newcomers before a challenge opens and after its entry deadline.

    Raises:
        Conflict: it is not the time.
    """
    if at < challenge.opens_at:
        raise Conflict(N_("This challenge has not opened yet. Come back then."))
    if at > min(challenge.entry_deadline, challenge.ends_at):
        raise Conflict(N_("Nobody can join this challenge any more: its entry deadline has passed."))


def check_can_enter(challenge: Challenge, team: Team, received_at: datetime) -> None:
    """Refuse entries outside the challenge's time, and those of a team that was disqualified.

    Raises:
        Conflict, NotAllowed: it is not the time, or not this team.
    """
    if received_at < challenge.opens_at:
        raise Conflict(N_("This challenge has not opened yet. Come back then."))
    if received_at > challenge.ends_at:
        raise Conflict(N_("This challenge has ended, so the entry was not taken."))
    if team.disqualified:
        raise NotAllowed(N_("This team was disqualified. Ask the organisers what can be done."))


def quota_day(challenge: Challenge, at: datetime) -> date:
    """Return the day of the quota: on the calendar of the challenge's zone."""
    return at.astimezone(ZoneInfo(challenge.timezone)).date()


def next_day_at(challenge: Challenge, day: date) -> datetime:
    """Return when the day after `day` begins in the challenge's zone."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(challenge.timezone))


class UsedOfDay(Protocol):
    """What a team used of one day of its quota."""

    @property
    def day(self) -> date:
        """Return the day, on the calendar of the challenge's zone."""

    @property
    def used(self) -> int:
        """Return how many slots are held."""


def check_quota(challenge: Challenge, team: Team, day: UsedOfDay, received_at: datetime) -> None:
    """Refuse an entry for which no slot is left; says when the next one comes.

    Args:
        team: with its row locked where an entry is taken, so that what it has used cannot change meanwhile.
        day: what the team used of the day on which the entry was received.

    Raises:
        Conflict: all entries of the whole challenge are used.
        TooSoon: all entries of the day are used.
    """
    if challenge.total_limit is not None and team.taken >= challenge.total_limit:
        raise Conflict(N_("All %(limit)d entries of your team are used."), limit=challenge.total_limit)
    if day.used < challenge.daily_limit:
        return
    opens = next_day_at(challenge, day.day)
    if opens > challenge.ends_at:
        raise Conflict(N_("All entries of this day are used, and the challenge ends before the next day."))
    raise TooSoon(
        N_("All %(limit)d entries of this day are used. The next one can come at %(time)s."),
        retry_after_seconds=max(1, math.ceil((opens - received_at).total_seconds())),
        limit=challenge.daily_limit,
        time=f"{opens:%Y-%m-%d %H:%M} ({challenge.timezone})",
    )


def check_can_change_team(challenge: Challenge, at: datetime) -> None:
    """Refuse changes of teams after the merge deadline.

    Raises:
        Conflict: it has passed.
    """
    if at > min(challenge.merge_deadline, challenge.ends_at):
        raise Conflict(N_("Teams can no longer change: the team deadline of this challenge has passed."))


def check_team_size(challenge: Challenge, people: int) -> None:
    """Refuse a team of too many people.

    Raises:
        Conflict: it would have more than the challenge allows.
    """
    if people > challenge.team_size:
        raise Conflict(N_("A team has at most %(limit)d people."), limit=challenge.team_size)


def check_can_lead(user: User, team: Team) -> None:
    """Refuse everyone but the team's leader.

    Raises:
        NotAllowed: the user does not lead the team.
    """
    if team.leader_id != user.id:
        raise NotAllowed(N_("Only the leader of the team can do this. Ask them."))


def check_step(state: EntryState, to: EntryState) -> None:
    """Refuse a step that an entry cannot take.

    Raises:
        Conflict: it cannot.
    """
    if to not in ENTRY_STEPS[state]:
        raise Conflict(N_("This entry has gone on meanwhile. Load the page again."))


def course_of(board: Board) -> Course | None:
    """Return the course that a board belongs to, by its lab or by its challenge's lab."""
    lab = board.lab if board.challenge is None else board.challenge.lab
    return None if lab is None else lab.course


def check_can_grade(user: User, board: Board) -> None:
    """Refuse whoever may not decide about grades from a board: only instructors of its course may.

    Raises:
        NotAllowed: the user is none, or the board belongs to no course.
    """
    course = course_of(board)
    if course is None:
        raise NotAllowed(N_("This board belongs to no course, so it gives no grades."))
    if not is_course_teacher(user, course):
        raise NotAllowed(N_("Only instructors of the course decide about grades. Ask one of them."))


def can_grade(user: User, board: Board) -> bool:
    """Say whether `check_can_grade` would let the user decide."""
    return _allowed(check_can_grade, user, board)


def check_can_grade_person(user: User, award: RankAward) -> None:
    """Refuse whoever may not decide about an award, also where it is their own.

    Raises:
        NotAllowed: the user may not.
    """
    check_can_grade(user, award.confirmation.board)
    if award.user_id == user.id:
        raise NotAllowed(N_("Nobody decides about their own grade. Ask a colleague."))


def can_see_awards(user: User | None, board: Board) -> bool:
    """Say whether a user sees what everybody gets: staff of the board's course do."""
    course = course_of(board)
    return user is not None and course is not None and can_see_all(user, course)


def check_can_declare(board: Board, confirmed: GradeConfirmation | None, at: datetime) -> None:
    """Refuse another grade rule once the board has ended: nobody can act on it any more.

    Raises:
        Conflict: it has, or it never does.
    """
    if board.ends_at is None:
        raise Conflict(N_("This board has no end, so it can give no grades."))
    if confirmed is not None or at > board.ends_at:
        raise Conflict(N_("The board has ended, so its grade rule stands as it is."))


def check_can_confirm(
    board: Board, rule: GradeRule | None, confirmed: GradeConfirmation | None, waiting: int, at: datetime
) -> None:
    """Refuse to let awards count before everything that came in time stands on the board.

    Raises:
        Conflict: there is no rule, the awards count already, or it is too early.
    """
    if rule is None:
        raise Conflict(N_("This board has no grade rule, so there is nothing to confirm."))
    if confirmed is not None:
        raise Conflict(N_("The points of this board are confirmed already."))
    if board.ends_at is None or at <= board.ends_at:
        raise Conflict(N_("The board has not ended yet. Confirm its points then."))
    if waiting:
        raise Conflict(
            N_("%(count)d entries that came in time are not scored yet. Wait for them."), count=waiting
        )


def check_can_object(award: RankAward, at: datetime) -> None:
    """Refuse an objection after its time, or while another one waits.

    Raises:
        Conflict: it is not the time.
    """
    if at > award.confirmation.objections_until:
        raise Conflict(N_("The time for objections has passed. Write to the instructors of the course."))
    if any(each.answered_at is None for each in award.objections):
        raise Conflict(N_("Your objection is there already. Wait for the answer."))


def _allowed(check: Callable[..., Any], *args: object) -> bool:
    try:
        check(*args)
    except DomainError:
        return False
    return True
