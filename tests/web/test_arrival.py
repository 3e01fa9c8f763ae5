"""A request counts from when its bytes came, not from when a thread was free for it."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import pytest

from lms.config import ROOT
from lms.db import now
from lms.web.arrival import arrived_at

WAIT_SECONDS = 1.0


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection over this machine's own network: the sender's, the server's."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        listener = socket.create_server((request.param, 0), family=family)
    except OSError:
        pytest.skip("not run: this machine has no IPv6")
    with listener, socket.create_connection(listener.getsockname()[:2]) as sender:
        taken, _ = listener.accept()
        with taken:
            yield sender, taken


def test_waiting_for_a_thread_does_not_make_a_request_late(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, taken = pair
    before = now()
    sender.sendall(b"POST / HTTP/1.1\r\n\r\n")
    sent = now()
    time.sleep(WAIT_SECONDS)
    stamp, picked_up = arrived_at({"gunicorn.socket": taken}), now()
    assert before <= stamp <= sent + timedelta(seconds=WAIT_SECONDS / 2)
    assert picked_up - stamp > timedelta(seconds=WAIT_SECONDS / 2)


def test_a_connection_that_was_opened_early_gains_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, taken = pair
    sender.sendall(b"POST / HTTP/1.1\r\n")
    time.sleep(WAIT_SECONDS)
    before = now()
    sender.sendall(b"\r\n")
    assert arrived_at({"gunicorn.socket": taken}) >= before


def test_where_nobody_knows_when_bytes_came_it_is_this_moment() -> None:
    here, there = socket.socketpair()
    closed = socket.socket()
    closed.close()
    with here, there:
        here.sendall(b"POST / HTTP/1.1\r\n\r\n")
        time.sleep(0.05)
        for environ in ({}, *({"gunicorn.socket": each} for each in (there, closed, "a name"))):
            before = now()
            assert before <= arrived_at(environ) <= now()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer when a request came, as WSGI; `/slow` holds its thread for a while."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(WAIT_SECONDS)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [arrived_at(environ).isoformat().encode()]


def test_behind_the_web_server_a_request_counts_from_its_arrival() -> None:
    """One thread is busy, and the next request waits for it."""
    arguments = [
        "--bind",
        "127.0.0.1:0",
        "--worker-class",
        "gthread",
        "--threads",
        "1",
        "--no-control-socket",
    ]
    command = [sys.executable, "-m", "gunicorn", *arguments, f"{__name__}:application"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = next(filter(None, (re.search(r"at: http://([\d.]+):(\d+)", line) for line in server.stderr)))
        at = found[1], int(found[2])
        with (
            closing(HTTPConnection(*at, timeout=60)) as slow,
            closing(HTTPConnection(*at, timeout=60)) as quick,
        ):
            slow.request("GET", "/slow")
            before = now()
            quick.request("GET", "/")
            sent = now()
            slow.getresponse().read()
            stamp = datetime.fromisoformat(quick.getresponse().read().decode())
            answered = now()
        server.terminate()
    assert answered - sent > timedelta(seconds=WAIT_SECONDS / 2)  # it did wait
    assert before <= stamp <= sent + timedelta(seconds=WAIT_SECONDS / 2)
