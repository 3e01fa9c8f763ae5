"""Submissions, their runs, checks, marks and grades."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from lms.courses.models import Cohort, Course, Enrolment
from lms.errors import NotFound
from lms.grading.core.contracts import CheckResult, Notice
from lms.grading.core.waiting import Wait, told
from lms.grading.core.wire import from_plain
from lms.grading.models import Grade, GradingRun, Lab, LabRelease, ManualMark, RunState, Submission
from lms.grading.policy import rules_of
from lms.grading.queries import waiting

SHOWN = (
    joinedload(Submission.enrolment).joinedload(Enrolment.cohort),
    joinedload(Submission.lab).joinedload(Lab.course),
    joinedload(Submission.release),
)
"""With a submission, whose it is and what it is of: every page of it asks."""


def submission(session: Session, submission_id: int) -> Submission:
    """Return a submission by its number."""
    found = session.get(Submission, submission_id, options=SHOWN)
    if found is None:
        raise NotFound
    return found


def attempts(session: Session, enrolment: Enrolment, lab: Lab | None = None) -> list[Submission]:
    """Return a person's submissions of a lab, or of all, the newest first, refused ones among them."""
    found = select(Submission).where(Submission.enrolment_id == enrolment.id)
    if lab is not None:
        found = found.where(Submission.lab_id == lab.id)
    return list(session.scalars(found.order_by(Submission.id.desc())))


def counted_submissions(session: Session, lab: Lab) -> int:
    """Return how many submissions of a lab were taken."""
    taken = select(func.count(Submission.id)).where(
        Submission.lab_id == lab.id, Submission.refused.is_(False)
    )
    return session.scalar(taken) or 0


def newest_run(session: Session, submission: Submission) -> GradingRun | None:
    """Return the newest run of a submission; None for one that was refused."""
    return session.scalar(
        select(GradingRun)
        .where(GradingRun.submission_id == submission.id)
        .order_by(GradingRun.ordinal.desc())
        .limit(1)
    )


class Glimpse(NamedTuple):
    """What little of a run tells whether there is news of it."""

    run_id: int
    state: RunState
    token: int
    progress: list[str]


def glimpse(session: Session, submission_id: int) -> Glimpse | None:
    """Look at a submission's newest run without loading it; None while there is none."""
    row = session.execute(
        select(GradingRun.id, GradingRun.state, GradingRun.token, GradingRun.progress)
        .where(GradingRun.submission_id == submission_id)
        .order_by(GradingRun.ordinal.desc())
        .limit(1)
    ).one_or_none()
    return Glimpse(*row) if row is not None else None


def runs_of(session: Session, submission: Submission) -> list[GradingRun]:
    """Return all runs of a submission, the newest first."""
    return list(
        session.scalars(
            select(GradingRun)
            .where(GradingRun.submission_id == submission.id)
            .order_by(GradingRun.ordinal.desc())
        )
    )


def newest_runs(session: Session, submissions: Iterable[Submission]) -> dict[int, GradingRun]:
    """Return the newest run of each submission, by the submission's number."""
    ids = [each.id for each in submissions]
    if not ids:
        return {}
    runs = session.scalars(
        select(GradingRun).where(GradingRun.submission_id.in_(ids)).order_by(GradingRun.ordinal)
    )
    return {run.submission_id: run for run in runs}


def grade_of(session: Session, submission: Submission) -> Grade | None:
    """Return the grade of a submission, if it has one."""
    return session.scalar(select(Grade).where(Grade.submission_id == submission.id))


def grade(session: Session, grade_id: int) -> Grade:
    """Return a grade by its number."""
    found = session.get(Grade, grade_id)
    if found is None:
        raise NotFound
    return found


def grades_of(session: Session, submissions: Iterable[Submission]) -> dict[int, Grade]:
    """Return the grade of each submission that has one, by the submission's number."""
    ids = [each.id for each in submissions]
    if not ids:
        return {}
    return {
        grade.submission_id: grade
        for grade in session.scalars(select(Grade).where(Grade.submission_id.in_(ids)))
    }


