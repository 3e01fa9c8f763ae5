"""Many certificates at once where something ends, fills up, is damaged, or where two workers meet."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, func, select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.core.chain import first_flaw
from lms.accounts.models import AuditEvent, OutgoingMail
from lms.accounts.queries import audit_entries
from lms.certs.core.protocols import Kind
from lms.certs.core.status import LEAST_BITS
from lms.certs.models import Credential, IssuanceRequest, LogEntry, LogTree, RequestState, StatusList
from lms.certs.queries.credentials import due_requests
from lms.certs.services import batches, ceremony
from lms.certs.services.batches import issue_many
from lms.certs.services.log import keep_heads_signed
from lms.certs.services.status import keep_status_lists_fresh
from lms.courses.models import Enrolment
from lms.db import Base, make_engine, make_sessions
from tests.factories.accounts import make_user
from tests.factories.certs import NOW, LogKey, Pair, make_enrolment, make_request, then


@pytest.fixture
def pair() -> Pair:
    return Pair()


def classmates(sessions: sessionmaker[Session], number: int) -> list[int]:
    """Let so many learners of one course meet its rule."""
    with sessions.begin() as session:
        first = make_enrolment(session)
        made = [make_request(session, enrolment=first).id]
        for _ in range(number - 1):
            other = Enrolment(
                user_id=make_user(session).id, cohort_id=first.cohort_id, enrolled_at=NOW,
                requested_name="이도윤", confirmed_name="이도윤",
            )  # fmt: skip
            session.add(other)
            session.flush()
            session.refresh(other)
            made.append(make_request(session, enrolment=other).id)
        return made


def count(sessions: sessionmaker[Session], what: type[Credential | LogEntry | OutgoingMail]) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(what)) or 0


@contextmanager
def transactions(engine: Engine) -> Iterator[list[tuple[bool, bool]]]:
    """Note of every transaction whether it took the writer's place, and whether it wrote."""
    noted: list[tuple[bool, bool]] = []
    open_: dict[int, list[bool]] = {}

    def begin(connection: Connection) -> None:
        taken = connection.get_execution_options().get("sqlite_begin") == "IMMEDIATE"
        open_[id(connection.connection.dbapi_connection)] = [taken, False]

    def execute(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            open_[id(connection.connection.dbapi_connection)][1] = True

    def end(connection: Connection) -> None:
        taken, wrote = open_.pop(id(connection.connection.dbapi_connection))
        noted.append((taken, wrote))

    hooks = {"begin": begin, "before_cursor_execute": execute, "commit": end, "rollback": end}
    for name, hook in hooks.items():
        event.listen(engine, name, hook)
    try:
        yield noted
    finally:
        for name, hook in hooks.items():
            event.remove(engine, name, hook)


def test_only_who_writes_takes_the_writers_place(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'one.db'}")
    Base.metadata.create_all(engine)
    sessions, pair = make_sessions(engine, writing=True), Pair()
    signing = replace(pair.signing, log=LogKey())
    requests = classmates(sessions, 2)
    with transactions(engine) as noted:
        assert len(issue_many(sessions, requests, signing, then)) == 2
        assert keep_status_lists_fresh(sessions, signing, NOW) == []
        assert keep_heads_signed(sessions, signing, NOW) == []
    engine.dispose()
    assert {wrote for taken, wrote in noted if taken} == {True}
    assert (False, False) in noted


def check_whole(sessions: sessionmaker[Session], requests: list[int]) -> None:
    """Look whether every request led to one certificate, one line of the log, one mail, one entry."""
    with sessions() as session:
        found = session.scalars(select(Credential).order_by(Credential.id)).all()
        assert sorted(each.request_id for each in found) == sorted(requests)
        assert len({(each.status_list_id, each.status_index) for each in found}) == len(requests)
        states = session.scalars(select(IssuanceRequest.state).where(IssuanceRequest.id.in_(requests)))
        assert set(states) == {RequestState.ISSUED}
        lines = session.scalars(select(LogEntry).order_by(LogEntry.index)).all()
        assert [line.index for line in lines] == list(range(len(requests)))
        assert session.scalars(select(LogTree.size)).one() == len(requests)
        assert {line.credential_id for line in lines} == {each.id for each in found}
        issued = select(AuditEvent.subject).where(AuditEvent.action == "certificate.issued")
        assert sorted(session.scalars(issued)) == sorted(f"credential:{each.id}" for each in found)
        assert first_flaw(audit_entries(session)) is None
    assert count(sessions, OutgoingMail) == len(requests)


@contextmanager
def counted(sessions: sessionmaker[Session]) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        del connection, cursor
        statements.append(statement)

    with sessions() as session:
        engine = session.connection().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_more_certificates_take_no_more_statements(sessions: sessionmaker[Session], pair: Pair) -> None:
    few, many = classmates(sessions, 3), classmates(sessions, 9)
    for part in (few, many):
        issue_many(sessions, [part.pop()], pair.signing, then)  # the first has lists and endorsement signed
    with counted(sessions) as for_few:
        assert len(issue_many(sessions, few, pair.signing, then)) == 2
    with counted(sessions) as for_many:
        assert len(issue_many(sessions, many, pair.signing, then)) == 8
    assert len(for_many) == len(for_few)


def test_several_parts_under_way_at_once_come_out_whole(
    shared: sessionmaker[Session], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_ASKED", 3)
    requests = classmates(shared, 14)
    issued = issue_many(shared, requests, pair.signing, then)
    assert [each.request_id for each in issued] == requests
    assert pair.university.asked.count(Kind.STATUS_LIST) == 2
    assert pair.company.asked.count(Kind.ENDORSEMENT) == 1
    check_whole(shared, requests)


def test_two_workers_with_the_same_requests_issue_each_once(
    shared: sessionmaker[Session], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_ASKED", 4)
    requests = classmates(shared, 8)
    meeting = threading.Barrier(2, timeout=30)
    failed: list[BaseException] = []

    def work() -> None:
        meeting.wait()
        try:
            issue_many(shared, requests, pair.signing, then)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=90)
    assert failed == []
    check_whole(shared, requests)


def test_what_one_worker_has_in_hand_no_other_takes_up(sessions: sessionmaker[Session], pair: Pair) -> None:
    requests = classmates(sessions, 2)
    due: list[list[int]] = []

    def look() -> None:
        with sessions() as session:
            due.append([each.id for each in due_requests(session, NOW)])
            due.append([each.id for each in due_requests(session, NOW + ceremony.IN_HAND)])
        raise KeyboardInterrupt

    pair.university.before = look
    with pytest.raises(KeyboardInterrupt):
        issue_many(sessions, requests, pair.signing, then)
    assert due == [[], requests]
    pair.university.before = lambda: None
    assert len(issue_many(sessions, requests, pair.signing, then)) == 2


def asked_of(role: str) -> Callable[[Pair, pytest.MonkeyPatch], None]:
    def kill(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        signer = getattr(pair, role)

        def die() -> None:
            if signer.asked.count(Kind.CREDENTIAL) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(signer, "before", die)

    return kill


def within(name: str) -> Callable[[Pair, pytest.MonkeyPatch], None]:
    def kill(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        del pair

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(
            ceremony if name in {"verify", "record_all", "log_issued"} else batches, name, die
        )

    return kill


@pytest.mark.parametrize(
    "kill",
    [
        *(asked_of(role) for role in ("university", "company")),
        *(within(name) for name in ("freeze", "keep_proofs", "verify", "log_issued", "record_all")),
    ],
)
def test_a_batch_killed_at_any_step_shows_nothing_and_is_carried_on(
    sessions: sessionmaker[Session], pair: Pair, kill: Callable[[Pair, pytest.MonkeyPatch], None]
) -> None:
    requests = classmates(sessions, 4)
    with pytest.MonkeyPatch.context() as patch:
        kill(pair, patch)
        with pytest.raises(KeyboardInterrupt):
            issue_many(sessions, requests, pair.signing, then)
    assert count(sessions, Credential) == count(sessions, LogEntry) == count(sessions, OutgoingMail) == 0
    with sessions() as session:
        frozen = {
            each.id: each.document for each in session.scalars(select(IssuanceRequest)) if each.document
        }
    issue_many(sessions, requests, pair.signing, then)
    check_whole(sessions, requests)
    with sessions() as session:
        for credential in session.scalars(select(Credential)):
            before = frozen.get(credential.request_id)
            assert before is None or before["id"] == credential.document["id"]


def test_who_finds_no_place_in_a_full_list_comes_next_into_a_new_one(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    first, *rest = classmates(sessions, 4)
    issue_many(sessions, [first], pair.signing, then)
    with sessions.begin() as session:
        session.execute(update(StatusList).values(next_index=LEAST_BITS - 2))
    assert [each.request_id for each in issue_many(sessions, rest, pair.signing, then)] == rest[:2]
    (last,) = issue_many(sessions, rest, pair.signing, then)
    assert last.request_id == rest[2]
    assert last.status_index == 0
    with sessions() as session:
        assert session.scalar(select(func.count(StatusList.id))) == 4


def test_one_that_the_database_does_not_take_keeps_no_other_back(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    first, *rest = classmates(sessions, 4)
    issue_many(sessions, [first], pair.signing, then)
    with sessions.begin() as session:
        session.execute(update(Credential).values(status_index=2))  # as after a backup was put back
    issued = issue_many(sessions, rest, pair.signing, then)
    assert [each.request_id for each in issued] == [rest[0], rest[2]]
    with sessions() as session:
        refused = session.get_one(IssuanceRequest, rest[1])
        assert refused.state is RequestState.REFUSED
        assert "credentialStatus" in refused.refusal


def test_a_text_that_cannot_be_written_concerns_its_own_certificate_only(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    requests = classmates(sessions, 3)
    with sessions.begin() as session:
        damaged = session.get_one(IssuanceRequest, requests[1])
        labs = [dict(lab, title={"ko": "\ud800", "en": "half"}) for lab in damaged.claim["labs"]]
        damaged.claim = {**damaged.claim, "labs": labs}
    issued = issue_many(sessions, requests, pair.signing, then)
    assert [each.request_id for each in issued] == [requests[0], requests[2]]
    with sessions() as session:
        assert session.get_one(IssuanceRequest, requests[1]).state is RequestState.REFUSED


def test_facts_whose_labs_are_no_list_are_refused(sessions: sessionmaker[Session], pair: Pair) -> None:
    requests = classmates(sessions, 2)
    with sessions.begin() as session:
        damaged = session.get_one(IssuanceRequest, requests[0])
        damaged.claim = {**damaged.claim, "labs": None}
    assert [each.request_id for each in issue_many(sessions, requests, pair.signing, then)] == requests[1:]
    with sessions() as session:
        assert session.get_one(IssuanceRequest, requests[0]).state is RequestState.REFUSED
