import json
import os
from pathlib import Path

import pytest
import yaml

from lms.courses.core.check import check_folder, read_course
from lms.courses.core.folder import LARGEST_FILE
from lms.courses.core.outline import read_outline, read_settings
from lms.courses.core.problems import errors
from lms.courses.core.sentences import SENTENCES
from tests.factories.courses import (
    ENVIRONMENTS,
    course_file,
    graded_cell,
    lab_file,
    source_notebook,
    write_course,
)

GOLDEN = Path(__file__).parent / "golden"
BROKEN_COURSE = """\
title: {ko: 행렬, en: Matrices}
summary: {ko: 짧은 소개}
descripton: {ko: 설명, en: Description}
languages: [ko, en, ko]
organisations: {university: hangang-university, company: hangang-university}
level: begginer
hours: 1:30
modules:
  - slug: Start
    title: {ko: 시작, en: Start}
    items:
      - lesson: 01-vector
      - lesson: no
      - lab: products
      - {lesson: 02-more, lab: products}
  - slug: second
    slug: third
    title: {ko: 다음, en: Next, fr: Suivant}
    items: []
certificate:
  title: {ko: 수료, en: Done}
  criteria: {ko: 마쳐요, en: Finish}
  minimum_points: 99
  required_labs: [product]
  required_share: 1.5
"""
BROKEN_LAB = """\
title: {ko: 곱, en: Products}
summary: {ko: 곱해요, en: Multiply}
environment: ml-basic
cell_seconds: 500
total_seconds: 120
attempts: 0
due: 2026-12-20T23:59
late: perhaps
board:
  title: {ko: 순위, en: Board}
  metric: own
  direction: max
  public_share: 1
  ends: {at: "23:59"}
  baselines:
    - {key: zero, title: {ko: 영, en: Zero}}
    - {key: zero, title: {ko: 영, en: Zero}}
"""
BROKEN_NOTEBOOK = source_notebook(
    graded_cell("one", "### BEGIN HIDDEN TESTS\nassert True"),
    graded_cell("one", "assert True", points=-1),
    graded_cell("two words", "assert True", schema_version=1),
    graded_cell("text", "### BEGIN SOLUTION\n1\n### END SOLUTION", points="3", locked=None),
)
BROKEN_LESSON = """\
---
title: 더
minuts: 3
---
[없는 레슨](09-nothing.md) [밖](../../etc/passwd) [나쁜](ftp://example.org/x)

![](../assets/v.svg) ![밖](https://example.org/x.png) [숨김](../labs/products/hidden/board.py)

$\\frac{1}{$
"""


def broken(folder: Path) -> Path:
    path = write_course(
        folder / "broken",
        {
            "course.yml": BROKEN_COURSE,
            "labs/products/lab.yml": BROKEN_LAB,
            "labs/products/products.ipynb": BROKEN_NOTEBOOK,
            "labs/products/hidden/board.py": "def make_hidden(seed):\n    return None\n",
            "lessons/02-more.md": BROKEN_LESSON,
            "lessons/02-more.en.md": b"\xff\xfe not text",
        },
    )
    (path / "assets" / "secret").symlink_to("/etc/passwd")
    return path


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_broken_folder_is_told_everything_at_once(tmp_path: Path, language: str) -> None:
    problems = check_folder(broken(tmp_path), ENVIRONMENTS)
    said = "".join(f"{problem.render(language)}\n" for problem in problems)
    golden = GOLDEN / f"broken.{language}.txt"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")


def codes(path: Path) -> set[str]:
    return {problem.code for problem in check_folder(path, ENVIRONMENTS)}


def test_a_sound_folder_gives_an_outline_that_survives_json(tmp_path: Path) -> None:
    checked = read_course(write_course(tmp_path / "matrices"), ENVIRONMENTS)
    assert checked.problems == []
    assert checked.outline is not None
    again = read_outline(json.loads(json.dumps(checked.outline.to_dict())))
    assert again == checked.outline
    assert again.slug == "matrices"
    assert again.maximum == 3
    assert again.lessons["01-vectors"].title == {"ko": "벡터", "en": "Vectors"}
    assert again.labs["products"].settings.memory_bytes == 2048 * 2**20
    settings = again.labs["products"].settings
    assert read_settings(settings.model_dump(mode="json")) == settings
    assert [item.slug for item in again.items] == ["01-vectors", "products", "02-more"]


