import json

import pytest

from lms.grading.core.imports import learnt_libraries, without_shell


def notebook(*cells: tuple[str, dict[str, object] | None]) -> bytes:
    made = [
        {"cell_type": "code", "source": source, "metadata": {"nbgrader": marks} if marks else {}}
        for source, marks in cells
    ]
    return json.dumps({"cells": made}).encode()


ANSWER = {"solution": True, "grade": False}


def test_top_level_imports_are_learnt_and_the_standard_library_is_not() -> None:
    code = "import os, numpy as np\nfrom sklearn.datasets import load_digits\ndef f():\n    import torch"
    assert learnt_libraries(notebook((code, None))) == ("numpy", "sklearn.datasets")


def test_what_a_solution_or_a_hidden_test_imports_is_no_hint() -> None:
    answer = "import numpy\n### BEGIN SOLUTION\nimport scipy.stats\n### END SOLUTION\nimport pandas"
    test = "import json\n### BEGIN HIDDEN TESTS\nimport sympy\n### END HIDDEN TESTS\nassert f()"
    source = notebook(
        (answer, ANSWER), (test, {"grade": True, "solution": False}), ("import xgboost", ANSWER)
    )
    student = notebook(
        ("import numpy\n# YOUR CODE HERE\nimport pandas", ANSWER), ("import json\nassert f()", None)
    )
    assert learnt_libraries(source) == learnt_libraries(student) == ()


def test_magics_do_not_hide_what_stands_beside_them() -> None:
    assert learnt_libraries(notebook(("%matplotlib inline\nimport pandas\n!ls", None))) == ("pandas",)
    assert without_shell("a = 1\n%time a\nb = 2").split("\n") == ["a = 1", "", "b = 2"]
    assert without_shell("%%bash\nimport this") == ""


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"cells": 3}', b'{"cells": [3]}', b"[" * 90_000])
def test_a_broken_notebook_imports_nothing(content: bytes) -> None:
    assert learnt_libraries(content) == ()
