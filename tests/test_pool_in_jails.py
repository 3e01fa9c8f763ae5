"""The real pool: workers, warm environments and kernels killed at any instant; one grade for every file."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lms.demo.processes import worker_of
from lms.demo.seed import prepare, settings_for
from lms.grading.models import Grade, GradingRun, RunState, ViewRun
from lms.installation import Installation
from lms.runtime.environments import describe
from tests.runtime.jails import ROOT, need
from tests.stage import CONTENT, Stage, free_port

pytestmark = [pytest.mark.jail, pytest.mark.timeout(1200)]
LAB, COURSE = "short-answer", "words-and-numbers"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An installation whose pool runs beside, with everything in jails."""
    need(there=describe(ROOT, "ml-basics").python.exists(), what="the lab environment ml-basics is not built")
    need(there=shutil.which("bwrap") is not None, what="bubblewrap is not installed")
    settings = replace(
        settings_for(tmp_path / "instance", free_port()), course_content=CONTENT, lease_seconds=3
    )
    installation = Installation(settings)
    prepare(installation)
    (settings.instance / "logs").mkdir()
    pool = worker_of(settings)
    pool.start()
    stage = Stage(installation, None, "", {"pool": pool})  # type: ignore[arg-type]
    yield stage
    stage.stop_signer("pool")
    installation.engine.dispose()


def family(pid: int) -> list[int]:
    """Return all processes below one, in jails too."""
    try:
        below = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return below + [each for child in below for each in family(child)]


def count(stage: Stage, kind: type[GradingRun | ViewRun], *states: RunState) -> int:
    with stage.installation.sessions() as session:
        return session.scalar(select(func.count(kind.id)).where(kind.state.in_(states))) or 0


def kill_somebody(pool: int) -> str:
    """Kill one process of the pool or below it; return what it was."""
    victims = family(pool)
    if not victims:
        return ""
    victim = random.choice(victims)
    try:
        name = Path(f"/proc/{victim}/comm").read_text().strip()
        os.kill(victim, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return name


def hand_in(stage: Stage, people: range) -> list[int]:
    stage.wait_for_lab(COURSE, LAB)
    works = []
    for number in people:
        enrolment = stage.newcomer("김하늘", f"kill{number}@hangang.example", COURSE)
        works.append(stage.hand_in(enrolment, LAB))
    return works


@pytest.mark.parametrize(("people", "kills"), [(4, 5), pytest.param(40, 80, marks=pytest.mark.long)])
def test_whatever_is_killed_nothing_is_lost_and_one_grade_is_kept(
    stage: Stage, people: int, kills: int
) -> None:
    works = hand_in(stage, range(people))
    pool = stage.signers["pool"].running
    assert pool is not None
    killed = []
    for _ in range(kills):
        time.sleep(random.uniform(0, 1.2))
        killed.append(kill_somebody(pool.pid))
        with stage.writing.begin() as session:  # being killed so often is not their fault
            session.query(GradingRun).update({"tries": 0})
            session.query(ViewRun).update({"tries": 0})
    deadline = time.monotonic() + 600
    while count(stage, GradingRun, RunState.QUEUED, RunState.RUNNING) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert count(stage, GradingRun, RunState.DONE) == len(works), killed
    with stage.installation.sessions() as session:
        grades = session.scalars(select(Grade).order_by(Grade.submission_id)).all()
        assert [grade.submission_id for grade in grades] == works
        assert {grade.score for grade in grades} == {grades[0].maximum - missing(grades[0])}, killed
    end_and_leave_nobody(stage)


def missing(grade: Grade) -> float:
    """Return the points that wait for a person."""
    return float(sum(check["maximum"] for check in grade.run.checks if check["score"] is None))


def end_and_leave_nobody(stage: Stage) -> None:
    """Tell the pool to end in the middle of its work: nothing that it started stays."""
    hand_in(stage, range(1000, 1003))
    pool = stage.signers["pool"].running
    assert pool is not None
    deadline = time.monotonic() + 60
    while not count(stage, GradingRun, RunState.RUNNING) and time.monotonic() < deadline:
        time.sleep(0.01)
    everybody = family(pool.pid)
    assert everybody
    pool.terminate()
    assert pool.wait(20) == 0
    deadline = time.monotonic() + 10
    while (
        left := [pid for pid in everybody if Path(f"/proc/{pid}").exists()]
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
