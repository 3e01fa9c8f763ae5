"""An answer that waits for news: points come with it, not with the next question."""

import threading
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.grading.core.contracts import CellState
from lms.grading.models import GradingRun
from lms.grading.services.running import record_grade, record_progress
from lms.grading.views import live
from tests.factories.grading import World, grading_report
from tests.grading.test_views import world

__all__ = ["world"]

SignIn = Callable[[User], None]


@pytest.fixture
def run(world: World, session: Session, sign_in: SignIn) -> GradingRun:
    world.hand_in()
    run = world.claim()
    record_progress(session, run.id, run.token, [CellState.RUNNING])
    sign_in(world.student)
    return run


class Clock:
    """Time that passes in sleep alone, where things happen at their moments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.events: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr(live, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(live, "sleep", self.sleep)

    def at(self, seconds: float, what: Callable[[], None]) -> None:
        self.events.append((seconds, what))

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        while self.events and self.events[0][0] <= self.seconds:
            self.events.pop(0)[1]()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def mark_of(client: FlaskClient, run: GradingRun) -> str:
    answer = client.get(f"/submissions/{run.submission_id}/state")
    return answer.headers["ETag"].strip('"').rpartition("-")[0]


def test_points_come_with_the_answer_that_waited_for_them(
    client: FlaskClient, world: World, session: Session, run: GradingRun, clock: Clock
) -> None:
    def grade() -> None:
        record_grade(session, run.id, run.token, grading_report(), blobs=world.blobs, at=now())
        session.commit()

    seen = mark_of(client, run)
    clock.at(0.1, grade)
    answer = client.get(f"/submissions/{run.submission_id}/state?seen={seen}")
    assert "<b>3</b>" in answer.text
    assert "hx-trigger" not in answer.text
    assert clock.seconds == pytest.approx(0.12)  # four glimpses, and not until the next drawing is due


def test_cells_that_move_on_are_drawn_again_only_after_a_while(
    client: FlaskClient, session: Session, run: GradingRun, clock: Clock
) -> None:
    def move() -> None:
        record_progress(session, run.id, run.token, [CellState.DONE])
        session.commit()

    seen = mark_of(client, run)
    clock.at(0.05, move)
    answer = client.get(f"/submissions/{run.submission_id}/state?seen={seen}")
    assert answer.status_code == 200
    assert seen not in answer.text
    assert live.REDRAW_SECONDS <= clock.seconds < live.REDRAW_SECONDS + 2 * live.GLIMPSE_SECONDS


def test_without_news_the_answer_says_so_after_two_seconds(
    client: FlaskClient, run: GradingRun, clock: Clock
) -> None:
    seen = mark_of(client, run)
    assert client.get(f"/submissions/{run.submission_id}/state?seen={seen}").status_code == 204
    assert live.LONGEST_SECONDS <= clock.seconds < live.LONGEST_SECONDS + 2 * live.GLIMPSE_SECONDS


def test_who_finds_no_place_to_wait_is_answered_at_once(
    client: FlaskClient, run: GradingRun, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WAITING", threading.BoundedSemaphore(1))
    assert live.WAITING.acquire(blocking=False)
    seen = mark_of(client, run)
    assert client.get(f"/submissions/{run.submission_id}/state?seen={seen}").status_code == 204
    assert clock.seconds == 0
    live.WAITING.release()
    assert client.get(f"/submissions/{run.submission_id}/state?seen={seen}").status_code == 204
    assert clock.seconds > 0
    assert live.WAITING.acquire(blocking=False), "a place that was taken is given back"
