"""What a failed notebook says on files that everyone has, in the real jail."""

import time
from pathlib import Path

import pytest

from lms.leaderboards.adapters.notebooks import JailedNotebooks, log_seconds
from lms.leaderboards.core.challenge_file import Challenge, Compute
from lms.leaderboards.core.failures import EntryFailed
from lms.leaderboards.core.run_logs import LOG_BYTES, TEXT_BYTES, RunLog
from lms.runtime.probe import Isolation
from tests.factories.notebooks import notebook
from tests.runtime.jails import ROOT

pytestmark = pytest.mark.jail

NO_ROWS = "There is no row in it. Send one row for each id."
WRITES = "open('submission.csv', 'w').write('id,place\\ns1,north\\n')"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "test.csv").write_text("id\nsample-row\n")
    return folder


@pytest.fixture
def log(isolation: Isolation, challenge: Challenge, data: Path) -> "Log":
    assert isolation
    return Log(challenge, data)


class Log:
    """Runs cells on public files; cell 1 is text, so the first source is cell 2."""

    def __init__(self, challenge: Challenge, data: Path) -> None:
        self.challenge, self.data = challenge, data

    def __call__(self, *sources: str) -> RunLog:
        return JailedNotebooks(ROOT).log(self.challenge, notebook(*sources), self.data)


def test_what_fails_there_too_has_its_outputs_and_its_traceback(log: Log) -> None:
    found = log(
        "print('reading', open('data/test.csv').read())",
        "rows = 3",
        "def half(text):\n    return text / 2\nhalf('a')",
        "print('never reached')",
    )
    assert (found.outcome, dict(found.params)) == ("failed", {"cell": 4, "error": "TypeError"})
    assert [cell.number for cell in found.cells] == [2, 4]
    assert found.cells[0].text == "reading id\nsample-row"
    traceback = found.cells[1].traceback
    assert "return text / 2" in traceback
    assert traceback.endswith("TypeError: unsupported operand type(s) for /: 'str' and 'int'")
    assert "\x1b" not in traceback


def test_values_and_warnings_are_text_and_pictures_are_left_out(log: Log) -> None:
    found = log(
        "import sys; print('careful', file=sys.stderr)\n{'rows': 40}",
        "class Shown:\n    def _repr_html_(self): return '<b>bold</b>'\n"
        "    def __repr__(self): return 'plain'\nShown()",
        WRITES,
    )
    assert (found.outcome, dict(found.params)) == ("ended", {})
    texts = [cell.text for cell in found.cells]
    assert texts[:2] == ["careful\n{'rows': 40}", "plain"]


ENDS = {
    "nothing left": (["1 + 1"], "no_output", {"file": "submission.csv"}),
    "wrong columns": (
        ["open('submission.csv', 'w').write('id,label\\ns1,north\\n')"],
        "bad_file",
        {"file": "submission.csv", "line": 1},
    ),
    "no class": (
        ["open('submission.csv', 'w').write('id,place\\ns1,north\\ns2,up\\n')"],
        "bad_file",
        {"file": "submission.csv", "line": 3},
    ),
    "the same id twice": (
        ["open('submission.csv', 'w').write('id,place\\ns1,north\\ns1,north\\ns2,south\\n')"],
        "bad_file",
        {"file": "submission.csv", "line": 3},
    ),
    "a row of many, and other ids": (
        ["open('submission.csv', 'w').write('id,place\\nx,north\\n')"],
        "ended",
        {},
    ),
    "a header alone": (
        ["open('submission.csv', 'w').write('id,place\\n')"],
        "bad_file",
        {"line": None, "fault": NO_ROWS},
    ),
    "no row in JSON": (
        ["open('submission.csv', 'w').write('[]')"],
        "bad_file",
        {"line": None, "fault": NO_ROWS},
    ),
    "columns without a row": (
        ["""open('submission.csv', 'w').write('{"id": [], "place": []}')"""],
        "bad_file",
        {"line": None, "fault": NO_ROWS},
    ),
    "Parquet": (["open('submission.csv', 'wb').write(b'PAR1 and more')"], "not_looked", {"limit": 4}),
    "much": (
        ["open('submission.csv', 'w').write('id,place\\n' + 's,up\\n' * 1_000_000)"],
        "not_looked",
        {"limit": 4},
    ),
    "the kernel ends": (["import os; os._exit(0)"], "died", {"cell": 2, "seconds": 20}),
    "too much memory": (["held = bytearray(3 << 30)"], "failed", {"cell": 2, "error": "MemoryError"}),
}


@pytest.mark.parametrize(("sources", "outcome", "params"), ENDS.values(), ids=ENDS)
def test_how_it_ended_is_told(log: Log, sources: list[str], outcome: str, params: dict[str, object]) -> None:
    found = log(*sources)
    assert found.outcome == outcome
    assert params.items() <= found.params.items()


