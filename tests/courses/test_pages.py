import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import Role, User
from lms.blobs import FolderBlobs
from lms.courses.models import Course, LessonReading
from lms.courses.queries.people import enrolment_in
from tests.factories.accounts import make_member, make_user
from tests.factories.courses import (
    make_cohort,
    make_enrolment,
    make_instructor,
    make_open_course,
    make_version,
)

SignIn = Callable[[User], None]
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def course(session: Session, blobs: FolderBlobs, tmp_path: Path) -> Course:
    course = make_open_course(session, blobs, tmp_path)
    session.commit()
    return course


def test_a_visitor_finds_a_course_and_reads_what_it_asks(client: FlaskClient, course: Course) -> None:
    found = client.get("/courses?q=matr", headers=ENGLISH).text
    assert "First steps with matrices" in found
    assert f"/courses/{course.slug}" in found
    page = client.get(f"/courses/{course.slug}", headers=ENGLISH).text
    assert "At least 2 of 3 points" in page
    assert "at least 1.5 of 3 points" in page
    assert "<strong>matrices</strong>" in page


@pytest.mark.usefixtures("course")
def test_a_search_without_an_answer_says_what_to_do(client: FlaskClient) -> None:
    assert "No course answers that" in client.get("/courses?q=zebra", headers=ENGLISH).text


def test_the_pages_speak_korean(client: FlaskClient, course: Course) -> None:
    page = client.get(f"/courses/{course.slug}", headers={"Accept-Language": "ko"}).text
    assert "행렬 첫걸음" in page
    assert "인증서" in page


def test_a_learner_enrols_reads_and_leaves(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    cohort = make_cohort(session, course)
    learner = make_user(session, language="en")
    sign_in(learner)
    address = f"/courses/{course.slug}/cohorts/{cohort.slug}/enrol"
    assert client.get(address).status_code == 200
    assert client.post(address, data={"requested_name": "  Kim  Haneul "}).status_code == 303
    session.expire_all()
    enrolment = enrolment_in(session, learner, course)
    assert enrolment is not None
    assert enrolment.requested_name == "Kim Haneul"

    page = client.get(f"/courses/{course.slug}/lessons/01-vectors")
    assert page.status_code == 200
    assert "<math" in page.text
    done = client.post(f"/courses/{course.slug}/lessons/01-vectors/read")
    assert (done.status_code, done.headers["Location"]) == (303, f"/courses/{course.slug}/labs/products")
    again = client.post(f"/courses/{course.slug}/lessons/01-vectors/read", headers={"HX-Request": "true"})
    assert "You have read this lesson" in again.text
    assert [row.lesson for row in session.query(LessonReading)] == ["01-vectors"]
    assert "More" in client.get("/").text

    assert client.post(f"/courses/{course.slug}/leave").status_code == 303
    assert client.get(f"/courses/{course.slug}/lessons/01-vectors").status_code == 403


def test_a_lesson_in_korean_shows_its_picture_and_leads_on(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    enrolment = make_enrolment(session, make_cohort(session, course))
    sign_in(enrolment.user)
    page = client.get(f"/courses/{course.slug}/lessons/01-vectors").text
    assert f'src="/courses/{course.slug}/versions/1/assets/v.svg"' in page
    assert f'href="/courses/{course.slug}/lessons/02-more"' in page
    assert f'href="/courses/{course.slug}/labs/products"' in page


def test_a_picture_cannot_run_anything(client: FlaskClient, course: Course) -> None:
    picture = client.get(f"/courses/{course.slug}/versions/1/assets/v.svg")
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert "default-src 'none'" in picture.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    ["../course.yml", "%2e%2e/course.yml", "nothing.svg", "../labs/products/products.ipynb", "/etc/passwd"],
)
def test_assets_never_give_another_file(client: FlaskClient, course: Course, path: str) -> None:
    assert client.get(f"/courses/{course.slug}/versions/1/assets/{path}").status_code in {404, 308}


def test_a_lesson_that_is_a_notebook_can_be_taken_along(
    client: FlaskClient, session: Session, blobs: FolderBlobs, tmp_path: Path, sign_in: SignIn
) -> None:
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# More\n\nText."}
    notebook = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})
    files: dict[str, str | None] = {"lessons/02-more.md": None, "lessons/02-more.en.md": None}
    files["lessons/01-vectors.md"] = "# 벡터\n\n더해요.\n"  # without the link to what is replaced
    more = {"lessons/02-more.ipynb": notebook, "lessons/02-more.en.ipynb": notebook}
    version = make_version(session, blobs, tmp_path, files={**files, **more})
    reader = make_instructor(session, version.course.university)
    sign_in(reader)
    path = f"/courses/{version.course.slug}/lessons/02-more?version=1"
    assert "download=1" in client.get(path, headers=ENGLISH).text
    given = client.get(f"{path}&download=1", headers=ENGLISH)
    assert given.text == notebook
    assert given.headers["Content-Disposition"].startswith("attachment; filename=02-more")
    plain = client.get(f"/courses/{version.course.slug}/lessons/01-vectors?version=1&download=1")
    assert plain.mimetype == "text/html"


