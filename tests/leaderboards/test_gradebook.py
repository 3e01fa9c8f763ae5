"""What boards gave, in the gradebook of a course and on each student's own page."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.courses.models import Cohort, Enrolment
from lms.db import now
from lms.grading.queries.gradebook import Column, Given, Line, gradebook_csv
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.models import Share, Team
from lms.leaderboards.queries.awards import current_rule, outcome
from lms.leaderboards.queries.gradebook import board_awards
from lms.leaderboards.services.awarding import confirm_awards, correct_award
from lms.leaderboards.services.boards import open_board
from lms.leaderboards.services.declaring import declare_rule
from lms.leaderboards.tables.grades import GradeConfirmation, RankAward
from tests.factories.grades import BY_RANK, Class, give_points, make_board_world
from tests.factories.grading import (
    World,
    enrol,
    grading_report,
    make_user,
)
from tests.factories.leaderboards import make_contest

SignIn = Callable[[User], None]
TITLE = {"ko": "나뉜 소포", "en": "Sorted parcels"}


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """With a lab that has a hidden set, so that its cohorts can have boards."""
    return make_board_world(session, blobs, tmp_path / "environments", monkeypatch)


@pytest.fixture
def group(world: World) -> Class:
    """A class with one graded lab submission, of the student who is on no board."""
    contest = make_contest(world.session, opens_at=world.cohort.starts_at)
    contest.challenge.lab = world.lab
    world.graded(report=grading_report(score=3, manual=False))
    return Class(contest, world.course, world.cohort, world.instructor, world.student)


@pytest.fixture
def first(group: Class) -> Team:
    return group.team(0.9, 0.8)


@pytest.fixture
def second(group: Class) -> Team:
    return group.team(0.8, 0.7)


@pytest.fixture(autouse=True)
def english(client: FlaskClient) -> None:
    client.set_cookie("language", "en")


@pytest.fixture
def book(world: World) -> str:
    return f"/courses/{world.course.slug}/gradebook"


@pytest.fixture
def declared(group: Class, first: Team, second: Team) -> Class:
    """With the rule of the board, and two teams that have entries."""
    assert first.id < second.id
    declare_rule(group.session, group.instructor, group.board, BY_RANK, objection_days=14, at=now())
    return group


@pytest.fixture
def confirmed(declared: Class) -> Class:
    """The challenge has ended, and a person confirmed 100, 80 and, for whom is on no board, 5 points."""
    declared.end(now() - timedelta(hours=1))
    rule = current_rule(declared.session, declared.board)
    assert rule is not None
    found = outcome(declared.session, declared.board, read_rule(rule.rule), Share.PRIVATE, anew=True)
    confirm_awards(declared.session, declared.instructor, declared.board, seen=found.digest, at=now())
    return declared


def key(group: Class) -> str:
    return f"board:{group.board.id}:{group.contest.challenge.slug}"


def rows(client: FlaskClient, book: str, cohort: Cohort | None = None) -> list[dict[str, str]]:
    """The gradebook as a program reads it."""
    asked = client.get(f"{book}.csv", query_string={"cohort": cohort.slug} if cohort else {})
    assert asked.status_code == 200
    return list(csv.DictReader(io.StringIO(asked.data.decode("utf-8-sig"), newline="")))


def later_cohort(group: Class, *, starts_in: timedelta = timedelta(days=200)) -> Cohort:
    """One more cohort of the same course."""
    cohort = Cohort(
        course_id=group.course.id,
        slug="spring",
        title={"ko": "봄", "en": "Spring"},
        starts_at=now() + starts_in,
        ends_at=now() + starts_in + timedelta(days=90),
    )
    group.session.add(cohort)
    group.session.flush()
    return cohort


def test_a_column_appears_only_after_a_person_confirmed_the_points(
    client: FlaskClient, sign_in: SignIn, declared: Class, book: str
) -> None:
    home = f"/boards/{declared.board.id}/grades"
    declared.end(now() - timedelta(hours=1))
    sign_in(declared.instructor)
    drafted = client.get(home).text
    assert "Then the points stand in the gradebook of the course" in drafted
    before = client.get(book).text
    assert (TITLE["en"] in before, "With leaderboards" in before) == (False, False)
    assert list(rows(client, book)[0]) == ["name", "email", "softmax", "points", "provisional"]
    sign_in(declared.absent)
    assert TITLE["en"] not in client.get("/labs").text
    sign_in(declared.instructor)
    seen = re.search(r'name="seen"[^>]*value="([0-9a-f]{64})"', drafted)
    assert seen is not None
    assert client.post(f"{home}/confirm", data={"seen": seen[1], "accept": "y"}).status_code == 303
    assert "The points stand in the gradebook now." in client.get(home).text
    after = client.get(book).text
    for shown in (TITLE["en"], "With leaderboards", "100 / 100", "5 / 100", "columns of their own"):
        assert shown in after


def test_each_student_has_their_own_points_beside_those_of_labs_which_stay_as_they_are(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, first: Team, second: Team, book: str
) -> None:
    column = key(confirmed)
    sign_in(confirmed.instructor)
    by_email = {row["email"]: row for row in rows(client, book)}
    told = ("softmax", "points", "provisional", column, f"{column}:maximum", "points_with_boards")
    for person, expected in (
        (confirmed.contest.leader(first), ("", "0", "no", "100", "100", "100")),
        (confirmed.contest.leader(second), ("", "0", "no", "80", "100", "80")),
        (confirmed.absent, ("3", "3", "no", "5", "100", "8")),
    ):
        row = by_email[person.email]
        assert tuple(row[name] for name in told) == expected
        assert list(row) == ["name", "email", *told]


def test_a_corrected_award_stands_there_as_corrected(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, second: Team, book: str
) -> None:
    award = confirmed.award(second)
    correct_award(confirmed.session, confirmed.instructor, award, "It came in time.", 90.25, at=now())
    sign_in(confirmed.instructor)
    assert "90.25 / 100" in client.get(book).text
    assert sorted(row[key(confirmed)] for row in rows(client, book)) == ["100", "5", "90.25"]


def test_the_gradebook_can_be_sorted_by_a_board_and_by_the_sum_with_boards(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, first: Team, second: Team, book: str
) -> None:
    best, next_best = (confirmed.contest.leader(team).email for team in (first, second))
    latecomer = make_user(confirmed.session, name="가온")
    enrol(confirmed.session, latecomer, confirmed.cohort)
    sign_in(confirmed.instructor)
    order = [best, next_best, confirmed.absent.email]
    for sort in (key(confirmed), "sum:boards"):
        for sign, expected in (("-", [*order, latecomer.email]), ("", [latecomer.email, *order[::-1]])):
            page = client.get(book, query_string={"sort": f"{sign}{sort}"}).text
            assert sorted(expected, key=page.index) == expected
            assert f'aria-sort="{"descending" if sign else "ascending"}"' in page
    (row,) = (row for row in rows(client, book) if row["email"] == latecomer.email)
    assert (row[key(confirmed)], row[f"{key(confirmed)}:maximum"], row["points_with_boards"]) == ("", "", "0")


def test_a_sum_with_boards_says_that_an_answer_still_waits_too(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, world: World, book: str
) -> None:
    other = enrol(confirmed.session, make_user(confirmed.session, name="가온"), confirmed.cohort)
    world.graded(enrolment=other, report=grading_report(score=3))
    sign_in(confirmed.instructor)
    page = client.get(f"{book}?q=가온").text
    assert page.count("provisional") == 3  # of the lab, of the labs together, and with boards


def test_a_confirmation_that_is_gone_takes_its_column_along(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, book: str
) -> None:
    sign_in(confirmed.instructor)
    assert TITLE["en"] in client.get(book).text
    confirmed.session.execute(delete(RankAward))
    confirmed.session.execute(delete(GradeConfirmation))
    sign_in(confirmed.instructor)
    assert TITLE["en"] not in client.get(book).text
    assert "points_with_boards" not in rows(client, book)[0]


def test_another_cohort_has_no_column_of_it(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, book: str
) -> None:
    later = later_cohort(confirmed)
    enrol(confirmed.session, make_user(confirmed.session), later)
    sign_in(confirmed.instructor)
    assert TITLE["en"] not in client.get(f"{book}?cohort={later.slug}").text
    assert "points_with_boards" not in rows(client, book, later)[0]
    assert key(confirmed) in rows(client, book, confirmed.cohort)[0]


def test_who_takes_the_course_again_has_no_points_of_a_challenge_from_before(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, book: str
) -> None:
    later = later_cohort(confirmed)
    award = confirmed.session.scalars(select(RankAward)).first()
    assert award is not None
    enrol(confirmed.session, award.user, later)
    confirmed.contest.challenge.ends_at = later.starts_at - timedelta(seconds=1)
    sign_in(confirmed.instructor)
    assert key(confirmed) not in rows(client, book, later)[0]
    assert key(confirmed) in rows(client, book, confirmed.cohort)[0]
    confirmed.contest.challenge.ends_at = later.starts_at
    sign_in(confirmed.instructor)
    assert key(confirmed) in rows(client, book, later)[0], "it ran while both did"


def test_a_lab_board_stands_in_the_gradebook_of_its_own_cohort_only(
    client: FlaskClient, sign_in: SignIn, group: Class, world: World, book: str
) -> None:
    """Also for who takes the course a second time, and has points of the first."""
    assert world.lab.current_release is not None
    other = later_cohort(group, starts_in=timedelta(days=-1))
    enrol(group.session, group.absent, other)
    board = open_board(group.session, other, world.lab.current_release)
    assert board is not None
    give_points(group.session, group.instructor, board, group.absent, at=now())
    name = f"board:{board.id}:softmax"
    sign_in(group.instructor)
    assert rows(client, book, other)[0][name] == "5"
    assert name not in rows(client, book, group.cohort)[0]
    assert board_awards(group.session, group.cohort.id) == []


def test_a_challenge_of_another_course_has_no_column(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, book: str
) -> None:
    confirmed.contest.challenge.lab = None
    sign_in(confirmed.instructor)
    assert "points_with_boards" not in rows(client, book)[0]


def test_a_student_sees_their_own_points_only_with_the_way_to_the_reasons(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, second: Team, book: str
) -> None:
    sign_in(confirmed.contest.leader(second))
    mine = client.get("/labs").text
    address = f'href="/boards/{confirmed.board.id}/grades"'
    for shown in (TITLE["en"], "80 / 100", address, "the points of a certificate come from labs alone"):
        assert shown in mine
    assert ("100 / 100" in mine, "5 / 100" in mine) == (False, False)
    assert "Why" in client.get(f"/boards/{confirmed.board.id}/grades").text
    assert client.get(book).status_code == 403
    assert client.get(f"{book}.csv").status_code == 403
    stranger = make_user(confirmed.session)
    enrol(confirmed.session, stranger, later_cohort(confirmed, starts_in=timedelta(days=-1)))
    sign_in(stranger)
    assert TITLE["en"] not in client.get("/labs").text


def test_who_decides_is_led_to_each_student_and_who_assists_to_the_board(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, second: Team, world: World, book: str
) -> None:
    home = f"/boards/{confirmed.board.id}/grades"
    one = f"{home}/{confirmed.award(second).id}"
    sign_in(confirmed.instructor)
    assert f'href="{one}"' in client.get(book).text
    assert client.get(one).status_code == 200
    sign_in(world.assistant)
    page = client.get(book).text
    assert (f'href="{home}"' in page, f'href="{one}"' in page) == (True, False)
    assert client.get(home).status_code == 200
    assert client.get(one).status_code == 403
    sign_in(confirmed.contest.organiser)  # of the challenge, who is nobody in the course
    for path in (book, f"{book}.csv"):
        assert client.get(path).status_code == 403
    sign_in(confirmed.instructor)
    assert client.get(f"{book}.csv?cohort=none").status_code == 404


def test_the_columns_are_named_in_both_languages(
    client: FlaskClient, sign_in: SignIn, confirmed: Class, book: str
) -> None:
    client.set_cookie("language", "ko")
    sign_in(confirmed.instructor)
    page = client.get(book).text
    for shown in (TITLE["ko"], "리더보드 포함", "리더보드에서 받은 점수", "사람이 확정한 점수예요."):
        assert shown in page
    sign_in(confirmed.absent)
    mine = client.get("/labs").text
    for shown in (TITLE["ko"], "5 / 100", "인증서의 점수는 실습 점수만으로"):
        assert shown in mine


def test_more_boards_cost_no_more_statements(
    confirmed: Class, sessions: sessionmaker[Session], statements: list[str]
) -> None:
    counts = []
    for _ in range(2):
        confirmed.session.commit()
        statements.clear()
        with sessions() as fresh:
            found = board_awards(fresh, confirmed.cohort.id)
        counts.append((len(found), len(statements)))
        extra = make_contest(confirmed.session, opens_at=confirmed.cohort.starts_at)
        extra.challenge.lab = confirmed.contest.challenge.lab
        give_points(confirmed.session, confirmed.instructor, extra.board, confirmed.absent, at=now())
    (one, few), (two, more) = counts
    assert (one, two) == (1, 2)
    assert few == more


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "＝"])
def test_no_cell_of_a_column_is_a_formula(sign: str) -> None:
    column = Column(f"{sign}1+1", {"en": "x"}, {1: Given(1.5, 2, "/boards/1/grades")})
    enrolment = Enrolment(user=User(name=f"{sign}2", email="a@example.org"))
    line = Line(enrolment, {}, {column.key: column.given[1]})
    text = "".join(gradebook_csv([line], [], [column]))
    header, cells = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert header[4:] == [f"'{sign}1+1", f"'{sign}1+1:maximum", "points_with_boards"]
    assert cells == [f"'{sign}2", "a@example.org", "0", "no", "1.5", "2", "1.5"]
