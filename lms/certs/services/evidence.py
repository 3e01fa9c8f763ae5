"""The files that a certificate was earned with: gathered and salted when its document is written."""

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, selectinload

from lms.blobs import BlobStore
from lms.certs.core.document import Evidence
from lms.certs.core.evidence import SALT_BYTES, salted_digest
from lms.certs.core.strict_json import canonical
from lms.certs.core.times import write_time
from lms.certs.models import EvidenceFile, IssuanceRequest
from lms.certs.services.claims import labs_of, title_of
from lms.grading import policy as grading
from lms.grading.core.contracts import CheckResult
from lms.grading.models import Grade, GradingRun, RunState, Submission, ViewRun
from lms.grading.queries.submissions import checks, grades_of
from lms.grading.services.queueing import waits_unasked, want_view

RECORD = "GradeRecord"
GRADEBOOK_ROW = "/gradebook.json"
"""How the path of the one file ends that nothing but certificates keeps."""


@dataclass(frozen=True)
class Found:
    """One file before its hash is salted: of what kind, where it will lie in the bundle, what it holds."""

    genre: str
    path: str
    content: bytes


def wait_for_views(session: Session, requests: Sequence[IssuanceRequest], at: datetime) -> set[int]:
    """Return the requests for which what students see of a graded lab is still being made.

    It is made soon, as from now on somebody waits for it.
    """
    runs = _runs(session, requests)
    views = _views(session, runs)
    waiting = set()
    for number, view in views.items():
        wanted = want_view(session, number, at) if waits_unasked(view) else view
        if wanted is not None and wanted.state in {RunState.QUEUED, RunState.RUNNING}:
            waiting.add(number)
    return {request.id for request in requests if waiting.intersection(_run_numbers(request))}


class Evidences:
    """The files that the facts of some requests rest on; what the database says of them is read at once.

    None of them holds a hidden test. Facts of an older release name no runs, and so lead to nothing.
    """

    def __init__(
        self, session: Session, requests: Sequence[IssuanceRequest], blobs: BlobStore, at: datetime
    ) -> None:
        self._blobs, self._at = blobs, at
        self._runs = _runs(session, requests)
        self._views = _views(session, self._runs)
        self._grades = grades_of(session, (run.submission for run in self._runs.values()))

    def bind(self, request: IssuanceRequest) -> tuple[list[Evidence], list[EvidenceFile]]:
        """Salt the files of one request; return what its document says of them, and what is kept of them."""
        titles = {lab["slug"]: title_of(lab, request.language) for lab in labs_of(request)}
        runs = [self._runs[number] for number in _run_numbers(request) if number in self._runs]
        files = [(titles[run.submission.lab.slug], found) for run in runs for found in self._files(run)]
        said, kept = [], []
        for position, (name, found) in enumerate(files):
            salt = secrets.token_hex(SALT_BYTES)
            blob = self._blobs.put(found.content)
            kept.append(
                EvidenceFile(request_id=request.id, position=position, path=found.path, salt=salt, blob=blob)
            )
            said.append(Evidence(name, salted_digest(salt, found.content), found.genre, salted=True))
        return said, kept

    def _files(self, run: GradingRun) -> Iterator[Found]:
        work, blobs = run.submission, self._blobs
        folder = f"evidence/{work.lab.slug}"
        yield Found("Notebook", f"{folder}/notebook.ipynb", blobs.get(work.blob))
        view = self._views.get(run.id)
        if view is not None and view.feedback_blob is not None:
            yield Found("Feedback", f"{folder}/feedback.html", blobs.get(view.feedback_blob))
        if work.release.student_blob is not None:
            yield Found("LabRelease", f"{folder}/lab.ipynb", blobs.get(work.release.student_blob))
        record = None if run.record_blob is None else blobs.get(run.record_blob)
        yield Found("Environment", f"{folder}/environment.json", canonical(_environment(run, record)))
        grade = self._grades.get(work.id)
        if grade is not None:
            yield Found("GradebookRow", f"{folder}{GRADEBOOK_ROW}", canonical(_row(grade)))
        if record is not None and not _keeps_back(run, self._at):
            yield Found(RECORD, f"{folder}/record.json", record)


def keep_files(
    session: Session, request_ids: Collection[int], files: Sequence[EvidenceFile]
) -> frozenset[str]:
    """Keep the files of some requests, in the place of those of an earlier document.

    Returns:
        What nothing names any more, for the caller to delete once the transaction is kept.
    """
    mine = EvidenceFile.request_id.in_(request_ids)
    rows = select(EvidenceFile.blob).where(mine, EvidenceFile.path.endswith(GRADEBOOK_ROW))
    before = set(session.scalars(rows))
    session.execute(delete(EvidenceFile).where(mine))
    session.add_all(files)
    session.flush()
    still = session.scalars(select(EvidenceFile.blob).where(EvidenceFile.blob.in_(before))) if before else ()
    return frozenset(before.difference(still))


def _run_numbers(request: IssuanceRequest) -> list[int]:
    """Return the runs behind the facts; facts of an older release do not name them."""
    return [lab["run"] for lab in labs_of(request) if isinstance(lab.get("run"), int)]


def _runs(session: Session, requests: Sequence[IssuanceRequest]) -> dict[int, GradingRun]:
    numbers = {number for request in requests for number in _run_numbers(request)}
    if not numbers:
        return {}
    work = selectinload(GradingRun.submission)
    found = select(GradingRun).where(GradingRun.id.in_(numbers)).order_by(GradingRun.id)
    wanted = found.options(work.selectinload(Submission.lab), work.selectinload(Submission.release))
    return {run.id: run for run in session.scalars(wanted)}


def _views(session: Session, runs: Mapping[int, GradingRun]) -> dict[int, ViewRun]:
    if not runs:
        return {}
    found = session.scalars(select(ViewRun).where(ViewRun.run_id.in_(runs)).order_by(ViewRun.id))
    return {view.run_id: view for view in found}


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