def test_lessons_before_the_start_of_the_cohort_are_closed(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    enrolment = make_enrolment(session, make_cohort(session, course, starts_in_days=3))
    sign_in(enrolment.user)
    assert client.get(f"/courses/{course.slug}/lessons/01-vectors").status_code == 403
    assert client.get(f"/courses/{course.slug}").status_code == 200


def test_a_cohort_that_ended_takes_nobody(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    cohort = make_cohort(session, course, starts_in_days=-90, days=10)
    sign_in(make_user(session))
    address = f"/courses/{course.slug}/cohorts/{cohort.slug}/enrol"
    assert client.post(address, data={"requested_name": "김하늘"}).status_code == 409


def test_an_unconfirmed_address_cannot_enrol(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    cohort = make_cohort(session, course)
    sign_in(make_user(session, confirmed=False))
    address = f"/courses/{course.slug}/cohorts/{cohort.slug}/enrol"
    assert client.post(address, data={"requested_name": "김하늘"}).status_code == 403


def test_an_empty_name_is_refused_beside_its_field(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    cohort = make_cohort(session, course)
    sign_in(make_user(session, language="en"))
    answer = client.post(f"/courses/{course.slug}/cohorts/{cohort.slug}/enrol", data={"requested_name": "  "})
    assert answer.status_code == 422
    assert "is-invalid" in answer.text


def test_a_version_that_is_not_open_is_seen_by_staff_of_both_only(
    client: FlaskClient, session: Session, blobs: FolderBlobs, tmp_path: Path, sign_in: SignIn
) -> None:
    version = make_version(session, blobs, tmp_path)
    course = version.course
    session.commit()
    addresses = [f"/courses/{course.slug}", f"/courses/{course.slug}?version=1"]
    addresses.append(f"/courses/{course.slug}/versions/1/assets/v.svg")
    assert [client.get(address).status_code for address in addresses] == [404, 404, 404]
    sign_in(make_member(session, role=Role.INSTRUCTOR).user)
    assert [client.get(address).status_code for address in addresses] == [404, 404, 404]
    assert client.get(f"/courses/{course.slug}/lessons/01-vectors?version=1").status_code == 404
    for organisation in (course.university, course.company):
        sign_in(make_instructor(session, organisation))
        assert [client.get(address).status_code for address in addresses] == [200, 200, 200]
        assert client.get(f"/courses/{course.slug}/lessons/01-vectors?version=1").status_code == 200


def test_two_instructors_open_a_version_on_its_page(
    client: FlaskClient, session: Session, blobs: FolderBlobs, tmp_path: Path, sign_in: SignIn
) -> None:
    course = make_version(session, blobs, tmp_path).course
    teachers = [make_instructor(session, one) for one in (course.university, course.company)]
    for teacher in teachers:
        sign_in(teacher)
        assert "course.yml" in client.get(f"/courses/{course.slug}/versions").text
        assert client.post(f"/courses/{course.slug}/versions/1/approve").status_code == 303
    session.expire_all()
    assert course.current_version is not None
    assert client.post(f"/courses/{course.slug}/versions/1/approve").status_code in {403, 409}


STAFF_PAGES = ("/versions", "/cohorts", "/cohorts/new", "/cohorts/{cohort}/edit", "/cohorts/{cohort}/roster")
STAFF_ACTS = ("/versions/1/approve", "/cohorts/{cohort}/roster/{enrolment}/confirm", "/cohorts/new")


def test_staff_pages_are_closed_to_everyone_else(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    cohort = make_cohort(session, course)
    enrolment = make_enrolment(session, cohort)
    names = {"cohort": cohort.slug, "enrolment": enrolment.id}
    session.commit()
    pages = [f"/courses/{course.slug}{page.format(**names)}" for page in STAFF_PAGES]
    acts = [f"/courses/{course.slug}{act.format(**names)}" for act in STAFF_ACTS]
    assert {client.get(page).status_code for page in pages} == {302}
    assert {client.post(act).status_code for act in acts} == {302}
    for stranger in (enrolment.user, make_member(session, role=Role.INSTRUCTOR).user):
        sign_in(stranger)
        assert {client.get(page).status_code for page in pages} == {403}
        assert {client.post(act).status_code for act in acts} == {403}
    sign_in(make_instructor(session, course.company))
    assert {client.get(page).status_code for page in pages} == {200}


def test_learners_pages_ask_strangers_to_sign_in(
    client: FlaskClient, session: Session, course: Course
) -> None:
    cohort = make_cohort(session, course)
    session.commit()
    home = f"/courses/{course.slug}"
    for page in (f"{home}/lessons/01-vectors", f"{home}/name", f"{home}/cohorts/{cohort.slug}/enrol"):
        assert client.get(page).status_code == 302
    for act in (f"{home}/lessons/01-vectors/read", f"{home}/leave"):
        assert client.post(act).status_code == 302


def test_a_name_is_confirmed_once_and_then_fixed(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    cohort = make_cohort(session, course)
    enrolment = make_enrolment(session, cohort, name="김하늘")
    act = f"/courses/{course.slug}/cohorts/{cohort.slug}/roster/{enrolment.id}/confirm"
    sign_in(enrolment.user)
    changed = client.post(f"/courses/{course.slug}/name", data={"requested_name": "김푸름"})
    assert changed.status_code == 303
    sign_in(make_instructor(session, course.university))
    assert client.post(act, data={"name": "김하늘"}).status_code == 409
    assert "김푸름" in client.get(f"/courses/{course.slug}/cohorts/{cohort.slug}/roster?q=푸름").text
    assert client.post(act, data={"name": "김푸름"}).status_code == 303
    sign_in(enrolment.user)
    late = client.post(f"/courses/{course.slug}/name", data={"requested_name": "박바다"})
    assert late.status_code == 409
    session.expire_all()
    assert enrolment.confirmed_name == "김푸름"


def test_staff_open_and_change_a_cohort_in_its_own_zone(
    client: FlaskClient, session: Session, course: Course, sign_in: SignIn
) -> None:
    sign_in(make_instructor(session, course.university))
    plan = {
        "title_ko": "봄반",
        "title_en": "Spring",
        "slug": "2027-spring",
        "starts_at": "2027-03-02T09:00",
        "ends_at": "2027-06-20T18:00",
        "timezone": "America/New_York",
    }
    assert client.post(f"/courses/{course.slug}/cohorts/new", data=plan).status_code == 303
    edit = f"/courses/{course.slug}/cohorts/2027-spring/edit"
    assert 'value="2027-03-02T09:00"' in client.get(edit).text
    wrong = client.post(edit, data={**plan, "ends_at": "2027-03-01T09:00"})
    assert wrong.status_code == 422
    assert client.post(edit, data={**plan, "title_en": "Spring group"}).status_code == 303
    twin = client.post(f"/courses/{course.slug}/cohorts/new", data=plan)
    assert twin.status_code == 422


def test_the_address_that_certificates_name_shows_what_the_version_certifies(
    client: FlaskClient, course: Course
) -> None:
    page = client.get(f"/courses/{course.slug}/versions/1")
    assert page.status_code == 200
    assert course.current_version is not None
    assert course.current_version.digest in page.get_data(as_text=True)
    assert client.get(f"/courses/{course.slug}/versions/2").status_code == 404


def test_a_version_that_was_never_open_certifies_nothing_to_strangers(
    client: FlaskClient, session: Session, course: Course
) -> None:
    assert course.current_version is not None
    session.delete(course.current_version.approvals[0])
    session.commit()
    session.expire_all()
    assert client.get(f"/courses/{course.slug}/versions/1").status_code == 404
