"""Lists ask the database as often for many rows as for few."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.courses.models import Cohort, Enrolment
from lms.courses.queries import people
from lms.grading.queries import gradebook, stopped
from lms.grading.queries.overview import labs_for
from tests.factories.grading import World, enrol, make_user, make_world

Read = Callable[[Session, World], list[object]]


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments")


@contextmanager
def counted(session: Session) -> Iterator[list[str]]:
    """Collect the statements that are sent meanwhile."""
    sent: list[str] = []

    def note(*told: object) -> None:
        sent.append(str(told[2]))  # after connection and cursor

    bind = session.get_bind()
    event.listen(bind, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(bind, "before_cursor_execute", note)


def queue(session: Session, world: World) -> list[object]:
    rows = stopped.in_queue(session, course=world.course).runs
    works = [run.submission for run in rows]
    return [(work.enrolment.requested_name, work.lab.course.slug, work.release.settings) for work in works]


def lines(session: Session, world: World) -> list[object]:
    cohort = session.get_one(Cohort, world.cohort.id)
    return [line.enrolment.user.email for line in gradebook.roster(session, cohort)]


def persons(session: Session, world: World) -> list[object]:
    cohort = session.get_one(Cohort, world.cohort.id)
    return [each.user.email for each in people.roster(session, cohort).rows]


def own_labs(session: Session, world: World) -> list[object]:
    enrolment = session.get_one(Enrolment, world.enrolment.id)
    return [work.release.maximum for state in labs_for(session, enrolment) for work in state.works]


@pytest.mark.parametrize("read", [queue, lines, persons, own_labs])
def test_a_list_asks_as_often_for_many_as_for_few(
    read: Read, world: World, sessions: sessionmaker[Session]
) -> None:
    def asked() -> tuple[int, int]:
        world.session.commit()
        with sessions() as fresh, counted(fresh) as sent:
            return len(read(fresh, world)), len(sent)

    world.hand_in()
    few, statements = asked()
    for _ in range(4):
        world.hand_in(enrolment=enrol(world.session, make_user(world.session), world.cohort))
    world.hand_in()
    assert few < asked()[0]
    assert asked()[1] == statements
