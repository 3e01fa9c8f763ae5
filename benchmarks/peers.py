"""What ours is compared with: the floor (fork of a warm process, plain `exec`) and `nbgrader autograde`."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.submissions import source
from lms.runtime.environments import Environment

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
FLOOR = """
import contextlib, importlib, io, json, os, sys, time
for name in sys.argv[1].split(","):
    importlib.import_module(name)
print("ready", flush=True)
for line in sys.stdin:
    cells = json.load(open(line.strip()))
    begun = time.perf_counter()
    child = os.fork()
    if child == 0:
        names = {"__name__": "__main__"}
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for cell in cells:
                try:
                    exec(compile(cell, "cell", "exec"), names)
                except Exception:
                    pass
        os._exit(0)
    os.waitpid(child, 0)
    print(time.perf_counter() - begun, flush=True)
"""
LIBRARIES = (
    "numpy,pandas,sklearn.datasets,sklearn.ensemble,sklearn.linear_model,sklearn.model_selection,"
    "sklearn.neighbors,sklearn.preprocessing"
)


class Floor:
    """A warm process that forks once per submission and executes every cell, tests included, nothing kept."""

    def __init__(self, environment: Environment, scratch: Path) -> None:
        self._scratch = scratch
        self._process = subprocess.Popen(
            [str(environment.python), "-c", FLOOR, LIBRARIES],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD,
        )  # fmt: skip
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def seconds(self, notebook: bytes, lab: str) -> float:
        """Return what one submission takes."""
        full = {
            cell["metadata"]["nbgrader"]["grade_id"]: "".join(cell["source"])
            for cell in json.loads(source(lab))["cells"]
            if cell["metadata"].get("nbgrader", {}).get("grade")
        }
        cells = [
            full.get(cell["metadata"].get("nbgrader", {}).get("grade_id", ""), "".join(cell["source"]))
            for cell in json.loads(notebook)["cells"]
            if cell["cell_type"] == "code"
        ]
        path = self._scratch / "floor.json"
        path.write_text(json.dumps(cells))
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


class Nbgrader:
    """A course folder for nbgrader's own command line; its kernel runs in the same environment."""

    def __init__(self, folder: Path, lab: str, environment: Environment) -> None:
        self.folder, self.lab = folder / "course", lab
        kernel = folder / "share" / "jupyter" / "kernels" / "python3"
        kernel.mkdir(parents=True)
        argv = [str(environment.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": "-", "language": "python"})
        )
        own = self.folder / "source" / lab
        own.mkdir(parents=True)
        (own / f"{lab}.ipynb").write_bytes(source(lab))
        scripts = Path(sys.executable).parent
        self._command = str(scripts / "nbgrader")
        self._variables = os.environ | ONE_THREAD
        self._variables |= {
            "JUPYTER_PATH": str(folder / "share" / "jupyter"),
            "PATH": f"{scripts}:{os.environ['PATH']}",
        }
        self._call("generate_assignment", lab, "--create")

    def _call(self, *words: str) -> None:
        subprocess.run(
            [self._command, *words], cwd=self.folder, env=self._variables, check=True, capture_output=True
        )

    def lay(self, works: list[bytes]) -> None:
        """Put the submissions where nbgrader looks for them, the students' ids their numbers."""
        shutil.rmtree(self.folder / "submitted", ignore_errors=True)
        for number, work in enumerate(works):
            own = self.folder / "submitted" / f"s{number:02}" / self.lab
            own.mkdir(parents=True)
            (own / f"{self.lab}.ipynb").write_bytes(work)

    def grade_class(self) -> None:
        """Grade all in one call."""
        self._call("autograde", self.lab, "--force")

    def grade_one(self, number: int) -> None:
        """Grade one in one call."""
        self._call("autograde", self.lab, "--student", f"s{number:02}", "--force")

    def scores(self) -> dict[int, dict[str, float]]:
        """Return number of the student -> test cell -> points."""
        query = (
            "SELECT student.id, base_cell.name, grade.auto_score FROM grade"
            " JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id"
            " JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id"
            " JOIN student ON submitted_assignment.student_id = student.id"
            " JOIN base_cell ON grade.cell_id = base_cell.id"
        )
        found: dict[int, dict[str, float]] = {}
        with closing(sqlite3.connect(self.folder / "gradebook.db")) as database:
            for student, cell, score in database.execute(query):
                found.setdefault(int(student[1:]), {})[cell] = score or 0.0
        return found
