from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts import queries
from lms.accounts.cli import audit
from lms.accounts.core.chain import START
from lms.accounts.models import AuditEvent
from lms.accounts.services.audit import record


@dataclass(frozen=True)
class Tools:
    sessions: sessionmaker[Session]


@pytest.fixture
def verify(sessions: sessionmaker[Session]) -> Callable[..., Result]:
    def verify(*arguments: str) -> Result:
        return CliRunner().invoke(audit, ["verify", *arguments], obj=Tools(sessions))

    return verify


def write_three(session: Session) -> list[AuditEvent]:
    events = [
        record(session, 7, "courses.enrol", f"enrolment:{number}", cohort=number) for number in (1, 2, 3)
    ]
    session.commit()
    return events


def test_an_untouched_log_verifies_and_names_its_head(
    session: Session, verify: Callable[..., Result]
) -> None:
    events = write_three(session)
    assert [event.id for event in events] == [1, 2, 3]
    assert events[0].previous_hash == START
    result = verify("--head", events[1].hash)
    assert result.exit_code == 0
    assert events[2].hash in result.output


def test_an_empty_log_verifies(verify: Callable[..., Result]) -> None:
    assert verify().exit_code == 0


@pytest.mark.parametrize(
    "change",
    [{"actor_id": 8}, {"action": "courses.leave"}, {"subject": "enrolment:9"}, {"details": {"cohort": 9}}],
)
def test_a_changed_row_is_noticed(
    session: Session, verify: Callable[..., Result], change: dict[str, object]
) -> None:
    write_three(session)
    session.execute(update(AuditEvent).where(AuditEvent.id == 2).values(**change))
    session.commit()
    result = verify()
    assert result.exit_code == 1
    assert "entry 2 was changed" in result.output


def test_a_removed_row_is_noticed(session: Session, verify: Callable[..., Result]) -> None:
    write_three(session)
    session.execute(delete(AuditEvent).where(AuditEvent.id == 2))
    session.commit()
    assert "missing before entry 2" in verify().output


def test_a_tail_that_was_cut_is_noticed_by_a_noted_head_only(
    session: Session, verify: Callable[..., Result]
) -> None:
    head = write_three(session)[2].hash
    session.execute(delete(AuditEvent).where(AuditEvent.id == 3))
    session.commit()
    assert verify().exit_code == 0
    result = verify("--head", head)
    assert result.exit_code == 1
    assert "cut off" in result.output


def test_a_forged_continuation_does_not_hide_a_cut_tail(
    session: Session, verify: Callable[..., Result]
) -> None:
    head = write_three(session)[2].hash
    session.execute(delete(AuditEvent).where(AuditEvent.id == 3))
    record(session, 7, "courses.leave", "enrolment:3")
    session.commit()
    assert verify().exit_code == 0
    assert verify("--head", head).exit_code == 1


@pytest.mark.parametrize(
    ("action", "subject", "details"),
    [
        ("courses.enrol", "enrolment:1", {"email": "sky@example.org"}),
        ("courses.enrol", "enrolment:1", {"name": "김하늘"}),
        ("courses.enrol", "enrolment:1", {"name": "Sky Kim"}),
        ("courses.enrol", "sky@example.org", {}),
        ("Enrolled somebody", "enrolment:1", {}),
        ("courses.enrol", "enrolment:1", {"list": ["김"]}),
        ("courses.enrol", "enrolment:1", {"share": 0.5}),
    ],
)
def test_names_and_addresses_are_refused(
    session: Session, action: str, subject: str, details: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"written|neither"):
        record(session, 7, action, subject, **details)


def test_appending_from_many_threads_leaves_one_unbroken_chain(file_sessions: sessionmaker[Session]) -> None:
    def append(number: int) -> None:
        with file_sessions.begin() as own:
            record(own, number, "courses.enrol", f"enrolment:{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(40)))
    with file_sessions() as own:
        chain = [(entry.number, entry.previous_hash, stored) for entry, stored in queries.audit_entries(own)]
        actors = own.scalars(select(AuditEvent.actor_id)).all()
    assert [number for number, _, _ in chain] == list(range(1, 41))
    assert [before for _, before, _ in chain[1:]] == [stored for _, _, stored in chain[:-1]]
    assert sorted(actors, key=str) == sorted(range(40), key=str)


def test_what_is_rolled_back_leaves_no_gap(session: Session) -> None:
    write_three(session)
    record(session, 7, "courses.leave", "enrolment:1")
    session.rollback()
    assert record(session, 7, "courses.leave", "enrolment:2").id == 4
