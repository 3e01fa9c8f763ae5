"""Leaderboards: make the hidden set, ask the student's kernel for predictions, score them elsewhere."""

import base64
import builtins
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lms.grading.adapters.notebooks import NotebookRun
from lms.grading.core import board_program
from lms.grading.core.contracts import (
    BaselineScore,
    BoardResult,
    BoardSpec,
    GradingJob,
    LabSource,
    Limits,
    Notice,
)
from lms.grading.core.notices import SENTENCES
from lms.runtime.jail import WORK, Bounds, JailSpec
from lms.runtime.jobs import run_job
from lms.runtime.kernel import RunStatus

PROGRAM = Path(board_program.__file__).read_text(encoding="utf-8")
PREDICTION_BYTES = 16 << 20
MEMBER_BYTES = 64 << 20
SCORE_SECONDS = 60
BUILD_SECONDS = 120


@dataclass(frozen=True)
class MadeBoard:
    """A hidden set with the scores of its baselines, or why there is none."""

    errors: tuple[Notice, ...] = ()
    archive: bytes = b""
    baselines: tuple[BaselineScore, ...] = ()


def make_board(lab: LabSource, board: BoardSpec) -> MadeBoard:
    """Let the author's script make the hidden set in a jailed job."""
    script = lab.folder / "hidden" / "board.py"
    if not script.is_file():
        return MadeBoard((Notice("board-script-missing", for_staff=True),))
    request = {
        "use": "build",
        "script": script.read_text(encoding="utf-8"),
        "seed": lab.board_seed,
        "metric": board.metric,
        "public_share": board.public_share,
    }
    hidden = {
        path: f"{WORK}/{path.name}" for path in (lab.folder / "hidden", lab.folder / "data") if path.is_dir()
    }
    answer = _ask(lab.environment, lab.limits, request, hidden, BUILD_SECONDS)
    if "archive" not in answer:
        reason = answer.get("error") or answer.get("code", "")
        return MadeBoard((Notice("board-script-failed", {"reason": str(reason)}, for_staff=True),))
    baselines = tuple(
        BaselineScore(key, scores["public"], scores["private"]) for key, scores in answer["baselines"].items()
    )
    return MadeBoard((), base64.b64decode(answer["archive"]), baselines)


def withholds(board: BoardSpec | None) -> bool:
    """Say whether the notebook saw hidden rows while it ran, so that its outputs stay with staff."""
    return board is not None and board.predict is None


def files_before(board: BoardSpec | None, archive: bytes) -> dict[str, bytes]:
    """Return the files that the notebook itself needs: the hidden rows, if it writes its output itself."""
    if board is None or not archive or not withholds(board):
        return {}
    return {f"{WORK}/features.csv": _member(archive, "features.csv")}


def score_entry(job: GradingJob, run: NotebookRun) -> BoardResult | None:
    """Ask for predictions after the notebook ran, and score them in a jail of their own."""
    if job.board is None or not job.board_archive:
        return None
    if not run.finished:
        return _none("board-not-run")
    board = job.board
    found = _predictions(job, board.predict, run) if board.predict else _output(board.output or "", run)
    if isinstance(found, BoardResult):
        return found
    request = {
        "use": "score",
        "archive": base64.b64encode(job.board_archive).decode(),
        "predictions": base64.b64encode(found).decode(),
        "table": board.predict is None,
    }
    return _result(_ask(job.environment, job.limits, request, {}, SCORE_SECONDS))


def _predictions(job: GradingJob, name: str, run: NotebookRun) -> bytes | BoardResult:
    try:
        run.kernel.put(Path(board_program.FEATURES).name, _member(job.board_archive, "features.json"))
    except OSError:  # the student's program took the name, or filled the desk
        return _none("board-not-run")
    code = (
        f"if callable(globals().get({name!r})):\n"
        f"    __board = {{'__name__': 'board'}}\n"
        f"    exec({PROGRAM!r}, __board)\n"
        f"    __board['predict'](globals(), {name!r})\n"
        f"else:\n"
        f"    raise LookupError"
    )
    ran = run.kernel.execute(code, job.limits.cell_seconds)
    if ran.status is RunStatus.ERROR:
        error = _kind(ran.error[0] if ran.error else "")
        missing = error == "LookupError"
        return (
            _none("board-no-function", name=name)
            if missing
            else _none("board-function-failed", name=name, error=error)
        )
    if ran.status is not RunStatus.OK:
        return _none("board-timeout", seconds=job.limits.cell_seconds)
    content = run.kernel.fetch(board_program.PREDICTIONS, PREDICTION_BYTES)
    return content if content is not None else _none("board-bad-predictions")


def _kind(error: str) -> str:
    """Return the exception's name if Python has it: one of the student's own could spell hidden rows out."""
    known = getattr(builtins, error, None)
    return error if isinstance(known, type) and issubclass(known, BaseException) else "Error"


def _output(name: str, run: NotebookRun) -> bytes | BoardResult:
    content = run.kernel.fetch(f"{WORK}/{Path(name).name}", PREDICTION_BYTES)
    return content if content is not None else _none("board-no-file", name=name)


def _ask(
    environment: Path, limits: Limits, request: dict[str, Any], mounts: Mapping[Path, str], seconds: float
) -> dict[str, Any]:
    spec = JailSpec(
        python=environment / "bin" / "python",
        command=("-c", PROGRAM),
        mounts=mounts,
        bounds=Bounds(limits.memory_bytes, limits.processes, BUILD_SECONDS),
    )
    result = run_job(spec, json.dumps(request).encode(), seconds=seconds, output_bytes=MEMBER_BYTES)
    if not result.ok:
        last = result.errors.strip().splitlines()[-1:]
        return {"error": last[0][-500:] if last else result.status.value}
    try:
        answer = json.loads(result.output)
    except ValueError:
        return {"error": "no answer"}
    return answer if isinstance(answer, dict) else {"error": "no answer"}


def _result(answer: dict[str, Any]) -> BoardResult:
    if "public" in answer and "private" in answer:
        return BoardResult(float(answer["public"]), float(answer["private"]))
    if answer.get("code") in SENTENCES:
        return _none(str(answer["code"]), **answer.get("params", {}))
    return BoardResult(
        None, None, Notice("board-scorer-failed", {"error": str(answer.get("error", ""))}, for_staff=True)
    )


def _none(code: str, **params: str | float) -> BoardResult:
    return BoardResult(None, None, Notice(code, params))


def _member(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        if opened.getinfo(name).file_size > MEMBER_BYTES:
            raise ValueError(f"{name} is too large")
        return opened.read(name)
