import base64
import json
from datetime import UTC, datetime

import pytest
import yaml

from lms.grading.core.importing import Assignment, Wishes, bring_over, natural, read_config, slug_of
from lms.grading.core.notices import LANGUAGES, sentence
from tests.grading.core.making import answer, cell, graded, notebook

WISHES = Wishes("Numbers")
LESSON = notebook(cell("Hello", kind="markdown"))
LAB = notebook(answer("def f(): return 1"), graded("assert f() == 1", points=2))


def brought(
    *notebooks: bytes, files: dict[str, bytes] | None = None, config: dict[str, object] | None = None
) -> dict[str, bytes]:
    named = {f"n{at}": content for at, content in enumerate(notebooks)}
    return bring_over([Assignment("ps1", named, files or {})], config or {}, WISHES).files


def only_lab(content: bytes, config: dict[str, object] | None = None) -> dict[str, object]:
    made: dict[str, object] = json.loads(brought(content, config=config)["labs/ps1/ps1.ipynb"])
    return made


def marks(content: bytes, config: dict[str, object] | None = None) -> list[dict[str, object]]:
    cells = only_lab(content, config)["cells"]
    assert isinstance(cells, list)
    return [one["metadata"].get("nbgrader") for one in cells]


def codes(notebooks: dict[str, bytes], files: dict[str, bytes] | None = None) -> list[str]:
    made = bring_over([Assignment("ps1", notebooks, files or {})], {}, WISHES)
    return [one.code for one in made.remarks if one.code != "import-fill-in"]


def test_graded_notebooks_become_labs_and_the_others_lessons() -> None:
    due = datetime(2026, 3, 1, 8, tzinfo=UTC)
    first = Assignment("Problem Set 1", {"a": LAB, "b": LESSON}, {"rows.csv": b"1"}, due)
    made = bring_over([first, Assignment("ps2", {"only": LAB}, {})], {"Execute.timeout": 60}, WISHES)
    assert (made.labs, made.lessons, made.points) == (["problem-set-1-a", "ps2"], ["problem-set-1-b"], 4)
    course = yaml.safe_load(made.files["course.yml"])
    assert [module["slug"] for module in course["modules"]] == ["problem-set-1", "ps2"]
    assert course["modules"][0]["items"] == [{"lab": "problem-set-1-a"}, {"lesson": "problem-set-1-b"}]
    assert course["certificate"]["minimum_points"] == 2.4
    settings = yaml.safe_load(made.files["labs/problem-set-1-a/lab.yml"])
    assert settings["due"] == "2026-03-01T08:00+00:00"
    assert (settings["cell_seconds"], settings["total_seconds"], settings["data"]) == (60, 240, "beside")
    assert made.files["labs/problem-set-1-a/data/rows.csv"] == b"1"
    assert b"# b" in made.files["lessons/problem-set-1-b.ipynb"]


def test_a_configuration_is_read_and_never_run() -> None:
    text = (
        "import os\nos.system('touch /tmp/never')\nc = get_config()\n"
        "c.CourseDirectory.course_id = 'numbers'\nc.Execute.timeout = 60\n"
        "c.CourseDirectory.root = os.getcwd()\nc.ClearSolutions.code_stub = {'python': 'x'}\n"
        "if True:\n    c.Exchange.path_includes_course = True\nother.a.b = 3\n"
    )
    config, remarks = read_config(text)
    assert config == {
        "CourseDirectory.course_id": "numbers",
        "Execute.timeout": 60,
        "ClearSolutions.code_stub": {"python": "x"},
        "Exchange.path_includes_course": True,
    }
    assert [(one.code, one.params["line"]) for one in remarks] == [("import-setting-computed", 6)]
    assert read_config('{"Execute": {"timeout": 5}}') == ({"Execute.timeout": 5}, [])
    assert read_config("{") == ({}, [])
    assert [one.code for one in read_config("c.a.b = (")[1]] == ["import-config-unreadable"]


def test_settings_without_a_counterpart_are_said() -> None:
    made = bring_over(
        [Assignment("ps1", {"a": LAB}, {})], {"Exchange.root": "/x", "Execute.timeout": 3}, WISHES
    )
    left = [one.params["setting"] for one in made.remarks if one.code == "import-setting-left-out"]
    assert left == ["Exchange.root"]


def test_cells_of_older_schemas_are_brought_to_the_newest() -> None:
    old = graded("assert f() == 1", points=2)
    old["metadata"]["nbgrader"] = {"grade": True, "grade_id": "t", "points": "2", "checksum": "x"}
    nothing = cell("x = 1", "nothing")
    assert marks(notebook(old, nothing)) == [
        {
            "grade": True,
            "solution": False,
            "locked": False,
            "task": False,
            "grade_id": "t",
            "points": 2.0,
            "schema_version": 3,
        },
        None,
    ]


