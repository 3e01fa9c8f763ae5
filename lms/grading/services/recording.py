"""Grade records: what a run was made of and what came of it, signed with the run."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from lms.blobs import BlobStore
from lms.grading.core.contracts import CheckResult, GradingJob, GradingReport, ManifestCell
from lms.grading.core.record import (
    FORMAT,
    KernelPart,
    LimitsPart,
    Notary,
    OutcomePart,
    ReleasedTest,
    ReleasePart,
    RunPart,
    Statement,
    SubmissionPart,
    TimingsPart,
    TotalPart,
    canonical,
    moment,
    written,
)
from lms.grading.core.report import GRADED
from lms.grading.core.wire import to_plain
from lms.grading.models import GradingRun, LabRelease
from lms.grading.queries import labs

SHOWN_DECIMALS = 2


@dataclass(frozen=True)
class Released:
    """What the records of all runs of a release say alike."""

    part: ReleasePart
    files: Mapping[str, str]
    board: str | None
    environment: str
    lock_sha256: str


@dataclass(frozen=True)
class Recording:
    """What is needed to record a run besides its outcome: who signs, and the very job that was run."""

    notary: Notary
    job: GradingJob
    released: Released | None = None
    """Where it is known already."""


def keep_record(
    run: GradingRun, report: GradingReport, recording: Recording, *, blobs: BlobStore, at: datetime
) -> str:
    """Sign what came of a run and keep it; return the hash under which the record is kept."""
    return blobs.put(written(recording.notary.sign(statement(run, report, recording, at=at))))


def statement(run: GradingRun, report: GradingReport, recording: Recording, *, at: datetime) -> Statement:
    """Return what can be said of a run without naming anybody or giving a hidden test away.

    How long it ran is left out, and points of hidden tests are rounded as they are shown: such figures
    would be a way for a student's function to pass on what a hidden test handed it.
    """
    job, notary = recording.job, recording.notary
    release = recording.released or released(run.submission.release, job, notary)
    witness = notary.witness(release.environment, release.lock_sha256)
    outcomes = tuple(_outcome(check) for check in report.checks)
    return Statement(
        format=FORMAT,
        installation=notary.installation,
        run=RunPart(ordinal=run.ordinal, cause=run.cause),
        submission=_submission(run, job, notary),
        release=release.part,
        files=dict(release.files),
        board=release.board,
        environment=witness.environment,
        machine=witness.machine,
        engine=witness.engine,
        seed=job.seed,
        limits=LimitsPart(**_fields(job.limits, LimitsPart)),
        kernel=KernelPart(**_fields(job.kernel, KernelPart)),
        assurance=report.assurance,
        isolation=report.isolation,
        outcomes=outcomes,
        total=_total(outcomes),
        timings=TimingsPart(queued_at=moment(run.queued_at), finished_at=moment(at)),
    )


def released(release: LabRelease, job: GradingJob, notary: Notary) -> Released:
    """Return what the record of every run of a ready release says of it; `job` is any of them."""
    return Released(
        part=_release(release, job, notary),
        files=labs.data_files(release),
        board=notary.commit("board", release.board_blob) if release.board_blob else None,
        environment=release.environment_name,
        lock_sha256=release.environment_sha256,
    )


def _submission(run: GradingRun, job: GradingJob, notary: Notary) -> SubmissionPart:
    work = run.submission
    if work.attempt is None:
        raise ValueError(f"submission {work.id} was refused and cannot have been graded")
    return SubmissionPart(
        sha256=_sha256(job.submission),
        attempt=work.attempt,
        received_at=moment(work.received_at),
        student=notary.commit("student", str(work.enrolment_id)),
    )


def _release(release: LabRelease, job: GradingJob, notary: Notary) -> ReleasePart:
    return ReleasePart(
        course=release.lab.course.slug,
        lab=release.lab.slug,
        number=release.number,
        files=notary.commit("release", release.digest),
        manifest=notary.commit("manifest", canonical(to_plain(job.manifest)).decode("utf-8")),
        student_notebook=_sha256(job.student_notebook),
        tests=tuple(_test(cell, notary) for cell in job.manifest.cells if cell.kind in GRADED),
    )


def _test(cell: ManifestCell, notary: Notary) -> ReleasedTest:
    """Name a test by its hash, and one with hidden parts by a commitment: its text could be guessed."""
    source = cell.full_source
    found = notary.commit("test", f"{cell.grade_id}\n{source}") if cell.hidden else _sha256(source.encode())
    return ReleasedTest(grade_id=cell.grade_id, hidden=cell.hidden, hash=found)


def _outcome(check: CheckResult) -> OutcomePart:
    score = check.score
    if score is not None:
        score = min(max(score, 0.0), check.maximum) if math.isfinite(score) else 0.0
        score = round(score, SHOWN_DECIMALS) if check.hidden else score
    return OutcomePart(
        grade_id=check.grade_id,
        score=score,
        maximum=check.maximum,
        status=check.status.value,
        hidden=check.hidden,
    )


def _total(outcomes: Iterable[OutcomePart]) -> TotalPart:
    counted = [(each.score, each.maximum) for each in outcomes if each.score is not None]
    return TotalPart(
        score=math.fsum(score for score, _ in counted), maximum=math.fsum(maximum for _, maximum in counted)
    )


def _fields(settings: object, part: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in part.model_fields}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
