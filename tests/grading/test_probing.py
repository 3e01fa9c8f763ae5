"""What hinders asking hidden tests again and again: a pause between attempts, and results kept back."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.errors import Conflict, TooSoon
from lms.grading import policy
from lms.grading.core.contracts import (
    CellKind,
    CellState,
    CheckResult,
    CheckStatus,
    GradingReport,
    Notice,
    ViewReport,
)
from lms.grading.models import GradingRun, Submission
from lms.grading.queries.outcomes import outcome
from lms.grading.queries.records import record_of
from lms.grading.services.running import record_grade, record_progress
from tests.factories.grading import (
    MANIFEST,
    NOW,
    World,
    grading_report,
    lab_settings,
    make_world,
    notebook,
)
from tests.factories.records import recording

SignIn = Callable[[User], None]
MakeWorld = Callable[..., World]
SECOND = timedelta(seconds=1)
TWO_TESTS = replace(
    MANIFEST,
    cells=(
        *MANIFEST.cells[:2],
        replace(MANIFEST.cells[1], grade_id="open", full_source="assert True", title={"en": "Open to all"}),
    ),
)
ODD = Notice("kernel-died", {"cell": 2})


@pytest.fixture
def make(session: Session, blobs: FolderBlobs, tmp_path: Path) -> MakeWorld:
    def make(**changes: object) -> World:
        kept = {"started_at": changes.pop("started_at")} if "started_at" in changes else {}
        settings = lab_settings(**changes)
        made = make_world(session, blobs, tmp_path / "e", settings=settings, manifest=TWO_TESTS, **kept)  # type: ignore[arg-type]
        session.commit()
        return made

    return make


@pytest.fixture
def now_running(make: MakeWorld) -> World:
    """A lab that sets both, three days after its start."""
    return make(pause_seconds=3600, hidden_results="after_due", started_at=now() - timedelta(days=3))


def due(world: World) -> datetime:
    assert world.lab.current_release is not None
    at = policy.due_at(world.lab.current_release, world.cohort)
    assert at is not None
    return at


def report(score: float = 0, *, said: str = "") -> GradingReport:
    """What a grading run came to whose hidden test failed, with all that could be told of it."""
    status = CheckStatus.PASSED if score == 3 else CheckStatus.FAILED
    return replace(
        grading_report(manual=False),
        checks=(
            CheckResult("test", score, 3, status, message="the author's sentence", hidden=True, notice=ODD),
            CheckResult("open", 0, 3, CheckStatus.ERROR, notice=Notice("not-reached", {"cell": 2})),
        ),
        view=ViewReport(feedback=notebook(), messages={"test": said} if said else {}),
    )


# the pause


def test_a_second_attempt_within_the_pause_is_refused_and_leaves_nothing(make: MakeWorld) -> None:
    world = make(pause_seconds=60)
    world.hand_in()
    stored = set(Path(world.blobs.folder).rglob("*"))  # type: ignore[attr-defined]
    with pytest.raises(TooSoon, match=r"at 2026-09-04 09:01:00 \(Asia/Seoul\) or later") as refusal:
        world.hand_in(received_at=NOW + 10 * SECOND)
    assert refusal.value.retry_after_seconds == 50
    assert world.session.scalar(select(func.count(Submission.id))) == 1
    assert set(Path(world.blobs.folder).rglob("*")) == stored  # type: ignore[attr-defined]
    assert world.hand_in(received_at=NOW + 60 * SECOND).attempt == 2


def test_the_pause_counts_from_the_newest_attempt(make: MakeWorld) -> None:
    world = make(pause_seconds=60)
    world.hand_in()
    world.hand_in(received_at=NOW + 60 * SECOND)
    with pytest.raises(TooSoon):
        world.hand_in(received_at=NOW + 119 * SECOND)
    assert world.hand_in(received_at=NOW + 120 * SECOND).attempt == 3
    with pytest.raises(Conflict, match="All 3 attempts"):  # no use in waiting
        world.hand_in(received_at=NOW + 121 * SECOND)


def test_the_same_file_while_it_waits_is_the_same_submission_also_within_the_pause(make: MakeWorld) -> None:
    world = make(pause_seconds=60)
    work = world.hand_in(content=notebook())
    assert world.hand_in(content=notebook(), received_at=NOW + SECOND) is work


def test_files_that_are_refused_for_being_late_have_no_pause(make: MakeWorld) -> None:
    world = make(pause_seconds=60, late="refuse")
    world.hand_in(received_at=due(world))
    late = [world.hand_in(received_at=due(world) + number * SECOND) for number in (1, 2)]
    assert [work.refused for work in late] == [True, True]
    release = world.lab.current_release
    assert release is not None
    assert policy.opens_at(release, None) is None


def test_without_a_pause_attempts_follow_at_once(make: MakeWorld) -> None:
    world = make()
    assert [world.hand_in().attempt, world.hand_in().attempt] == [1, 2]


def test_the_lab_says_when_the_next_attempt_opens_in_place_of_the_form(
    client: FlaskClient, now_running: World, sign_in: SignIn
) -> None:
    world = now_running
    path = f"/courses/{world.course.slug}/labs/{world.lab.slug}"
    sign_in(world.student)
    client.set_cookie("language", "en")
    assert 'type="file"' in client.get(path).text
    assert "Pause between attempts" in client.get(path).text
    assert client.post(path, data={"notebook": (io.BytesIO(notebook()), "a.ipynb")}).status_code == 303
    page = client.get(path).text
    assert "The next attempt opens at <time" in page
    assert 'type="file"' not in page
    client.set_cookie("language", "ko")
    assert "다음 시도는 <time" in client.get(path).text
    again = {"notebook": (io.BytesIO(notebook(answer="x = 2")), "a.ipynb")}
    refused = client.post(path, data=again)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert re.search(r"\(Asia/Seoul\)부터 다시 제출해 주세요", refused.text)


def test_after_the_pause_the_form_is_back(client: FlaskClient, now_running: World, sign_in: SignIn) -> None:
    world = now_running
    world.hand_in(received_at=now() - timedelta(hours=2))
    sign_in(world.student)
    assert 'type="file"' in client.get(f"/courses/{world.course.slug}/labs/{world.lab.slug}").text


# results that are kept back


def test_up_to_the_deadline_a_hidden_test_tells_only_that_it_counts(make: MakeWorld) -> None:
    world = make(hidden_results="after_due")
    work = world.graded(report=report(said="visible part"))
    shown = outcome(world.session, work, at=due(world))
    hidden, visible = shown.rows
    assert (hidden.status, hidden.score, hidden.maximum, hidden.notice) == (None, None, 3, None)
    assert hidden.message == "visible part"
    assert (visible.status, visible.score, visible.notice) == (CheckStatus.ERROR, 0, None)
    assert shown.squares == [(1, "none"), (2, "bad")]
    assert shown.hidden_until == due(world)
    assert shown.grade is not None
    assert shown.grade.score == 0
    assert outcome(world.session, work).rows[0].status is None  # who forgets the time learns nothing


@pytest.mark.parametrize("staff", [True, False])
def test_staff_at_once_and_students_after_the_deadline_see_everything(
    make: MakeWorld, *, staff: bool
) -> None:
    world = make(hidden_results="after_due")
    work = world.graded(report=report())
    at = NOW if staff else due(world) + SECOND
    hidden, visible = outcome(world.session, work, staff=staff, at=at).rows
    assert (hidden.status, hidden.score, hidden.notice) == (CheckStatus.FAILED, 0, ODD)
    assert hidden.message == "the author's sentence"
    assert visible.notice is not None


def test_what_is_shown_does_not_depend_on_how_a_hidden_test_went(make: MakeWorld) -> None:
    """But for the total: with equal totals even the marks of the live page are the same."""
    world = make(hidden_results="after_due")
    work = world.hand_in()
    run = world.claim()
    marks = set()
    for first in (CellState.PASSED, CellState.PARTIAL, CellState.FAILED):
        record_progress(world.session, run.id, run.token, [CellState.DONE, first, CellState.PASSED])
        world.session.refresh(run)
        shown = outcome(world.session, work, at=NOW)
        assert shown.cells == [CellState.DONE, CellState.DONE, CellState.PASSED]
        assert shown.squares == [(1, "none"), (2, "none"), (3, "ok")]
        marks.add(shown.version)
    assert len(marks) == 1


def test_while_tests_still_run_no_square_is_coloured(make: MakeWorld) -> None:
    world = make(hidden_results="after_due")
    work = world.hand_in()
    run = world.claim()
    record_progress(world.session, run.id, run.token, [CellState.DONE, CellState.FAILED, CellState.RUNNING])
    world.session.refresh(run)
    assert outcome(world.session, work, at=NOW).squares == [(1, "none"), (2, "none"), (3, "run")]
    assert outcome(world.session, work, staff=True).squares == [(1, "none"), (2, "bad"), (3, "run")]


def test_a_deadline_that_was_put_off_holds_for_earlier_work(make: MakeWorld) -> None:
    world = make(hidden_results="after_due")
    work = world.graded()
    before = policy.hidden_results_at(work)
    release = world.lab.current_release
    assert release is not None
    assert before is not None
    release.settings = release.settings | {"due": {"after_days": 22, "at": "23:59", "moment": None}}
    assert policy.hidden_results_at(work) == before + timedelta(days=1)
    release.settings = release.settings | {"due": None}
    assert policy.hidden_results_at(work) == world.cohort.ends_at
    release.settings = release.settings | {"hidden_results": "at_once"}
    assert policy.hidden_results_at(work) is None


def finished(world: World) -> GradingRun:
    world.hand_in()
    run = world.claim()
    assert record_grade(
        world.session,
        run.id,
        run.token,
        report(),
        blobs=world.blobs,
        at=world.at,
        recording=recording(run, world.blobs),
    )
    world.session.commit()
    return run


def test_page_program_and_record_keep_it_back_from_the_student_alone(
    client: FlaskClient, now_running: World, sign_in: SignIn
) -> None:
    world, run = now_running, finished(now_running)
    page, state = f"/submissions/{run.submission_id}", f"/submissions/{run.submission_id}/state"
    program, record = f"/api{page}", f"{page}/runs/1/record"
    client.set_cookie("language", "en")
    sign_in(world.student)
    for path in (page, state):
        text = client.get(path).text
        assert "Hidden tests: shown after <time" in text
        assert "the author" not in text
        assert "ended the kernel" not in text
        assert record not in text
    client.set_cookie("language", "ko")
    assert "이후에 보여요." in client.get(page).text
    document = client.get(program).get_json()
    assert document["checks"][0] == {
        "grade_id": "test", "status": None, "score": None, "maximum": 3, "message": "",
    }  # fmt: skip
    assert datetime.fromisoformat(document["hidden_until"]) == due(world)
    assert document["score"] == 0
    refused = client.get(record)
    assert refused.status_code == 409
    assert "이후에 내려받아 주세요" in refused.text
    sign_in(world.assistant)
    assert client.get(program).get_json()["checks"][0]["status"] == "failed"
    assert client.get(program).get_json()["hidden_until"] is None
    assert "the author&#39;s sentence" in client.get(page).text
    assert client.get(record).status_code == 200


def test_after_the_deadline_the_record_is_the_students(make: MakeWorld) -> None:
    world = make(hidden_results="after_due")
    run = finished(world)
    work = world.session.get_one(Submission, run.submission_id)
    with pytest.raises(Conflict, match="Download it after 2026-09-22 23:59:00"):
        policy.check_can_take_record(world.student, work, due(world))
    policy.check_can_take_record(world.student, work, due(world) + SECOND)
    policy.check_can_take_record(world.assistant, work, NOW)
    assert record_of(world.session, work, 1) == run.record_blob


def test_the_release_of_these_tests_has_one_hidden_and_one_open_test() -> None:
    tests = [cell.hidden for cell in TWO_TESTS.cells if cell.kind is CellKind.TEST]
    assert tests == [True, False]