@pytest.mark.parametrize("points", ["", None, -1, "many", float("inf"), 1e9])
def test_points_that_are_none_become_zero(points: object) -> None:
    (found,) = marks(notebook(graded("x = 1", points=points)))  # type: ignore[arg-type]
    assert found["points"] == 0


def test_names_that_cannot_stay_are_changed_and_said() -> None:
    first, second, third = graded("x"), graded("y"), graded("z", "part (a)")
    content = notebook(first, second, third)
    assert [one["grade_id"] for one in marks(content)] == ["test", "test-2", "part-a"]
    assert codes({"a": content}) == ["import-renamed-id"] * 2


def test_marks_of_one_s_own_become_the_usual_ones() -> None:
    config = {
        "ClearSolutions.begin_solution_delimeter": "# >>",
        "ClearSolutions.end_solution_delimeter": "# <<",
    }
    made = only_lab(notebook(answer("# >>\nx = 1\n# <<"), graded("assert x")), config)
    assert made["cells"][0]["source"] == "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"  # type: ignore[index]


def test_outputs_go_and_a_kernel_is_there() -> None:
    shown = graded("x") | {"outputs": [{"output_type": "stream", "name": "stdout", "text": "42"}]}
    made = only_lab(notebook(shown, metadata={}))
    assert "42" not in json.dumps(made)
    assert made["metadata"]["kernelspec"]["name"] == "python3"  # type: ignore[index]


def test_pictures_of_lessons_move_and_dead_links_become_text() -> None:
    text = cell(
        "![](fig one.png) ![plot](./plot.png) ![x](attachment:a.png) ![](http://x.org/y.png) "
        "[home](https://x.org) [next](next.ipynb) [up](#top)",
        kind="markdown",
    )
    text["attachments"] = {"a.png": {"image/png": base64.b64encode(b"PNG").decode()}}
    made = bring_over([Assignment("ps1", {"a": notebook(text)}, {"plot.png": b"P"})], {}, WISHES)
    source = json.loads(made.files["lessons/ps1.ipynb"])["cells"][1]["source"]
    assert "![plot](../assets/ps1-plot.png) ![x](../assets/ps1-a.png)" in source
    assert source.endswith("[http://x.org/y.png](http://x.org/y.png) [home](https://x.org) next [up](#top)")
    assert (made.files["assets/ps1-plot.png"], made.files["assets/ps1-a.png"]) == (b"P", b"PNG")
    assert "import-link-left-out" in {one.code for one in made.remarks}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "import-notebook-unreadable"),
        (b"[" * 90_000, "import-notebook-unreadable"),
        (b'{"nbformat": 4}', "import-notebook-unreadable"),
        (b'{"nbformat": 4, "cells": [3]}', "import-notebook-unreadable"),
        (b'{"nbformat": 3, "worksheets": []}', "import-notebook-format"),
    ],
)
def test_a_notebook_that_is_none_is_left_out_and_said(content: bytes, code: str) -> None:
    assert codes({"a": content, "b": LAB}) == [code]


def test_files_that_a_course_cannot_hold_are_left_out_and_said() -> None:
    files = {"my data.csv": b"1", "sub/ok.csv": b"2", "large.bin": b"x" * 20_000_001}
    assert codes({"a": LAB}, files) == ["import-file-large", "import-file-name"]
    kept = [path for path in brought(LAB, files=files) if "/data/" in path]
    assert kept == ["labs/ps1/data/sub/ok.csv"]


def test_autotests_go_to_the_labs_that_need_them() -> None:
    content = notebook(graded("### AUTOTEST f(1)"))
    assert codes({"a": content}) == ["import-autotests-missing"]
    made = bring_over([Assignment("ps1", {"a": content, "b": LAB}, {})], {}, WISHES, b"python3: {}")
    assert [path for path in made.files if path.endswith("autotests.yml")] == ["labs/ps1-a/autotests.yml"]


def test_a_lab_that_looks_for_nbgrader_s_variable_asks_for_it() -> None:
    content = notebook(graded("import os\nassert os.environ['NBGRADER_EXECUTION']"))
    settings = yaml.safe_load(brought(content)["labs/ps1/lab.yml"])
    assert settings["announce_grading"] is True


def test_an_assignment_without_notebooks_is_said() -> None:
    assert codes({}) == ["import-nothing"]


def test_short_names_are_free_and_never_empty() -> None:
    assert slug_of("Übung 1: Zahlen!", "lab-1") == "ubung-1-zahlen"
    assert slug_of("과제", "lab-1") == "lab-1"
    assert slug_of("a", "x", ["a", "a-2"]) == "a-3"
    assert sorted(["ps10", "ps2", "PS1"], key=natural) == ["PS1", "ps2", "ps10"]


def test_every_remark_reads_in_both_languages() -> None:
    files = {"a b": b"", "c": b"x" * 20_000_001}
    made = bring_over([Assignment("ps1", {"a": b"", "b": LAB}, files)], {"A.b": 1}, WISHES)
    assert all(sentence(one, language) for one in made.remarks for language in LANGUAGES)
