"""The pages of grading, as a browser meets them."""

import errno
import gc
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.grading.core.contracts import (
    CellState,
    CheckResult,
    CheckStatus,
    GateReport,
    Notice,
    Survivor,
    ViewReport,
)
from lms.grading.core.wire import to_plain
from lms.grading.models import GradingRun, LabRelease, ManualMark, RunState, Submission, Worker
from lms.grading.queries.submissions import grade_of, newest_run
from lms.grading.services.running import fail_run, record_grade, record_progress
from tests.factories.grading import (
    World,
    enrol,
    grading_report,
    lab_settings,
    make_user,
    make_world,
    notebook,
    publish,
)
from tests.factories.leaderboards import make_contest

SignIn = Callable[[User], None]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path, app: Flask) -> World:
    made = make_world(session, blobs, tmp_path / "environments", started_at=now() - timedelta(days=3))
    app.extensions["settings"] = replace(
        app.extensions["settings"], environments_root=made.environments.parent
    )
    session.commit()
    return made


@pytest.fixture(autouse=True)
def in_english(client: FlaskClient) -> None:
    client.set_cookie("language", "en")


def lab_path(world: World, rest: str = "") -> str:
    return f"/courses/{world.course.slug}/labs/{world.lab.slug}{rest}"


def upload(client: FlaskClient, world: World, content: bytes, name: str = "softmax.ipynb") -> int:
    return client.post(lab_path(world), data={"notebook": (io.BytesIO(content), name)}).status_code


def count(session: Session) -> int:
    return session.scalar(select(func.count(Submission.id))) or 0


# a student's way


