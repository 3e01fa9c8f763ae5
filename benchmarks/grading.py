"""Grading: one submission and a class, beside the floor and nbgrader in the same run.

Clock: from the claim to the committed result, environment warm, one BLAS thread on both sides. The floor is
the fork of a warm process and plain `exec` of all cells, tests included.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.course import SHARED, Class, opened, workers
from benchmarks.machine import tell_machine
from benchmarks.peers import Floor, Nbgrader
from benchmarks.submissions import COUNT, distinct
from lms.config import ROOT
from lms.grading.models import Grade, GradingRun, Submission
from lms.runtime.environments import prepare
from lms.worker import Worker

ROUNDS = {"realistic": 40, "light": 40, "heavy": 4}
WARM_UP = 2
SETTLE_SECONDS = 0.7
WORKERS = 2
PATIENCE_SECONDS = 600


def main() -> None:
    """Measure all."""
    tell_machine()
    environment = prepare(ROOT, "ml-basics")
    with tempfile.TemporaryDirectory() as scratch, opened(COUNT) as (group, worker):
        with Floor(environment, Path(scratch)) as floor:
            for lab, rounds in ROUNDS.items():
                latency(group, worker, floor, lab, rounds)
                memory(group, worker)
        throughput(group, Nbgrader(Path(scratch), "realistic", environment))


def latency(group: Class, worker: Worker, floor: Floor, lab: str, rounds: int) -> None:
    """Print one submission at a time, each beside its floor, with and without the checker."""
    print(f"\n{lab}: one submission, {rounds} pairs each with the floor")
    for way, name in (("isolated checker", lab), ("shared kernel", lab + SHARED)):
        ours, base = _pairs(group, worker, floor, (lab, name), rounds)
        _print_way("floor", base, base)
        _print_way(way, ours, base)
        print(f"  {_account(group)}", flush=True)


def memory(group: Class, worker: Worker) -> None:
    """Print what the warm environments hold now, and what the kernel of the last run held at most."""
    for each in worker.environments():
        print(f"  warm environment, idle: {each['memory_bytes'] >> 20} MB, {each['forks']} forks")
    with group.installation.sessions() as session:
        run = session.scalars(select(GradingRun).order_by(GradingRun.id.desc()).limit(1)).one()
        print(f"  kernel of the last run: at most {(run.peak_memory_bytes or 0) >> 20} MB of its own")


def _pairs(
    group: Class, worker: Worker, floor: Floor, labs: tuple[str, str], rounds: int
) -> tuple[list[float], list[float]]:
    lab, name = labs
    works = distinct(group.template(lab), lab, min(rounds + WARM_UP, COUNT))
    ours, base = [], []
    for number in range(rounds + WARM_UP):
        work = works[number % len(works)]
        time.sleep(SETTLE_SECONDS)  # what the run before left behind, and the next pair of processes
        base.append(floor.seconds(work, lab))
        group.hand_in(group.enrolments[number % COUNT], name, work)
        begun = time.perf_counter()
        assert worker.grade_one()
        ours.append(time.perf_counter() - begun)
        worker.tidy()
        if lab != "heavy":  # what the student sees is made too, outside of the clock
            _finish_views(worker)
    return ours[WARM_UP:], base[WARM_UP:]


def _print_way(way: str, seconds: list[float], floor: list[float]) -> None:
    low, median, high = (one * 1000 for one in statistics.quantiles(seconds, n=4))
    pairs = list(zip(seconds, floor, strict=True))
    ratio = statistics.median(one / base for one, base in pairs)
    added = statistics.median(one - base for one, base in pairs) * 1000
    print(
        f"  {way:18} {median:6.0f} ms ({low:.0f}–{high:.0f})  × {ratio:5.2f} of the floor  + {added:.0f} ms"
    )


def _finish_views(worker: Worker) -> None:
    while worker.grade_or_build():
        pass


def _account(group: Class) -> str:
    with group.installation.sessions() as session:
        run = session.scalars(select(GradingRun).order_by(GradingRun.id.desc()).limit(1)).one()
        phases = ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in run.phases.items())
        wall = (run.wall_seconds or 0) * 1000
        return f"the last: {run.isolation}, {run.assurance}; {wall:.0f} ms of running: {phases}"


def throughput(group: Class, peer: Nbgrader) -> None:
    """Print how long a class takes with two workers and with nbgrader, and where their scores differ."""
    works = distinct(group.template("realistic"))
    with workers(group, WORKERS):
        _grade_all(group, works[: 2 * WORKERS])  # every worker has its environment warm
        ours, submissions = _grade_all(group, works)
    peer.lay(works)
    begun = time.perf_counter()
    peer.grade_class()
    theirs = time.perf_counter() - begun
    print(f"\nrealistic: a class of {len(works)}, {WORKERS} workers")
    print(f"  ours               {ours:6.1f} s  {len(works) / ours:5.2f} per second")
    print(f"  nbgrader autograde {theirs:6.1f} s  {len(works) / theirs:5.2f} per second")
    print(f"  ratio              {theirs / ours:6.1f} ×")
    _compare(_scores(group, submissions), peer.scores())


def _grade_all(group: Class, works: list[bytes]) -> tuple[float, list[int]]:
    """Hand in all at once; return the seconds from first claim to last result, and the submissions."""
    submissions = [
        group.hand_in(student, "realistic", work)
        for student, work in zip(group.enrolments, works, strict=False)
    ]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while group.undone():
        if time.monotonic() > deadline:
            raise SystemExit("the workers did not finish")
        time.sleep(0.2)
    with group.installation.sessions() as session:
        first, last = session.execute(
            select(func.min(GradingRun.started_at), func.max(GradingRun.finished_at)).where(
                GradingRun.submission_id.in_(submissions)
            )
        ).one()
    assert first is not None
    assert last is not None
    return (last - first).total_seconds(), submissions


def _scores(group: Class, submissions: list[int]) -> dict[int, dict[str, float]]:
    with group.installation.sessions() as session:
        rows = session.scalars(
            select(GradingRun)
            .join(Grade, Grade.run_id == GradingRun.id)
            .join(Submission, GradingRun.submission_id == Submission.id)
            .where(Submission.id.in_(submissions))
        )
        return {
            submissions.index(run.submission_id): {
                check["grade_id"]: check["score"]
                for check in run.checks
                if check["grade_id"].startswith("test")
            }
            for run in rows
        }


def _compare(ours: dict[int, dict[str, float]], theirs: dict[int, dict[str, float]]) -> None:
    differences = [
        (number, cell, score, theirs[number].get(cell))
        for number, cells in sorted(ours.items())
        for cell, score in cells.items()
        if score != theirs[number].get(cell)
    ]
    print(f"  scores: {sum(map(len, ours.values()))} compared, {len(differences)} differ")
    for number, cell, score, other in differences:
        print(f"    submission {number}, {cell}: ours {score:g}, nbgrader {json.dumps(other)}")


if __name__ == "__main__":
    main()
