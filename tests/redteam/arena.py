"""One attack after the other against the real runner, each followed by the oracle that all rows share."""

import base64
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import (
    CheckResult,
    CheckStatus,
    GradingJob,
    GradingReport,
    Notice,
    Progress,
    ViewReport,
)
from lms.grading.core.notices import SENTENCES
from lms.grading.core.wire import from_json, to_json
from tests.redteam.lab import (
    ARGUMENT_MARK,
    FULL,
    HIDDEN_FILE_MARK,
    LIMITS,
    NUMBER_MARK,
    SOLUTIONS,
    SOURCE_MARK,
    Release,
)

GRACE_SECONDS = 5
SECRET = "canary-of-the-signing-key"
OTHER_WORK = "canary-of-somebody-elses-work"
SECRET_VARIABLES = {"SECRET_KEY": SECRET, "DURI_DATABASE_URL": f"sqlite:///{SECRET}", "AWS_TOKEN": SECRET}


@dataclass
class Graded:
    """What came of one submission."""

    report: GradingReport
    steps: list[Progress]
    job: GradingJob

    @property
    def scores(self) -> dict[str, float | None]:
        return {one.grade_id: one.score for one in self.report.checks}

    @property
    def total(self) -> float:
        return sum(one.score or 0 for one in self.report.checks)

    def check(self, grade_id: str) -> CheckResult:
        return next(one for one in self.report.checks if one.grade_id == grade_id)

    def code(self, grade_id: str) -> str:
        """Return the code of the notice beside a check."""
        notice = self.check(grade_id).notice
        return notice.code if notice is not None else ""

    @property
    def codes(self) -> set[str]:
        """Return the codes of all notices."""
        return {one.code for one in self.report.notices}

    @property
    def executed(self) -> str:
        return self.report.executed.decode()

    def sources(self) -> dict[str, str]:
        """Return grade id -> the source that staff see as executed."""
        return {
            one["metadata"]["nbgrader"]["grade_id"]: "".join(one["source"])
            for one in json.loads(self.report.executed)["cells"]
            if "nbgrader" in one["metadata"]
        }


def wrong(name: str, graded: Graded) -> str:
    """Say what is wrong about a score, with all that helps to see why."""
    notices = [(one.code, dict(one.params)) for one in graded.report.notices]
    return f"{name}: {graded.scores}; {notices}; {told(graded)}"


def told(graded: Graded) -> str:
    """Return what each cell said, shortened: for messages of failures."""
    lines = []
    for at, one in enumerate(json.loads(graded.report.executed or b'{"cells": []}')["cells"]):
        for output in one.get("outputs", []):
            error = f"{output.get('ename', '')} {output.get('evalue', '')}"
            text = f"{error} {output.get('text', output.get('data', ''))}"
            lines.append(f"[{at} {one['metadata'].get('nbgrader', {}).get('grade_id', '')}] {text[:400]}")
    return "\n".join(lines)[-6000:]


def student_outputs(graded: Graded) -> str:
    """Return the outputs of all cells but tests: what student code itself has said."""
    cells = json.loads(graded.report.executed)["cells"]
    own = [one for one in cells if not one["metadata"].get("nbgrader", {}).get("grade")]
    return json.dumps([one.get("outputs", []) for one in own], ensure_ascii=False)


@dataclass
class Canaries:
    """An installation beside the worker: database, key, other people's work, a port. Nothing may change."""

    folder: Path
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("0.0.0.0", 0)))  # noqa: S104  # whoever gets out shall be heard on every address

    def plant(self) -> None:
        (self.folder / "blobs").mkdir(parents=True)
        with sqlite3.connect(self.folder / "duri.db") as database:
            database.execute("CREATE TABLE grades (student TEXT, score REAL)")
            database.execute("INSERT INTO grades VALUES ('somebody else', 17)")
        database.close()
        (self.folder / "signer.key").write_text(SECRET)
        (self.folder / "blobs" / "other.ipynb").write_text(json.dumps({"work": OTHER_WORK}))
        for path in self.folder.rglob("*"):
            path.chmod(0o777 if path.is_dir() else 0o666)  # only the jail keeps others out
        self.folder.chmod(0o777)
        self.listener.setblocking(False)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def state(self) -> dict[str, str]:
        """Return every path with the hash of its content."""
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            for path in sorted(self.folder.rglob("*"))
        }

    def heard(self) -> bool:
        """Say whether anybody came to the port."""
        try:
            self.listener.accept()
        except BlockingIOError:
            return False
        return True


