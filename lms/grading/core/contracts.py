"""What the pipeline, the jail and the database say to each other: plain frozen records.

The runner's side (`lms.grading.adapters`) fills reports; `lms.grading.services` records them. All of
them survive a trip through JSON (`to_json`, `from_json` of `lms.grading.core.wire`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class CellKind(StrEnum):
    """What a notebook cell is for, in nbgrader's terms."""

    TEST = "test"  # autograder tests: grade and locked
    ANSWER = "answer"  # autograded answer: solution
    MANUAL_ANSWER = "manual_answer"  # grade and solution: a person grades it
    MANUAL_TASK = "manual_task"  # task: a person grades what the student adds below it
    READ_ONLY = "read_only"  # locked, not graded
    FREE = "free"  # no nbgrader metadata


class CheckStatus(StrEnum):
    """How one graded cell ended."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    ERROR = "error"  # the cell could not run to its end: dead kernel, limit, not reached
    MANUAL = "manual"  # waits for a person


class CellState(StrEnum):
    """Where one cell of a running notebook is; drawn in the cell strip."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"


class Assurance(StrEnum):
    """Where a lab's tests run, and so how far its grade can be trusted."""

    ISOLATED = "isolated"  # in a second process that student code cannot reach
    SHARED_KERNEL = "shared-kernel"  # in the student's own kernel, which belongs to the student


def weakest(levels: Iterable[str]) -> str:
    """Return the assurance of several grades together: one that can be faked makes the sum so."""
    known = set(levels)
    return Assurance.ISOLATED.value if known == {Assurance.ISOLATED.value} else Assurance.SHARED_KERNEL.value


@dataclass(frozen=True)
class KernelSettings:
    """How a lab's kernels come to be."""

    libraries: tuple[str, ...] = ()  # imported once, before kernels are forked
    warm: bool = True  # False: a fresh interpreter for each run
    announces: bool = False  # sets NBGRADER_EXECUTION, as nbgrader does
    data_beside: bool = False  # the data's files stand beside the notebook, not in ./data


@dataclass(frozen=True)
class Limits:
    """What a lab allows itself."""

    cell_seconds: float = 30
    total_seconds: float = 120
    memory_bytes: int = 2 << 30
    processes: int = 64
    output_bytes: int = 1_000_000


@dataclass(frozen=True)
class Notice:
    """One thing that a person should know; `code` is translated where it is shown.

    Codes stand in `lms.grading.core.notices`, each with its sentence and its parameters.
    """

    code: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    for_staff: bool = False


@dataclass(frozen=True)
class ManifestCell:
    """One cell of a release that carries nbgrader metadata, in the order of the notebook."""

    grade_id: str
    kind: CellKind
    cell_type: str  # code | markdown
    points: float  # 0 for cells that are not graded
    source: str  # as released to students
    full_source: str  # with hidden tests; equal to `source` where there are none
    checksum: str  # nbgrader's, of the released cell
    title: Mapping[str, str] = field(default_factory=dict)  # language -> shown name
    asks: tuple[str, ...] = ()  # what this test asked of the reference solution's objects

    @property
    def hidden(self) -> bool:
        """Say whether the cell holds tests that students do not get."""
        return self.source != self.full_source


@dataclass(frozen=True)
class Manifest:
    """The truth about a release's cells; stands in for nbgrader's gradebook database."""

    cells: tuple[ManifestCell, ...]
    kernel: str  # kernelspec name of the source notebook
    language: str  # its language, e.g. python
    assurance: Assurance = Assurance.SHARED_KERNEL
    student_names: tuple[str, ...] = ()
    """Names of locked cells that the reference solution changes: tests see the student's."""

    @property
    def maximum(self) -> float:
        """Return the points of all graded cells together."""
        return sum(cell.points for cell in self.cells)


@dataclass(frozen=True)
class BoardSpec:
    """What a board lab hands out and takes in; labels never travel with it."""

    metric: str
    direction: str  # max | min
    public_share: float
    predict: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class GateSettings:
    """How hard publication tries a lab's tests.

    Units: seconds; shares in [0, 1].
    """

    flaky_runs: int = 5  # of the reference solution, under load
    mutants: int = 40  # at most so many wrong variants of the solution
    seconds: float = 30  # for all of them together
    least_score: float | None = None  # share of them that must be noticed


@dataclass(frozen=True)
class LabSource:
    """A lab's folder and settings, ready to be built."""

    folder: Path  # holds <name>.ipynb, data/, hidden/
    name: str
    environment: Path  # the virtual environment's folder
    limits: Limits
    board: BoardSpec | None = None
    board_seed: int = 0  # drawn at publication, kept by the installation
    kernel: KernelSettings = KernelSettings()
    assurance: Assurance = Assurance.ISOLATED  # what the author asks for
    gate: GateSettings | None = None  # None: proved by solution and template only


