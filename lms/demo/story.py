"""The story: two students hand in, are graded and ranked; one earns a certificate that anyone can check.

It uses the same verbs as the pages. Whoever plays it says how to wait: the browser demonstration waits for
its worker process, the throw-away one works itself.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from lms.accounts.models import User
from lms.certs.core.strict_json import canonical
from lms.certs.core.verify import Status, Verdict, verify
from lms.certs.models import Credential
from lms.certs.queries.credentials import log_proof, resources
from lms.courses.models import Cohort, Course, Enrolment
from lms.courses.services.enrolling import confirm_name, enrol, mark_lesson_read
from lms.db import now
from lms.demo.after_end import AfterEnd
from lms.demo.contest import board_line, scored, take_part
from lms.demo.seed import person
from lms.demo.warm_up import SLUG, WarmUp
from lms.grading.models import Grade, GradingRun, Lab, LabRelease, ReleaseState, Submission
from lms.grading.queries.labs import labs_of
from lms.grading.services.submitting import submit
from lms.installation import Installation
from lms.leaderboards.queries.boards import board_of
from lms.leaderboards.queries.standings import standings

FIRST_COURSE, SECOND_COURSE = "deep-learning-first-steps", "data-work-that-holds"
BOARD_LAB, WRITTEN_LAB, SMALL_LAB = "digits-board", "honest-evaluation", "first-notebook"
PATIENCE_SECONDS = 300
# A plainer idea for the board lab than the reference solution: the nearest mean digit.
PLAIN_ANSWERS = {
    "answer-model": (
        "def fit(X, y):\n    return np.array([X[y == digit].mean(axis=0) for digit in range(10)])"
    ),
    "answer-predict": (
        "def predict(X):\n    return ((np.asarray(X)[:, None] - MODEL[None]) ** 2).sum(axis=2).argmin(axis=1)"
    ),
}


Found = TypeVar("Found")


@dataclass(frozen=True)
class Step:
    """One thing that really happened, or did not."""

    step: str
    ok: bool
    text: str
    points: float | None = None
    maximum: float | None = None
    seconds: float | None = None

    def line(self) -> str:
        """Return the step for a terminal."""
        return f"{'✓' if self.ok else '✕'} {self.step}: {self.text}"

    def to_dict(self) -> dict[str, object]:
        """Return the step for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class StoryStopped(Exception):
    """A step did not happen in time."""


