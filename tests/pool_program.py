"""A pool of grading processes whose runner only takes time: a program that tests start, kill and count on."""

import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import make_engine, make_sessions
from lms.grading.adapters import celery_queue
from lms.grading.adapters.wakers import LocalBed, make_waker
from lms.grading.core.contracts import (
    BuildReport,
    CellState,
    GradingJob,
    GradingReport,
    LabSource,
    OnProgress,
    Progress,
    ViewReport,
)
from lms.grading.models import Resource
from lms.grading.services.waking import wake_after_commit
from lms.pool import Member, Pool
from lms.worker import Worker
from tests.factories.grading import grading_report, notebook
from tests.factories.records import PlainNotary


class Slow:
    """Takes its time; what it says of a submission depends on nothing else."""

    def __init__(self, seconds: float, log: Path) -> None:
        self.seconds = seconds
        self.log = log

    def grade(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        self._work(job, on_progress)
        return replace(grading_report(), view=None, seed=job.seed)

    def view(self, job: GradingJob, on_progress: OnProgress) -> ViewReport:
        self._work(job, on_progress)
        return ViewReport(feedback=notebook(), messages={})

    def build(self, lab: LabSource) -> BuildReport:
        raise AssertionError(lab)

    def _work(self, job: GradingJob, on_progress: OnProgress) -> None:
        with self.log.open("a") as log:
            log.write(f"{os.getpid()} {time.monotonic_ns()} {job.seed}\n")
        on_progress(Progress(0, CellState.RUNNING, 1))
        end = time.monotonic() + self.seconds * random.uniform(0.5, 1.5)
        while time.monotonic() < end:
            time.sleep(0.01)


def grader(settings: Settings, seconds: float, resources: tuple[Resource, ...]) -> Callable[[], None]:
    def work() -> None:
        engine = make_engine(settings.database)
        sessions = make_sessions(engine, writing=True)
        wake_after_commit(sessions, make_waker(settings.instance, settings.queue_url))
        worker = Worker(
            settings=settings,
            sessions=sessions,
            blobs=FolderBlobs(settings.instance / "blobs"),
            runner=Slow(seconds, settings.instance / "runs.log"),
            notary=PlainNotary(),
            resources=resources,
        )
        if settings.queue_url:
            worker.on_stop = celery_queue.end
            with worker.on_duty():
                celery_queue.serve(settings.queue_url, resources, worker.work_off, worker.take_signals)()
        else:
            with LocalBed(settings.instance, resources) as bed, worker.on_duty():
                worker.run(bed)

    return work


def main() -> None:
    count, seconds = int(sys.argv[1]), float(sys.argv[2])
    resources = tuple(Resource(name) for name in sys.argv[3].split(","))
    settings = Settings.load()
    Pool([Member(f"grader-{number}", grader(settings, seconds, resources)) for number in range(count)]).run()


if __name__ == "__main__":
    main()
