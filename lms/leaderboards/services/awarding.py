"""Letting a board's points count, which a person does; objections to them, answers and corrections."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict, Invalid, NotFound
from lms.leaderboards import policy
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.grade_rules import Rule, RuleProblem
from lms.leaderboards.models import Board, Share
from lms.leaderboards.queries.awards import (
    Line,
    Outcome,
    confirmation_of,
    current_rule,
    number_unfinished,
    outcome,
    uses_groups,
    waiting_objection,
)
from lms.leaderboards.queries.grouping import Grouping
from lms.leaderboards.services import grade_letters
from lms.leaderboards.tables.grades import (
    LONGEST,
    AwardChange,
    GradeConfirmation,
    GradeRule,
    Objection,
    RankAward,
)


def confirm_awards(
    session: Session, actor: User, board: Board, *, seen: str, at: datetime
) -> GradeConfirmation:
    """Let what the rule gives count, as the instructor saw it; each student is told, with the reason.

    Args:
        seen: the digest of the awards on the page that the instructor confirms.

    Raises:
        NotAllowed: the actor is no instructor of the board's course.
        Conflict: it is too early, done already, or the awards are others than the instructor saw.
    """
    policy.check_can_grade(actor, board)
    session.execute(select(Board.id).where(Board.id == board.id).with_for_update())
    declared = current_rule(session, board)
    done = confirmation_of(session, board)
    policy.check_can_confirm(board, declared, done, number_unfinished(session, board), at)
    if declared is None:
        raise NotFound
    found = _computed(session, actor, board, read_rule(declared.rule))
    if found.digest != seen:
        raise Conflict(N_("The points have changed since you looked. Look at them again."))
    confirmation = _confirmation(session, actor, declared, found, at)
    grade_letters.tell_confirmed(session, _kept(session, confirmation, found.lines))
    details = {"rule": declared.id, "awards": len(found.lines), "digest": found.digest}
    record(session, actor, "board.confirm_grades", f"board:{board.id}", **details)
    return confirmation


def _computed(session: Session, actor: User, board: Board, rule: Rule) -> Outcome:
    try:
        found = outcome(session, board, rule, Share.PRIVATE, anew=True)
    except RuleProblem as problem:
        why = " ".join(problem.sentences(actor.language))
        raise Conflict(N_("The rule cannot be computed from this board: %(why)s"), why=why) from problem
    if found.grouping is Grouping.AWAITED and uses_groups(rule):
        raise Conflict(N_("The tie groups of this board are still being worked out. Wait a minute."))
    if found.grouping is Grouping.LOST and uses_groups(rule):
        raise Conflict(
            N_(
                "Of some entries the results to compare them by are not kept, so that tie groups cannot be"
                " worked out. Have everything scored again, or declare a rule without tie groups."
            )
        )
    return found


def _confirmation(
    session: Session, actor: User, declared: GradeRule, found: Outcome, at: datetime
) -> GradeConfirmation:
    made = GradeConfirmation(
        board_id=declared.board_id,
        rule_id=declared.id,
        digest=found.digest,
        truth_version=declared.board.truth_version,
        confirmed_by_id=actor.id,
        confirmed_at=at,
        objections_until=at + timedelta(days=declared.objection_days),
    )
    session.add(made)
    session.flush()
    return made


def _kept(session: Session, confirmation: GradeConfirmation, lines: Sequence[Line]) -> list[RankAward]:
    awards = [
        RankAward(
            confirmation=confirmation,
            user=line.user,
            team_id=line.team_id,
            rank=line.placed.rank,
            score=line.placed.score,
            tie_group=line.placed.tie_group,
            computed=line.points,
            points=line.points,
            maximum=float(line.award.maximum),
            why=[{"code": each.code, "params": dict(each.params)} for each in line.award.why],
        )
        for line in lines
    ]
    session.add_all(awards)
    session.flush()
    return awards


def raise_objection(session: Session, actor: User, award: RankAward, text: str, *, at: datetime) -> Objection:
    """Keep what a student says against their own award; who confirmed it hears of it.

    Raises:
        NotFound: it is somebody else's award.
        Conflict: the time has passed, or another objection waits.
        Invalid: nothing is said, or too much.
    """
    if award.user_id != actor.id:
        raise NotFound
    _lock(session, award)
    policy.check_can_object(award, at)
    made = Objection(text=_said(text, "text"), made_at=at)
    award.objections.append(made)
    session.flush()
    record(session, actor, "board.object", f"award:{award.id}", objection=made.id)
    grade_letters.tell_objected(session, award)
    return made


def decide(
    session: Session,
    actor: User,
    award: RankAward,
    reason: str,
    points: float,
    *,
    seen: int | None,
    at: datetime,
) -> None:
    """Answer the objection that the actor has read, or correct the points where they saw none waiting.

    Args:
        seen: the number of the objection that waited on the actor's page, if one did.

    Raises:
        NotAllowed: the actor may not decide about this award.
        Conflict: another objection waits than the actor has read, or theirs was answered meanwhile.
        Invalid: as `answer_objection` and `correct_award`.
    """
    policy.check_can_grade_person(actor, award)
    _lock(session, award)
    waiting = waiting_objection(award)
    if (waiting.id if waiting is not None else None) != seen:
        raise Conflict(N_("Something was said about these points meanwhile. Read it, then decide."))
    if waiting is None:
        correct_award(session, actor, award, reason, points, at=at)
    else:
        answer_objection(session, actor, award, reason, points, at=at)


def answer_objection(
    session: Session,
    actor: User,
    award: RankAward,
    reason: str,
    points: float | None = None,
    *,
    at: datetime,
) -> Objection:
    """Answer the objection that waits, with a reason; with other points, set them. The student reads both.

    Raises:
        NotAllowed: the actor may not decide about this award.
        Conflict: no objection waits.
        Invalid: the reason is missing, or the points are not between zero and the maximum.
    """
    policy.check_can_grade_person(actor, award)
    _lock(session, award)
    waiting = waiting_objection(award)
    if waiting is None:
        raise Conflict(N_("No objection waits here. Load the page again."))
    answer = _said(reason, "reason")
    wanted = award.points if points is None else _points(award, points)
    waiting.answer, waiting.answered_by_id, waiting.answered_at = answer, actor.id, at
    if wanted != award.points:
        _set_points(session, actor, award, wanted, waiting, at=at)
    session.flush()
    record(session, actor, "board.answer_objection", f"award:{award.id}", objection=waiting.id)
    grade_letters.tell_answered(session, award, waiting.answer)
    return waiting


def correct_award(
    session: Session, actor: User, award: RankAward, reason: str, points: float, *, at: datetime
) -> AwardChange:
    """Set the points of an award by hand, with a reason that the student reads.

    Raises:
        NotAllowed: the actor may not decide about this award.
        Invalid: the reason is missing, or the points are not others between zero and the maximum.
    """
    policy.check_can_grade_person(actor, award)
    _lock(session, award)
    text = _said(reason, "reason")
    wanted = _points(award, points)
    if wanted == award.points:
        raise Invalid(N_("These are the points already. Give others."), field="points")
    made = _set_points(session, actor, award, wanted, None, reason=text, at=at)
    grade_letters.tell_answered(session, award, text)
    return made


def _set_points(
    session: Session,
    actor: User,
    award: RankAward,
    points: float,
    objection: Objection | None,
    *,
    at: datetime,
    reason: str = "",
) -> AwardChange:
    made = AwardChange(
        objection_id=objection.id if objection is not None else None,
        points_before=award.points,
        points_after=points,
        reason=objection.answer if objection is not None else reason,
        changed_by_id=actor.id,
        changed_at=at,
    )
    award.changes.append(made)
    award.points = made.points_after
    session.flush()
    record(session, actor, "board.correct_award", f"award:{award.id}", change=made.id)
    return made


def _points(award: RankAward, points: float) -> float:
    if not math.isfinite(points) or not 0 <= points <= award.maximum:
        raise Invalid(N_("Give between 0 and %(maximum)g points."), field="points", maximum=award.maximum)
    return round(points, 2)


def _said(text: str, field: str) -> str:
    said = text.strip()
    if not said:
        raise Invalid(N_("Write a sentence or two."), field=field)
    if len(said) > LONGEST:
        raise Invalid(N_("Write at most %(limit)d characters."), field=field, limit=LONGEST)
    return said


def _lock(session: Session, award: RankAward) -> None:
    """Let nobody else decide about an award until this transaction ends, and read what is true now."""
    session.execute(select(RankAward.id).where(RankAward.id == award.id).with_for_update())
    session.refresh(award, ["points", "objections", "changes"])
