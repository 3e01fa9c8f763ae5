"""Grade again what a record tells of, and say where the outcome or what went in differs. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from lms.blobs import BlobStore
from lms.errors import N_, NotFound
from lms.grading.core.contracts import GradingJob, GradingReport, KernelSettings, Limits, Runner
from lms.grading.core.record import GradeRecord, Notary
from lms.grading.core.record_reading import Difference, differences, is_result
from lms.grading.models import GradingRun
from lms.grading.queries import labs
from lms.grading.queries.records import runs_of_record
from lms.grading.services.recording import Recording, statement

NEEDED = ("engine", "environment")
"""Members that must be the same before it is worth grading again."""


@dataclass(frozen=True)
class Rerun:
    """What came of grading again; without `ran` it was not worth a try."""

    ran: bool
    inputs: Sequence[Difference]
    result: Sequence[Difference]

    @property
    def same(self) -> bool:
        """Say whether every outcome came out as recorded."""
        return self.ran and not self.result


def run_of_record(session: Session, record: GradeRecord, notary: Notary) -> GradingRun:
    """Return the run that a record of this installation is about.

    Raises:
        NotFound: the submission or the release is not here.
    """
    student, files = record.submission.student, record.release.files
    for run in runs_of_record(session, record):
        work = run.submission
        known = (
            notary.commit("student", str(work.enrolment_id)),
            notary.commit("release", work.release.digest),
        )
        if known == (student, files):
            return run
    raise NotFound(
        N_("This installation does not have what the record is about. Run this where the record was made.")
    )


def grade_again(
    run: GradingRun,
    record: GradeRecord,
    job: GradingJob,
    *,
    runner: Runner,
    notary: Notary,
    at: datetime,
    anyway: bool = False,
) -> Rerun:
    """Grade the job of a record (`job_of_record`) and compare.

    Where the engine or the environment are not those of the record, nothing runs unless `anyway`.
    """
    recording = Recording(notary, job)
    foreseen = differences(record, statement(run, _unrun(record), recording, at=at))
    if not anyway and any(one.where.startswith(NEEDED) for one in foreseen):
        return Rerun(ran=False, inputs=[one for one in foreseen if not is_result(one)], result=())
    report = runner.grade(job, lambda _step: None)
    found = differences(record, statement(run, report, recording, at=at))
    return Rerun(
        ran=True,
        inputs=[one for one in found if not is_result(one)],
        result=[one for one in found if is_result(one)],
    )


def job_of_record(
    run: GradingRun, record: GradeRecord, blobs: BlobStore, *, environment: Path, folder: Path
) -> GradingJob:
    """Return the job of a run as its record has it; data files are written below `folder`."""
    data = labs.data_files(run.submission.release)
    written = labs.write_files(data, blobs, folder) if data else None
    job = labs.grading_job(run, blobs, environment=environment, data_folder=written)
    return replace(
        job,
        seed=record.seed,
        limits=Limits(**record.limits.model_dump()),
        kernel=KernelSettings(**record.kernel.model_dump()),
    )


def _unrun(record: GradeRecord) -> GradingReport:
    """Return a report without outcomes, to see what would go in."""
    return GradingReport(
        checks=(),
        notices=(),
        executed=b"",
        wall_seconds=0,
        peak_memory_bytes=0,
        assurance=record.assurance,
        isolation=record.isolation,
    )
