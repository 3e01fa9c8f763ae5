"""Participants' models on hidden rows, in the real jail."""

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lms.leaderboards.adapters import models
from lms.leaderboards.adapters.models import JailedModels
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.challenge_file import Challenge, Compute, read_challenge
from lms.leaderboards.core.failures import EntryFailed, read_failure, write_failure
from lms.leaderboards.core.model_file import check_model
from lms.leaderboards.core.scoring import ChallengeFailed, ModelInputs, model_form_of
from lms.runtime.environments import prepare
from lms.runtime.probe import Isolation
from tests.factories.challenges import MODEL_CHALLENGE, MODEL_PROGRAM, write_model_challenge
from tests.factories.models import graph, linear, message, node, onnx, safetensors, tensor, value
from tests.runtime.jails import ROOT

pytestmark = pytest.mark.jail

SAMPLE = b"id,weight\ns1,1.5\ns2,9\n"
HIDDEN = b"weight,id\n2,h1\n,h2\n8.25,h3\n"
GIVEN = ModelInputs(MODEL_PROGRAM.encode(), SAMPLE, HIDDEN)
LINE = {"slope": ([2], [-1.0, 1.0]), "offset": ([2], [5.0, -5.0])}
"""Larger for `south` from a weight of 5 on; a row without a weight has no answer."""
FULL = ModelInputs(MODEL_PROGRAM.encode(), SAMPLE, HIDDEN.replace(b",h2", b"4,h2"))


def read(folder: Path, text: str = MODEL_CHALLENGE) -> Challenge:
    checked = read_challenge(write_model_challenge(folder, text=text), ["models"])
    assert checked.problems == []
    assert checked.challenge is not None
    return checked.challenge


@pytest.fixture
def plain(tmp_path: Path) -> Challenge:
    return read(tmp_path)


@pytest.fixture(scope="module")
def challenge(isolation: Isolation, tmp_path_factory: pytest.TempPathFactory) -> Challenge:
    assert isolation
    return read(tmp_path_factory.mktemp("content"))


def classes(*nodes: bytes, rows: int | str = "rows", width: int | str = 2) -> bytes:
    """Return an ONNX model with weights at hand for what its nodes need."""
    return onnx(
        graph(
            *((1, one) for one in nodes),
            (5, tensor("slope", [1, 2], [-1.0, 1.0])),
            (5, tensor("offset", [2], [5.0, -5.0])),
            (11, value("inputs", rows, 1)),
            (12, value("output", rows, width)),
        )
    )


PRODUCT = node("MatMul", ["inputs", "slope"], ["product"])
SUM = node("Add", ["product", "offset"], ["output"])


def run(challenge: Challenge, content: bytes, given: ModelInputs = FULL) -> dict[str, list[str]]:
    """Return what a model says, which has to be taken when it comes."""
    check_model(content, model_form_of(challenge))
    answer: dict[str, list[str]] = json.loads(JailedModels(ROOT).run(challenge, content, given))
    return answer


def failure(challenge: Challenge, content: bytes, given: ModelInputs = FULL) -> str:
    with pytest.raises(EntryFailed) as failed:
        run(challenge, content, given)
    sentence, params = read_failure(write_failure(failed.value))
    return sentence % params


@pytest.mark.parametrize("content", [safetensors(LINE), classes(PRODUCT, SUM)], ids=["safetensors", "ONNX"])
def test_a_model_says_the_label_with_the_largest_number_for_each_hidden_row(
    challenge: Challenge, content: bytes
) -> None:
    assert run(challenge, content) == {"id": ["h1", "h2", "h3"], "place": ["north", "north", "south"]}


def test_what_fails_only_on_hidden_rows_says_nothing_of_them(challenge: Challenge) -> None:
    for content in (safetensors(LINE), classes(PRODUCT, SUM)):  # a row without a weight: NaN
        said = failure(challenge, content, GIVEN)
        assert said.startswith("The model runs on the rows of the sample, and not on the hidden ones.")
        assert "h2" not in said


SHAPE = "The model must answer 2 finite numbers for each row of the sample."
INPUT = "The model must take one input of 32-bit numbers of the shape (rows, 1), with any number of rows."
FAILING = {
    "no finite number": (classes(PRODUCT, node("Log", ["product"], ["output"])), SHAPE),
    "another width": (classes(node("Identity", ["inputs"], ["output"]), width=1), SHAPE),
    "another number of rows": (
        classes(PRODUCT, node("ReduceSum", ["product"], ["output"]), width="w"),
        SHAPE,
    ),
    "rows that are not free": (classes(PRODUCT, SUM, rows=1), INPUT),
    "another number of columns": (linear([1.0, 2.0], 0.0), INPUT),
    "an operator that does not exist": (
        classes(node("Nonesuch", ["inputs"], ["output"])),
        "The model cannot be loaded by onnxruntime",
    ),
    "no graph in order": (classes(SUM), "The model cannot be loaded by onnxruntime"),
    "two outputs": (
        onnx(
            graph(
                (1, node("Identity", ["inputs"], ["one"])),
                (1, node("Identity", ["inputs"], ["two"])),
                (11, value("inputs", "rows", 1)),
                (12, value("one", "rows", 1)),
                (12, value("two", "rows", 1)),
            )
        ),
        'The model has several outputs, none of which is called "output".',
    ),
    "weights that are no finite numbers": (
        safetensors({**LINE, "slope": ([2], [float("inf"), 1.0])}),
        SHAPE,
    ),
}


