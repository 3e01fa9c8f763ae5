"""One submission of a small lab: ours in full isolation, nbgrader's command line, plain `exec` as the floor.

All three grade the very same notebook in the same run, interleaved; BLAS has one thread everywhere. Ours runs
a lab with hidden tests twice (once for the points, once for what the student sees), in two jailed kernels.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lms.config import ROOT
from lms.demo.story import answered
from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import BuildReport, GradingJob, LabSource, Limits
from lms.runtime.environments import Environment, prepare

LABS = ROOT / "course_content" / "deep-learning-first-steps" / "labs"
ROUNDS = 7
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
FLOOR = """
import json, sys
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), globals())
"""


def main(labs: tuple[str, ...] = ("first-notebook", "vectorised-numpy")) -> None:
    """Print the medians of each lab."""
    environment = prepare(ROOT, "ml-basics")
    runner = JailedRunner.probed(Path(sys.executable))
    print(f"Grading one submission, medians of {ROUNDS} interleaved rounds; isolation {runner.isolation}\n")
    print(f"{'lab':20} {'way':34} {'median':>8} {'min–max':>15} {'× floor':>8}")
    for lab in labs:
        measure(lab, runner, environment)


def measure(lab: str, runner: JailedRunner, environment: Environment) -> None:
    """Measure one lab in all ways."""
    folder = LABS / lab
    report = runner.build(LabSource(folder, lab, environment.path, Limits()))
    if report.errors or report.manifest is None:
        raise SystemExit(f"{lab} cannot be built: {report.errors}")
    work = answered(report.student_notebook, (folder / f"{lab}.ipynb").read_bytes(), {})
    with tempfile.TemporaryDirectory() as scratch:
        ways = {
            "plain exec, new process (floor)": plain(work, Path(scratch), environment),
            "ours, jailed": ours(work, report, runner, environment),
            "nbgrader autograde": nbgraders(work, folder, Path(scratch), environment),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, once in ways.items():
                begun = time.perf_counter()
                once()
                seconds[way].append(time.perf_counter() - begun)
    floor = statistics.median(seconds["plain exec, new process (floor)"])
    for way, taken in seconds.items():
        median = statistics.median(taken)
        spread = f"{min(taken):.2f}–{max(taken):.2f}"
        print(f"{lab:20} {way:34} {median:7.2f}s {spread:>15} {median / floor:7.1f}×", flush=True)


def plain(work: bytes, scratch: Path, environment: Environment) -> Callable[[], object]:
    """Return the floor: the cells in one new process, nothing kept."""
    notebook, program = scratch / "work.ipynb", scratch / "floor.py"
    notebook.write_bytes(work)
    program.write_text(FLOOR)
    command = [str(environment.python), str(program), str(notebook)]
    return lambda: subprocess.run(command, check=True, capture_output=True, env=os.environ | ONE_THREAD)


def ours(
    work: bytes, report: BuildReport, runner: JailedRunner, environment: Environment
) -> Callable[[], object]:
    """Return one grading run as the worker does it."""
    assert report.manifest is not None
    job = GradingJob(work, report.manifest, report.student_notebook, environment.path, Limits())

    def once() -> None:
        graded = runner.grade(job, lambda _: None)
        score = sum(check.score or 0 for check in graded.checks)
        assert score == report.maximum, graded.checks

    return once


def nbgraders(work: bytes, folder: Path, scratch: Path, environment: Environment) -> Callable[[], object]:
    """Return nbgrader's own way: `nbgrader autograde` of one student, kernel in the same environment."""
    course, lab = scratch / "course", folder.name
    kernel = scratch / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [str(environment.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "-", "language": "python"}))
    source, submitted = course / "source" / lab, course / "submitted" / "student" / lab
    source.mkdir(parents=True)
    submitted.mkdir(parents=True)
    shutil.copyfile(folder / f"{lab}.ipynb", source / f"{lab}.ipynb")
    (submitted / f"{lab}.ipynb").write_bytes(work)
    scripts = Path(sys.executable).parent
    variables = os.environ | ONE_THREAD
    variables |= {
        "JUPYTER_PATH": str(scratch / "share" / "jupyter"),
        "PATH": f"{scripts}:{os.environ['PATH']}",
    }

    def call(*words: str) -> None:
        subprocess.run(
            [str(scripts / "nbgrader"), *words], cwd=course, env=variables, check=True, capture_output=True
        )

    call("generate_assignment", lab, "--create")
    return lambda: call("autograde", lab, "--student", "student", "--force")
