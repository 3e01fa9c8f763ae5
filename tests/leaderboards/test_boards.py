from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.errors import NotFound
from lms.grading.core.contracts import BaselineScore, BoardResult, GradingReport
from lms.grading.models import Grade, LabRelease
from lms.leaderboards import policy
from lms.leaderboards.models import Board, Entry
from lms.leaderboards.queries.awards import number_unfinished
from lms.leaderboards.queries.boards import boards_for
from lms.leaderboards.queries.places import place_of
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services.boards import enter, open_board
from lms.workflows import settle
from tests.factories.grading import (
    NOW,
    ONLY_TESTS,
    START,
    World,
    build_report,
    enrol,
    grading_report,
    lab_settings,
    make_user,
    make_world,
)

BOARD_SETTINGS = {
    "title": {"ko": "숫자 읽기", "en": "Reading digits"},
    "predict": "predict",
    "metric": "accuracy",
    "direction": "max",
    "decimals": 3,
    "public_share": 0.5,
    "ends": {"after_days": 28, "at": "23:59"},
    "baselines": [{"key": "majority", "title": {"ko": "최빈값", "en": "Majority class"}}],
}


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    report = replace(
        build_report(ONLY_TESTS),
        board_archive=b"hidden set",
        baselines=(BaselineScore("majority", 0.5, 0.4),),
    )
    monkeypatch.setattr("tests.factories.grading.build_report", lambda *_: report)
    return make_world(session, blobs, tmp_path / "env", settings=lab_settings(board=BOARD_SETTINGS))


@pytest.fixture
def board(world: World) -> Board:
    opened = open_board(world.session, world.cohort, released(world))
    assert opened is not None
    return opened


def released(world: World) -> LabRelease:
    assert world.lab.current_release is not None
    return world.lab.current_release


def scored(public: float | None, private: float | None) -> GradingReport:
    return replace(grading_report(manual=False), board=BoardResult(public, private))


def hand_in(world: World, public: float | None, private: float | None, **changes: object) -> Entry | None:
    work = world.graded(report=scored(public, private), **changes)
    grade = world.session.scalars(select(Grade).where(Grade.submission_id == work.id)).one()
    return enter(world.session, grade)


def test_a_grade_that_has_not_come_to_the_board_is_unfinished(board: Board, world: World) -> None:
    """Points that are confirmed in between would leave its student unranked."""
    work = world.graded(report=scored(0.9, 0.8))
    grade = world.session.scalars(select(Grade).where(Grade.submission_id == work.id)).one()
    assert grade.settled_at is None
    assert number_unfinished(world.session, board) == 1
    settle(world.session, grade, NOW)
    assert number_unfinished(world.session, board) == 0


def rows(board: Board, world: World, *, days: int = 0) -> list[tuple[int | None, float]]:
    table = standings(world.session, board, world.student, NOW + timedelta(days=days))
    return [(row.rank, row.score) for row in table.rows]


def test_a_board_opens_once_with_its_baselines(world: World, board: Board) -> None:
    assert open_board(world.session, world.cohort, released(world)) is board
    assert rows(board, world) == [(None, 0.5)]
    assert board.ends_at is not None
    assert START + timedelta(days=27) < board.ends_at < START + timedelta(days=30)


def test_a_lab_without_a_board_opens_none(session: Session, blobs: FolderBlobs, tmp_path: Path) -> None:
    plain = make_world(session, blobs, tmp_path / "env")
    assert open_board(session, plain.cohort, released(plain)) is None


def test_the_public_score_stands_until_the_end_and_the_private_one_after(world: World, board: Board) -> None:
    hand_in(world, 0.9, 0.3)
    assert rows(board, world) == [(1, 0.9), (None, 0.5)]
    assert rows(board, world, days=60) == [(None, 0.4), (1, 0.3)]


