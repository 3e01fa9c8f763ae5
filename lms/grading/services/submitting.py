"""Handing in work: checked at once, kept for ever, queued for grading."""

import hashlib
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.blobs import BlobStore
from lms.courses.models import Enrolment
from lms.errors import N_, Conflict, Invalid, TooLarge
from lms.grading import policy
from lms.grading.core.contracts import Notice
from lms.grading.core.notices import is_fatal
from lms.grading.core.structure import check_structure
from lms.grading.core.wire import to_plain
from lms.grading.models import GradingRun, Lab, LabRelease, RunState, Submission
from lms.grading.queries.labs import manifest
from lms.grading.queries.waiting import wait
from lms.grading.services.queueing import queue_run

LIMIT_BYTES = 50_000_000
NAME_CHARACTERS = 200
TRIES = 20  # parallel posts of one person that meet on the same ordinal; each try loses to one that won


class NotThisLab(Invalid):
    """The file cannot be read as a notebook of this lab; `notices` say why. Nothing was counted."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        super().__init__(
            N_("This file could not be taken, and no attempt was used. See what to change below."),
            field="notebook",
        )
        self.notices = tuple(notices)


def submit(
    session: Session,
    enrolment: Enrolment,
    lab: Lab,
    *,
    filename: str,
    content: bytes,
    received_at: datetime,
    blobs: BlobStore,
    limit_bytes: int = LIMIT_BYTES,
) -> Submission:
    """Keep a hand-in and queue it for grading.

    The same file again, while its run still waits or works, gives the same submission. A late file of a
    lab that refuses late work is kept without an attempt and without a run.

    Raises:
        NotThisLab: the file is not this lab's notebook; nothing is stored.
        Conflict: the lab is not open, or the attempts are used.
        TooSoon: the lab's pause after the attempt before lasts; nothing is stored.
        TooLarge: more bytes than the installation takes.
    """
    release = policy.check_can_submit(enrolment, lab, received_at)
    if len(content) > limit_bytes:
        raise TooLarge(
            N_("The file is larger than %(limit)d MB. Clear the notebook's outputs and try again."),
            limit=limit_bytes // 1_000_000,
        )
    _take_turn(session, enrolment)
    notices = _structure(content, release)
    late = policy.is_late(release, enrolment.cohort, received_at)
    draft = Submission(
        enrolment_id=enrolment.id,
        lab_id=lab.id,
        release_id=release.id,
        blob=hashlib.sha256(content).hexdigest(),
        filename=display_name(filename),
        size_bytes=len(content),
        received_at=received_at,
        late=late,
        refused=late and policy.refuses_late(release),
        notices=[to_plain(notice) for notice in notices],
    )
    same = _same_in_flight(session, draft)
    if same is not None:
        return same
    if not draft.refused:
        _next_attempt(session, draft, release)  # before anything is stored
    blobs.put(content)
    return _keep_refused(session, draft) if draft.refused else _keep(session, draft, release)


def display_name(filename: str) -> str:
    """Return a file name fit to be shown: the last part of a path, without control characters."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C")
    return clean.strip()[:NAME_CHARACTERS] or "notebook.ipynb"


def _structure(content: bytes, release: LabRelease) -> tuple[Notice, ...]:
    """Return what there is to say of a notebook that can be taken; raises where it cannot."""
    notices = tuple(check_structure(content, manifest(release)))
    if any(is_fatal(notice) for notice in notices):
        raise NotThisLab(notices)
    return notices


def _take_turn(session: Session, enrolment: Enrolment) -> None:
    """Let one person's parallel posts pass one after another (SQLite has one writer anyway)."""
    session.execute(select(Enrolment.id).where(Enrolment.id == enrolment.id).with_for_update())


def _same_in_flight(session: Session, draft: Submission) -> Submission | None:
    """Return the kept submission that this one only repeats: a second click."""
    same = select(Submission).where(
        Submission.enrolment_id == draft.enrolment_id,
        Submission.lab_id == draft.lab_id,
        Submission.blob == draft.blob,
        Submission.refused == draft.refused,
    )
    if not draft.refused:
        same = same.join(GradingRun, GradingRun.submission_id == Submission.id).where(
            GradingRun.state.in_([RunState.QUEUED, RunState.RUNNING])
        )
    return session.scalar(same.order_by(Submission.id.desc()).limit(1))


def _keep_refused(session: Session, draft: Submission) -> Submission:
    session.add(draft)
    session.flush()
    return draft


def _keep(session: Session, draft: Submission, release: LabRelease) -> Submission:
    """Give the submission the next attempt; the unique key decides between parallel posts."""
    for _ in range(TRIES):
        draft.attempt = _next_attempt(session, draft, release)
        try:
            with session.begin_nested():
                session.add(draft)
                session.flush()
        except IntegrityError:
            continue
        _queue(session, draft, release)
        return draft
    raise Conflict(N_("Several files arrived at the same moment. Please hand in this one again."))


def _next_attempt(session: Session, draft: Submission, release: LabRelease) -> int:
    """Return the number of the attempt that the draft would be; raises where there may be none now."""
    used, newest = session.execute(
        select(func.max(Submission.attempt), func.max(Submission.received_at)).where(
            Submission.enrolment_id == draft.enrolment_id,
            Submission.lab_id == draft.lab_id,
            Submission.attempt.is_not(None),
        )
    ).one()
    policy.check_attempts_left(release, used or 0)
    cohort = session.get_one(Enrolment, draft.enrolment_id).cohort
    policy.check_pause_over(release, cohort, newest, draft.received_at)
    return (used or 0) + 1


def _queue(session: Session, work: Submission, release: LabRelease) -> None:
    enrolment = session.get_one(Enrolment, work.enrolment_id)
    priority = policy.priority_of(release, enrolment.cohort, work.received_at)
    run = queue_run(session, work, at=work.received_at, priority=priority)
    run.first_wait_seconds = wait(session, run, work.received_at).seconds