@dataclass
class Story:
    """Plays the story in one installation."""

    installation: Installation
    advance: Callable[[], object]
    """Called while waiting: does the worker's work, or only lets time pass."""
    submissions: dict[tuple[str, str], int] = field(default_factory=dict)
    """(student's address, lab) -> submission."""

    def play(self, *, whole: bool) -> Iterator[Step]:
        """Play step by step; `whole` adds challenges, and a second course whose answer waits for a person."""
        warm_up = WarmUp(self.installation)
        warmed_up = whole and warm_up.open()
        if warmed_up:
            warm_up.enter()  # its data are made and its entries scored while the worker builds the labs
        yield self._wait_for_labs(FIRST_COURSE)
        self._enrol("student@duri.example", FIRST_COURSE)
        self._enrol("second@duri.example", FIRST_COURSE)
        yield from self._hand_in_first_course()
        yield from self._graded()
        yield self._ranked()
        if whole:
            yield from self._hand_in_second_course()
            yield from self._take_part_in_challenges()
        if warmed_up:
            yield self._ended(warm_up)
        yield self._certified()
        yield from self.checked()

    def _wait_for_labs(self, course: str) -> Step:
        started = time.monotonic()

        def ready(session: Session) -> list[Lab] | None:
            refused = session.scalars(
                select(LabRelease)
                .join(Lab, LabRelease.lab_id == Lab.id)
                .join(Course, Lab.course_id == Course.id)
                .where(Course.slug == course, LabRelease.state == ReleaseState.REFUSED)
            ).first()
            if refused is not None:
                raise StoryStopped(f"{refused.lab.slug} was refused: {refused.report}")
            found = _course(session, course)
            wanted = found.current_version.outline["labs"] if found.current_version else ()
            labs = [lab for lab in labs_of(session, found) if lab.current_release_id is not None]
            return labs if wanted and len(labs) == len(wanted) else None

        labs = self._wait(ready, f"the labs of {course}")
        return Step(
            "published", True, f"{course}, {len(labs)} labs, each proved with its solution and its template",
            seconds=round(time.monotonic() - started, 1),
        )  # fmt: skip

    def _wait(self, look: Callable[[Session], Found | None], what: str) -> Found:
        """Look until it is there; patience ends when the worker has shown no sign of life for so long."""
        deadline, life = time.monotonic() + PATIENCE_SECONDS, None
        while time.monotonic() < deadline:
            with self.installation.sessions() as session:
                found, seen = look(session), _sign_of_life(session)
            if found is not None:
                return found
            if seen != life:
                deadline, life = time.monotonic() + PATIENCE_SECONDS, seen
            self.advance()
        raise StoryStopped(f"waited {PATIENCE_SECONDS} s for {what}")

    def _enrol(self, email: str, course: str) -> None:
        with self.installation.sessions.begin() as session:
            user = person(session, email)
            cohort = session.scalars(
                select(Cohort).where(Cohort.course_id == _course(session, course).id).order_by(Cohort.id)
            ).one()
            enrolment = enrol(session, user, cohort, user.name)
            if enrolment.confirmed_name is None:  # else an earlier start came so far
                confirm_name(session, person(session, "professor@hangang.example"), enrolment, user.name)
            outline = cohort.course.current_version.outline if cohort.course.current_version else {}
            for lesson in list(outline.get("lessons", ()))[: 3 if email.startswith("student") else 1]:
                mark_lesson_read(session, user, enrolment, lesson)

    def _hand_in_first_course(self) -> Iterator[Step]:
        with self.installation.sessions() as session:
            labs = [lab.slug for lab in labs_of(session, _course(session, FIRST_COURSE))]
        for lab in labs:
            yield self._hand_in("student@duri.example", FIRST_COURSE, lab)
        yield self._hand_in("second@duri.example", FIRST_COURSE, BOARD_LAB, PLAIN_ANSWERS)

    def _hand_in_second_course(self) -> Iterator[Step]:
        yield self._wait_for_labs(SECOND_COURSE)
        self._enrol("student@duri.example", SECOND_COURSE)
        yield self._hand_in("student@duri.example", SECOND_COURSE, WRITTEN_LAB)

    def _take_part_in_challenges(self) -> Iterator[Step]:
        for slug in take_part(self.installation):

            def standing(session: Session, wanted: str = slug) -> str | None:
                return scored(session, wanted)

            yield Step("challenged", True, f"{slug}: {self._wait(standing, f'the entries of {slug}')}")

    def _ended(self, warm_up: WarmUp) -> Step:
        self._wait(warm_up.scored, f"the scores of {SLUG}")
        warm_up.choose()
        warm_up.end()
        self._wait(warm_up.ended, f"the end of {SLUG}")
        verified = AfterEnd(warm_up).play()
        with self.installation.sessions() as session:
            return Step("challenge ended", verified, f"{SLUG}: {board_line(session, SLUG)}")

    def _hand_in(self, email: str, course: str, lab: str, answers: Mapping[str, str] | None = None) -> Step:
        with self.installation.sessions.begin() as session:
            user = person(session, email)
            found = next(each for each in labs_of(session, _course(session, course)) if each.slug == lab)
            if found.current_release is None or found.current_release.student_blob is None:
                raise StoryStopped(f"{lab} is not open")
            template = self.installation.blobs.get(found.current_release.student_blob)
            folder = self.installation.settings.course_content / course / "labs" / lab
            source = (folder / f"{lab}.ipynb").read_bytes()
            work = submit(
                session, _enrolment(session, user, found.course), found, filename=f"{lab}.ipynb",
                content=answered(template, source, answers or {}), received_at=now(),
                blobs=self.installation.blobs,
            )  # fmt: skip
            self.submissions[email, lab] = work.id
            return Step("submitted", True, f"{lab} by {user.name}, receipt {work.blob[:12]}")

    def _graded(self) -> Iterator[Step]:
        for (email, lab), submission_id in self.submissions.items():

            def graded(session: Session, wanted: int = submission_id) -> Grade | None:
                with_work = select(Grade).options(joinedload(Grade.submission))
                return session.scalar(with_work.where(Grade.submission_id == wanted))

            grade = self._wait(graded, f"the grade of {lab}")
            plain = email.startswith("second")
            yield Step(
                "graded", grade.score > 0 if plain else grade.score == grade.maximum,
                f"{lab}: {grade.score:g} / {grade.maximum:g} points",
                points=grade.score, maximum=grade.maximum,
                seconds=round((grade.graded_at - grade.submission.received_at).total_seconds(), 1),
            )  # fmt: skip

    def _ranked(self) -> Step:
        def ranked(session: Session) -> list[str] | None:
            user = person(session, "student@duri.example")
            course = _course(session, FIRST_COURSE)
            lab = next(each for each in labs_of(session, course) if each.slug == BOARD_LAB)
            board = board_of(session, lab.id, _enrolment(session, user, course).cohort_id)
            table = standings(session, board, user, now()) if board else None
            if table is None or table.ranked < 2:  # noqa: PLR2004 - both students
                return None
            return [
                f"{row.rank or '–'} {row.name or row.title.get('en')} {row.score:.4f}" for row in table.rows
            ]

        rows = self._wait(ranked, "both entries on the board")
        places = [row.split(" ", 1)[0] for row in rows if not row.startswith("–")]
        return Step("ranked", places == ["1", "2"], " · ".join(rows))

    def _certified(self) -> Step:
        started = time.monotonic()
        credential = self._wait(self.credential, "the certificate")
        self._wait(lambda session: log_proof(session, credential.sha256), "its place in the log")
        return Step(
            "certificate issued", len(credential.document["proof"]) == 2,  # noqa: PLR2004 - one of each party
            f"urn:uuid:{credential.uuid}, signed by both, in the log",
            seconds=round(time.monotonic() - started, 1),
        )  # fmt: skip

    def credential(self, session: Session) -> Credential | None:
        """Return the first student's certificate."""
        user = person(session, "student@duri.example")
        return session.scalar(
            select(Credential).join(Enrolment, Credential.enrolment_id == Enrolment.id)
            .where(Enrolment.user_id == user.id)
        )  # fmt: skip

    def checked(self) -> Iterator[Step]:
        """Verify the certificate as an employer would, then a forged copy."""
        with self.installation.sessions() as session:
            credential = self.credential(session)
            if credential is None:
                raise StoryStopped("there is no certificate")
            evidence = resources(session, credential, self.installation.trust)
        good = self._verdict(canonical(credential.document), evidence)
        yield Step(
            "verified", good.status is Status.VALID, f"{good.status}, both signatures, log and status lists"
        )
        forged = json.loads(json.dumps(credential.document))
        forged["credentialSubject"]["result"][0]["value"] = "9999"
        bad = self._verdict(canonical(forged), evidence)
        codes = ", ".join(finding.code for finding in bad.findings)
        yield Step("forged copy refused", bad.status is Status.REFUSED, f"{bad.status}: {codes}")

    def _verdict(self, content: bytes, evidence: Mapping[str, bytes]) -> Verdict:
        return verify(content, self.installation.trust, evidence, now())