def test_of_megabytes_the_last_is_kept_and_the_traceback_whole(log: Log) -> None:
    found = log(
        "for number in range(60_000): print('line', number)",
        *(f"print('{letter}' * 4000)" for letter in "abcdefgh"),
        "for number in range(60_000): print('step', number)\nraise KeyError('column')",
    )
    assert found.outcome == "failed"
    assert sum(cell.size for cell in found.cells) <= LOG_BYTES
    last = found.cells[-1]
    assert last.cut
    assert len(last.text.encode()) <= TEXT_BYTES
    assert last.text.endswith("step 59999")
    assert last.traceback.endswith("KeyError: 'column'")
    assert [cell.number for cell in found.cells] == list(range(found.cells[0].number, 12))
    assert found.params["no_room"] == 10 - len(found.cells)


def test_endless_output_and_a_message_without_end_are_bounded(log: Log) -> None:
    assert log("while True: print('x' * 10_000)").outcome in {"output", "time", "memory"}  # what is first
    found = log("raise ValueError('y' * 300_000)")
    assert found.outcome == "failed"
    assert found.cells[0].size < 10_000
    assert "ValueError: yyy" in found.cells[0].traceback


def test_what_hangs_is_ended_in_a_short_time_and_says_where(
    isolation: Isolation, challenge: Challenge, data: Path
) -> None:
    assert isolation
    hanging = notebook("print('begun')", "while True: pass")
    short = challenge.model_copy(update={"compute": Compute(seconds=2, memory_mib=256, processes=16)})
    begun = time.monotonic()
    found = JailedNotebooks(ROOT).log(short, hanging, data)
    assert time.monotonic() - begun < 30
    assert (found.outcome, found.params["cell"], found.seconds) == ("time", 3, 2)
    assert found.params["fewer"] is False  # it has no more when it counts
    assert found.cells[0].text == "begun"


def test_it_has_a_tenth_of_the_time_and_a_little_for_libraries(challenge: Challenge) -> None:
    for counts, expected in ((5, 5), (60, 20), (300, 30), (7200, 720)):
        compute = Compute(seconds=counts)
        assert log_seconds(challenge.model_copy(update={"compute": compute})) == expected


def test_what_steers_a_terminal_or_turns_text_around_does_nothing(log: Log) -> None:
    found = log(
        r"print('\x1b[31mred\x1b[0m \x1b]0;title\x07 bell\x07 \x9b2Jgone')",
        r"print('<script>alert(1)</script> &amp;')",
        r"print('abc\u202edcb\u2066x \u200fy \u2028z \0')",
        r"print('10%\r20%\r30%')",
        r"raise ValueError('\x1b[2J\u202ereversed <b>')",
    )
    texts = [cell.text for cell in found.cells]
    assert texts[0] == "red  bell\N{REPLACEMENT CHARACTER} gone"
    assert texts[1] == "<script>alert(1)</script> &amp;"  # as it stands: the page escapes it
    assert texts[3] == "30%"
    said = "".join([*texts, *(cell.traceback for cell in found.cells)])
    assert all(one.isprintable() or one in "\n\t" for one in said)
    assert "reversed <b>" in found.cells[4].traceback


def test_what_is_no_notebook_has_no_log(isolation: Isolation, challenge: Challenge, data: Path) -> None:
    assert isolation
    with pytest.raises(EntryFailed, match="notebook_unreadable"):
        JailedNotebooks(ROOT).log(challenge, b"{}", data)


def test_nothing_that_one_run_writes_is_there_in_the_next(log: Log, tmp_path: Path) -> None:
    """Of files and processes: every folder that a jail can write to is its own, and so is what it starts.

    What is in memory of the files that all jails read is no such thing, and tells (ADR 0028).
    """
    folders = "('/lab', '/tmp', '/dev/shm', '/run/desk', '/var/tmp', '/lab/data')"
    leaves = (
        "import os, subprocess\n"
        f"for folder in {folders}:\n"
        "    try: open(folder + '/left-behind', 'w').write('hidden-row')\n"
        "    except OSError: pass\n"
        "subprocess.Popen(['sleep', '60'])"
    )
    looks = (
        "import os, glob\n"
        f"print('left-behind' in str([os.listdir(one) for one in {folders} if os.path.isdir(one)]))\n"
        "print(any(b'sleep' in open(one, 'rb').read() for one in glob.glob('/proc/[0-9]*/cmdline')))"
    )
    first = JailedNotebooks(ROOT)
    with pytest.raises(EntryFailed):
        first.predictions(log.challenge, notebook(leaves, "raise ValueError"), log.data, 1000)
    assert log(looks).cells[0].text == "False\nFalse"
    assert not list(tmp_path.rglob("left-behind"))
