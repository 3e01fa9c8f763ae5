from dataclasses import replace

import pytest

from lms.grading.core.contracts import CellKind, Manifest, ManifestCell
from lms.grading.core.lints import lint
from lms.grading.core.notices import LANGUAGES, sentence

SOUND = "assert f(x) == x ** 2, '제곱이 아니에요. | Not the square.'"


def cell(source: str, full: str | None = None, **changes: object) -> ManifestCell:
    made = ManifestCell("test", CellKind.TEST, "code", 2, source, full or source, "0" * 32)
    return replace(made, **changes)  # type: ignore[arg-type]


def hidden(*lines: str) -> ManifestCell:
    full = "\n".join(["x = 1", "### BEGIN HIDDEN TESTS", *lines, "### END HIDDEN TESTS"])
    return cell("x = 1", full)


def found(*cells: ManifestCell, language: str = "python") -> list[tuple[str, object]]:
    notices = lint(Manifest(cells, "python3", language))
    return [(one.code, one.params["line"]) for one in notices]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 3\nx.bit_length()\nassert model.score(X, y) > 0.9", [("lint-claims", 3)]),
        ("model = make(X)\nassert model.score(X, y) > 0.9", []),  # made by the test itself
        ("f(2)\nx = 3", [("lint-no-verdict", 1)]),
        ("print(f(2))", [("lint-no-verdict", 1)]),
        ("sum([f(2) > x])", []),
        ("import pytest\nwith pytest.raises(ValueError):\n    f(-1)", []),
        ("x = 3\nassert f(2) == 4", [("lint-memorable", 2)]),
        ("want = np.array([1, -2])\nassert np.allclose(f(x), want)", [("lint-memorable", 2)]),
        ("assert f(2) == 4\nassert f(x) == x * 2", []),
        ("assert f(x) is not None", []),
        ("x = np.random.rand(3)\nassert f(x) > x", [("lint-unseeded", 1)]),
        ("import random\nassert f(random.choice(a)) in a", [("lint-unseeded", 2)]),
        ("rng = np.random.default_rng()\nassert f(rng) > x", [("lint-unseeded", 1)]),
        ("rng = np.random.default_rng(3)\nassert f(rng) > rng.random()", []),
        ("np.random.seed(3)\nx = np.random.rand(3)\nassert f(x) > x", []),
        ("try:\n    f(x)\nexcept:\n    assert x", [("lint-bare-except", 3)]),
        ("try:\n    assert f(x)\nexcept Exception:\n    pass", [("lint-bare-except", 3)]),
        ("try:\n    f(x)\n    assert y\nexcept ValueError:\n    pass", []),
        ("%timeit f(3)\nassert x", [("lint-needs-kernel", 1)]),
        ("y = 1\nassert get_ipython().ns", [("lint-needs-kernel", 2)]),
        ("t = time.time()\nf(x)\nassert time.time() - t < 1", [("lint-clock", 3)]),
        ("took = time.perf_counter() - t\nassert took < 1", [("lint-clock", 2)]),
        ("took = perf_counter()\nratio = 3 / took\nassert ratio > 3, 'slow'", [("lint-clock", 3)]),
        ("assert f(", []),
        (SOUND, []),
    ],
)
def test_a_doubtful_habit_is_found_at_its_line(source: str, expected: list[tuple[str, int]]) -> None:
    assert found(cell(source)) == expected


def test_a_hidden_message_that_is_put_together_is_named() -> None:
    made = hidden("assert f(7) == 49, f'wrong for {7}'")
    assert found(made) == [("lint-leaking-message", 3)]
    assert found(hidden("assert f(7) == 49, 'wrong'")) == []
    assert found(cell("assert f(x) == x * x, f'wrong for {x}'")) == []


def test_a_hidden_case_cannot_be_memorised() -> None:
    assert found(hidden("assert f(7) == 49")) == []


def test_what_the_reference_solution_was_asked_counts_as_a_claim() -> None:
    test = cell("assert judge(model)", asks=("call", "getattr:coef_", "getattr:predict", "lt"))
    assert [one.params["asks"] for one in lint(Manifest((test,), "python3", "python"))] == ["coef_, lt"]
    assert found(cell(SOUND, asks=("call", "getattr:predict", "name:RATE", "delname:f", "library:a.B"))) == []


def test_a_locked_function_that_asserts_judges_for_its_callers() -> None:
    judge = cell("def judge(f):\n    assert f(3) == 9", kind=CellKind.READ_ONLY, points=0, grade_id="judge")
    assert found(judge, cell("judge(f)\nx = 1")) == []
    assert found(cell("judge(f)\nx = 1")) == [("lint-no-verdict", 1)]


def test_points_and_names_are_looked_at() -> None:
    assert found(cell("assert f(2) == 4", points=0)) == [("lint-no-points", 1)]
    assert found(cell(SOUND), cell(SOUND)) == [("lint-id-twice", 1)]


def test_other_languages_and_other_cells_are_left_alone() -> None:
    assert found(cell("f(2)"), language="R") == []
    assert found(cell("f(2)\nx = 1", kind=CellKind.ANSWER)) == []


def test_every_finding_has_a_sentence_in_both_languages() -> None:
    bad = cell("%time f\ntry:\n    f(np.random.rand())\nexcept:\n    x = model.score()", points=0)
    for notice in lint(Manifest((bad, bad), "python3", "python")):
        assert all("test" in sentence(notice, language) for language in LANGUAGES)