def checks(run: GradingRun) -> list[CheckResult]:
    """Return the outcomes of a run's graded cells, in the order of the notebook."""
    return [from_plain(CheckResult, each) for each in run.checks]


def notices(work: Submission | GradingRun) -> list[Notice]:
    """Return what the structural check, or a run, had to say."""
    return [from_plain(Notice, each) for each in work.notices]


def board_notices(run: GradingRun) -> list[Notice]:
    """Return why a run has no place on the board, where it was to get one."""
    notice = (run.board or {}).get("notice")
    return [from_plain(Notice, notice)] if notice else []


def marks_of(session: Session, submission: Submission) -> list[ManualMark]:
    """Return all marks given by hand, the newest first."""
    return list(
        session.scalars(
            select(ManualMark)
            .where(ManualMark.submission_id == submission.id)
            .options(joinedload(ManualMark.marked_by))
            .order_by(ManualMark.id.desc())
        )
    )


def newest_marks(session: Session, submission: Submission) -> dict[str, ManualMark]:
    """Return the mark that counts for each answer graded by hand, by its grade id."""
    return {mark.grade_id: mark for mark in reversed(marks_of(session, submission))}


def wait(session: Session, run: GradingRun) -> Wait:
    """Return a queued run's place and how long its result should take, no finer than it is known.

    Units: seconds.
    """
    return told(waiting.wait(session, run))


def unsettled_grades(session: Session, limit: int = 100) -> list[Grade]:
    """Return complete grades whose consequences are not drawn yet, the oldest first."""
    return list(
        session.scalars(
            select(Grade)
            .where(Grade.settled_at.is_(None), Grade.provisional.is_(False))
            .order_by(Grade.id)
            .limit(limit)
        )
    )


def counting(grades: Iterable[Grade], rule: str) -> Grade | None:
    """Return the grade that counts: the best (the earlier of equals) or the last attempt's.

    Args:
        rule: best | last
    """
    attempts = sorted(grades, key=lambda grade: grade.submission.attempt or 0)
    if not attempts:
        return None
    return attempts[-1] if rule == "last" else max(attempts, key=lambda grade: grade.score)


def counting_rule(lab: Lab, release: LabRelease | None = None) -> str:
    """Return whether a lab's best or last attempt counts."""
    current = lab.current_release or release
    return rules_of(current).counts if current is not None else "best"


def counting_grade(session: Session, enrolment: Enrolment, lab: Lab) -> Grade | None:
    """Return the grade of a lab that counts for a person, if there is one."""
    grades = session.scalars(
        select(Grade)
        .where(Grade.enrolment_id == enrolment.id, Grade.lab_id == lab.id)
        .options(joinedload(Grade.submission))
    ).all()
    return counting(grades, counting_rule(lab, grades[0].submission.release if grades else None))


def counting_grades(session: Session, enrolment: Enrolment) -> dict[str, Grade]:
    """Return a person's counting grade of every lab that has one, by the lab's name."""
    by_lab: dict[int, list[Grade]] = {}
    lab = joinedload(Grade.submission).joinedload(Submission.lab)
    release = lab.selectinload(Lab.current_release).load_only(LabRelease.settings)
    grades = select(Grade).where(Grade.enrolment_id == enrolment.id)
    for grade in session.scalars(grades.options(release)):
        by_lab.setdefault(grade.lab_id, []).append(grade)
    best = (counting(grades, counting_rule(grades[0].submission.lab)) for grades in by_lab.values())
    return {grade.submission.lab.slug: grade for grade in best if grade is not None}


def enrolment_for(session: Session, user_id: int, course: Course, at: datetime) -> Enrolment | None:
    """Return a person's enrolment in a course: one that runs at that moment, else the newest."""
    found = session.scalars(
        select(Enrolment)
        .join(Enrolment.cohort)
        .options(contains_eager(Enrolment.cohort))
        .where(Enrolment.user_id == user_id, Cohort.course_id == course.id, Enrolment.left_at.is_(None))
        .order_by(Cohort.starts_at.desc(), Enrolment.id.desc())
    ).all()
    running = [each for each in found if each.cohort.starts_at <= at < each.cohort.ends_at]
    return next(iter(running or found), None)
