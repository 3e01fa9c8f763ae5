"""Which grade record belongs to which run, and the other way round."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.courses.models import Course
from lms.errors import N_, NotFound
from lms.grading.core.record import GradeRecord
from lms.grading.models import GradingRun, Lab, Submission
from lms.grading.queries.submissions import grade_of


def record_of(session: Session, submission: Submission, ordinal: int, *, staff: bool = False) -> str:
    """Return the hash of the record of one run; a student has that of the run whose points they see."""
    run = session.scalar(
        select(GradingRun).where(GradingRun.submission_id == submission.id, GradingRun.ordinal == ordinal)
    )
    grade = grade_of(session, submission)
    if run is None or (not staff and (grade is None or grade.run_id != run.id)):
        raise NotFound
    if run.record_blob is None:
        raise NotFound(N_("This run has no grade record. Have the work graded again to get one."))
    return run.record_blob


def runs_of_record(session: Session, record: GradeRecord) -> list[GradingRun]:
    """Return the runs that a record may be about: same lab, same file, same attempt, same ordinal."""
    return list(
        session.scalars(
            select(GradingRun)
            .join(Submission, GradingRun.submission_id == Submission.id)
            .join(Lab, Submission.lab_id == Lab.id)
            .join(Course, Lab.course_id == Course.id)
            .where(
                Course.slug == record.release.course,
                Lab.slug == record.release.lab,
                Submission.blob == record.submission.sha256,
                Submission.attempt == record.submission.attempt,
                GradingRun.ordinal == record.run.ordinal,
            )
            .order_by(GradingRun.id)
        )
    )