def test_a_page_before_the_end_never_holds_a_private_score(
    world: World, board: Board, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    board.ends_at = NOW + timedelta(days=10_000)
    hand_in(world, 0.9, 0.123456)
    sign_in(world.student)
    page = client.get(f"/boards/{board.id}").get_data(as_text=True)
    assert "0.900" in page
    assert "0.123" not in page


def test_grading_again_corrects_the_entry_and_makes_no_second_one(world: World, board: Board) -> None:
    entry = hand_in(world, 0.9, 0.8)
    assert entry is not None
    grade = world.session.scalars(select(Grade)).one()
    grade.run.board = {"public_score": 0.7, "private_score": 0.6}
    assert enter(world.session, grade) is entry
    assert rows(board, world) == [(1, 0.7), (None, 0.5)]


def test_a_score_that_is_lost_in_a_regrade_takes_the_entry_away(world: World, board: Board) -> None:
    hand_in(world, 0.9, 0.8)
    grade = world.session.scalars(select(Grade)).one()
    grade.run.board = {"public_score": None, "private_score": None}
    assert enter(world.session, grade) is None
    world.session.flush()
    assert rows(board, world) == [(None, 0.5)]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_never_entered(world: World, board: Board, score: float | None) -> None:
    grade = world.session.scalars(
        select(Grade).where(Grade.submission_id == world.graded(report=scored(0.5, 0.5)).id)
    ).one()
    grade.run.board = {"public_score": score, "private_score": 0.5}
    assert enter(world.session, grade) is None
    assert rows(board, world) == [(None, 0.5)]


def test_work_received_after_the_end_is_not_entered(world: World, board: Board) -> None:
    board.ends_at = NOW - timedelta(seconds=1)
    assert hand_in(world, 0.9, 0.8) is None


def test_the_place_of_a_student_counts_students_only(world: World, board: Board) -> None:
    hand_in(world, 0.9, 0.8)
    other = enrol(world.session, make_user(world.session, name="이바다"), world.cohort)
    hand_in(world, 0.95, 0.9, enrolment=other)
    assert place_of(world.session, world.enrolment, board, NOW) == (2, 1, 2)
    assert place_of(world.session, other, board, NOW) == (1, 1, 2)


def test_only_the_cohort_and_the_staff_see_a_board(world: World, board: Board) -> None:
    stranger = make_user(world.session)
    assert policy.can_see(world.student, board, world.enrolment)
    assert policy.can_see(world.instructor, board, None)
    assert not policy.can_see(stranger, board, None)
    assert not policy.can_see(stranger, board, world.enrolment)
    world.enrolment.left_at = NOW
    with pytest.raises(NotFound):
        policy.check_can_see(world.student, board, world.enrolment)


def test_strangers_get_no_board_page(
    world: World, board: Board, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    assert client.get(f"/boards/{board.id}").status_code == 302
    sign_in(make_user(world.session))
    assert client.get(f"/boards/{board.id}").status_code == 404
    assert client.get("/boards/999999").status_code == 404


def test_my_boards_are_listed_with_my_place(
    world: World, board: Board, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    hand_in(world, 0.9, 0.8)
    assert list(boards_for(world.session, world.student)) == [board]
    sign_in(world.student)
    page = client.get("/boards").get_data(as_text=True)
    assert "숫자 읽기" in page
    assert "1명 중 1위" in page


def test_the_table_alone_answers_a_live_update(
    world: World, board: Board, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    sign_in(world.student)
    fragment = client.get(f"/boards/{board.id}?seen=before").get_data(as_text=True)
    assert fragment.lstrip().startswith('<div id="standings"')
    assert "<html" not in fragment


def test_a_name_made_to_break_the_page_stays_text(
    world: World, board: Board, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    world.student.name = "<script>alert(1)</script>"
    hand_in(world, 0.9, 0.8)
    sign_in(world.student)
    page = client.get(f"/boards/{board.id}").get_data(as_text=True)
    assert "<script>alert(1)" not in page


def test_the_chart_has_a_line_of_a_student_who_is_not_among_the_first(
    world: World, board: Board, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    hand_in(world, 0.1, 0.1)
    for number in range(11):
        other = enrol(world.session, make_user(world.session, name=f"학생 {number}"), world.cohort)
        hand_in(world, 0.9 - number / 100, 0.5, enrolment=other)
    board.ends_at, world.student.name = NOW + timedelta(days=10_000), "김하늘"
    world.session.commit()
    sign_in(world.student)
    page = client.get(f"/boards/{board.id}/climbs").get_data(as_text=True)
    assert page.count('class="climb mine"') == page.count('<tr class="me">') == 1
    assert ("12 나 · 김하늘" in page, "학생 9" in page, "학생 10" in page) == (True, True, False)
    assert "상위 10팀과 내 공개 점수 변화" in page
