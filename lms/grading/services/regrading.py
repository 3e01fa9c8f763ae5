"""Grade again from files alone: for whoever holds a hand-in, its lab and its record, and no database of ours.

What students get holds every test that they see whole, so those can be run anywhere. They run in the
student's own kernel: what a checker may ask was learnt from the author's solution, which nobody hands out.
"""

import hashlib
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lms.grading.core.build_program import released_manifest
from lms.grading.core.contracts import GradingJob, GradingReport, KernelSettings, Limits, Runner
from lms.grading.core.record import GradeRecord, Witness
from lms.grading.core.record_reading import Difference, RecordProblem
from lms.grading.services.rerunning import Rerun

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Regrade(Rerun):
    """What came of grading again from files alone."""

    compared: int = 0  # tests that students see whole
    left_out: int = 0  # hidden tests, and answers that people mark


def job_of_files(
    record: GradeRecord, notebook: bytes, lab: bytes, *, environment: Path, data: Path | None
) -> GradingJob:
    """Return the job of a record whose hand-in and lab are at hand.

    Raises:
        RecordProblem: they are not those of the record.
    """
    if (_sha256(notebook), _sha256(lab)) != (record.submission.sha256, record.release.student_notebook):
        raise RecordProblem("again.not-about")
    return GradingJob(
        submission=notebook,
        manifest=released_manifest(lab),
        student_notebook=lab,
        environment=environment,
        limits=Limits(**record.limits.model_dump()),
        data_folder=data,
        kernel=KernelSettings(**record.kernel.model_dump()),
        seed=record.seed,
    )


def lay_out(record: GradeRecord, found: Path, folder: Path) -> Path | None:
    """Copy the data files of a record from where they are into the caller's own `folder`; None: it has none.

    Raises:
        RecordProblem: one is not there, or another.
    """
    for path, sha256 in record.files.items():
        source, target = (found / path).resolve(), (folder / path).resolve()
        inside = source.is_relative_to(found.resolve()) and target.is_relative_to(folder.resolve())
        if not inside or not source.is_file() or _sha256(source.read_bytes()) != sha256:
            raise RecordProblem("again.data", path=path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return folder if record.files else None


def names_of(record: GradeRecord) -> tuple[str, str, str]:
    """Return course, lab and environment of a record, which become parts of paths.

    Raises:
        RecordProblem: one is no plain name.
    """
    names = (record.release.course, record.release.lab, record.environment.name)
    for name in names:
        if not _NAME.fullmatch(name):
            raise RecordProblem("record.other-shape", where=name[:80])
    return names


def number_seen(record: GradeRecord) -> int:
    """Return of how many tests that students see whole a record tells points.

    Raises:
        RecordProblem: of none, so there is nothing to compare.
    """
    seen = sum(not outcome.hidden and outcome.score is not None for outcome in record.outcomes)
    if not seen:
        raise RecordProblem("again.no-seen-test")
    return seen


def grade_files(record: GradeRecord, job: GradingJob, witness: Witness, runner: Runner) -> Regrade:
    """Grade the job of a record (`job_of_files`) and compare the tests that students see whole.

    Where the engine or the packages are not those of the record, nothing runs.

    Raises:
        RecordProblem: there is no such test (`number_seen`); or points differ, and what a leaderboard keeps
            hidden may be why.
    """
    compared = number_seen(record)
    inputs = list(_unlike(record, witness))
    if inputs:
        return Regrade(ran=False, inputs=inputs, result=())
    report = runner.grade(job, lambda _step: None)
    result = list(_compared(record, report))
    if result and record.board is not None:
        raise RecordProblem("again.board")
    left_out = len(record.outcomes) - compared
    return Regrade(ran=True, inputs=(), result=result, compared=compared, left_out=left_out)


def _unlike(record: GradeRecord, witness: Witness) -> Iterator[Difference]:
    pairs = {
        "engine.sha256": (record.engine.sha256, witness.engine.sha256),
        "environment.packages_sha256": (
            record.environment.packages_sha256,
            witness.environment.packages_sha256,
        ),
    }
    for where, (recorded, now) in pairs.items():
        if recorded != now:
            yield Difference(where, recorded, now)


def _compared(record: GradeRecord, report: GradingReport) -> Iterator[Difference]:
    found = {check.grade_id: check for check in report.checks}
    for outcome in record.outcomes:
        if outcome.hidden:
            continue
        check = found.get(outcome.grade_id)
        score = None if check is None else _points(check.score, check.maximum)
        pairs = {
            "score": (outcome.score, score),
            "maximum": (outcome.maximum, None if check is None else check.maximum),
        }
        for part, (recorded, now) in pairs.items():
            if recorded != now:
                yield Difference(f"outcomes[{outcome.grade_id}].{part}", recorded, now)


def _points(score: float | None, maximum: float) -> float | None:
    if score is None:
        return None
    return min(max(score, 0.0), maximum) if math.isfinite(score) else 0.0


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