class Arena:
    """Grades against one release, with the shared oracle."""

    def __init__(self, runner: JailedRunner, release: Release, canaries: Canaries) -> None:
        self.runner, self.release, self.canaries = runner, release, canaries
        self.job = GradingJob(
            submission=b"",
            manifest=release.manifest,
            student_notebook=release.built.student_notebook,
            environment=release.source.environment,
            limits=LIMITS,
            data_folder=release.source.folder / "data",
            kernel=release.source.kernel,
            seed=20_261_122,
        )

    def grade(self, content: bytes, **changes: Any) -> Graded:
        """Grade without looking further."""
        job = replace(self.job, submission=content, **changes)
        steps: list[Progress] = []
        return Graded(self.runner.grade(job, steps.append), steps, job)

    def view(self, graded: Graded) -> ViewReport:
        """Return what the student of this submission gets to see."""
        return graded.report.view or self.runner.view(graded.job, graded.steps.append)

    def attack(self, content: bytes, **changes: Any) -> Graded:
        """Grade a hostile submission, then hold the shared oracle against what happened."""
        before, free = self.canaries.state(), shutil.disk_usage("/").free
        begun = time.monotonic()
        graded = self.grade(content, **changes)
        wall = time.monotonic() - begun
        assert wall <= graded.job.limits.total_seconds + GRACE_SECONDS
        assert self.canaries.state() == before
        assert not self.canaries.heard()
        assert free - shutil.disk_usage("/").free < 1 << 30
        assert_sound(graded)
        assert_nothing_of_ours(graded.executed)
        return graded

    def assert_next_is_graded_fully(self) -> None:
        """Grade an honest submission: whatever happened before, it gets all its points."""
        graded = self.grade(self.release.submission(SOLUTIONS))
        assert graded.scores == FULL, wrong("the next honest submission", graded)

    def gains_nothing(self, content: bytes, without: bytes | None = None, **changes: Any) -> Graded:
        """Attack, and compare with the same notebook without the exploit (as released: no point at all)."""
        graded = self.attack(content, **changes)
        allowed = 0 if without is None else self.grade(without, **changes).total
        assert graded.total <= allowed, wrong("gained", graded)
        self.assert_next_is_graded_fully()
        return graded


def assert_sound(graded: Graded) -> None:
    """Every verdict is complete, within its bounds, survives the wire and says why."""
    report = graded.report
    assert [one.grade_id for one in report.checks] == list(FULL)
    for one in report.checks:
        assert one.score is not None
        assert 0 <= one.score <= one.maximum == FULL[one.grade_id]
        assert one.status in CheckStatus
        assert one.status is not CheckStatus.ERROR or one.notice is not None, one
    for notice in (*report.notices, *(one.notice for one in report.checks if one.notice)):
        assert notice.code in SENTENCES
    assert from_json(GradingReport, to_json(report).encode()).checks == report.checks


def assert_nothing_of_ours(text: str) -> None:
    """No secret, no work of others, no hidden file stands in any output, even for staff."""
    for canary in (SECRET, OTHER_WORK, HIDDEN_FILE_MARK):
        assert canary not in text


MARKS = (SOURCE_MARK, ARGUMENT_MARK, str(NUMBER_MARK), SOURCE_MARK.upper(), ARGUMENT_MARK.upper())


def forms(mark: str) -> tuple[str, ...]:
    """Return a mark as it could be disguised by a line of code."""
    raw = mark.encode()
    return mark, mark[::-1], raw.hex(), base64.b64encode(raw).decode(), base64.b32encode(raw).decode()


def assert_no_mark(reached: Mapping[str, bytes]) -> None:
    """No hidden source and no hidden argument stands in what a student can reach."""
    for channel, content in reached.items():
        text = content.decode(errors="replace")
        for mark in MARKS:
            for form in forms(mark):
                assert form not in text, (channel, mark, text[max(text.find(form) - 300, 0) :][:800])


def reached_by_student(graded: Graded, view: ViewReport) -> dict[str, bytes]:
    """Return every byte of a run that is shown or handed to its student, by channel."""
    shown = [
        *graded.report.notices,
        *view.notices,
        *(one.notice for one in graded.report.checks if one.notice),
    ]
    return {
        "feedback": view.feedback,
        "messages": json.dumps(dict(view.messages)).encode(),
        "checks": "\n".join(f"{one.grade_id} {one.message}" for one in graded.report.checks).encode(),
        "notices": "\n".join(map(_told, shown)).encode(),
        "progress": "\n".join(map(repr, graded.steps)).encode(),
        "timings": repr(view.cells).encode(),
    }


def _told(notice: Notice) -> str:
    return "" if notice.for_staff else f"{notice.code} {dict(notice.params)}"


def processes_named(mark: str) -> list[int]:
    """Return the processes of this machine that carry the mark in their name or command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()
        except OSError:
            continue
        if mark.encode() in text:
            found.append(int(folder.name))
    return found
