"""What is read of grading."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from lms.blobs import FolderBlobs
from lms.grading.core.contracts import CellState, CheckStatus
from lms.grading.queries.gradebook import PAGE_ROWS, gradebook, gradebook_csv, roster
from lms.grading.queries.labs import grading_job, lab_source, labs_of
from lms.grading.queries.marking import neighbours, unmarked_answers
from lms.grading.queries.outcomes import Stage, outcome
from lms.grading.queries.overview import labs_for
from lms.grading.queries.submissions import newest_run
from lms.grading.services.marking import mark_manually
from lms.grading.services.running import record_grade, record_progress
from tests.factories.grading import (
    ONLY_TESTS,
    World,
    enrol,
    grading_report,
    lab_settings,
    make_user,
    make_world,
    notebook,
)


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments")


def test_a_job_holds_everything_that_a_run_needs(world: World, tmp_path: Path) -> None:
    content = notebook()
    world.hand_in(content=content)
    job = grading_job(world.claim(), world.blobs, environment=tmp_path)
    assert job.submission == content
    assert job.manifest.maximum == 5
    assert (job.limits.total_seconds, job.board, job.board_archive) == (120, None, b"")


def test_a_source_names_its_board_and_seed(session: Session, blobs: FolderBlobs, tmp_path: Path) -> None:
    board = {
        "title": {"en": "Digits"},
        "predict": "predict",
        "metric": "accuracy",
        "direction": "max",
        "public_share": 0.4,
    }
    world = make_world(session, blobs, tmp_path / "e", settings=lab_settings(board=board))
    release = world.lab.current_release
    assert release is not None
    source = lab_source(release, folder=tmp_path, environment=tmp_path)
    assert source.board is not None
    assert (source.board.predict, source.board.public_share) == ("predict", 0.4)
    assert source.board_seed == release.board_seed
    assert source.board_seed is not None
    assert source.gate is not None
    assert (source.gate.flaky_runs, source.gate.seconds) == (5, 30)
    quick = lab_source(release, folder=tmp_path, environment=tmp_path, gate_seconds=0).gate
    assert quick is not None
    assert (quick.flaky_runs, quick.mutants) == (0, 0)


def test_a_submission_goes_from_waiting_to_graded(world: World) -> None:
    session, work = world.session, world.hand_in()
    waiting = outcome(session, work)
    assert (waiting.stage, waiting.moving) == (Stage.QUEUED, True)
    assert waiting.wait is not None
    run = world.claim()
    record_progress(session, run.id, run.token, [CellState.PASSED, CellState.RUNNING])
    session.refresh(run)
    running = outcome(session, work)
    assert (running.stage, running.squares) == (Stage.RUNNING, [(1, "ok"), (2, "run")])
    record_grade(session, run.id, run.token, grading_report(), blobs=world.blobs, at=world.at)
    graded = outcome(session, work)
    assert (graded.stage, graded.moving, graded.squares) == (
        Stage.PROVISIONAL,
        False,
        [(1, "ok"), (2, "none")],
    )
    assert len({waiting.version, running.version, graded.version}) == 3


def test_a_mark_by_hand_stands_in_its_row(world: World) -> None:
    work = world.graded()
    mark_manually(
        world.session, world.assistant, work, grade_id="essay", score=1, comment="near", at=world.at
    )
    row = outcome(world.session, work).rows[1]
    assert (row.score, row.status, row.by_hand) == (1, CheckStatus.PARTIAL, True)
    assert row.mark is not None
    assert row.mark.comment == "near"


def test_the_gradebook_counts_the_best_attempt_and_pages(world: World) -> None:
    world.graded(report=grading_report(score=0))
    world.graded(report=grading_report(score=3))
    for _ in range(PAGE_ROWS):
        enrol(world.session, make_user(world.session, name="박서준"), world.cohort)
    book = gradebook(world.session, world.cohort, sort="-points")
    assert (book.found, book.page, book.pages) == (PAGE_ROWS + 1, 1, 2)
    assert book.lines[0].enrolment.id == world.enrolment.id
    assert (book.lines[0].score, book.lines[0].provisional) == (3, True)
    assert gradebook(world.session, world.cohort, sort="softmax", page=99).lines[-1].score == 3
    assert gradebook(world.session, world.cohort, words="하늘").found == 1


def test_the_last_attempt_counts_in_the_gradebook_where_the_lab_says_so(
    session: Session, blobs: FolderBlobs, tmp_path: Path
) -> None:
    settings = lab_settings(counts="last")
    world = make_world(session, blobs, tmp_path / "e", settings=settings, manifest=ONLY_TESTS)
    for score in (3, 0):
        world.graded(report=grading_report(score=score, manual=False))
    assert roster(session, world.cohort)[0].score == 0


@given(name=st.text(min_size=1, max_size=20))
def test_no_name_becomes_a_formula(name: str) -> None:
    user = SimpleNamespace(email="a@example.org")
    enrolment = SimpleNamespace(user=user)
    line = SimpleNamespace(name=name, enrolment=enrolment, marks={}, score=0.0, provisional=False)
    text = "".join(gradebook_csv([line], []))  # type: ignore[list-item]
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert rows[1][0].removeprefix("'") == name or rows[1][0] == name
    assert not rows[1][0].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_waiting_answers_have_neighbours_even_after_one_is_graded(world: World) -> None:
    works = [world.graded() for _ in range(3)]
    waiting = unmarked_answers(world.session, [world.course])
    near = neighbours(waiting, works[1].id, "essay")
    assert near.before is not None
    assert near.after is not None
    assert (near.before.submission, near.after.submission) == (works[0], works[2])
    rest = [each for each in waiting if each.submission is not works[1]]
    assert neighbours(rest, works[1].id, "essay") == near


def test_the_labs_of_an_enrolment_say_what_is_left(world: World) -> None:
    world.graded()
    (state,) = labs_for(world.session, world.enrolment)
    assert (state.used, state.left, state.stage) == (1, 2, Stage.PROVISIONAL)
    assert state.counted is not None
    assert labs_of(world.session, world.course) == [world.lab]


def test_a_run_that_ended_early_leaves_no_square_running(world: World) -> None:
    work = world.hand_in()
    run = world.claim()
    record_progress(world.session, run.id, run.token, [CellState.PASSED, CellState.RUNNING])
    record_grade(world.session, run.id, run.token, replace(grading_report()), blobs=world.blobs, at=world.at)
    assert "run" not in {kind for _, kind in outcome(world.session, work).squares}


def test_why_a_submission_has_no_place_on_the_board_is_told(world: World) -> None:
    work = world.graded()
    run = newest_run(world.session, work)
    assert run is not None
    told = {"code": "board-no-function", "params": {"name": "predict"}, "for_staff": False}
    run.board = {"public_score": None, "private_score": None, "notice": told}
    assert "board-no-function" in [notice.code for notice in outcome(world.session, work).notices]
