"""Labs as one person meets them: due, attempts, points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from lms.courses.core.outline import LabFile
from lms.courses.models import Cohort, Course, Enrolment
from lms.grading import policy
from lms.grading.models import Grade, GradingRun, Lab, LabRelease, Submission
from lms.grading.queries import submissions
from lms.grading.queries.labs import labs_of
from lms.grading.queries.outcomes import Stage, stage_of


@dataclass(frozen=True)
class LabState:
    """One open lab with what one person has handed in."""

    lab: Lab
    release: LabRelease
    rules: LabFile
    enrolment: Enrolment | None
    due_at: datetime | None
    works: Sequence[Submission]  # the newest first, refused ones among them
    runs: Mapping[int, GradingRun]
    grades: Mapping[int, Grade]
    counted: Grade | None

    @property
    def used(self) -> int:
        """Return how many attempts are used."""
        return max((work.attempt or 0 for work in self.works), default=0)

    @property
    def left(self) -> int:
        """Return how many attempts are left."""
        return max(self.rules.attempts - self.used, 0)

    @property
    def opens_at(self) -> datetime | None:
        """Return when the pause after the newest attempt is over; None where there is no pause."""
        newest = max((work.received_at for work in self.works if work.attempt), default=None)
        return policy.opens_at(self.release, newest)

    @property
    def stage(self) -> Stage | None:
        """Say where the newest submission is."""
        return self.stage_of(self.works[0]) if self.works else None

    @property
    def to_do(self) -> bool:
        """Say whether there is anything left to gain: an attempt, and a point that is not had yet."""
        return self.left > 0 and (self.counted is None or self.counted.score < self.counted.maximum)

    def stage_of(self, work: Submission) -> Stage:
        """Say where one of the submissions is."""
        return stage_of(work, self.runs.get(work.id), self.grades.get(work.id))


@dataclass(frozen=True)
class _HandedIn:
    """What one person handed in, and what came of it; of one lab or of many."""

    works: Sequence[Submission]
    runs: Mapping[int, GradingRun]
    grades: Mapping[int, Grade]


def lab_state(session: Session, lab: Lab, enrolment: Enrolment | None) -> LabState | None:
    """Return an open lab as one person meets it; None if it is not open."""
    release = lab.current_release
    if release is None:
        return None
    works = submissions.attempts(session, enrolment, lab) if enrolment is not None else []
    return _state(lab, release, enrolment, _handed_in(session, works))


def _handed_in(session: Session, works: Sequence[Submission]) -> _HandedIn:
    return _HandedIn(works, submissions.newest_runs(session, works), submissions.grades_of(session, works))


def _state(lab: Lab, release: LabRelease, enrolment: Enrolment | None, all_work: _HandedIn) -> LabState:
    works = [work for work in all_work.works if work.lab_id == lab.id]
    grades = {work.id: all_work.grades[work.id] for work in works if work.id in all_work.grades}
    return LabState(
        lab=lab,
        release=release,
        rules=policy.rules_of(release),
        enrolment=enrolment,
        due_at=policy.due_at(release, enrolment.cohort) if enrolment is not None else None,
        works=works,
        runs={work.id: all_work.runs[work.id] for work in works if work.id in all_work.runs},
        grades=grades,
        counted=submissions.counting(grades.values(), submissions.counting_rule(lab)),
    )


def running_enrolments(session: Session, user_id: int, at: datetime) -> list[Enrolment]:
    """Return a person's enrolments in cohorts that run, or are yet to begin."""
    return list(
        session.scalars(
            select(Enrolment)
            .join(Enrolment.cohort)
            .options(
                contains_eager(Enrolment.cohort).joinedload(Cohort.course).joinedload(Course.current_version)
            )
            .where(Enrolment.user_id == user_id, Enrolment.left_at.is_(None), Cohort.ends_at > at)
            .order_by(Cohort.starts_at.desc(), Enrolment.id)
        )
    )


def labs_for(session: Session, enrolment: Enrolment) -> list[LabState]:
    """Return the open labs of an enrolment in the order of the course.

    Complexity: a fixed number of statements, however many labs there are.
    """
    labs = labs_of(session, enrolment.cohort.course)
    all_work = _handed_in(session, submissions.attempts(session, enrolment) if labs else [])
    return [
        _state(lab, lab.current_release, enrolment, all_work)
        for lab in labs
        if lab.current_release is not None
    ]
