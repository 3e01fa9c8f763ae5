"""Authors' programs of challenges, each run once in a jail of its own."""

import base64
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lms.errors import N_, Invalid
from lms.leaderboards.adapters.models import JailedModels
from lms.leaderboards.core import challenge_program
from lms.leaderboards.core.challenge_file import SCRIPT, Challenge
from lms.leaderboards.core.failures import NO_PARQUET
from lms.leaderboards.core.predictions import Form, Table
from lms.leaderboards.core.scoring import ChallengeFailed, MadeChallenge, ModelInputs, Truth
from lms.runtime.environments import EnvironmentBroken, describe, prepare
from lms.runtime.jail import WORK, Bounds, JailSpec
from lms.runtime.jobs import run_job

PROGRAM = Path(challenge_program.__file__).read_text(encoding="utf-8")
BUILD_SECONDS = 120
SCORE_SECONDS = 60
KIND_CHARACTERS = 60
MARGIN_SECONDS = 30  # of processor time beyond the limit of the clock, which alone says why it ended
OUTPUT_BYTES = 256 << 20
PARQUET = "parquet"
"""The environment in which Parquet files are read; labs do without it, as it starts threads."""
TOLD = ("found", "rows", "names", "row", "name")
UNREADABLE = N_("The Parquet file cannot be read. Write it anew, or send a CSV file.")
REFUSED: Mapping[str, str] = {
    "rows": N_("The Parquet file has %(found)s rows, and %(rows)s are asked for."),
    "columns": N_("The columns of the Parquet file must be %(names)s."),
    "values": N_('In row %(row)s of the Parquet file "%(name)s" is neither a number nor text.'),
}


@dataclass(frozen=True)
class JailedWorkshop:
    """Runs authors' programs in the environments of this machine."""

    root: Path  # below which the lists of the lab environments and the built ones stand

    def make(self, challenge: Challenge, files: Mapping[str, bytes], seed: int) -> MadeChallenge:
        """Make the data of a challenge; its folder lies beside the program, read-only."""
        request = {
            "use": "build",
            "script": files[SCRIPT].decode(),
            "seed": seed,
            "names": [challenge.form.id, *(column.name for column in challenge.form.columns)],
            "public_share": challenge.public_share,
            "needs": ["onnxruntime"] if challenge.model and "onnx" in challenge.model.formats else [],
        }
        with tempfile.TemporaryDirectory(prefix="duri-challenge-") as folder:
            laid = _lay(Path(folder), files)
            answer = self._ask(challenge, request, BUILD_SECONDS, laid)
        truth = Truth(tuple(answer["ids"]), answer["truth"], tuple(answer["public"]))
        shared, hidden = (
            {name: base64.b64decode(content) for name, content in answer[kind].items()}
            for kind in ("files", "hidden")
        )
        baselines = {key: text.encode() for key, text in answer["baselines"].items()}
        models = {key: base64.b64decode(content) for key, content in answer["models"].items()}
        return MadeChallenge(shared, truth, baselines, hidden, models)

    def score(self, challenge: Challenge, script: bytes, truth: Truth, table: Table) -> tuple[float, float]:
        """Return the public and the private value of the author's own scorer."""
        request = {
            "use": "score",
            "script": script.decode(),
            "ids": truth.ids,
            "truth": dict(truth.columns),
            "predictions": table,
            "public": truth.public,
        }
        answer = self._ask(challenge, request, SCORE_SECONDS, {})
        return float(answer["public"]), float(answer["private"])

    def run_model(self, challenge: Challenge, content: bytes, given: ModelInputs) -> bytes:
        """Return the predictions of a participant's model for the hidden rows."""
        return JailedModels(self.root).run(challenge, content, given)

    def read_parquet(self, challenge: Challenge, content: bytes, form: Form) -> bytes:
        """Return a Parquet file as JSON columns: its reader is large, and what it reads is hostile.

        Raises:
            Invalid: it cannot be read, or this installation has no reader.
            EnvironmentBroken: the reader cannot be had just now.
        """
        try:
            describe(self.root, PARQUET)
        except EnvironmentBroken:
            raise Invalid(NO_PARQUET, field="file") from None
        request = {
            "use": "table",
            "content": base64.b64encode(content).decode(),
            "names": list(form.names),
            "rows": len(form.ids),
        }
        try:
            answer = self._ask(challenge, request, SCORE_SECONDS, {}, environment=PARQUET)
        except ChallengeFailed:
            raise Invalid(UNREADABLE, field="file") from None
        if "refused" in answer:
            params = {name: answer[name] for name in TOLD if name in answer}
            raise Invalid(REFUSED.get(str(answer["refused"]), UNREADABLE), field="file", **params)
        return json.dumps(answer["columns"]).encode()

    def _ask(
        self,
        challenge: Challenge,
        request: dict[str, Any],
        seconds: int,
        mounts: Mapping[Path, str],
        *,
        environment: str = "",
    ) -> dict[str, Any]:
        compute = challenge.compute
        spec = JailSpec(
            python=prepare(self.root, environment or challenge.environment).python,
            command=("-c", PROGRAM),
            mounts=mounts,
            bounds=Bounds(compute.memory_mib << 20, compute.processes, seconds + MARGIN_SECONDS),
        )
        result = run_job(spec, json.dumps(request).encode(), seconds=seconds, output_bytes=OUTPUT_BYTES)
        if not result.ok:
            last = result.errors.strip().splitlines()[-1:]
            raise ChallengeFailed(last[0][-500:] if last else result.status.value, result.status.value)
        try:
            answer = json.loads(result.output)
        except ValueError:
            raise ChallengeFailed("no answer", "no answer") from None
        if not isinstance(answer, dict):
            raise ChallengeFailed("no answer", "no answer")
        if "error" in answer:
            raise ChallengeFailed(str(answer["error"]), _kind(answer.get("kind")))
        return answer


def _kind(told: object) -> str:
    """Return the type of an exception as a jail names it; a name that is none could be anything."""
    return told if isinstance(told, str) and told.isidentifier() and len(told) <= KIND_CHARACTERS else "error"


def _lay(folder: Path, files: Mapping[str, bytes]) -> dict[Path, str]:
    """Write the folders `data` and `hidden` of a challenge; return where they stand in the jail."""
    for name, content in files.items():
        top, _, rest = name.partition("/")
        if top in {"data", "hidden"} and rest:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return {path: f"{WORK}/{path.name}" for path in sorted(folder.iterdir())}
