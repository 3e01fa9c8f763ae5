from pathlib import Path

import pytest

from lms.leaderboards.core.challenge_file import CheckedChallenge, load_challenge, read_challenge
from tests.factories.challenges import CHALLENGE, MODEL_CHALLENGE, write_challenge, write_model_challenge


def read(folder: Path) -> CheckedChallenge:
    return read_challenge(folder, ["ml-basics"])


def test_a_whole_challenge_comes_back_from_its_plain_form(tmp_path: Path) -> None:
    checked = read(write_challenge(tmp_path))
    assert checked.problems == []
    assert checked.challenge is not None
    assert checked.challenge.slug == "sorted-parcels"
    assert checked.challenge.rules == {"ko": "규칙을 지켜요.\n", "en": "Keep the rules.\n"}
    assert checked.challenge.better == "max"
    assert load_challenge(checked.challenge.to_dict()) == checked.challenge


WRONG = {
    "an unknown metric": ("metric: accuracy", "metric: acuracy", "challenge.yml:5:"),
    "an unknown second metric": ("also: [f1_macro]", "also: [f2]", "challenge.yml:6:"),
    "a metric of other values": ("also: [f1_macro]", "also: [roc_auc]", "challenge.yml:8:"),
    "a scorer of one's own without direction": ("metric: accuracy", "metric: own", "challenge.yml:1:"),
    "a Ladder on a scorer of one's own": (
        "metric: accuracy",
        "metric: own\ndirection: max\nladder: true",
        "challenge.yml:7:",
    ),
    "more digits of a log loss than tell no labels": (
        "also: [f1_macro]",
        "also: [log_loss]\ndecimals: 5",
        "challenge.yml:7:",
    ),
    "a course that is not named": ("public_share: 0.4", "visibility: course", "challenge.yml:1:"),
    "a lab without its course": ("public_share: 0.4", "lab: parcels", "challenge.yml:7:"),
    "an unknown environment": ("environment: ml-basics", "environment: ml-basic", "challenge.yml:4:"),
    "no form": ("form: {columns", "from: {columns", "challenge.yml:"),
    "a share of everything": ("public_share: 0.4", "public_share: 1", "challenge.yml:7:"),
    "no end": ("ends: {after_days: 28}", "freeze: {after_days: 28}", "challenge.yml:9:"),
    "a naive time": ("ends: {after_days: 28}", "ends: 2030-01-01T00:00", "challenge.yml:9:"),
    "no licence": ("licence: CC-BY-4.0", "licence: ''", "challenge.yml:11:"),
    "not YAML": ("form: {columns", "form: {{columns", "challenge.yml:9:"),
}


@pytest.mark.parametrize(("old", "new", "place"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_is_wrong_is_said_at_its_place(
    tmp_path: Path, old: str, new: str, place: str, language: str
) -> None:
    assert old in CHALLENGE
    checked = read(write_challenge(tmp_path, text=CHALLENGE.replace(old, new)))
    assert checked.challenge is None
    said = [problem.render(language) for problem in checked.problems]
    assert any(line.startswith(place) for line in said), said


@pytest.mark.parametrize("missing", ["challenge.yml", "hidden/challenge.py", "rules.md", "description.md"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write_challenge(tmp_path)
    for path in (folder / missing, folder / missing.replace(".md", ".en.md")):
        path.unlink(missing_ok=True)
    checked = read(folder)
    assert checked.challenge is None
    assert [problem.file for problem in checked.problems] == [missing]


WRONG_MODELS = {
    "a model where a file is asked for": ("kind: model", "kind: predictions", "'model'"),
    "labels without names": (", labels: [north, south]", "", "labels"),
    "two columns, one of labels": (
        "labels: [north, south]}",
        "labels: [north, south]}, {name: far, kind: number}",
        "'number'",
    ),
    "an unknown format": ("max_bytes: 100000", "formats: [pickle]", "onnx"),
    "too large": ("max_bytes: 100000", "max_bytes: 100000000", "20971520"),
    "no columns": ("columns: [weight]", "columns: []", "columns"),
    "a size below zero": ("shape: [2]", "shape: [-2]", "0"),
}


NUMBER = ("kind: label, labels: [north, south]}", "kind: number}")
WRONG_MODELS |= {
    "numbers without bounds": (*NUMBER, "'min' is missing"),
    "numbers without an upper bound": (NUMBER[0], "kind: number, min: 0}", "'max' is missing"),
    "bounds the other way": (NUMBER[0], "kind: number, min: 2, max: 2}", "less than 'max'"),
    "bounds of labels": (NUMBER[0], NUMBER[0].replace("}", ", min: 0, max: 1}"), "leave them out"),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG_MODELS.values(), ids=WRONG_MODELS)
def test_what_no_model_can_be_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MODEL_CHALLENGE
    home = write_model_challenge(tmp_path, text=MODEL_CHALLENGE.replace(old, new, 1))
    checked = read_challenge(home, ["models"])
    assert checked.challenge is None
    assert any(said in problem.render("en") for problem in checked.problems), checked.problems


def test_a_challenge_for_models_says_what_they_are_given(tmp_path: Path) -> None:
    checked = read(write_challenge(tmp_path, text=CHALLENGE.replace("kind: predictions", "kind: model")))
    assert [problem.params.get("key") for problem in checked.problems] == ["model"]


def test_weights_need_the_architecture_they_are_for(tmp_path: Path) -> None:
    home = write_model_challenge(tmp_path)
    whole = read_challenge(home, ["models"]).challenge
    assert whole is not None
    assert load_challenge(whole.to_dict()) == whole
    (home / "data" / "model.py").unlink()
    assert [problem.file for problem in read_challenge(home, ["models"]).problems] == ["data/model.py"]
    (home / "challenge.yml").write_text(MODEL_CHALLENGE.replace("max_bytes", "formats: [onnx]\n  max_bytes"))
    assert read_challenge(home, ["models"]).challenge is not None


def test_models_have_less_time_than_notebooks_where_nothing_is_said(tmp_path: Path) -> None:
    silent = MODEL_CHALLENGE.replace("seconds: 20, ", "")
    for name, text, seconds in (("a", MODEL_CHALLENGE, 20), ("b", silent, 30)):
        found = read_challenge(write_model_challenge(tmp_path / name, text=text), ["models"]).challenge
        assert found is not None
        assert found.compute.seconds == seconds
        assert found.compute.memory_mib == 512
        as_before = found.model_copy(update={"compute": found.compute.model_copy(update={"seconds": 300.0})})
        assert load_challenge(as_before.to_dict()) == as_before
    other = read(write_challenge(tmp_path / "c")).challenge
    assert other is not None
    assert other.compute.seconds == 300


def test_bounds_are_of_numbers_of_models_alone(tmp_path: Path) -> None:
    bounded = CHALLENGE.replace("kind: label, labels: [north, south]}", "kind: number, min: 0, max: 1}")
    checked = read(
        write_challenge(tmp_path, text=bounded.replace("accuracy", "r2").replace("[f1_macro]", "[]"))
    )
    assert ["leave them out" in problem.render("en") for problem in checked.problems] == [True]
