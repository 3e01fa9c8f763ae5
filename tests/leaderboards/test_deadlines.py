"""The last second by HTTP: a request counts from its arrival, however slowly its body comes."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.client import HTTPResponse
from pathlib import Path

import pytest
from flask import session as cookie
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Engine, select
from werkzeug.serving import make_server

from lms.config import Settings
from lms.db import make_sessions
from lms.errors import Conflict
from lms.leaderboards.models import Challenge, EntryKind, QuotaDay, Team
from lms.leaderboards.services.receiving import Work, take_entry
from tests.leaderboards.clocks import CLOCK, GOOD, MICROSECOND, Site, SlowBody, Steps, make_site

SECOND = timedelta(seconds=1)
WAIT_SECONDS = 20
ENDED = "This challenge has ended, so the entry was not taken."
USED_UP = "All entries of this day are used, and the challenge ends before the next day."
PER_DAY = 4
IN_TIME, LATE = (-MICROSECOND, timedelta(0)), MICROSECOND  # a deadline itself is still in time


@pytest.fixture
def site(crossing: Engine, settings: Settings, tmp_path: Path) -> Site:
    return make_site(crossing, settings, tmp_path, per_day=PER_DAY)


@pytest.fixture
def clock(site: Site, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A clock that says, to begin with, that a second is left."""
    clock = Steps(site.ends_at - SECOND)
    monkeypatch.setattr(CLOCK, clock)
    return clock


@pytest.fixture
def address(site: Site) -> Iterator[tuple[str, int]]:
    """A web server of this site on this machine."""
    server = make_server("127.0.0.1", 0, site.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def end(site: Site, clock: Steps) -> None:
    clock.moment = site.ends_at + SECOND


def test_a_body_that_comes_after_the_end_counts_from_its_first_line(
    site: Site, clock: Steps, address: tuple[str, int]
) -> None:
    stamped = threading.Event()
    clock.looked_at = stamped.set
    head = {"Host": "localhost", "Content-Length": len(GOOD)} | site.token(site.leader())
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(address, timeout=WAIT_SECONDS) as sender:
        sender.sendall(f"POST {site.path} HTTP/1.1\r\n{lines}\r\n".encode() + GOOD[:5])
        assert stamped.wait(WAIT_SECONDS), "the stamp waits for the body"
        end(site, clock)
        sender.sendall(GOOD[5:])
        answer = HTTPResponse(sender)
        answer.begin()
        assert (answer.status, len(answer.read()) > 0) == (202, True)
    [entry] = site.receipts()
    assert entry.received_at == site.ends_at - SECOND
    assert site.send(site.leader()).status_code == 409
    assert len(site.receipts()) == 1


def test_a_receipt_names_the_moment_before_the_body_was_read(site: Site, clock: Steps) -> None:
    slow = SlowBody(GOOD, lambda: end(site, clock))
    answer = site.app.test_client().post(
        site.path, input_stream=slow, content_length=len(GOOD), headers=site.token(site.leader())
    )
    assert answer.status_code == 202
    assert clock.moment > site.ends_at
    assert datetime.fromisoformat(answer.get_json()["received_at"]) == site.ends_at - SECOND
    again = site.app.test_client().post(
        site.path,
        input_stream=SlowBody(GOOD, bool),
        content_length=len(GOOD),
        headers=site.token(site.leader()),
    )
    assert (again.status_code, again.get_json()["detail"]) == (409, ENDED)
    assert [entry.received_at for entry in site.receipts()] == [site.ends_at - SECOND]


def test_a_form_counts_from_its_first_line_too(site: Site, clock: Steps) -> None:
    """Whatever reads the form first, such as the guard against forged forms, reads it after the stamp."""
    site.app.config.update(WTF_CSRF_ENABLED=True)
    leader, client = site.leader(), site.app.test_client()
    with site.app.test_request_context():
        shown = generate_csrf()
        kept = cookie["csrf_token"]
    with client.session_transaction() as own:
        own.update({"_user_id": leader.session_token, "_fresh": True, "csrf_token": kept})
    edge = "edge"
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{shown}\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="mine.csv"\r\n\r\n'
        f"{GOOD.decode()}\r\n--{edge}--\r\n"
    ).encode()

    def send() -> int:
        return client.post(
            f"/challenges/{site.slug}/entries",
            input_stream=SlowBody(body, lambda: end(site, clock)),
            content_length=len(body),
            content_type=f"multipart/form-data; boundary={edge}",
        ).status_code

    assert [send(), send()] == [303, 409]
    assert [entry.received_at for entry in site.receipts()] == [site.ends_at - SECOND]


