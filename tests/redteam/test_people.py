"""Rows 40 and 45, and what else a student meets outside of kernels: points, attempts, stores, records."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.blobs import FolderBlobs
from lms.courses.core.outline import LabFile
from lms.errors import Conflict, TooSoon
from lms.grading.core.contracts import CellKind, Manifest
from lms.grading.core.messages import hidden_message, visible_message
from lms.grading.core.score import Ran, RanStatus, check_of, points_of
from lms.grading.models import GradingRun
from lms.grading.queries.outcomes import outcome
from tests.factories.grading import ONLY_TESTS, grading_report, lab_settings, make_world
from tests.grading.core.making import entry

TEST = entry("t", CellKind.TEST, "assert f() == 1", 3, hidden="assert f(7) == 8, 'seven'")


@pytest.mark.parametrize(
    "text", ["nan", "-1", "'5'", "5.0000001", "inf", "1e999", "<Image>", "0x2", "٢", "2_0"]
)
def test_a_text_that_is_no_number_of_points_gives_none(text: str) -> None:
    """Row 25, at the place where points are counted."""
    points = points_of(TEST, Ran(RanStatus.OK, result=text))
    assert points.score == (2 if text == "٢" else 0)
    assert text == "٢" or points.notice is not None


def test_a_message_of_a_hidden_test_is_never_the_students_own_words() -> None:
    ran = Ran(RanStatus.ERROR, error=("AssertionError", "kestrel"), by_student=True)
    assert check_of(TEST, ran, None).message == ""
    assert hidden_message(("kestrel", "seven"), TEST.full_source) == ""
    assert hidden_message(("AssertionError", "seven "), TEST.full_source) == ""


def test_a_student_cannot_choose_among_the_authors_sentences() -> None:
    """Which sentence is shown would tell what the hidden case was."""
    ran = Ran(RanStatus.ERROR, error=("AssertionError", "seven"), by_student=True)
    assert check_of(TEST, ran, None).message == ""
    honest = Ran(RanStatus.ERROR, error=("AssertionError", "seven"))
    assert check_of(TEST, honest, None).message == "seven"


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x1b[2J", "\u202eevil", "\x00", "a\rb", "\x9b31m"])
def test_a_message_moves_no_terminal_and_turns_no_text_around(text: str) -> None:
    shown = visible_message(("AssertionError", f"x{text}y"))
    assert not set(shown) & {"\x1b", "\u202e", "\x00", "\r", "\x9b", "\x07"}


def test_attempts_are_bounded_however_the_lab_is_written() -> None:
    """Row 45: every attempt has one score, and there is a last one."""
    field = LabFile.model_fields["attempts"]
    assert field.default <= 10
    assert any(getattr(one, "le", 10**9) <= 1000 for one in field.metadata)


def test_an_attempt_tells_one_score_and_nothing_of_each_hidden_test_until_the_deadline(
    session: Session, blobs: FolderBlobs, tmp_path: Path
) -> None:
    """Row 45, for a lab that sets both: cap, pause, one score per attempt, no detail of hidden tests."""
    settings = lab_settings(attempts=2, pause_seconds=60, hidden_results="after_due")
    world = make_world(session, blobs, tmp_path / "e", settings=settings, manifest=ONLY_TESTS)
    seen = []
    for number in range(2):
        at = world.at + timedelta(minutes=number)
        work = world.graded(received_at=at, report=grading_report(score=0, manual=False))
        with pytest.raises((TooSoon, Conflict)):
            world.hand_in(received_at=at + timedelta(seconds=59))
        shown = outcome(session, work, at=at)
        assert shown.grade is not None
        seen.append(shown.grade.score)
        assert [(row.status, row.score, row.message, row.notice) for row in shown.rows] == [
            (None, None, "", None)
        ]
        assert {kind for _, kind in shown.squares} == {"none"}
    assert seen == [0, 0]
    with pytest.raises(Conflict, match="All 2 attempts"):
        world.hand_in(received_at=world.at + timedelta(days=1))


def test_a_changed_file_of_the_store_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    """A content address is a promise: what does not match it is not handed out."""
    blobs = FolderBlobs(tmp_path)
    address = blobs.put(b"honest work")
    path = next(path for path in tmp_path.rglob("*") if path.is_file())
    path.chmod(0o600)
    path.write_bytes(b"other work")
    with pytest.raises(ValueError, match="damaged"):
        blobs.get(address)


def test_content_that_is_there_already_is_not_replaced_by_a_damaged_one(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    address = blobs.put(b"honest work")
    assert blobs.put(b"honest work") == address
    assert blobs.get(address) == b"honest work"


@pytest.mark.parametrize(
    "address", ["", "..", "../" * 21 + "a", "A" * 64, "g" * 64, "0" * 63, "0" * 65, "0\n" * 32]
)
def test_an_address_that_is_no_hash_leads_nowhere(tmp_path: Path, address: str) -> None:
    with pytest.raises(KeyError):
        FolderBlobs(tmp_path).get(address)


def test_a_seed_belongs_to_one_run(session: Session, blobs: FolderBlobs, tmp_path: Path) -> None:
    """Row 46: two runs draw different random cases."""
    world = make_world(session, blobs, tmp_path / "environments")
    for _ in range(3):
        world.graded()
    seeds = [run.seed for run in session.scalars(select(GradingRun))]
    assert len(seeds) == len(set(seeds)) == 3


def test_no_manifest_names_hidden_source_twice() -> None:
    """What students download is the released source; the full one stays in the manifest only."""
    assert Manifest((TEST,), "python3", "python").cells[0].hidden
    assert "seven" not in TEST.source
