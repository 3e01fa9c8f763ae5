from typing import Any

import pytest

from lms.grading.core.contracts import CellKind
from lms.grading.core.notices import LANGUAGES, is_fatal, sentence
from lms.grading.core.structure import assemble, check_structure
from tests.grading.core.making import (
    LAB,
    answer,
    cell,
    entry,
    graded,
    manifest,
    notebook,
    released,
    submission,
)


def codes(content: bytes) -> list[str]:
    return [notice.code for notice in check_structure(content, LAB)]


def changed(at: int, **changes: Any) -> bytes:
    cells = released()
    cells[at] |= changes
    return notebook(*cells)


def order(content: bytes) -> list[str]:
    return [
        placed.origin.grade_id if placed.origin else placed.source for placed in assemble(content, LAB).cells
    ]


def test_an_honest_submission_has_nothing_to_be_told() -> None:
    assert codes(submission()) == []


def test_an_edited_test_is_run_as_released_with_its_hidden_part() -> None:
    content = changed(3, source="pass")
    placed = assemble(content, LAB).cells[3]
    assert codes(content) == ["test-edited"]
    assert "double(7)" in placed.code(full=True)
    assert placed.code(full=False) == "assert double(1) == 2"


def test_a_missing_test_is_put_back_after_all_that_was_written_for_it() -> None:
    cells = released()
    helper = cell("helper = 1")
    content = notebook(cells[0], cells[1], helper, cells[3], cells[4])
    assert codes(content) == ["test-restored"]
    assert order(content) == ["setup", "answer", "test", "helper = 1", "hidden", "essay"]


def test_missing_tests_at_the_end_stand_behind_everything() -> None:
    cells = released()
    content = notebook(cells[0], cells[4], cell("def double(x): ..."))
    assert order(content)[-1] == "def double(x): ..."


def test_a_missing_answer_is_not_put_back_over_one_that_stands_elsewhere() -> None:
    cells = released()
    content = notebook(cells[0], cell("def double(x): return 2 * x"), *cells[2:])
    assert codes(content) == ["answer-missing"]
    assert "answer" not in order(content)


def test_of_copies_the_last_counts_and_all_are_run() -> None:
    cells = released()
    content = notebook(*cells[:4], {**cells[4], "source": "first"}, {**cells[4], "source": "second"})
    assert codes(content) == ["cell-duplicated"]
    last = assemble(content, LAB).cells[-1]
    assert last.source == "second"
    assert order(content)[-2:] == ["first", "essay"]


def test_moved_cells_are_put_back_with_what_belongs_to_them() -> None:
    cells = released()
    content = notebook(cells[2], cell("own"), cells[1], cells[0], cells[3], cells[4])
    assert codes(content) == ["cells-moved"]
    assert order(content) == ["setup", "own", "answer", "test", "hidden", "essay"]


def test_another_labs_notebook_is_refused() -> None:
    other = notebook(answer("x", "another"), graded("y", "another-test"))
    assert codes(other) == ["wrong-lab"]
    assert is_fatal(check_structure(other, LAB)[0])
    assert codes(notebook(cell("no metadata at all"))) == ["wrong-lab"]


def test_a_stranger_among_the_graded_cells_is_ignored() -> None:
    content = notebook(*released(), graded("6", "mine", 100))
    assert codes(content) == ["unknown-graded-cell"]
    assert assemble(content, LAB).cells[-1].origin is None


def test_another_kernel_is_replaced() -> None:
    assert codes(notebook(*released(), kernel="evil")) == ["kernel-replaced"]


@pytest.mark.parametrize(
    "marks", [{"grade": False}, {"solution": True}, {"points": -5}, {"points": 1000}, {"task": True}]
)
def test_flags_and_points_of_the_file_mean_nothing(marks: dict[str, Any]) -> None:
    cells = released()
    cells[2]["metadata"]["nbgrader"] |= marks
    assert assemble(notebook(*cells), LAB).cells[2].origin == LAB.cells[2]


def test_tags_are_dropped_and_named() -> None:
    cells = released()
    cells[2]["metadata"]["tags"] = ["skip-execution"]
    assert codes(notebook(*cells)) == ["tags-dropped"]


def test_a_test_turned_into_text_is_code_again() -> None:
    content = changed(2, cell_type="markdown")
    assert codes(content) == ["cell-type-restored"]
    assert assemble(content, LAB).cells[2].code(full=True).startswith("assert")


def test_locked_text_is_restored_too() -> None:
    lab = manifest(entry("text", CellKind.READ_ONLY, "Rules", cell_type="markdown"), *LAB.cells)
    cells = released(lab)
    cells[0]["source"] = "No rules"
    assert assemble(notebook(*cells), lab).cells[0].source == "Rules"


def test_every_notice_reads_well_in_both_languages() -> None:
    content = notebook(*released()[:3], graded("6", "mine", 100), kernel="evil")
    notices = check_structure(content, LAB)
    assert len(notices) == 4
    for notice in notices:
        said = [sentence(notice, language) for language in LANGUAGES]
        assert len(set(said)) == len(LANGUAGES)
        assert not any("%(" in text for text in said)
