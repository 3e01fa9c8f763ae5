"""Signers for tests: real folders, served over HTTPS on a free port, asked with a client certificate."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lms.certs.adapters.signers import HttpSigner
from lms.certs.signer.keeping import Signer
from lms.certs.signer.serving import SignerServer
from lms.certs.signer.tls import admit_client

_clients: dict[int, list[HttpSigner]] = defaultdict(list)


@contextmanager
def opened(folder: Path) -> Iterator[Signer]:
    signer = Signer.open(folder, datetime.now(UTC))
    with closing(signer.journal):
        yield signer


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Run the signer of a folder until the end of the block; yield its port."""
    started = threading.Event()
    running: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run(signer: Signer) -> None:
        server, ended = SignerServer(signer, ("127.0.0.1", 0)), asyncio.Event()
        server.start()
        running.append((server.port, asyncio.get_running_loop(), ended))
        started.set()
        await ended.wait()
        await server.stop()

    with opened(folder) as signer:
        thread = threading.Thread(target=asyncio.run, args=(run(signer),))
        thread.start()
        assert started.wait(20)
        port, loop, ended = running[0]
        try:
            yield port
        finally:
            for each in _clients.pop(port, []):
                each.close()
            loop.call_soon_threadsafe(ended.set)
            thread.join()


def credentials(folder: Path, name: str = "platform") -> Path:
    """Return what a client of this name needs, made when first asked for."""
    target = folder.with_name(f"{folder.name}-client-{name}")
    if not target.exists():
        admit_client(folder, name, target, datetime.now(UTC))
    return target


def client(folder: Path, port: int, *, timeout_seconds: float = 20) -> HttpSigner:
    made = HttpSigner(f"https://127.0.0.1:{port}", credentials(folder), timeout_seconds)
    _clients[port].append(made)
    return made
