"""A whole installation for the journeys: web server, jailed worker, two signer processes, two small courses.

It is made once per session, when a test first asks for it.
"""

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload, sessionmaker
from werkzeug.serving import make_server

from lms.accounts.models import User
from lms.accounts.services.people import create_user
from lms.app import create_app
from lms.certs.adapters.signers import HttpSigner
from lms.certs.models import Credential, LogEntry, Paper
from lms.chores import Chores, repeat
from lms.courses.models import Cohort, Course, Enrolment
from lms.courses.services.enrolling import confirm_name, enrol
from lms.db import make_sessions, now
from lms.demo.processes import signers_of
from lms.demo.seed import PASSWORD, person, prepare, settings_for
from lms.demo.story import answered
from lms.grading.models import Grade, Lab
from lms.grading.services.submitting import submit
from lms.installation import Installation
from lms.runtime.environments import describe
from lms.supervisor import Process, answers
from lms.worker import Worker
from tests.runtime.jails import ROOT, need

CONTENT = Path(__file__).parent / "journeys" / "course_content"
PATIENCE_SECONDS = 120

Found = TypeVar("Found")


@dataclass
class Stage:
    """The running installation, and shortcuts to what a journey does not want to click through."""

    installation: Installation
    app: Flask
    address: str
    signers: dict[str, Process]
    browser: Browser = field(init=False)
    contexts: list[BrowserContext] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    one_certificate: str = ""

    @property
    def writing(self) -> sessionmaker[Session]:
        """Return sessions that begin as writers, as those of pages that change something do."""
        return make_sessions(self.installation.engine.execution_options(sqlite_begin="IMMEDIATE"))

    def wait(self, look: Callable[[Session], Found | None], what: str) -> Found:
        """Wait until `look` finds something in the database."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with self.installation.sessions() as session:
                if (found := look(session)) is not None:
                    return found
            time.sleep(0.1)
        pytest.fail(f"waited {PATIENCE_SECONDS} s for {what}")

    def wait_for_lab(self, course: str, lab: str) -> None:
        """Wait until the worker has built a lab and it is open."""

        def open_lab(session: Session) -> int | None:
            return session.scalar(
                select(Lab.current_release_id)
                .join(Course, Lab.course_id == Course.id)
                .where(Course.slug == course, Lab.slug == lab)
            )

        self.wait(open_lab, f"the lab {lab} of {course}")

    def grade_of(self, submission_id: int) -> Grade:
        """Wait for the grade of a submission."""
        query = select(Grade).where(Grade.submission_id == submission_id).options(joinedload(Grade.run))
        return self.wait(lambda session: session.scalar(query), "a grade")

    def solved(self, template: bytes, lab: str, **answers: str) -> bytes:
        """Return a student's notebook with the reference solution in it, but for `answers`."""
        source = next(CONTENT.glob(f"*/labs/{lab}/{lab}.ipynb")).read_bytes()
        return answered(template, source, {name.replace("_", "-"): text for name, text in answers.items()})

    def newcomer(self, name: str, email: str, course: str, *, confirmed: bool = True) -> int:
        """Make an account that takes a course; return the enrolment."""
        with self.writing.begin() as session:
            create_user(session, None, email=email, name=name, password=PASSWORD, confirmed_at=now())
        return self.enrol(email, course, confirmed=confirmed)

    def enrol(self, email: str, course: str, *, confirmed: bool = True) -> int:
        """Let somebody take a course; return the enrolment."""
        slug = self.cohort_of(course)
        with self.writing.begin() as session:
            user = person(session, email)
            enrolment = enrol(session, user, session.scalars(_cohorts(course, slug)).one(), user.name)
            if confirmed:
                confirm_name(session, person(session, "professor@hangang.example"), enrolment, user.name)
            return enrolment.id

    def cohort_of(self, course: str) -> str:
        """Return the short name of a course's first cohort."""
        with self.installation.sessions() as session:
            return session.scalars(_cohorts(course).limit(1)).one().slug

    def hand_in(self, enrolment_id: int, lab: str, **answers: str) -> int:
        """Hand in a solved notebook without the browser; return the submission."""
        with self.writing.begin() as session:
            enrolment = session.get_one(Enrolment, enrolment_id)
            course = enrolment.cohort.course
            found = session.scalars(select(Lab).where(Lab.course_id == course.id, Lab.slug == lab)).one()
            assert found.current_release is not None
            assert found.current_release.student_blob is not None
            template = self.installation.blobs.get(found.current_release.student_blob)
            work = submit(
                session,
                enrolment,
                found,
                filename=f"{lab}.ipynb",
                content=self.solved(template, lab, **answers),
                received_at=now(),
                blobs=self.installation.blobs,
            )
            return work.id

    def certificate_of(self, enrolment_id: int) -> str:
        """Wait for the certificate of an enrolment and its place in the log; return its identifier."""
        proved = select(LogEntry.credential_id).where(LogEntry.proof.is_not(None))
        query = select(Credential.uuid).where(
            Credential.enrolment_id == enrolment_id, Credential.id.in_(proved)
        )
        return self.wait(lambda session: session.scalar(query), "a certificate")

    def signed_paper_of(self, uuid: str) -> None:
        """Wait until both organisations have signed the PDFs of a certificate."""
        papers = select(Paper.blob).join(Credential).where(Credential.uuid == uuid)

        def look(session: Session) -> bool | None:
            blobs = session.scalars(papers).all()
            return (bool(blobs) and None not in blobs) or None

        self.wait(look, "signed PDFs")

    def start_signer(self, role: str) -> None:
        """Start an organisation's signer and wait until it answers."""
        self.signers[role].start()
        folder = self.installation.settings.demo_signers / role
        port = json.loads((folder / "signer.json").read_text())["port"]
        assert answers(f"https://localhost:{port}/health", seconds=60, authority=folder / "tls" / "ca.pem")

    def stop_signer(self, role: str) -> None:
        """End an organisation's signer and wait until it is gone."""
        process = self.signers[role]
        process.tell(signal.SIGTERM)
        if process.running is not None:
            process.running.wait(timeout=10)

    def open(
        self, path: str = "/", *, language: str = "ko", email: str | None = None, width: int = 1200
    ) -> Page:
        """Open a page in a browser of its own, as a visitor or already signed in."""
        context = self.browser.new_context(
            base_url=self.address,
            locale={"ko": "ko-KR", "en": "en-GB"}[language],
            timezone_id="Asia/Seoul",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        self.contexts.append(context)
        context.add_cookies([{"name": "language", "value": language, "url": self.address}])
        if email is not None:
            self.sign_in(context, email)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", lambda note: self._hear(page, note.type, note.text))
        page.goto(path)
        return page

    def _hear(self, page: Page, kind: str, text: str) -> None:
        # Chromium writes every answer of 4xx to the console; journeys ask for some on purpose.
        if kind == "error" and "the server responded with a status of 4" not in text:
            self.faults.append(f"{page.url}: {text}")

    def sign_in(self, context: BrowserContext, email: str) -> None:
        """Give a browser the cookie of somebody who has signed in."""
        with self.installation.sessions() as session:
            token = session.scalars(select(User.session_token).where(User.email == email)).one()
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token
            cookie["_fresh"] = True
        kept = client.get_cookie("session")
        assert kept is not None
        context.add_cookies([{"name": "session", "value": kept.value, "url": self.address}])


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start everything; end everything."""
    need(there=describe(ROOT, "ml-basics").python.exists(), what="the lab environment ml-basics is not built")
    need(there=shutil.which("bwrap") is not None, what="bubblewrap is not installed")
    port = free_port()
    settings = replace(
        settings_for(tmp_path_factory.mktemp("stage") / "instance", port), course_content=CONTENT
    )
    installation = Installation(settings)
    prepare(installation)
    signers = {process.name.removeprefix("signer-"): process for process in signers_of(settings)}
    app = create_app(settings, sessions=make_sessions(installation.engine))
    server = make_server("127.0.0.1", port, app, threaded=True)
    worker = installation.worker()
    chores = installation.chores()
    threads = [threading.Thread(target=server.serve_forever, daemon=True), *_threads(worker, chores)]
    stage = Stage(installation, app, settings.public_url, signers)
    for role in signers:
        stage.start_signer(role)
    for thread in threads:
        thread.start()
    yield stage
    worker.stop.set()
    chores.stop.set()
    server.shutdown()
    for thread in threads:
        thread.join()
    worker.close()
    for signer in chores.signing.signers.values():
        assert isinstance(signer, HttpSigner)
        signer.close()
    server.server_close()
    for role in signers:
        stage.stop_signer(role)
    installation.engine.dispose()


@pytest.fixture
def stage(installed: Stage, browser: Browser) -> Iterator[Stage]:
    """Lend the installation to one test; no page of it may break its policy or throw."""
    installed.browser = browser
    yield installed
    for context in installed.contexts:
        context.close()
    installed.contexts.clear()
    faults = list(installed.faults)
    installed.faults.clear()
    assert not faults


def _cohorts(course: str, slug: str | None = None) -> Select[Cohort]:
    found = select(Cohort).join(Course, Cohort.course_id == Course.id).where(Course.slug == course)
    return (found.where(Cohort.slug == slug) if slug else found).order_by(Cohort.id)


def _threads(worker: Worker, chores: Chores) -> list[threading.Thread]:
    """Do what `lms worker` does, without taking the signals of the test process."""
    return [
        threading.Thread(target=repeat, args=args, daemon=True)
        for args in (
            (worker.grade_or_build, 0.1, worker.stop),
            (chores.do_chores, 0.2, chores.stop),
            (chores.open_what_is_ready, 0.2, chores.stop),
            (chores.make_paper, 0.5, chores.stop),
        )
    ]


def free_port() -> int:
    """Return a free port with two more at 101 and 102 above it, for the signers."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 21_000 + 2_000 * worker  # two processes that test at once look for theirs in different places
    for base in range(first, first + 2_000, 7):
        if not any(_taken(port) for port in (base, base + 101, base + 102)):
            return base
    raise OSError("no free port")


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
