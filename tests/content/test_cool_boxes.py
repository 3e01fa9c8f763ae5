"""The shipped challenge that takes models: data, baselines and starter, by the way that entries take."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest

from lms.courses.core.folder import read_folder
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.challenge_file import Challenge, read_challenge
from lms.leaderboards.core.model_file import ModelFormat, check_model
from lms.leaderboards.core.scoring import (
    MadeChallenge,
    model_form_of,
    model_inputs,
    read_entry,
    score_table,
)
from lms.runtime.environments import describe
from lms.runtime.probe import Isolation
from tests.runtime.jails import ROOT, need

pytestmark = pytest.mark.jail

FOLDER = ROOT / "course_content" / "cool-boxes"
SEED = 2**62 - 7


@pytest.fixture(scope="module")
def challenge() -> Challenge:
    checked = read_challenge(FOLDER, ["models"])
    assert checked.problems == []
    assert checked.challenge is not None
    return checked.challenge


@pytest.fixture(scope="module")
def made(isolation: Isolation, challenge: Challenge) -> MadeChallenge:
    assert isolation
    need(there=describe(ROOT, "models").python.exists(), what="the environment models is not built")
    return JailedWorkshop(ROOT).make(challenge, read_folder(FOLDER).files, SEED)


def score(challenge: Challenge, made: MadeChallenge, content: bytes) -> tuple[float, float]:
    """Return the public and the private score of a model, from its check to the metric."""
    check_model(content, model_form_of(challenge))
    shared = {"model.py": (FOLDER / "data" / "model.py").read_bytes(), **made.files}
    workshop = JailedWorkshop(ROOT)
    written = workshop.run_model(challenge, content, model_inputs(challenge, shared, made.hidden))
    scores = score_table(
        challenge, made.truth, read_entry(challenge, made.truth, written, workshop), b"", workshop
    )
    return scores.public, scores.private


def test_baselines_keep_their_order_and_the_file_that_all_get_is_one_of_them(
    challenge: Challenge, made: MadeChallenge
) -> None:
    workshop = JailedWorkshop(ROOT)
    recent = read_entry(challenge, made.truth, made.baselines["recent"], workshop)
    scores = score_table(challenge, made.truth, recent, b"", workshop)
    line, network = (score(challenge, made, made.models[key]) for key in ("line", "network"))
    for side, last in enumerate((scores.public, scores.private)):
        assert last > line[side] > network[side]
    assert made.files["line.safetensors"] == made.models["line"]
    assert {row.key for row in challenge.baselines} == {*made.baselines, *made.models}


def test_hidden_boxes_stand_in_the_place_of_the_sample(made: MadeChallenge) -> None:
    sample, hidden = (
        list(csv.DictReader(io.StringIO(files["test.csv"].decode()))) for files in (made.files, made.hidden)
    )
    assert sample[0].keys() == hidden[0].keys()
    assert [row["id"] for row in hidden] == list(made.truth.ids)
    assert not {row["id"] for row in sample} & set(made.truth.ids)
    assert "peak" not in sample[0]
    columns = {*sample[0], "peak"}
    for text in ("description.md", "description.en.md"):
        said = (FOLDER / text).read_text(encoding="utf-8")
        assert all(f"`{name}`" in said for name in columns if "_" not in name or name[-2:] in {"01", "12"})


def test_the_starter_writes_both_formats_which_score_the_same(
    challenge: Challenge, made: MadeChallenge, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path in (FOLDER / "data").iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    for name, content in made.files.items():
        (data / name).write_bytes(content)
    notebook = nbformat.read(data / "starter.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    subprocess.run(
        [str(describe(ROOT, "models").python), "-B", "-c", "\n".join(cells)],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        timeout=240,
    )
    weights, graph = ((tmp_path / f"model.{kind}").read_bytes() for kind in ("safetensors", "onnx"))
    assert check_model(weights, model_form_of(challenge)) is ModelFormat.SAFETENSORS
    assert check_model(graph, model_form_of(challenge)) is ModelFormat.ONNX
    by_weights, by_graph = score(challenge, made, weights), score(challenge, made, graph)
    assert by_weights == pytest.approx(by_graph, abs=1e-3)
    assert max(by_weights) < max(score(challenge, made, made.models["line"]))


def test_the_declared_tensors_are_those_that_the_public_program_reads(challenge: Challenge) -> None:
    program = (FOLDER / "data" / "model.py").read_text(encoding="utf-8")
    assert challenge.model is not None
    assert all(f'"{tensor.name}"' in program for tensor in challenge.model.tensors)
    assert program.count('weights["') == len(challenge.model.tensors)
    assert json.loads((FOLDER / "data" / "starter.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4
