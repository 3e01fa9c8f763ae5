"""The files that a certificate was earned with: gathered and salted when its document is written."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from lms.blobs import BlobStore
from lms.certs.core.document import Evidence
from lms.certs.core.evidence import SALT_BYTES, salted_digest
from lms.certs.core.strict_json import canonical
from lms.certs.core.times import write_time
from lms.certs.models import EvidenceFile, IssuanceRequest
from lms.certs.services.claims import labs_of, title_of
from lms.grading import policy as grading
from lms.grading.core.contracts import CheckResult
from lms.grading.models import Grade, GradingRun, RunState
from lms.grading.queries.queue import view_of
from lms.grading.queries.submissions import checks, grade_of
from lms.grading.services.queueing import want_view

RECORD = "GradeRecord"


@dataclass(frozen=True)
class Found:
    """One file before its hash is salted: of what kind, where it will lie in the bundle, what it holds."""

    genre: str
    path: str
    content: bytes


def wait_for_views(session: Session, request: IssuanceRequest, at: datetime) -> bool:
    """Say whether what students see of a graded lab is still being made, and have that done soon."""
    waits = False
    for run in _runs(session, request):
        view = want_view(session, run.id, at)
        waits = waits or (view is not None and view.state in {RunState.QUEUED, RunState.RUNNING})
    return waits


def bind(session: Session, request: IssuanceRequest, blobs: BlobStore, at: datetime) -> tuple[Evidence, ...]:
    """Salt and keep the files that a request's facts rest on; return what the document says of them.

    None of them holds a hidden test. Facts of an older release name no runs, and so lead to nothing.
    """
    session.execute(delete(EvidenceFile).where(EvidenceFile.request_id == request.id))
    titles = {lab["slug"]: title_of(lab, request.language) for lab in labs_of(request)}
    files = [
        (titles[run.submission.lab.slug], found)
        for run in _runs(session, request)
        for found in _files(session, run, blobs, at)
    ]
    said = []
    for position, (name, found) in enumerate(files):
        salt = secrets.token_hex(SALT_BYTES)
        session.add(
            EvidenceFile(
                request_id=request.id,
                position=position,
                path=found.path,
                salt=salt,
                blob=blobs.put(found.content),
            )
        )
        said.append(Evidence(name, salted_digest(salt, found.content), found.genre, salted=True))
    return tuple(said)


def _runs(session: Session, request: IssuanceRequest) -> list[GradingRun]:
    """Return the runs behind the facts; facts of an older release do not name them."""
    numbers = [lab["run"] for lab in labs_of(request) if isinstance(lab.get("run"), int)]
    found = (session.get(GradingRun, number) for number in numbers)
    return [run for run in found if run is not None]


def _files(session: Session, run: GradingRun, blobs: BlobStore, at: datetime) -> Iterator[Found]:
    work = run.submission
    folder = f"evidence/{work.lab.slug}"
    yield Found("Notebook", f"{folder}/notebook.ipynb", blobs.get(work.blob))
    view = view_of(session, run.id)
    if view is not None and view.feedback_blob is not None:
        yield Found("Feedback", f"{folder}/feedback.html", blobs.get(view.feedback_blob))
    if work.release.student_blob is not None:
        yield Found("LabRelease", f"{folder}/lab.ipynb", blobs.get(work.release.student_blob))
    record = None if run.record_blob is None else blobs.get(run.record_blob)
    yield Found("Environment", f"{folder}/environment.json", canonical(_environment(run, record)))
    grade = grade_of(session, work)
    if grade is not None:
        yield Found("GradebookRow", f"{folder}/gradebook.json", canonical(_row(grade)))
    if record is not None and not _keeps_back(run, at):
        yield Found(RECORD, f"{folder}/record.json", record)


def _keeps_back(run: GradingRun, at: datetime) -> bool:
    """Say whether the lab does not yet tell what came of each hidden test, as the record does."""
    until = grading.hidden_results_at(run.submission)
    return until is not None and at <= until


def _environment(run: GradingRun, record: bytes | None) -> dict[str, Any]:
    """Say what the grader ran with: as the signed record has it, or at least by the hash of its lock."""
    release = run.submission.release
    if record is None:
        lock = run.environment_sha256 or release.environment_sha256
        return {"environment": {"name": release.environment_name, "lock_sha256": lock}}
    said = json.loads(record)
    return {part: said[part] for part in ("engine", "environment", "machine")}


def _row(grade: Grade) -> dict[str, Any]:
    """Write a grade as the gradebook has it, with the points of the tests that students see whole."""
    work = grade.submission
    return {
        "lab": work.lab.slug,
        "release": work.release.number,
        "attempt": work.attempt,
        "received_at": write_time(work.received_at),
        "late": work.late,
        "graded_at": write_time(grade.graded_at),
        "assurance": grade.run.assurance,
        "score": f"{grade.score:g}",
        "maximum": f"{grade.maximum:g}",
        "visible_tests": [_test(check) for check in checks(grade.run) if not check.hidden],
    }


def _test(check: CheckResult) -> dict[str, Any]:
    score = None if check.score is None else f"{check.score:g}"
    return {"grade_id": check.grade_id, "score": score, "maximum": f"{check.maximum:g}"}