def test_every_problem_has_a_sentence_in_both_languages() -> None:
    assert all(english and korean for english, korean in SENTENCES.values())
    assert all(any("가" <= letter <= "힣" for letter in korean) for _, korean in SENTENCES.values())


def test_the_sample_courses_hold() -> None:
    content = Path(__file__).parents[3] / "course_content"
    folders = [path for path in content.iterdir() if (path / "course.yml").exists()]
    assert folders
    for folder in folders:
        assert errors(check_folder(folder, ENVIRONMENTS)) == []


def test_a_missing_folder_says_so(tmp_path: Path) -> None:
    assert codes(tmp_path / "nothing") == {"folder_missing"}


def test_a_folder_without_course_yml_says_so(tmp_path: Path) -> None:
    assert "file_missing" in codes(write_course(tmp_path / "matrices", {"course.yml": None}))


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "course.yml", "loop"])
def test_links_in_the_file_system_are_refused_wherever_they_lead(tmp_path: Path, target: str) -> None:
    path = write_course(tmp_path / "matrices")
    (path / "loop").symlink_to(target)
    problems = check_folder(path, ENVIRONMENTS)
    assert [(problem.file, problem.code) for problem in problems] == [("loop", "symlink")]
    assert "loop" not in read_course(path, ENVIRONMENTS).folder.files


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    path = write_course(tmp_path / "matrices")
    os.mkfifo(path / "assets" / "pipe.png")
    assert codes(path) == {"not_a_file"}


def test_a_file_over_the_cap_is_refused(tmp_path: Path) -> None:
    path = write_course(tmp_path / "matrices")
    with (path / "assets" / "large.png").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    assert codes(path) == {"file_too_large"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [1, 2", "yaml_syntax"),
        ("", "yaml_empty"),
        ("a: &x [1]\nb: *x\n", "yaml_alias"),
        ("[" * 60 + "]" * 60, "yaml_too_deep"),
        ("a: !!python/object/apply:os.system ['true']", "yaml_tag"),
        ('a: "\\0"', "bad_character"),
        ("a: \x00", "bad_character"),
        ('a: "\\ud800"', "bad_character"),
        ("? [1]\n: 2\n", "yaml_key_not_text"),
        ("- 1\n---\n- 2\n", "yaml_syntax"),
        ("title: yes", "yaml_truth_word"),
        ("hours: 0o17\nlevel: 017", "yaml_odd_number"),
        ("hours: .nan", "yaml_odd_number"),
        ("hours: 1.0e+999", "want_number"),
        ("just words", "want_mapping"),
    ],
)
def test_bad_yaml_is_named(tmp_path: Path, text: str, code: str) -> None:
    assert code in codes(write_course(tmp_path / "matrices", {"course.yml": text}))


def test_billions_of_laughs_end_at_the_first(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    assert codes(write_course(tmp_path / "matrices", {"course.yml": "\n".join(lines)})) == {"yaml_alias"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("not json", "notebook_json"),
        ('{"cells": [', "notebook_json"),
        ("[]", "notebook_json"),
        ("[" * 100_000 + "]" * 100_000, "notebook_json"),
        ('{"cells": [], "cells": []}', "notebook_json"),
        (b"\xff\xfe", "notebook_json"),
        ('{"cells": [], "nbformat": 3, "metadata": {}}', "notebook_format"),
        ('{"cells": [], "nbformat": 4, "metadata": {}}', "notebook_not_source"),
        (source_notebook(graded_cell("a", "x", points=float("nan"))), "points"),
        (source_notebook(graded_cell("a", "x", points=float("inf"))), "points"),
        (source_notebook(graded_cell("a", "x"), graded_cell("a", "y")), "grade_id_twice"),
        (source_notebook(graded_cell("a", "### END SOLUTION")), "region_close"),
        (source_notebook(graded_cell("", "x")), "grade_id_missing"),
    ],
)
def test_bad_lab_notebooks_are_named(tmp_path: Path, content: str | bytes, code: str) -> None:
    assert code in codes(write_course(tmp_path / "matrices", {"labs/products/products.ipynb": content}))


def test_duplicate_grade_ids_are_shown_at_their_line(tmp_path: Path) -> None:
    notebook = source_notebook(graded_cell("same", "x"), graded_cell("same", "y"))
    path = write_course(tmp_path / "matrices", {"labs/products/products.ipynb": notebook})
    found = [one for one in check_folder(path, ENVIRONMENTS) if one.code == "grade_id_twice"]
    lines = [number for number, line in enumerate(notebook.split("\n"), 1) if '"grade_id"' in line]
    assert [one.line for one in found] == lines[1:]