def answered(template: bytes, source: bytes, answers: Mapping[str, str]) -> bytes:
    """Return the student's notebook with its answer cells filled: from `answers`, else from the source."""
    notebook, model = json.loads(template), json.loads(source)
    solutions = {
        cell["metadata"]["nbgrader"]["grade_id"]: _without_marks("".join(cell["source"]))
        for cell in model["cells"]
        if cell["metadata"].get("nbgrader", {}).get("solution")
    }
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if name in solutions:
            cell["source"] = answers.get(name, solutions[name])
    return json.dumps(notebook, ensure_ascii=False).encode()


def _without_marks(text: str) -> str:
    kept = [line for line in text.splitlines() if not line.strip().startswith(("### BEGIN", "### END"))]
    return "\n".join(kept)


def _sign_of_life(session: Session) -> tuple[object, ...]:
    """Return what changes as long as a worker builds or grades: its leases, and what it has done."""
    figures = (
        func.max(LabRelease.lease_until), func.count(LabRelease.ready_at),
        func.max(GradingRun.lease_until), func.count(GradingRun.finished_at),
    )  # fmt: skip
    return tuple(session.scalar(select(figure)) for figure in figures)


def _course(session: Session, slug: str) -> Course:
    return session.scalars(select(Course).where(Course.slug == slug)).one()


def _enrolment(session: Session, user: User, course: Course) -> Enrolment:
    return session.scalars(
        select(Enrolment)
        .join(Cohort, Enrolment.cohort_id == Cohort.id)
        .where(Enrolment.user_id == user.id, Cohort.course_id == course.id)
    ).one()


def keep_artefacts(story: Story, folder: Path) -> None:
    """Leave the notebooks, the certificate and all that is needed to verify it elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    blobs, installation = story.installation.blobs, story.installation
    with installation.sessions() as session:
        work = session.get_one(Submission, story.submissions["student@duri.example", BOARD_LAB])
        grade = session.scalars(select(Grade).where(Grade.submission_id == work.id)).one()
        (folder / "submitted.ipynb").write_bytes(blobs.get(work.blob))
        if grade.run.executed_blob:
            (folder / "graded.ipynb").write_bytes(blobs.get(grade.run.executed_blob))
        credential = story.credential(session)
        if credential is None:
            return
        (folder / "credential.json").write_bytes(canonical(credential.document))
        _keep_resources(resources(session, credential, installation.trust), folder)
    (folder / "trust.json").write_bytes(installation.settings.trust.read_bytes())


def _keep_resources(found: Mapping[str, bytes], folder: Path) -> None:
    names = {}
    for number, (address, content) in enumerate(sorted(found.items())):
        names[address] = f"did-{number}.json" if address.startswith("did:") else f"status-{number}.json"
        (folder / names[address]).write_bytes(content)
    (folder / "resources.json").write_text(json.dumps(names, indent=2) + "\n")
