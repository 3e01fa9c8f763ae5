"""Bad input at the door where work is handed in: a clear answer, nothing half-written, nothing lost."""

import errno
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.orm import Session

from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.db import make_engine, make_sessions
from lms.grading.models import GradingRun, Submission
from tests.factories.campus import Place, make_place
from tests.factories.grading import notebook

ROOT = Path(__file__).resolve().parents[1]
EDGE = "edge"
FORM = f"multipart/form-data; boundary={EDGE}"
SECONDS = 20
PAGE_BYTES, PIECE = 50_000_000, 1 << 20
CLEAR = ("DELETE FROM grading_runs WHERE submission_id > 1", "DELETE FROM submissions WHERE id > 1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("bad-input")
    place = make_place(folder, f"sqlite:///{folder / 'duri.db'}")
    yield place
    place.engine.dispose()


@pytest.fixture
def app(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An application whose database waits for another writer a moment only."""
    monkeypatch.setattr("lms.db.BUSY_TIMEOUT_MS", 50)
    engine = make_engine(str(place.engine.url))
    app = create_app(place.settings, sessions=make_sessions(engine), blobs=place.blobs)
    app.config.update(WTF_CSRF_ENABLED=False)
    yield app
    engine.dispose()


@pytest.fixture
def client(app: Flask, place: Place) -> FlaskClient:
    client = app.test_client()
    client.set_cookie("language", "en")
    with client.session_transaction() as cookie:
        cookie["_user_id"] = place.campus.fellow.session_token
    return client


@pytest.fixture(autouse=True)
def _a_fresh_start(place: Place) -> Iterator[None]:
    """Take away what the fellow student handed in, so that each test has all attempts."""
    yield
    with closing(sqlite3.connect(str(place.engine.url.database), timeout=SECONDS)) as connection:
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        for statement in CLEAR:
            connection.execute(statement)
        connection.execute("COMMIT")


def work_of(session: Session, place: Place) -> list[Submission]:
    return list(
        session.scalars(select(Submission).where(Submission.enrolment.has(user_id=place.campus.fellow.id)))
    )


def kept(place: Place) -> int:
    with make_sessions(place.engine)() as session:
        return len(work_of(session, place))


def files(place: Place) -> set[str]:
    return {
        str(path.relative_to(place.blobs.folder)) for path in place.blobs.folder.rglob("*") if path.is_file()
    }


def address(place: Place) -> str:
    return f"/courses/{place.campus.names['course']}/labs/{place.campus.names['lab']}"


def multipart(content: bytes, name: str = "products.ipynb", **fields: str) -> bytes:
    """Write a form by hand: the test client would leave a large one open on disk."""
    parts = [
        f'--{EDGE}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="notebook"; filename="{name}"\r\n\r\n'
    return b"".join([*parts, head.encode(), content, f"\r\n--{EDGE}--\r\n".encode()])


def hand_in(client: FlaskClient, place: Place, content: bytes, name: str = "products.ipynb") -> Any:
    return client.post(address(place), data=multipart(content, name), content_type=FORM)


# too much


def test_a_file_of_fifty_megabytes_is_refused_before_it_is_read(client: FlaskClient, place: Place) -> None:
    before = files(place)
    with hand_in(client, place, b" " * 50_000_000) as answer:
        assert answer.status_code == 413
        assert "(50 MB)" in answer.text
    assert kept(place) == 0
    assert files(place) == before


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"cells": ' + b"[" * 49_000_000, id="brackets"),
        pytest.param(b'{"a":' * 9_000_000, id="objects"),
        pytest.param(b'{"cells": "' + b"\\" * 49_000_000, id="a string without end"),
        pytest.param(b'{"nbformat": ' + b"9" * 49_000_000 + b"}", id="a number without end"),
        pytest.param(b'{"nbformat": 4, "cells": [' + b"{}," * 16_000_000 + b"{}]}", id="empty cells"),
    ],
)
def test_a_notebook_of_just_under_the_limit_that_is_a_bomb_is_refused_in_words(
    client: FlaskClient, place: Place, content: bytes
) -> None:
    with hand_in(client, place, content) as answer:
        assert answer.status_code == 422
        assert "no attempt was used" in answer.text
    assert kept(place) == 0


def test_a_large_honest_notebook_is_taken(client: FlaskClient, place: Place) -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": "x" * 20_000_000}]
    with hand_in(client, place, notebook(answer="large = 1", outputs=outputs)) as answer:
        assert answer.status_code == 303
    assert kept(place) == 1


# a database that cannot


def test_a_hand_in_meets_a_locked_database_in_plain_words_and_can_be_repeated(
    client: FlaskClient, place: Place
) -> None:
    with place.engine.execution_options(sqlite_begin="IMMEDIATE").begin():
        answer = hand_in(client, place, notebook(answer="locked = 1"))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "3"
        assert "Nothing was changed; try again in a few seconds." in answer.text
    assert kept(place) == 0
    assert hand_in(client, place, notebook(answer="locked = 1")).status_code == 303
    assert kept(place) == 1


def test_pages_are_read_while_the_database_is_locked(client: FlaskClient, place: Place) -> None:
    with place.engine.execution_options(sqlite_begin="IMMEDIATE").begin():
        for path in ("/", "/courses", "/labs", address(place), "/boards", "/certificates"):
            assert client.get(path).status_code == 200


@pytest.fixture
def full_database(app: Flask) -> Iterator[None]:
    """The application's database may not grow by a single page."""
    engine: Engine = app.extensions["sessions"].kw["bind"]
    with closing(sqlite3.connect(str(engine.url.database))) as connection:
        connection.execute("VACUUM")
    with engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    engine.dispose()

    def limit(connection: Any, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "connect", limit)
    yield
    event.remove(engine, "connect", limit)


@pytest.mark.usefixtures("full_database")
def test_a_full_database_says_so_and_keeps_nothing_half(client: FlaskClient, place: Place) -> None:
    answers = [hand_in(client, place, notebook(answer=f"full = {each}"), "가" * 200) for each in range(10)]
    refused = [answer for answer in answers if answer.status_code == 507]
    assert {answer.status_code for answer in answers} == {303, 507}
    assert "There is no room left to keep this." in refused[0].text
    with make_sessions(place.engine)() as session:
        runs = session.scalar(select(func.count(GradingRun.id)).where(GradingRun.submission_id > 1))
    assert runs == kept(place) == len(answers) - len(refused)
    assert client.get(address(place)).status_code == 200


# a disk that cannot


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_neither_a_row_nor_half_a_file_and_the_file_can_come_again(
    client: FlaskClient, place: Place, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    content = notebook(answer=f"disk = '{call} {number}'")
    before = files(place)
    with monkeypatch.context() as patched:
        patched.setattr(call, failing(number))
        answer = hand_in(client, place, content)
    assert answer.status_code == 507
    assert "There is no room left to keep this." in answer.text
    assert kept(place) == 0
    assert files(place) == before
    assert hand_in(client, place, content).status_code == 303


@pytest.fixture
def tiny(app: Flask, tmp_path: Path) -> Iterator[Path]:
    """A file system of our own with room for half a megabyte, under the store of the application."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("not run: a file system can be mounted by root only")
    app.extensions["blobs"] = FolderBlobs(folder)
    yield folder
    subprocess.run(["/usr/bin/umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_takes_what_fits_and_refuses_the_rest_whole(
    client: FlaskClient, place: Place, tiny: Path
) -> None:
    def large(number: int) -> bytes:
        return notebook(
            answer=f"tiny = {number}",
            outputs=[{"output_type": "stream", "name": "stdout", "text": "x" * 100_000}],
        )

    statuses = [hand_in(client, place, large(number)).status_code for number in range(4)]
    assert statuses == [303, 303, 507, 507]
    with make_sessions(place.engine)() as session:
        stored = {work.blob for work in work_of(session, place)}
    assert {path.parent.name + path.name for path in tiny.rglob("*") if path.is_file()} == stored


# a connection that cannot


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[tuple[str, int]]:
    """The web server that runs in earnest, on a free port."""
    settings = {
        "DURI_INSTANCE": str(place.settings.instance),
        "DURI_DATABASE_URL": str(place.engine.url),
        "DURI_SECRET_KEY": place.settings.secret_key,
        "DURI_ENVIRONMENTS_ROOT": str(place.settings.environments_root),
    }
    arguments = ["--bind", "127.0.0.1:0", "--worker-class", "gthread", "--threads", "4", "wsgi:app"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DURI_")}
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *arguments],
        cwd=ROOT,
        env=environment | settings,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(r"Listening at: http://([\d.]+):(\d+)", line)
            if found:
                yield found[1], int(found[2])
                break
        process.terminate()


@dataclass(frozen=True)
class Browser:
    """Somebody who signed in, as seen from the wire."""

    at: tuple[str, int]
    cookie: str
    token: str

    def send(self, body: bytes, path: str, *, promised: int | None = None) -> socket.socket:
        """Send a form, or the first part of one that promised to be longer."""
        connection = self.begin(path, f"Content-Type: {FORM}", f"Content-Length: {promised or len(body)}")
        connection.sendall(body)
        return connection

    def begin(self, path: str, *more: str) -> socket.socket:
        """Send the head of a form."""
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {self.at[0]}:{self.at[1]}",
            f"Cookie: session={self.cookie}",
            *more,
            "Connection: close",
        ]
        connection = socket.create_connection(self.at, timeout=SECONDS)
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        return connection

    def form(self, content: bytes) -> bytes:
        return multipart(content, csrf_token=self.token)


def status(connection: socket.socket) -> int:
    with connection, connection.makefile("rb") as answer:
        return int(answer.readline().split()[1])


@pytest.fixture
def browser(server: tuple[str, int], place: Place, client: FlaskClient) -> Browser:
    cookie = client.get_cookie("session")
    assert cookie is not None
    connection = HTTPConnection(*server, timeout=SECONDS)
    connection.request("GET", address(place), headers={"Cookie": f"session={cookie.value}"})
    answer = connection.getresponse()
    page = answer.read().decode()
    assert answer.status == 200, page[:500]
    renewed = re.search(r"session=([^;]+)", answer.headers["Set-Cookie"])
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    connection.close()
    assert renewed
    assert token
    return Browser(server, renewed[1], token[1])


def test_an_upload_that_breaks_off_leaves_nothing_and_the_next_one_arrives(
    browser: Browser, place: Place
) -> None:
    before = files(place)
    body = browser.form(notebook(answer="torn = 1"))
    for cut in (0, 10, len(body) // 2, len(body) - 14):
        browser.send(body[:cut], address(place), promised=len(body)).close()
    torn = browser.send(body[:-9], address(place), promised=len(body))
    torn.shutdown(socket.SHUT_WR)
    assert 400 <= status(torn) < 500
    assert kept(place) == 0
    assert files(place) == before
    assert status(browser.send(body, address(place))) == 303
    assert kept(place) == 1


def test_uploads_that_never_end_keep_nobody_from_handing_in(browser: Browser, place: Place) -> None:
    body = browser.form(notebook(answer="slow = 1"))
    slow = [browser.send(body[:200], address(place), promised=len(body)) for _ in range(2)]
    assert status(browser.send(body, address(place))) == 303
    assert kept(place) == 1
    for connection in slow:
        connection.close()


def in_pieces(content: bytes, rest: bytes) -> Iterator[bytes]:
    """Write a body as HTTP/1.1 does when nobody knows how long it will be; `rest` ends it, or does not."""
    for start in range(0, len(content), PIECE):
        piece = content[start : start + PIECE]
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield rest


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_in_pieces_is_taken_up_to_the_limit_and_refused_from_there(
    browser: Browser, place: Place, kind: str
) -> None:
    head = f"csrf_token={browser.token}&comment="

    def send(length: int, rest: bytes = b"0\r\n\r\n") -> int:
        """A body that goes on after what is sent is answered all the same."""
        connection = browser.begin(address(place), f"Content-Type: {kind}", "Transfer-Encoding: chunked")
        for piece in in_pieces(head.ljust(length, "x").encode(), rest):
            connection.sendall(piece)
        return status(connection)

    small = send(1000)
    assert small not in {413, 500}
    assert send(PAGE_BYTES - 1) == small
    assert send(PAGE_BYTES, rest=b"") == 413
    assert kept(place) == 0


def test_a_length_that_is_a_lie_is_refused(browser: Browser, place: Place) -> None:
    for promised in (PAGE_BYTES + 1, 10**15):
        assert status(browser.send(b"x", address(place), promised=promised)) == 413
    assert kept(place) == 0
