"""An installation with the course that is measured: students enrolled, labs built, ready to be handed in."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.submissions import FOLDER
from lms.accounts.models import User
from lms.accounts.services.people import create_user
from lms.app import create_app
from lms.courses.models import Cohort, Enrolment
from lms.courses.services.enrolling import enrol
from lms.db import now
from lms.demo.seed import prepare, settings_for
from lms.grading.models import GradingRun, Lab, LabRelease, ReleaseState
from lms.grading.services.submitting import submit
from lms.installation import Installation
from lms.supervisor import Process, program
from lms.worker import Worker

PORT = 28_400
LABS = ("realistic", "light", "heavy")
SHARED = "-shared"  # the same lab, its tests in the student's kernel


@dataclass(frozen=True)
class Class:
    """The installation and who takes the course."""

    installation: Installation
    enrolments: tuple[int, ...]

    def hand_in(
        self, enrolment_id: int, lab: str, content: bytes, received_at: datetime | None = None
    ) -> int:
        """Hand in as the page does; return the submission."""
        with self.installation.sessions.begin() as session:
            found = session.scalars(select(Lab).where(Lab.slug == lab)).one()
            work = submit(
                session, session.get_one(Enrolment, enrolment_id), found, filename=f"{lab}.ipynb",
                content=content, received_at=received_at or now(), blobs=self.installation.blobs,
            )  # fmt: skip
            return work.id

    def template(self, lab: str) -> bytes:
        """Return what students download."""
        with self.installation.sessions() as session:
            release = session.scalars(select(Lab).where(Lab.slug == lab)).one().current_release
            assert release is not None
            assert release.student_blob is not None
            return self.installation.blobs.get(release.student_blob)

    def undone(self) -> int:
        """Return how many runs wait or work."""
        with self.installation.sessions() as session:
            query = select(func.count(GradingRun.id)).where(GradingRun.finished_at.is_(None))
            return session.scalar(query) or 0


@contextmanager
def opened(students: int) -> Iterator[tuple[Class, Worker]]:
    """Make the installation, build its labs, enrol the students; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="duri-bench-") as scratch:
        settings = replace(
            settings_for(Path(scratch) / "instance", PORT),
            course_content=_content(Path(scratch) / "content"),
            isolation="full",
        )
        installation = Installation(settings)
        (settings.instance / "logs").mkdir(parents=True, exist_ok=True)
        prepare(installation)
        worker = installation.worker()
        while not _built(installation):
            installation.chores().open_what_is_ready()
            worker.build_one()
        yield Class(installation, _enrol(installation, students)), worker
        installation.engine.dispose()


@contextmanager
def workers(group: Class, number: int = 2) -> Iterator[None]:
    """Run a pool of workers beside, as an operator starts it."""
    settings = group.installation.settings
    command = [program("lms"), "worker", "--concurrency", str(number)]
    process = Process("pool", command, settings.to_environment(), settings.instance / "pool.log")
    process.start()
    try:
        yield
    finally:
        assert process.running is not None
        process.running.terminate()
        process.running.wait(timeout=60)


def cookies(group: Class) -> list[str]:
    """Return the session of each student, signed in."""
    app = create_app(group.installation.settings)
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]  # Flask's default
    with group.installation.sessions() as session:
        tokens = session.scalars(
            select(User.session_token)
            .join(Enrolment, Enrolment.user_id == User.id)
            .where(Enrolment.id.in_(group.enrolments))
            .order_by(Enrolment.id)
        ).all()
    return [signer.dumps({"_user_id": token, "_fresh": True}) for token in tokens]


def _content(folder: Path) -> Path:
    course = folder / FOLDER.name
    shutil.copytree(FOLDER, course)
    outline = (course / "course.yml").read_text()
    for lab in LABS:
        twin = course / "labs" / (lab + SHARED)
        shutil.copytree(course / "labs" / lab, twin)
        (twin / f"{lab}.ipynb").rename(twin / f"{twin.name}.ipynb")
        with (twin / "lab.yml").open("a") as settings:
            settings.write("assurance: shared-kernel\n")
        outline = outline.replace(f"- lab: {lab}\n", f"- lab: {lab}\n      - lab: {twin.name}\n")
    (course / "course.yml").write_text(outline)
    return folder


def _built(installation: Installation) -> bool:
    with installation.sessions() as session:
        refused = session.scalars(select(LabRelease).where(LabRelease.state == ReleaseState.REFUSED)).first()
        if refused is not None:
            raise SystemExit(f"{refused.lab.slug} was refused: {refused.report}")
        return (
            session.scalar(select(func.count(Lab.id)).where(Lab.current_release_id.is_not(None))) or 0
        ) == 2 * len(LABS)


def _enrol(installation: Installation, students: int) -> tuple[int, ...]:
    with installation.sessions.begin() as session:
        cohort = session.scalars(select(Cohort)).first()
        assert cohort is not None
        made = []
        for number in range(students):
            name = f"Student {number}"
            user = create_user(
                session, None, email=f"s{number}@bench.example", name=name,
                confirmed_at=datetime.now(UTC),
            )  # fmt: skip
            made.append(enrol(session, user, cohort, name).id)
    return tuple(made)