def test_an_absolute_due_date_with_its_offset_is_taken(tmp_path: Path) -> None:
    lab = yaml.safe_dump(lab_file(due="2026-12-20T23:59+09:00"), allow_unicode=True)
    checked = read_course(write_course(tmp_path / "matrices", {"labs/products/lab.yml": lab}), ENVIRONMENTS)
    assert checked.outline is not None
    due = checked.outline.labs["products"].settings.due
    assert due is not None
    assert due.moment is not None
    assert due.moment.isoformat() == "2026-12-20T23:59:00+09:00"


def test_a_course_in_one_language_needs_no_twins(tmp_path: Path) -> None:
    course = yaml.safe_dump(course_file(languages=["ko"]), allow_unicode=True)
    files = {"course.yml": course, "lessons/01-vectors.en.md": None, "lessons/02-more.en.md": None}
    assert codes(write_course(tmp_path / "matrices", files)) == set()


def test_a_missing_twin_is_a_warning_only(tmp_path: Path) -> None:
    checked = read_course(write_course(tmp_path / "matrices", {"lessons/02-more.en.md": None}), ENVIRONMENTS)
    assert [(one.code, one.severity) for one in checked.problems] == [("twin_missing", "warning")]
    assert checked.outline is not None


def test_a_board_without_its_file_is_named(tmp_path: Path) -> None:
    board = {"title": {"ko": "가", "en": "a"}, "predict": "predict", "metric": "accuracy", "direction": "max"}
    lab = yaml.safe_dump(lab_file(board=board), allow_unicode=True)
    path = write_course(tmp_path / "matrices", {"labs/products/lab.yml": lab})
    assert codes(path) == {"board_file_missing"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"assurance": "shared"}, "want_one_of"),
        ({"kernel": "hot"}, "want_one_of"),
        ({"resource": "tpu"}, "want_one_of"),
        ({"data": "here"}, "want_one_of"),
        ({"libraries": ["numpy; import os"]}, "want_pattern"),
        ({"libraries": ["numpy"] * 51}, "too_many"),
        ({"libraries": "numpy"}, "want_list"),
        ({"exam": 1}, "want_truth"),
        ({"announce_grading": "true"}, "want_truth"),
        ({"pause_seconds": -1}, "too_small"),
        ({"pause_seconds": 86_401}, "too_large"),
        ({"pause_seconds": 1.5}, "want_whole_number"),
        ({"hidden_results": "never"}, "want_one_of"),
        ({"hidden_results": "after_due", "due": None}, "hidden_results_need_due"),
        ({"flaky_runs": 0}, "too_small"),
        ({"mutation_score": 1.5}, "too_large"),
    ],
)
def test_bad_settings_of_grading_are_named(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    lab = yaml.safe_dump(lab_file(**changes), allow_unicode=True)
    assert codes(write_course(tmp_path / "matrices", {"labs/products/lab.yml": lab})) == {code}


def test_settings_of_grading_are_kept(tmp_path: Path) -> None:
    given = {
        "assurance": "shared-kernel",
        "kernel": "fresh",
        "libraries": ["numpy", "sklearn.linear_model"],
        "announce_grading": True,
        "resource": "big-memory",
        "exam": True,
        "data": "beside",
        "flaky_runs": 7,
        "pause_seconds": 60,
        "hidden_results": "after_due",
        "mutation_score": 0.6,
    }
    lab = yaml.safe_dump(lab_file(**given), allow_unicode=True)
    checked = read_course(write_course(tmp_path / "matrices", {"labs/products/lab.yml": lab}), ENVIRONMENTS)
    assert checked.outline is not None
    settings = checked.outline.labs["products"].settings.model_dump(mode="json")
    assert {key: settings[key] for key in given} == given


def test_tests_in_another_language_cannot_be_asked_to_run_isolated(tmp_path: Path) -> None:
    notebook = json.loads(source_notebook())
    notebook["metadata"] = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}
    lab = yaml.safe_dump(lab_file(assurance="isolated"), allow_unicode=True)
    files = {"labs/products/lab.yml": lab, "labs/products/products.ipynb": json.dumps(notebook)}
    assert codes(write_course(tmp_path / "matrices", files)) == {"isolated_needs_python"}
