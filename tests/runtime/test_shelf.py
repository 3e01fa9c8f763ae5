import os
from pathlib import Path

import pytest

from lms.runtime.shelf import Shelf


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def write(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "a.csv").write_text("1")


@pytest.mark.usefixtures("home")
def test_a_folder_is_laid_once_and_open_to_all() -> None:
    shelf = Shelf()
    first = shelf.lay("digest", write)
    assert shelf.lay("digest", lambda _folder: pytest.fail("laid twice")) == first
    assert (first / "inner").stat().st_mode & 0o777 == 0o755
    assert (first / "inner" / "a.csv").stat().st_mode & 0o777 == 0o444
    shelf.close()
    shelf.close()


def test_a_folder_that_could_not_be_filled_is_not_there(home: Path) -> None:
    shelf = Shelf()

    def fail(folder: Path) -> None:
        write(folder)
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # the one above
        shelf.lay("digest", fail)
    assert list(shelf.folder.iterdir()) == []
    shelf.close()
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("home")
def test_folders_that_are_seldom_used_go_first() -> None:
    shelf = Shelf(most=2)
    for digest in ("a", "b", "a", "c"):
        shelf.lay(digest, write)
    assert sorted(path.name for path in shelf.folder.iterdir()) == ["a", "c"]
    shelf.close()


def test_what_a_run_gets_is_bound_or_copied_and_goes_with_it(home: Path) -> None:
    shelf = Shelf()
    laid = shelf.lay("digest", write)
    other = home / "other"
    other.mkdir()
    write(other)
    (other / "secret").symlink_to("/etc/shadow")
    run = shelf.lay_for_a_run({laid: "/lab/data", other: "/lab/more"}, {"/lab/x": b"x"})
    found = {inside: shelf.folder / path for path, inside in run.binds}
    assert found["/lab/data"] == laid
    assert (found["/lab/more"] / "inner" / "a.csv").read_text() == "1"
    assert not (found["/lab/more"] / "secret").is_symlink()
    assert found["/lab/x"].read_bytes() == b"x"
    run.clear()
    assert [path.name for path in shelf.folder.iterdir()] == ["digest"]
    shelf.close()


@pytest.mark.usefixtures("home")
def test_the_shelf_of_a_killed_worker_goes_with_the_next_one() -> None:
    killed, living = Shelf(), Shelf()
    os.close(killed._lock)  # as its death does
    Shelf().close()
    assert not killed.folder.exists()
    assert living.folder.exists()
    living.close()