@pytest.mark.parametrize(("content", "expected"), FAILING.values(), ids=FAILING)
def test_what_fails_on_the_sample_too_is_told(challenge: Challenge, content: bytes, expected: str) -> None:
    assert failure(challenge, content).startswith(expected)


ANSWERS: dict[str, dict[str, Any]] = {
    "no code": {"params": {}},
    "a code of the house": {"code": "scorer_failed", "params": {}},
    "the code of hidden rows": {"code": "model_hidden", "params": {}},
    "a code that is none": {"code": ["model_range"], "params": {}},
    "no parameters": {"code": "model_range", "params": ["a"]},
    "a name that is missing": {"code": "model_unreadable", "params": {"reason": "x"}},
    "a value of another kind": {"code": "model_unreadable", "params": {"reason": {}, "version": "1"}},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_the_program_does_not_give_is_a_failure_and_no_more(
    plain: Challenge, answer: dict[str, Any]
) -> None:
    assert models._failure(plain, answer).code == "model_failed"


def test_of_an_answer_only_what_its_sentence_has_is_kept_short_and_printable(plain: Challenge) -> None:
    more = {f"k{number}": "" for number in range(60)}
    told = {"reason": "\ud800\u202e" * 5000, "version": "1", "seconds": "a", "memory": 1 << 9000, **more}
    failed = models._failure(plain, {"code": "model_unreadable", "params": told})
    assert failed.params == {"reason": "�" * 160, "version": "1", "seconds": 20, "memory": 512}
    line = write_failure(failed)
    assert line.encode()
    sentence, params = read_failure(line)
    assert "cannot be loaded by onnxruntime 1: �" in sentence % params


def test_numbers_are_held_within_their_bounds_by_the_house(plain: Challenge) -> None:
    column = plain.form.columns[0].model_copy(
        update={"kind": "number", "labels": (), "min": -1.0, "max": 2.0}
    )
    bounded = plain.model_copy(update={"form": plain.form.model_copy(update={"columns": (column,)})})
    values = [1e15, -(10**400), 0.25, 2]
    assert models._bounded(bounded, {"id": ["a"], "place": values}) == {
        "id": ["a"],
        "place": [2.0, -1.0, 0.25, 2],
    }
    for hostile in (
        [],
        {"id": []},
        {"place": "1"},
        {"place": ["1e15"]},
        {"place": [True]},
        {"place": [None]},
    ):
        with pytest.raises(EntryFailed):
            models._bounded(bounded, hostile)


def test_for_the_sample_a_model_has_a_tenth_of_its_time(plain: Challenge) -> None:
    for seconds, expected in ((300, 30), (20, 5), (4, 4)):
        longer = plain.model_copy(update={"compute": Compute(seconds=seconds)})
        assert models._shorter(longer).compute == Compute(seconds=expected)


def test_a_table_without_a_column_is_the_challenge_s_fault(challenge: Challenge) -> None:
    given = ModelInputs(FULL.program, FULL.sample, FULL.hidden.replace(b"weight", b"wieght"))
    with pytest.raises(ChallengeFailed, match="the table lacks a column"):
        JailedModels(ROOT).run(challenge, safetensors(LINE), given)


def test_a_model_that_takes_all_memory_or_never_ends_is_stopped(challenge: Challenge) -> None:
    huge = message((1, 2), (2, 7), (8, "huge"), (7, 200_000), (7, 200_000))  # 64-bit whole numbers
    greedy = onnx(
        graph(
            (1, node("ConstantOfShape", ["huge"], ["all"])),
            (1, node("ReduceMax", ["all"], ["one"])),
            (1, node("Add", ["inputs", "one"], ["output"])),
            (5, huge),
            (11, value("inputs", "rows", 1)),
            (12, value("output", "rows", 1)),
        )
    )
    assert failure(challenge, greedy).startswith("The model needs more than 512 MiB of memory")
    condition = message((2, 9), (8, "go"), (5, 1))
    trips = message((2, 7), (8, "trips"), (7, 1 << 62))
    body = graph(
        (1, node("Identity", ["on"], ["on_out"])),
        (1, node("Add", ["carried", "carried"], ["carried_out"])),
        (11, message((1, "trip"), (2, message((1, message((1, 7), (2, b""))))))),
        (11, message((1, "on"), (2, message((1, message((1, 9), (2, b""))))))),
        (11, value("carried", "rows", 2)),
        (12, message((1, "on_out"), (2, message((1, message((1, 9), (2, b""))))))),
        (12, value("carried_out", "rows", 2)),
    )
    endless = classes(
        PRODUCT,
        node("Constant", [], ["go"], (5, message((1, "value"), (5, condition), (20, 4)))),
        node("Constant", [], ["trips"], (5, message((1, "value"), (5, trips), (20, 4)))),
        node("Loop", ["trips", "go", "product"], ["output"], (5, message((1, "body"), (6, body), (20, 5)))),
    )
    short = challenge.model_copy(update={"compute": Compute(seconds=4, memory_mib=512, processes=16)})
    assert "when the 4 seconds were over" in failure(short, endless)


def test_numbers_and_probabilities_are_the_answer_itself(tmp_path: Path) -> None:
    bounds = "kind: number, min: 0, max: 16.5"
    text = MODEL_CHALLENGE.replace("labels: [north, south]", "").replace("kind: label, ", bounds)
    number = read(tmp_path, text.replace("accuracy", "r2").replace("also: [f1_macro]", "also: []"))
    assert run(number, linear([2.0], 0.5))["place"] == [4.5, 8.5, 16.5]  # the last is 17
    plain = {"kind": "probability", "min": None, "max": None}
    columns = [number.form.columns[0].model_copy(update=plain)]
    form = number.form.model_copy(update={"columns": tuple(columns)})
    share = number.model_copy(update={"form": form})
    assert run(share, linear([0.1], 0.0))["place"] == pytest.approx([0.2, 0.4, 0.825])
    assert failure(share, linear([2.0], 0.5)) == "The model must answer numbers from 0 to 1."


def test_halves_and_bfloats_are_given_as_32_bit_numbers(challenge: Challenge) -> None:
    header = {
        "slope": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
        "offset": {"dtype": "F16", "shape": [2], "data_offsets": [4, 8]},
    }
    data = bytes.fromhex("80bf803f") + bytes.fromhex("004500c5")  # -1, 1; 5, -5
    written = json.dumps(header).encode()
    content = len(written).to_bytes(8, "little") + written + data
    assert run(challenge, content)["place"] == ["north", "north", "south"]


EXPORT = """\
import sys
import numpy as np
from safetensors.numpy import save
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

rows = np.linspace(0, 10, 200, dtype=np.float32)[:, None]
model = LogisticRegression().fit(rows, np.where(rows[:, 0] > 5, "south", "north"))
if sys.argv[1] == "onnx":
    options = {"zipmap": False}
    made = to_onnx(model, rows[:1], options=options).SerializeToString()
else:
    slope, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    weights = {"slope": np.array([-slope, slope]), "offset": np.array([-offset, offset])}
    made = save({name: value.astype(np.float32) for name, value in weights.items()})
sys.stdout.buffer.write(made)
"""


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_what_the_libraries_export_is_taken_and_run(challenge: Challenge, kind: str) -> None:
    python = prepare(ROOT, "models").python
    content = subprocess.run(
        [str(python), "-B", "-c", EXPORT, kind], check=True, capture_output=True, timeout=120
    ).stdout
    assert challenge.model is not None
    asked = challenge.model.model_copy(update={"output": "probabilities"})
    named = challenge.model_copy(update={"model": asked})
    assert run(named, content)["place"] == ["north", "north", "south"]


def test_an_environment_without_what_models_need_is_told_to_staff(tmp_path: Path) -> None:
    home = write_model_challenge(
        tmp_path, text=MODEL_CHALLENGE.replace("environment: models", "environment: ml-basics")
    )
    lacking = read_challenge(home, ["ml-basics"]).challenge
    assert lacking is not None
    with pytest.raises(ChallengeFailed, match="the environment has no onnxruntime"):
        JailedModels(ROOT).run(lacking, classes(PRODUCT, SUM), FULL)
    files = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    with pytest.raises(ChallengeFailed, match="the environment has no onnxruntime"):
        JailedWorkshop(ROOT).make(lacking, files, 1)


def test_a_challenge_is_made_with_a_baseline_that_is_a_model(tmp_path: Path, isolation: Isolation) -> None:
    assert isolation
    home = write_model_challenge(tmp_path)
    challenge = read_challenge(home, ["models"]).challenge
    assert challenge is not None
    files = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    made = JailedWorkshop(ROOT).make(challenge, files, 7)
    assert made.baselines == {}
    given = ModelInputs(files["data/model.py"], made.files["test.csv"], made.hidden["test.csv"])
    answer = run(challenge, made.models["line"], given)
    rows = list(csv.DictReader(io.StringIO(made.hidden["test.csv"].decode())))
    expected = ["south" if float(row["weight"]) > 5 else "north" for row in rows]
    assert answer == {"id": list(made.truth.ids), "place": expected}
