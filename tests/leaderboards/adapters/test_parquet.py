"""Parquet files of predictions, read in a jail of their own."""

import subprocess
from pathlib import Path

import pytest

from lms.errors import Invalid
from lms.leaderboards.adapters.workshop import PARQUET, JailedWorkshop
from lms.leaderboards.core.challenge_file import Challenge, read_challenge
from lms.leaderboards.core.predictions import BadPredictions
from lms.leaderboards.core.scoring import Truth, read_entry
from lms.runtime.environments import EnvironmentBroken, describe
from lms.runtime.probe import Isolation
from tests.factories.challenges import CHALLENGE, write_challenge
from tests.runtime.jails import ROOT, need

pytestmark = pytest.mark.jail
TRUTH = Truth(tuple(f"p{number}" for number in range(100)), {"place": ["north"] * 100}, tuple(range(40)))
HEAD = "import sys\nimport pyarrow as pa\nimport pyarrow.parquet as pq\n"
TAIL = "\nout = pa.BufferOutputStream()\npq.write_table(table, out)\nsys.stdout.buffer.write(out.getvalue())"
IDS = "[f'p{n}' for n in range(100)]"


@pytest.fixture(scope="module")
def challenge(isolation: Isolation, tmp_path_factory: pytest.TempPathFactory) -> Challenge:
    assert isolation
    need(there=describe(ROOT, PARQUET).python.exists(), what="the environment parquet is not built")
    found = read_challenge(write_challenge(tmp_path_factory.mktemp("content")), ["ml-basics"]).challenge
    assert found is not None
    return found


def parquet(table: str) -> bytes:
    """Return a Parquet file; `table` is an expression of pyarrow."""
    python = describe(ROOT, PARQUET).python
    program = f"{HEAD}table = {table}{TAIL}"
    return subprocess.run([str(python), "-c", program], check=True, capture_output=True).stdout


def test_a_parquet_file_is_read_like_any_other(challenge: Challenge) -> None:
    content = parquet(f"pa.table({{'place': ['north', 'south'] * 50, 'id': {IDS}}})")
    found = read_entry(challenge, TRUTH, content, JailedWorkshop(ROOT))
    assert found == {"place": ["north", "south"] * 50}


BAD = {
    "a bomb of rows": (
        "pa.table({'id': pa.nulls(3_000_000), 'place': pa.nulls(3_000_000)})",
        "3000000 rows, and 100",
    ),
    "another column": (f"pa.table({{'id': {IDS}, 'there': {IDS}}})", "must be id, place"),
    "a list": (
        f"pa.table({{'id': {IDS}, 'place': [None] * 6 + [['north']] * 94}})",
        'In row 7 of the Parquet file "place" is neither',
    ),
    "a column twice": (
        f"pa.Table.from_arrays([pa.array({IDS})] * 3, names=['id', 'place', 'place'])",
        "must be id, place",
    ),
}


@pytest.mark.parametrize(("table", "said"), BAD.values(), ids=BAD)
def test_a_parquet_file_that_cannot_be_scored_says_why(challenge: Challenge, table: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_entry(challenge, TRUTH, parquet(table), JailedWorkshop(ROOT))
    assert said in str(refused.value)
    assert "Error" not in str(refused.value)


def test_a_number_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    """A missing value of pandas is NaN, which no answer of the jail can hold."""
    text = CHALLENGE.replace("metric: accuracy", "metric: mean_absolute_error")
    text = text.replace("also: [f1_macro]", "also: []").replace("kind: label", "kind: number")
    checked = read_challenge(write_challenge(tmp_path, text=text), ["ml-basics"])
    assert checked.challenge is not None
    truth = Truth(TRUTH.ids, {"place": [1.0] * 100}, TRUTH.public)
    content = parquet(f"pa.table({{'id': {IDS}, 'place': [1.0] * 99 + [float('nan')]}})")
    with pytest.raises(BadPredictions) as bad:
        read_entry(checked.challenge, truth, content, JailedWorkshop(ROOT))
    assert [fault.line for fault in bad.value.faults] == [100]


def test_a_reader_that_is_being_built_is_no_fault_of_the_file(
    challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise EnvironmentBroken("No space left on /srv/environments")

    monkeypatch.setattr("lms.leaderboards.adapters.workshop.prepare", broken)
    with pytest.raises(EnvironmentBroken):  # the entry waits
        read_entry(challenge, TRUTH, b"PAR1" + b"\0" * 50, JailedWorkshop(ROOT))


def test_a_file_that_unpacks_to_far_more_than_it_is_stops_in_the_jail(
    challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.leaderboards.adapters.workshop.OUTPUT_BYTES", 1 << 20)
    content = parquet(f"pa.table({{'id': {IDS}, 'place': ['x' * 200_000] * 100}})")
    assert len(content) < 100_000
    with pytest.raises(Invalid, match="Parquet"):
        read_entry(challenge, TRUTH, content, JailedWorkshop(ROOT))


def test_its_values_are_checked_like_those_of_a_csv_file(challenge: Challenge) -> None:
    content = parquet(f"pa.table({{'id': {IDS}, 'place': ['west'] * 100}})")
    with pytest.raises(BadPredictions):
        read_entry(challenge, TRUTH, content, JailedWorkshop(ROOT))


def test_where_the_reader_is_not_to_be_had_a_csv_file_is_asked_for(
    challenge: Challenge, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match="CSV"):
        read_entry(challenge, TRUTH, b"PAR1" + b"\0" * 50, JailedWorkshop(tmp_path))
