"""Participants' notebooks on hidden data, in the real jail."""

from pathlib import Path

import pytest

from lms.leaderboards.adapters.notebooks import JailedNotebooks
from lms.leaderboards.core.challenge_file import Challenge, Compute
from lms.leaderboards.core.failures import EntryFailed
from lms.runtime.probe import Isolation
from tests.factories.notebooks import notebook
from tests.runtime.jails import ROOT

pytestmark = pytest.mark.jail


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "test.csv").write_text("id\nhidden-row\n")
    return folder


def test_a_notebook_reads_the_hidden_rows_and_leaves_predictions(
    isolation: Isolation, challenge: Challenge, data: Path
) -> None:
    assert isolation
    content = notebook(
        "rows = open('data/test.csv').read()", "open('submission.csv', 'w').write(rows.upper()); print(rows)"
    )
    assert JailedNotebooks(ROOT).predictions(challenge, content, data, 1000) == b"ID\nHIDDEN-ROW\n"


FAILING = {
    "it raises": (
        ["x = 1", "raise ValueError(open('data/test.csv').read())"],
        ("cell_failed", 3, "ValueError"),
    ),
    "an error of its own": (
        ["class HiddenRow(Exception): pass\nraise HiddenRow"],
        ("cell_failed", 2, "Error"),
    ),
    "no file": (["x = 1"], ("no_output", None, None)),
    "too large a file": (["open('submission.csv', 'w').write('x' * 1001)"], ("no_output", None, None)),
    "a link": (["import os; os.symlink('data/test.csv', 'submission.csv')"], ("no_output", None, None)),
    "the kernel ends": (["import os; os._exit(0)"], ("died", 2, None)),
}


@pytest.mark.parametrize(("sources", "expected"), FAILING.values(), ids=FAILING)
def test_what_fails_says_its_cell_and_nothing_of_the_rows(
    isolation: Isolation,
    challenge: Challenge,
    data: Path,
    sources: list[str],
    expected: tuple[str, int | None, str | None],
) -> None:
    assert isolation
    with pytest.raises(EntryFailed) as failed:
        JailedNotebooks(ROOT).predictions(challenge, notebook(*sources), data, 1000)
    said = failed.value
    assert (said.code, said.params.get("cell"), said.params.get("error")) == expected
    assert "hidden" not in str(said.params).lower()


def test_a_notebook_without_end_is_ended_and_one_that_is_none_is_refused(
    isolation: Isolation, challenge: Challenge, data: Path
) -> None:
    assert isolation
    short = challenge.model_copy(update={"compute": Compute(seconds=2, memory_mib=256, processes=16)})
    with pytest.raises(EntryFailed, match="time"):
        JailedNotebooks(ROOT).predictions(short, notebook("while True: pass"), data, 1000)
    with pytest.raises(EntryFailed, match="notebook_unreadable"):
        JailedNotebooks(ROOT).predictions(short, b"{}", data, 1000)
