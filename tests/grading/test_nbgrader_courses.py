import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import nbgrader
import pytest

from lms.courses.core.check import check_folder
from lms.courses.core.problems import errors
from lms.errors import Conflict, Invalid, NotFound
from lms.grading.core.importing import Wishes, bring_over
from lms.grading.queries.nbgrader_courses import nbgrader_course
from lms.grading.services.folders import write_folder
from tests.grading.core.making import graded, notebook

GUIDE = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide"
LAB = notebook(graded("assert f() == 1", points=2))


def course(root: Path, config: str = "") -> Path:
    (root / "source" / "ps1" / "more").mkdir(parents=True)
    (root / "source" / "ps1" / "one.ipynb").write_bytes(LAB)
    (root / "source" / "ps1" / "rows.csv").write_text("1")
    (root / "source" / "ps1" / "more" / "deep.csv").write_text("2")
    (root / "source" / "header.ipynb").write_bytes(LAB)
    if config:
        (root / "nbgrader_config.py").write_text(config)
    return root


def gradebook(path: Path, due: str | None = "2026-03-01 08:00:00.000000") -> None:
    with sqlite3.connect(path) as opened:
        opened.execute("CREATE TABLE assignment (name TEXT, duedate TEXT)")
        opened.execute("CREATE TABLE student (id TEXT)")
        opened.execute("CREATE TABLE submitted_assignment (id TEXT)")
        opened.execute("INSERT INTO assignment VALUES ('ps1', ?)", [due])
        opened.execute("INSERT INTO student VALUES ('hacker')")
    opened.close()


def codes(found: Path) -> list[str]:
    return [one.code for one in nbgrader_course(found).remarks]


def test_the_course_that_nbgrader_ships_comes_over_whole_and_passes_the_check(tmp_path: Path) -> None:
    found = nbgrader_course(GUIDE)
    made = bring_over(found.assignments, found.config, Wishes(found.name), found.autotests)
    write_folder(tmp_path / "user-guide", made.files)
    assert errors(check_folder(tmp_path / "user-guide", ["ml-basics"])) == []
    assert made.labs[:2] == ["ps1-problem1", "ps1-problem2"]
    assert made.points == 26
    assert (tmp_path / "user-guide/labs/ps1-autotest-problem1/autotests.yml").is_file()


def test_folders_files_and_due_dates_are_read(tmp_path: Path) -> None:
    root = course(tmp_path, "c.CourseDirectory.course_id = 'numbers'\n")
    gradebook(root / "gradebook.db")
    found = nbgrader_course(root)
    assert found.name == "numbers"
    (assignment,) = found.assignments
    assert assignment.due == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert sorted(assignment.notebooks) == ["one"]
    assert assignment.files == {"more/deep.csv": b"2", "rows.csv": b"1"}
    assert [one.code for one in found.remarks] == ["import-file-outside", "import-people-left-out"]


def test_a_gradebook_that_is_none_costs_the_due_dates_only(tmp_path: Path) -> None:
    root = course(tmp_path)
    (root / "gradebook.db").write_bytes(b"no database" * 100)
    assert codes(root) == ["import-file-outside", "import-gradebook-unreadable"]
    (root / "gradebook.db").unlink()
    gradebook(root / "gradebook.db", due="tomorrow")
    assert codes(root) == ["import-file-outside", "import-gradebook-unreadable"]


def test_a_gradebook_is_not_changed(tmp_path: Path) -> None:
    root = course(tmp_path)
    gradebook(root / "gradebook.db")
    before = (root / "gradebook.db").read_bytes()
    nbgrader_course(root)
    assert (root / "gradebook.db").read_bytes() == before
    assert sorted(path.name for path in root.iterdir()) == ["gradebook.db", "source"]


def test_links_and_hidden_files_stay_behind(tmp_path: Path) -> None:
    root = course(tmp_path / "course")
    (tmp_path / "secret").write_text("secret")
    (root / "source" / "ps1" / "link.csv").symlink_to(tmp_path / "secret")
    (root / "source" / "ps1" / ".ipynb_checkpoints").mkdir()
    (root / "source" / "ps1" / ".ipynb_checkpoints" / "x.csv").write_text("x")
    assert set(nbgrader_course(root).assignments[0].files) == {"more/deep.csv", "rows.csv"}


@pytest.mark.parametrize("path", ["'../elsewhere'", "'/etc'"])
def test_nothing_outside_of_the_course_is_read(tmp_path: Path, path: str) -> None:
    root = course(tmp_path / "course", f"c.CourseDirectory.source_directory = {path}\n")
    with pytest.raises(Invalid):
        nbgrader_course(root)
    root = course(tmp_path / "other", "c.CourseDirectory.db_url = 'sqlite:////etc/passwd'\n")
    assert "import-gradebook-unreadable" in codes(root)


def test_a_folder_without_source_is_no_course(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        nbgrader_course(tmp_path)


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    write_folder(tmp_path / "new", {"a/b.txt": b"1"})
    with pytest.raises(Conflict):
        write_folder(tmp_path / "new", {"c.txt": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert (tmp_path / "new/a/b.txt").read_bytes() == b"1"
