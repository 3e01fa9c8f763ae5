"""A Redis server of our own for the tests: on a private socket, thrown away after."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.postgres import not_run

PATIENCE = 20.0


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Path]:
    """The socket of a server that keeps nothing."""
    program = shutil.which("redis-server")
    if program is None:
        not_run("Redis is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as scratch:
        socket = Path(scratch) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        server = subprocess.Popen([program, *options, "--dir", scratch], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PATIENCE
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert socket.exists(), "Redis did not start"
            yield socket
        finally:
            server.kill()
            server.wait()


@pytest.fixture
def redis_url(redis_server: Path) -> str:
    """The address of an empty broker."""
    with Redis(unix_socket_path=str(redis_server)) as client:
        client.flushall()
    return f"redis+socket://{redis_server}"
