import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.grading.core.mutations import mutants_of, sampled, with_mutant


def notebook(*sources: str, **marks: object) -> bytes:
    cells = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {"nbgrader": {"grade_id": f"a{at}", "solution": True, "grade": False} | marks},
        }
        for at, source in enumerate(sources)
    ]
    return json.dumps({"cells": cells}).encode()


def changes(source: str) -> list[tuple[int, str]]:
    """Line and new text of every variant."""
    return [(one.change.line, one.change.after.strip()) for one in mutants_of(notebook(source))]


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("x = a + b", "x = a - b"),
        ("x = a @ b", "x = a * b"),
        ("x = (a)  *  (b)", "x = (a)  /  (b)"),
        ("x += y", "x -= y"),
        ("x = a < b", "x = a <= b"),
        ("x = a is  not b", "x = a is b"),
        ("x = a not in b", "x = a in b"),
        ("x = a and b", "x = a or b"),
        ("x = not a", "x = (a)"),
        ("x = -a", "x = a"),
        ("x = 3", "x = 4"),
        ("x = 3", "x = 2"),
        ("x = 0.5", "x = 1.0"),
        ("x = True", "x = False"),
        ("x = a.sum(axis=0)", "x = a.sum(axis=1)"),
        ("x = a.sum(axis=-1)", "x = a.sum(axis=0)"),
        ("for i in range(n): f(i)", "for i in range((n) - 1): f(i)"),
        ("x = a[i:j]", "x = a[i:(j) - 1]"),
        ("if a: b = 1", "if not (a): b = 1"),
        ("x = [a for a in b if a]", "x = [a for a in b if not (a)]"),
        ("a.sort()", "pass"),
        ("x = x.dropna()", "pass"),
        ("a[0] = b", "pass"),
        ("for a in b:\n    break", "continue"),
        ("def f(): return a", "def f(): return None"),
        ("x = f(a, b)", "x = f(b, a)"),
        ("x = a.T", "x = a"),
        ("x = np.argmin(a)", "x = np.argmax(a)"),
        ("x = a.merge(b, how='left')", "x = a.merge(b, how='right')"),
        ("x = '합' if a > b else c", "x = '합' if a >= b else c"),
    ],
)
def test_an_operator_changes_one_thing(source: str, after: str) -> None:
    assert after in {text for _, text in changes(source)}


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of 3 words."""',
        "print(a + b, 3)",
        "plt.plot(a + 1)",
        "rng = np.random.default_rng(3)",
        "x = f'{a + b}'",
        "raise ValueError('a' if a > 3 else b)",
        "def f(a: int = A, *, b: list[3]) -> 3: pass",
        "model = fit(random_state=3)",
        "x = np.maximum(a, b).shape",
        "import numpy as np",
        "%timeit 3 + 3",
        "x = (",
    ],
)
def test_what_no_test_should_notice_is_left_alone(source: str) -> None:
    texts = {text for _, text in changes(source)}
    assert texts <= {"x = np.minimum(a, b).shape"}


def test_only_the_solution_is_changed_and_lines_are_the_cells() -> None:
    source = "def f(a):\n    b = 1\n    ### BEGIN SOLUTION\n    return a + b\n    ### END SOLUTION\nc = 2"
    assert changes(source) == [(4, "return None"), (4, "return a - b")]
    (mutant, _) = mutants_of(notebook(source))
    assert (mutant.change.grade_id, mutant.change.before) == ("a0", "    return a + b")
    assert mutant.source == source.replace("return a + b", "return None")


def test_a_variant_is_handed_in_with_everything_else_as_it_was() -> None:
    content = notebook("x = 1", "y = '한글' + z; w = 2")
    for mutant in mutants_of(content):
        before, after = json.loads(content), json.loads(with_mutant(content, mutant))
        different = [
            at for at, (a, b) in enumerate(zip(before["cells"], after["cells"], strict=True)) if a != b
        ]
        assert different == [mutant.cell]


@pytest.mark.parametrize("marks", [{"solution": False}, {"grade": True}])
def test_tests_and_written_answers_are_not_changed(marks: dict[str, object]) -> None:
    assert mutants_of(notebook("x = 1", **marks)) == ()


def test_a_sample_is_spread_over_cells_and_lines_and_always_the_same() -> None:
    content = notebook("a = 1\nb = 2\nc = 3\nd = 4", "e = x + y")
    chosen = sampled(mutants_of(content), 4)
    assert chosen == sampled(reversed(mutants_of(content)), 4)
    assert {one.cell for one in chosen} == {0, 1}
    of_first = [one.change.line for one in chosen if one.cell == 0]
    assert len(set(of_first)) == len(of_first) == 3
    assert len(sampled(mutants_of(content), 100)) == len(mutants_of(content))


NAMES = st.sampled_from(["a", "b", "값"])
EXPRESSIONS = st.recursive(
    NAMES | st.integers(0, 9).map(str) | st.just("'한'"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "<", "==", "and", "or", "in"]), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        inner.map(lambda one: f"-{one}"),
        inner.map(lambda one: f"f({one}, a)[{one}:{one}]"),
        inner.map(lambda one: f"(a if {one} else b)"),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=3))
def test_every_variant_is_python_and_means_something_else(expressions: list[str]) -> None:
    source = "\n".join(f"값{at} = {one}" for at, one in enumerate(expressions))
    shapes = [ast.dump(ast.parse(one.source)) for one in mutants_of(notebook(source))]
    assert len({ast.dump(ast.parse(source)), *shapes}) == len(shapes) + 1