def test_parallel_posts_around_the_end_are_taken_up_to_it_and_within_the_quota(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One team has more posts in time than slots, the other fewer."""
    clock = threading.local()
    monkeypatch.setattr(CLOCK, lambda: clock.moment)
    eager, calm = site.leader(), site.leader()
    posts = [(eager, offset) for offset in (*IN_TIME, LATE) for _ in range(3)]
    posts += [(calm, offset) for offset in (*IN_TIME, LATE)]
    gate = threading.Barrier(len(posts))

    def post(each: int) -> tuple[bool, timedelta, int, str, int]:
        person, offset = posts[each]
        clock.moment = site.ends_at + offset
        gate.wait()
        answer = site.send(person)
        told = answer.get_json()
        return person is eager, offset, answer.status_code, told.get("detail", ""), told.get("id", 0)

    with ThreadPoolExecutor(len(posts)) as pool:
        answers = list(pool.map(post, range(len(posts))))
    found = Counter(
        (is_eager, offset > timedelta(0), code, said) for is_eager, offset, code, said, _ in answers
    )
    assert found == {
        (True, False, 202, ""): PER_DAY,
        (True, False, 409, USED_UP): 6 - PER_DAY,
        (True, True, 409, ENDED): 3,
        (False, False, 202, ""): 2,
        (False, True, 409, ENDED): 1,
    }
    entries = site.receipts()
    assert {entry.id for entry in entries} == {number for *_, number in answers if number}
    assert len({entry.sequence for entry in entries}) == len(entries) == PER_DAY + 2
    assert max(entry.received_at for entry in entries) <= site.ends_at
    with site.sessions() as session:
        days = session.execute(select(QuotaDay.used, QuotaDay.failed).order_by(QuotaDay.used)).all()
        assert [tuple(day) for day in days] == [(2, 0), (PER_DAY, 0)]
        assert sorted(session.scalars(select(Team.taken))) == [2, PER_DAY]


def test_what_is_refused_as_it_is_written_down_holds_no_slot(site: Site, crossing: Engine) -> None:
    """The end is asked again where the slot is taken: the look before the file is read is no promise."""
    sessions, leader = make_sessions(crossing, writing=True), site.leader()
    offsets = [offset for offset in (LATE, *IN_TIME) for _ in range(3)]
    gate = threading.Barrier(len(offsets))

    def take(offset: timedelta) -> tuple[bool, str]:
        gate.wait()
        try:
            with sessions.begin() as session:
                challenge = session.scalars(select(Challenge)).one()
                work = Work(EntryKind.PREDICTIONS, "b" * 64)
                take_entry(session, leader, challenge, work, received_at=site.ends_at + offset)
        except Conflict as refused:
            return offset > timedelta(0), refused.message
        return offset > timedelta(0), "taken"

    with ThreadPoolExecutor(len(offsets)) as pool:
        answers = Counter(pool.map(take, offsets))
    assert answers == {(False, "taken"): PER_DAY, (False, USED_UP): 6 - PER_DAY, (True, ENDED): 3}
    with site.sessions() as session:
        day, team = session.scalars(select(QuotaDay)).one(), session.scalars(select(Team)).one()
        assert (day.used, day.failed, team.taken) == (PER_DAY, 0, PER_DAY)
    assert len(site.receipts()) == PER_DAY
