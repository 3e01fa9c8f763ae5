"""A participant's model, run on hidden rows in the challenge's environment.

Of what fails is told only what shows on the sample that everyone has: the hidden run says that it failed, and
nothing else, as a reason could carry rows out.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lms.leaderboards.core import model_program
from lms.leaderboards.core.challenge_file import Challenge, ModelPart
from lms.leaderboards.core.failures import FAILURES, EntryFailed, names_in
from lms.leaderboards.core.model_file import format_of
from lms.leaderboards.core.predictions import most_bytes
from lms.leaderboards.core.scoring import ChallengeFailed, ModelInputs
from lms.runtime.environments import prepare
from lms.runtime.jail import WORK, Bounds, JailSpec
from lms.runtime.jobs import JobStatus, run_job

PROGRAM = Path(model_program.__file__).read_text(encoding="utf-8")
FOLDER = f"{WORK}/given"
ROWS = f"{FOLDER}/rows.csv"
BESIDE_BYTES = 1 << 16  # around the predictions
SAMPLE_SHARE = 0.1  # of the time for the hidden rows
LEAST_SECONDS = 5.0
REASON_CHARACTERS = 160  # as the program in the jail cuts them; one that was broken into does not
ERROR_CHARACTERS = 500
MARGIN_SECONDS = 10  # of processor time beyond the wall limit
SAID_INSIDE = frozenset(code for code in FAILURES if code.startswith("model_")) - {"model_hidden"}
ENDED = {JobStatus.TIME: "model_time", JobStatus.MEMORY: "model_memory"}


@dataclass(frozen=True)
class JailedModels:
    """Runs participants' models in the environments of this machine."""

    root: Path  # below which the lists of the lab environments and the built ones stand

    def run(self, challenge: Challenge, content: bytes, given: ModelInputs) -> bytes:
        """Return the predictions of a model for the hidden rows, as JSON columns.

        Raises:
            EntryFailed: it does not run, or its answer is no predictions.
            ChallengeFailed: the challenge's environment or files are wrong.
        """
        try:
            return self._predictions(challenge, content, given.program, given.hidden)
        except EntryFailed:
            # The sample says what is wrong, if it can; it is short, and others wait.
            self._predictions(_shorter(challenge), content, given.program, given.sample)
            raise EntryFailed("model_hidden", **_bounds(challenge)) from None

    def _predictions(self, challenge: Challenge, content: bytes, program: bytes, rows: bytes) -> bytes:
        answer = self._ask(challenge, content, {f"{FOLDER}/model.py": program, ROWS: rows})
        if isinstance(answer.get("error"), str):
            raise ChallengeFailed(_printable(answer["error"], ERROR_CHARACTERS), "model program")
        if "predictions" not in answer:
            raise _failure(challenge, answer)
        return json.dumps(_bounded(challenge, answer["predictions"])).encode()

    def _ask(self, challenge: Challenge, content: bytes, files: dict[str, bytes]) -> dict[str, Any]:
        compute = challenge.compute
        spec = JailSpec(
            python=prepare(self.root, challenge.environment).python,
            command=("-c", PROGRAM),
            files={**files, f"{FOLDER}/model": content},
            bounds=Bounds(compute.memory_mib << 20, compute.processes, int(compute.seconds) + MARGIN_SECONDS),
        )
        request = json.dumps(_request(challenge, content)).encode()
        most = most_bytes(len(challenge.form.columns), files[ROWS].count(b"\n") + 1) + BESIDE_BYTES
        result = run_job(spec, request, seconds=compute.seconds, output_bytes=most)
        if not result.ok:
            raise EntryFailed(ENDED.get(result.status, "model_failed"), **_bounds(challenge))
        try:
            answer = json.loads(result.output)
        except (ValueError, RecursionError):
            answer = None
        return answer if isinstance(answer, dict) else {}


def _shorter(challenge: Challenge) -> Challenge:
    """Return the challenge with the time that a model has for the sample."""
    compute = challenge.compute
    seconds = min(compute.seconds, max(LEAST_SECONDS, compute.seconds * SAMPLE_SHARE))
    return challenge.model_copy(update={"compute": compute.model_copy(update={"seconds": seconds})})


def _bounded(challenge: Challenge, predictions: object) -> dict[str, Any]:
    """Return predictions within the bounds of their columns: the jail may have been broken into.

    A score of numbers of any size could tell hidden rows digit by digit.

    Raises:
        EntryFailed: they are no columns of numbers.
    """
    if not isinstance(predictions, dict):
        raise EntryFailed("model_failed")
    bounded = dict(predictions)
    for column in challenge.form.columns:
        if column.bounds is not None:
            bounded[column.name] = _within(predictions.get(column.name), *column.bounds)
    return bounded


def _within(values: object, least: float, most: float) -> list[float]:
    if not isinstance(values, list) or not all(type(one) in {int, float} for one in values):
        raise EntryFailed("model_failed")
    return [min(max(one, least), most) for one in values]


def _request(challenge: Challenge, content: bytes) -> dict[str, Any]:
    asked, form = _asked(challenge), challenge.form
    return {
        "folder": FOLDER,
        "format": format_of(content),
        "id": form.id,
        "columns": asked.columns,
        "output": asked.output,
        "names": [column.name for column in form.columns],
        "kinds": [column.kind for column in form.columns],
        "labels": form.columns[0].labels if form.columns[0].kind == "label" else (),
    }


def _asked(challenge: Challenge) -> ModelPart:
    if challenge.model is None:
        raise ChallengeFailed(f"{challenge.slug} takes no models")
    return challenge.model


def _failure(challenge: Challenge, answer: dict[str, Any]) -> EntryFailed:
    """Return what the model did wrong; what ran it may be broken into, so nothing is taken as it stands."""
    code, params = answer.get("code"), answer.get("params")
    if not isinstance(code, str) or code not in SAID_INSIDE or not isinstance(params, dict):
        return EntryFailed("model_failed")
    known: dict[str, str | int] = {**_bounds(challenge)}
    for name in names_in(code) - known.keys():
        value = params.get(name)
        if not isinstance(value, str | int):
            return EntryFailed("model_failed")
        known[name] = _printable(str(value), REASON_CHARACTERS)
    return EntryFailed(code, **known)


def _printable(text: str, most: int) -> str:
    """Return what a stranger's program wrote, short and harmless enough for a sentence."""
    return "".join(one if one.isprintable() else "�" for one in text[:most])


def _bounds(challenge: Challenge) -> dict[str, int]:
    return {"seconds": int(challenge.compute.seconds), "memory": challenge.compute.memory_mib}