@dataclass(frozen=True)
class BaselineScore:
    """One reference row of a board."""

    key: str
    public_score: float
    private_score: float


@dataclass(frozen=True)
class Survivor:
    """A wrong variant of the reference solution that keeps all points."""

    grade_id: str  # of the answer cell
    line: int  # in the cell, from 1
    before: str  # the line as it is
    after: str  # and as no test notices
    kind: str  # which mutation


@dataclass(frozen=True)
class GateReport:
    """What publication found out about a lab's tests.

    Units: seconds.
    """

    tried: int = 0  # wrong variants that were graded
    killed: int = 0  # of them noticed by a test
    possible: int = 0  # wrong variants that there are
    survivors: tuple[Survivor, ...] = ()
    flaky_runs: int = 0
    mutation_seconds: float = 0
    flaky_seconds: float = 0

    @property
    def score(self) -> float:
        """Return the share of wrong variants that a test noticed; 1 where there are none."""
        return self.killed / self.tried if self.tried else 1.0


@dataclass(frozen=True)
class BuildReport:
    """What came of building a lab. `errors` empty = it may be published."""

    errors: tuple[Notice, ...]
    warnings: tuple[Notice, ...]
    manifest: Manifest | None = None
    student_notebook: bytes = b""  # what students download
    source_notebook: bytes = b""  # instantiated source with solution and hidden tests; staff only
    solution_score: float = 0
    template_score: float = 0
    maximum: float = 0
    board_archive: bytes = b""  # zip of the hidden set: features, labels, split, board.py
    baselines: tuple[BaselineScore, ...] = ()
    isolation: str = ""
    gate: GateReport | None = None


@dataclass(frozen=True)
class GradingJob:
    """Everything that one grading run needs."""

    submission: bytes  # the .ipynb as uploaded
    manifest: Manifest
    student_notebook: bytes  # the release, for cells that are missing
    environment: Path
    limits: Limits
    data_folder: Path | None = None  # mounted read-only at ./data
    board: BoardSpec | None = None
    board_archive: bytes = b""
    kernel: KernelSettings = KernelSettings()
    seed: int = 0  # of the random state of every kernel of this run; kept in the grade record


@dataclass(frozen=True)
class CellTiming:
    """What one cell took.

    Units: seconds; bytes.
    """

    cell: int  # index in the assembled notebook, from 0
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one graded cell."""

    grade_id: str
    score: float | None  # None: a person has not graded it yet
    maximum: float
    status: CheckStatus
    message: str = ""  # for the student; plain text, capped; never from a hidden test's source
    hidden: bool = False
    seconds: float = 0
    notice: Notice | None = None  # e.g. killed, time-out, not reached


@dataclass(frozen=True)
class BoardResult:
    """The scores of one submission on the hidden set, or why there are none."""

    public_score: float | None
    private_score: float | None
    notice: Notice | None = None


@dataclass(frozen=True)
class ViewReport:
    """What the student may see: from an execution in which no hidden test has called student code."""

    feedback: bytes  # the student's own notebook with outputs, no hidden source, no output of hidden tests
    messages: Mapping[str, str]  # grade_id -> what the visible part of a failed test said
    cells: tuple[CellTiming, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class GradingReport:
    """What came of one grading run. Complete even when the kernel died half-way."""

    checks: tuple[CheckResult, ...]
    notices: tuple[Notice, ...]  # of the structural check and of the run
    executed: bytes  # the executed notebook, outputs capped; staff only (holds hidden tests)
    wall_seconds: float
    peak_memory_bytes: int
    assurance: str  # `Assurance`
    isolation: str  # full | reduced:<what is missing>
    board: BoardResult | None = None
    view: ViewReport | None = None  # None: hidden tests ran, so `Runner.view` makes it when it is wanted
    cpu_seconds: float = 0
    seed: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)  # name -> seconds
    cells: tuple[CellTiming, ...] = ()  # staff only where hidden tests ran


@dataclass(frozen=True)
class Progress:
    """One step of a running notebook, sent as it happens."""

    cell: int  # index in the student's notebook, from 0
    state: CellState
    total: int


OnProgress = Callable[[Progress], None]


class Runner(Protocol):
    """What runs notebooks; the real one puts them in the jail."""

    def build(self, lab: LabSource) -> BuildReport:
        """Make the student version, and prove it with the solution and with the empty template."""

    def grade(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        """Grade one submission; raises `RunnerUnavailable` when the jail itself cannot start."""

    def view(self, job: GradingJob, on_progress: OnProgress) -> ViewReport:
        """Execute a submission without hidden tests, for what its student may see; raises as `grade` does."""


class RunnerUnavailable(Exception):
    """The jail cannot start; the run is tried again later."""
