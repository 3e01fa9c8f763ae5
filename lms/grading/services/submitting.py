"""Handing in work: checked at once, kept for ever, queued for grading."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.blobs import BlobStore
from lms.courses.models import Cohort, Enrolment
from lms.errors import N_, Conflict, Invalid, TooLarge
from lms.grading import policy
from lms.grading.core.contracts import Notice
from lms.grading.core.notices import is_fatal
from lms.grading.core.structure import check_structure
from lms.grading.core.wire import to_plain
from lms.grading.models import GradingRun, Lab, LabRelease, Resource, RunState, Submission
from lms.grading.queries.labs import manifest
from lms.grading.queries.scenes import Newcomer
from lms.grading.queries.waiting import foreseen
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


@dataclass(frozen=True)
class Accepted:
    """A file that passed all checks and is stored; what is left is to write it down."""

    enrolment: Enrolment
    release: LabRelease
    draft: Submission
    wait_seconds: float | None
    """How long its result should take."""


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
    accepted = accept(
        session,
        enrolment,
        lab,
        filename=filename,
        content=content,
        received_at=received_at,
        blobs=blobs,
        limit_bytes=limit_bytes,
    )
    return keep(session, accepted)


def accept(
    session: Session,
    enrolment: Enrolment,
    lab: Lab,
    *,
    filename: str,
    content: bytes,
    received_at: datetime,
    blobs: BlobStore,
    limit_bytes: int = LIMIT_BYTES,
) -> Accepted:
    """Do all of a hand-in that only reads, and store the file: the slow part, for which nobody has to wait.

    Its bytes are durable before anything names them. `keep` counts the attempt, once more and for certain;
    of two files that meet there on the last attempt, the one that loses stays in the store unnamed.

    Raises:
        NotThisLab, Conflict, TooSoon, TooLarge: as `submit`; nothing is stored.
    """
    release = policy.check_can_submit(enrolment, lab, received_at)
    if len(content) > limit_bytes:
        raise TooLarge(
            N_("The file is larger than %(limit)d MB. Clear the notebook's outputs and try again."),
            limit=limit_bytes // 1_000_000,
        )
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
    if draft.refused or _same_in_flight(session, draft) is not None:
        seconds = None
    else:
        _next_attempt(session, draft, release, enrolment.cohort)  # before anything is stored
        seconds = _foreseen_seconds(session, draft, release, enrolment)
    blobs.put(content)
    return Accepted(enrolment, release, draft, seconds)


def keep(session: Session, accepted: Accepted) -> Submission:
    """Write an accepted file down and queue it; short, as on SQLite all who write wait for each other.

    Raises:
        Conflict, TooSoon: another file of the person came first, and left no attempt for this one now.
    """
    _take_turn(session, accepted.enrolment)
    same = _same_in_flight(session, accepted.draft)
    if same is not None:
        return same
    return _keep_refused(session, accepted.draft) if accepted.draft.refused else _keep(session, accepted)


def _foreseen_seconds(
    session: Session, draft: Submission, release: LabRelease, enrolment: Enrolment
) -> float | None:
    newcomer = Newcomer(
        priority=policy.priority_of(release, enrolment.cohort, draft.received_at),
        resource=Resource(policy.rules_of(release).resource),
        queued_at=draft.received_at,
        person=enrolment.user_id,
        course=enrolment.cohort.course_id,
        lab=draft.lab_id,
        release_id=release.id,
        cohort_id=enrolment.cohort_id,
    )
    return foreseen(session, newcomer).seconds


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


def _keep(session: Session, accepted: Accepted) -> Submission:
    """Give the submission the next attempt; the unique key decides between parallel posts."""
    draft = accepted.draft
    for _ in range(TRIES):
        draft.attempt = _next_attempt(session, draft, accepted.release, accepted.enrolment.cohort)
        try:
            with session.begin_nested():
                session.add(draft)
                session.flush()
        except IntegrityError:
            continue
        _queue(session, accepted)
        return draft
    raise Conflict(N_("Several files arrived at the same moment. Please hand in this one again."))


def _next_attempt(session: Session, draft: Submission, release: LabRelease, cohort: Cohort) -> int:
    """Return the number of the attempt that the draft would be; raises where there may be none now."""
    used, newest = session.execute(
        select(func.max(Submission.attempt), func.max(Submission.received_at)).where(
            Submission.enrolment_id == draft.enrolment_id,
            Submission.lab_id == draft.lab_id,
            Submission.attempt.is_not(None),
        )
    ).one()
    policy.check_attempts_left(release, used or 0)
    policy.check_pause_over(release, cohort, newest, draft.received_at)
    return (used or 0) + 1


def _queue(session: Session, accepted: Accepted) -> None:
    at = accepted.draft.received_at
    priority = policy.priority_of(accepted.release, accepted.enrolment.cohort, at)
    run = queue_run(session, accepted.draft, at=at, priority=priority)
    run.first_wait_seconds = accepted.wait_seconds