def test_the_labs_of_my_courses_stand_on_one_page(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    sign_in(world.student)
    page = client.get("/labs").text
    assert "Softmax" in page
    assert "nothing handed in" in page


def test_a_lab_says_what_it_is_and_when_it_is_due(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    sign_in(world.student)
    page = client.get(lab_path(world)).text
    assert "Build softmax." in page
    assert "(KST)" in page
    assert "3 of 3 attempts left" in page
    assert "Output of the notebook" in page
    assert world.lab.current_release is not None
    assert world.lab.current_release.environment_sha256 in page


def test_a_lab_leads_to_the_challenges_that_belong_to_it(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    sign_in(world.student)
    assert "Challenges of this lab" not in client.get(lab_path(world)).text
    contest = make_contest(world.session)
    contest.challenge.lab = world.lab
    world.session.commit()
    page = client.get(lab_path(world)).text
    assert "Challenges of this lab" in page
    assert f'href="/challenges/{contest.challenge.slug}"' in page


def test_a_lab_speaks_korean(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    sign_in(world.student)
    client.set_cookie("language", "ko")
    page = client.get(lab_path(world)).text
    assert "소프트맥스를 만들어요." in page
    assert "제출" in page


def test_notebook_data_and_packages_can_be_taken_along(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    sign_in(world.student)
    given = client.get(lab_path(world, "/notebook"))
    assert json.loads(given.data)["nbformat"] == 4
    assert given.headers["Content-Disposition"] == "attachment; filename=softmax.ipynb"
    assert client.get(lab_path(world, "/data")).data == b"a,b\n1,2\n"
    assert client.get(lab_path(world, "/environment")).data == b"numpy==2.0\n"


def test_several_data_files_come_as_one_zip(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    files = {"labs/softmax/data/more/b.csv": world.blobs.put(b"b")}
    world.version.files = world.version.files | files
    sign_in(world.student)
    packed = client.get(lab_path(world, "/data")).data
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["data/more/b.csv", "data/rows.csv"]
    assert client.get(lab_path(world, "/data")).data == packed
    assert "into a folder named data" in client.get(lab_path(world)).text
    release = world.lab.current_release
    assert release is not None
    release.settings = release.settings | {"data": "beside"}
    world.session.commit()
    packed = client.get(lab_path(world, "/data")).data
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["more/b.csv", "rows.csv"]
    assert "Put the data beside the notebook." in client.get(lab_path(world)).text


def test_packages_that_changed_meanwhile_are_not_handed_out(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    (world.environments / "ml-basics.txt").write_text("numpy==9\n")
    sign_in(world.student)
    assert client.get(lab_path(world, "/environment")).status_code == 409


def test_a_hand_in_gets_a_receipt_and_a_page_of_its_own(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    sign_in(world.student)
    content = notebook()
    answer = client.post(lab_path(world), data={"notebook": (io.BytesIO(content), "softmax.ipynb")})
    assert answer.status_code == 303
    page = client.get(answer.location).text
    assert hashlib.sha256(content).hexdigest() in page
    assert "Your notebook has arrived" in page
    assert "No worker is running at the moment." in page
    assert 'hx-trigger="every 8000ms"' in page
    assert client.get(answer.location + "/notebook").data == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b'{"cells": [',
        notebook()[:-30],
        b"\x00" * 100,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"nbformat": 4, "nbformat": 4, "cells": []}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": NaN}',
        notebook(cells=[{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "another lab"}]),
    ],
    ids=["empty", "text", "cut", "truncated", "null bytes", "deep", "duplicate keys", "nan", "wrong lab"],
)
def test_what_is_not_this_labs_notebook_is_refused_in_plain_words(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session, content: bytes
) -> None:
    sign_in(world.student)
    answer = client.post(lab_path(world), data={"notebook": (io.BytesIO(content), "softmax.ipynb")})
    assert answer.status_code == 422
    assert "no attempt was used" in answer.text
    assert "What to change" in answer.text
    assert count(session) == 0


def test_nothing_chosen_is_said_beside_the_field(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    sign_in(world.student)
    answer = client.post(lab_path(world), data={})
    assert answer.status_code == 422
    assert "Choose the .ipynb file first." in answer.text


def test_too_many_bytes_are_not_taken(client: FlaskClient, world: World, sign_in: SignIn, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    sign_in(world.student)
    assert upload(client, world, b"x" * 2000) == 413


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the torn part's own file
def test_an_upload_that_breaks_off_stores_nothing(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    sign_in(world.student)
    head = b'--x\r\nContent-Disposition: form-data; name="notebook"; filename="a.ipynb"\r\n\r\n{"nb'
    answer = client.post(
        lab_path(world),
        data=head,
        content_type="multipart/form-data; boundary=x",
        headers={"Content-Length": "9999"},
    )
    assert 400 <= answer.status_code < 500
    assert count(session) == 0
    gc.collect()


def test_a_full_disk_is_said_and_nothing_is_half_kept(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session, app: Flask
) -> None:
    class FullDisk:
        def put(self, content: bytes) -> str:
            raise OSError(errno.ENOSPC, f"no room for {len(content)} bytes")

        def get(self, sha256: str) -> bytes:
            return world.blobs.get(sha256)

    sign_in(world.student)
    app.extensions["blobs"] = FullDisk()
    assert upload(client, world, notebook()) == 507
    assert count(session) == 0
    app.extensions["blobs"] = world.blobs
    assert upload(client, world, notebook()) == 303
    assert session.scalars(select(Submission.attempt)).all() == [1]


def test_a_second_click_leads_to_the_same_submission(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    sign_in(world.student)
    answers = [
        client.post(lab_path(world), data={"notebook": (io.BytesIO(notebook()), "softmax.ipynb")})
        for _ in range(2)
    ]
    assert answers[0].location == answers[1].location
    assert count(session) == 1


def test_beyond_the_attempts_the_form_is_gone_and_a_post_is_refused(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    sign_in(world.student)
    for number in range(3):
        assert upload(client, world, notebook(answer=f"x = {number}")) == 303
    page = client.get(lab_path(world)).text
    assert "All 3 attempts are used." in page
    assert 'type="file"' not in page
    assert upload(client, world, notebook(answer="x = 9")) == 409


def test_a_late_file_that_is_refused_is_kept_and_says_so(
    client: FlaskClient, session: Session, blobs: FolderBlobs, tmp_path: Path, sign_in: SignIn
) -> None:
    world = make_world(
        session,
        blobs,
        tmp_path / "e",
        settings=lab_settings(late="refuse", due={"after_days": 0, "at": "00:00"}),
        started_at=now() - timedelta(days=3),
    )
    sign_in(world.student)
    assert "kept, but not graded" in client.get(lab_path(world)).text
    answer = client.post(lab_path(world), data={"notebook": (io.BytesIO(notebook()), "softmax.ipynb")})
    page = client.get(answer.location).text
    assert "The deadline has passed. Your file is kept, but it is not graded." in page
    assert "too late, not graded" in page
    assert client.get(answer.location + "/notebook").data == notebook()


def test_the_state_fills_in_by_itself_and_stops_at_the_end(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    work = world.hand_in()
    run = world.claim()
    record_progress(session, run.id, run.token, [CellState.DONE, CellState.RUNNING, CellState.WAITING])
    sign_in(world.student)
    state = client.get(f"/submissions/{work.id}/state")
    assert 'class="run"' in state.text
    assert 'hx-trigger="load, every 250ms"' in state.text
    assert "Running for" in state.text
    record_grade(session, run.id, run.token, grading_report(), blobs=world.blobs, at=now())
    session.commit()
    ended = client.get(f"/submissions/{work.id}/state").text
    assert "hx-trigger" not in ended
    assert "<b>3</b>" in ended
    assert "provisional" in ended


def past(world: World, seconds: float) -> None:
    """A run of an hour ago that took so long."""
    person = enrol(world.session, make_user(world.session), world.cohort)
    run = newest_run(world.session, world.hand_in(enrolment=person, received_at=now() - timedelta(hours=2)))
    assert run is not None
    run.state, run.finished_at = RunState.DONE, now() - timedelta(hours=1)
    run.started_at = run.finished_at - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 1, ["About 3 s until the result", "You are next.", "every 500ms"]),
        ("en", 40, ["About 2 min until the result", "39 before you.", "every 16000ms"]),
        ("ko", 46, ["결과까지 약 2분 30초", "앞에 45건이 있어요."]),
    ],
)
def test_the_wait_is_told_in_words(
    client: FlaskClient,
    world: World,
    sign_in: SignIn,
    session: Session,
    language: str,
    count: int,
    said: list[str],
) -> None:
    for _ in range(6):
        past(world, 3)
    for _ in range(count):
        work = world.hand_in(enrolment=enrol(session, make_user(session), world.cohort), received_at=now())
    session.add(Worker(name="host:1", started_at=now(), seen_at=now(), resources=["cpu"]))
    client.set_cookie("language", language)
    sign_in(work.enrolment.user)
    page = client.get(f"/submissions/{work.id}").text
    for each in said:
        assert each in page


def test_a_range_is_told_where_runs_differ(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    for seconds in (1, 1, 1, 1, 1, 400):
        past(world, seconds)
    for _ in range(3):
        work = world.hand_in(enrolment=enrol(session, make_user(session), world.cohort), received_at=now())
    session.add(Worker(name="host:1", started_at=now(), seen_at=now(), resources=["cpu"]))
    sign_in(work.enrolment.user)
    page = client.get(f"/submissions/{work.id}").text
    assert re.search(r"1 s to \d+ min( \d+ s)? until the result", page)
    assert "more urgent work may still come in between" in page


def test_a_state_that_has_not_changed_is_not_sent_again(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded()
    sign_in(world.student)
    first = client.get(f"/submissions/{work.id}/state")
    again = client.get(f"/submissions/{work.id}/state", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""
    seen = first.headers["ETag"].strip('"').removesuffix("-en")
    assert client.get(f"/submissions/{work.id}/state?seen={seen}").status_code == 204
    assert client.get(f"/submissions/{work.id}/state?seen=other").status_code == 200


def test_a_result_names_each_check_in_the_readers_language(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded(report=grading_report(score=0))
    sign_in(world.student)
    english = client.get(f"/submissions/{work.id}").text
    assert "Sums to one" in english
    assert "The sum is not 1." in english
    assert "합이 1이 아니에요." not in english
    client.set_cookie("language", "ko")
    korean = client.get(f"/submissions/{work.id}").text
    assert "합은 1" in korean
    assert "합이 1이 아니에요." in korean


def test_students_never_see_hidden_tests_staff_notices_or_failures(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    staff_only = Notice(
        "partial-out-of-range", {"grade_id": "test", "value": "9", "maximum": "3"}, for_staff=True
    )
    report = replace(grading_report(), notices=(staff_only,), executed=notebook(answer="assert secret_case"))
    work = world.graded(report=report)
    again = world.hand_in()
    run = world.claim()
    for _ in range(3):
        fail_run(session, run.id, run.token, reason="jail broke at /secret", at=now())
        run = world.claim(at=now() + timedelta(hours=1)) if run.state == "queued" else run
    sign_in(world.student)
    for path in (
        f"/submissions/{work.id}",
        f"/submissions/{work.id}/state",
        f"/submissions/{work.id}/feedback",
    ):
        page = client.get(path).text
        assert "assert secret" not in page
        assert "outside 0 to" not in page
    stopped = client.get(f"/submissions/{again.id}").text
    assert "grading stopped" in stopped
    assert "/secret" not in stopped
    assert client.get(f"/submissions/{work.id}/runs/1/executed").status_code == 403
    sign_in(world.assistant)
    assert "outside 0 to" in client.get(f"/submissions/{work.id}").text
    assert "/secret" in client.get(f"/submissions/{again.id}").text
    assert "assert secret_case" in client.get(f"/submissions/{work.id}/runs/1/executed?download=1").text
    assert "secret_case" in client.get(f"/submissions/{work.id}/runs/1/executed").text


def test_no_script_of_a_student_reaches_a_page(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    world.student.name = EVIL[:120]
    world.enrolment.requested_name = EVIL[:120]
    output = [
        {"output_type": "stream", "name": "stdout", "text": EVIL},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/html": f"<table><tr><td>{EVIL}</td></tr></table>"},
        },
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"image/svg+xml": f"<svg onload='x'>{EVIL}</svg>"},
        },
        {"output_type": "display_data", "metadata": {}, "data": {"application/javascript": "alert(3)"}},
    ]
    feedback = notebook(answer=f"# {EVIL}", outputs=output)
    checks = (
        CheckResult("test", 0, 3, CheckStatus.FAILED, message=EVIL),
        CheckResult("essay", None, 2, CheckStatus.MANUAL),
    )
    report = replace(grading_report(), view=ViewReport(feedback, {}), executed=feedback, checks=checks)
    work = world.graded(report=report, filename=EVIL)
    sign_in(world.instructor)
    paths = [
        f"/submissions/{work.id}",
        f"/submissions/{work.id}/feedback",
        f"/submissions/{work.id}/runs/1/executed",
        f"/submissions/{work.id}/answers/essay",
        "/grading/queue",
        f"/courses/{world.course.slug}/gradebook",
    ]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "<script>alert" not in answer.text, path
        assert "<img src=x" not in answer.text, path
        assert "<svg onload" not in answer.text, path


def test_the_notebook_is_framed_where_nothing_can_run(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded()
    sign_in(world.student)
    assert '<iframe class="notebook-frame" sandbox src=' in client.get(f"/submissions/{work.id}").text
    policy = client.get(f"/submissions/{work.id}/feedback").headers["Content-Security-Policy"]
    assert "sandbox" in policy.split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "script-src" not in policy


def test_a_file_name_cannot_lead_anywhere(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    sign_in(world.student)
    assert upload(client, world, notebook(), name="../../../etc/passwd; x=y") == 303
    answer = client.get(lab_path(world)).text
    number = answer.split('href="/submissions/')[1].split('"')[0]
    disposition = client.get(f"/submissions/{number}/notebook").headers["Content-Disposition"]
    assert disposition.startswith("attachment")
    assert ".." not in disposition
    assert "\n" not in disposition


# who may not


def every_path(world: World, work: Submission) -> list[str]:
    return [
        lab_path(world),
        lab_path(world, "/notebook"),
        lab_path(world, "/data"),
        lab_path(world, "/environment"),
        lab_path(world, "/regrade"),
        f"/submissions/{work.id}",
        f"/submissions/{work.id}/state",
        f"/submissions/{work.id}/notebook",
        f"/submissions/{work.id}/feedback",
        f"/submissions/{work.id}/runs/1/executed",
        f"/submissions/{work.id}/regrade",
        f"/submissions/{work.id}/answers/essay",
        f"/api/submissions/{work.id}",
        "/grading/queue",
        f"/courses/{world.course.slug}/gradebook",
        f"/courses/{world.course.slug}/gradebook.csv",
        f"/courses/{world.course.slug}/releases",
    ]


def test_strangers_are_asked_to_sign_in(client: FlaskClient, world: World) -> None:
    work = world.graded()
    world.session.commit()
    for path in every_path(world, work):
        answer = client.get(path)
        assert answer.status_code == (401 if path.startswith("/api") else 302), path


def test_people_outside_the_course_see_nothing_of_it(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    work = world.graded()
    sign_in(make_user(session))
    for path in every_path(world, work):
        assert client.get(path).status_code in {403, 404}, path
    assert upload(client, world, notebook()) == 403


def test_students_do_not_get_at_what_is_for_staff(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    work = world.graded()
    sign_in(world.student)
    for path in every_path(world, work):
        wanted = (
            403
            if any(
                part in path for part in ("regrade", "executed", "answers", "queue", "gradebook", "releases")
            )
            else 200
        )
        assert client.get(path).status_code == wanted, path


def test_assistants_grade_by_hand_but_do_not_regrade(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded()
    sign_in(world.assistant)
    assert client.get(f"/submissions/{work.id}/answers/essay").status_code == 200
    assert client.post(f"/submissions/{work.id}/regrade").status_code == 403
    assert client.post(lab_path(world, "/regrade")).status_code == 403


# staff


def test_an_answer_is_graded_by_hand_and_the_next_one_follows(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    first, second = world.graded(), world.graded()
    sign_in(world.assistant)
    assert "2 answers wait." in client.get("/grading/queue").text
    page = client.get(f"/submissions/{first.id}/answers/essay").text
    assert "my words" in page
    answer = client.post(
        f"/submissions/{first.id}/answers/essay", data={"score": "1.5", "comment": "Good <b>"}
    )
    assert answer.location == f"/submissions/{second.id}/answers/essay"
    grade = grade_of(session, first)
    assert grade is not None
    assert (grade.score, grade.provisional) == (4.5, False)
    assert "Good &lt;b&gt;" in client.get(f"/submissions/{first.id}").text
    assert "1 answer waits." in client.get("/grading/queue").text
    history = client.get(f"/submissions/{first.id}/answers/essay").text.partition("History")[2]
    assert world.assistant.name in history
    assert "Good &lt;b&gt;" in history


def test_who_grades_sees_the_mark_scheme_and_students_never(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    scheme = b"<!-- title: a | b -->\\n**One point** for a reason"
    work = world.graded()
    work.release.source_blob = world.blobs.put(notebook().replace(b"my words", scheme))
    sign_in(world.assistant)
    page = client.get(f"/submissions/{work.id}/answers/essay").text
    assert "<strong>One point</strong> for a reason" in page
    assert "title:" not in page
    sign_in(world.student)
    assert client.get(f"/submissions/{work.id}/answers/essay").status_code == 403
    assert "One point" not in client.get(f"/submissions/{work.id}").text
    assert "One point" not in client.get(f"/submissions/{work.id}/feedback").text


@pytest.mark.parametrize("score", ["3", "-1", "nan", "abc", ""])
def test_points_that_are_not_right_are_said_beside_the_field(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session, score: str
) -> None:
    work = world.graded()
    sign_in(world.assistant)
    answer = client.post(f"/submissions/{work.id}/answers/essay", data={"score": score, "comment": ""})
    assert answer.status_code == 422
    assert "field-error" in answer.text
    assert session.scalar(select(func.count(ManualMark.id))) == 0


def test_the_gradebook_finds_sorts_and_marks_what_is_provisional(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    world.graded()
    sign_in(world.instructor)
    page = client.get(f"/courses/{world.course.slug}/gradebook?sort=-points&q=하늘").text
    assert "김하늘" in page
    assert "3 / 5" in page
    assert "provisional" in page
    assert 'aria-sort="descending"' in page
    assert "Nobody found" in client.get(f"/courses/{world.course.slug}/gradebook?q=nobody").text


def test_no_cell_of_the_csv_is_a_formula(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    world.graded()
    world.enrolment.requested_name = '=HYPERLINK("http://evil")'
    sign_in(world.instructor)
    answer = client.get(f"/courses/{world.course.slug}/gradebook.csv")
    assert answer.mimetype == "text/csv"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    lines = answer.data.decode("utf-8-sig").splitlines()
    assert lines[0] == '"name","email","softmax","points","provisional"'
    assert lines[1].startswith("\"'=HYPERLINK")
    assert lines[1].endswith('"3","3","yes"')


def test_grading_again_asks_first_and_says_how_many(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    works = [world.graded(), world.graded()]
    sign_in(world.instructor)
    assert "2 submissions will be graded again." in client.get(lab_path(world, "/regrade")).text
    assert session.scalar(select(func.count(GradingRun.id))) == 2
    assert client.post(lab_path(world, "/regrade")).status_code == 303
    assert session.scalar(select(func.count(GradingRun.id))) == 4
    assert client.post(f"/submissions/{works[0].id}/regrade").status_code == 303
    waiting = select(func.count(GradingRun.id)).where(GradingRun.state == RunState.QUEUED)
    assert session.scalar(waiting) == 2  # the newer one took the older one's place
    assert "being graded again" in client.get(f"/submissions/{works[0].id}").text


def test_the_releases_page_says_what_the_checks_found(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    release = session.scalars(select(LabRelease)).one()
    assert release.report is not None
    params = {"grade_id": "test", "score": "1", "maximum": "3", "message": ""}
    release.report = release.report | {
        "errors": [{"code": "solution-fails", "params": params, "for_staff": False}]
    }
    sign_in(world.instructor)
    page = client.get(f"/courses/{world.course.slug}/releases").text
    assert "The reference solution gets 1 of 3 points" in page
    assert "open to students" in page


def test_the_releases_page_shows_errors_that_no_test_notices(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    release = session.scalars(select(LabRelease)).one()
    survivor = Survivor("answer", 3, "    return a < b", "    return a <= b", "comparison")
    gate = GateReport(tried=8, killed=7, possible=20, survivors=(survivor,), flaky_runs=5)
    warning = Notice("lint-unseeded", {"grade_id": "test", "line": 2}, for_staff=True)
    release.report = (release.report or {}) | {"gate": to_plain(gate), "warnings": [to_plain(warning)]}
    sign_in(world.instructor)
    page = client.get(f"/courses/{world.course.slug}/releases").text
    assert "7 / 8" in page
    assert "5 times" in page
    assert "answer, line 3" in page
    assert "<ins>+     return a &lt;= b</ins>" in page
    assert "line 2: the test draws random numbers without a seed" in page


def test_a_lab_that_is_not_open_says_so(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    world.lab.current_release = None
    sign_in(world.student)
    assert "This lab is not open yet" in client.get(lab_path(world)).text
    assert upload(client, world, notebook()) == 409
    publish(world.session, world.course, world.blobs, lab=b"2", settings=lab_settings())


# programs


def test_a_program_reads_the_state_as_json(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    work = world.graded()
    sign_in(world.student)
    document = client.get(f"/api/submissions/{work.id}").get_json()
    assert (document["state"], document["score"], document["maximum"]) == ("provisional", 3, 5)
    assert document["assurance"] == "shared-kernel"
    assert document["checks"][0]["grade_id"] == "test"
