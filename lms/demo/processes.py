"""The processes of a demonstration: two signers, a worker, the web server."""

import os
import sys

from lms.certs.core.trust import Role as Part
from lms.config import ROOT, Settings
from lms.demo.seed import FIRST_UID
from lms.supervisor import Process, program


def signers_of(settings: Settings) -> list[Process]:
    """Return the two signer processes, each with its own folder and, started by root, its own OS user."""
    logs = settings.instance / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "HOME"}}
    processes = []
    for order, part in enumerate(Part):
        own_user = ["--user", str(FIRST_UID + order)] if os.geteuid() == 0 else []
        folder = settings.demo_signers / part.value
        command = [sys.executable, "-m", "lms.certs.signer", "run", *own_user, str(folder)]
        processes.append(Process(f"signer-{part.value}", command, kept, logs / f"signer-{part.value}.log"))
    return processes


def worker_of(settings: Settings) -> Process:
    """Return the pool of workers."""
    command = [program("lms"), "worker"]
    return Process("worker", command, settings.to_environment(), settings.instance / "logs" / "worker.log")


def web_of(settings: Settings, port: int) -> Process:
    """Return the web server."""
    serving = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "2", "--threads", "8"]
    command = [program("gunicorn"), "--chdir", str(ROOT), "--preload", *serving, "wsgi:app"]
    return Process("web", command, settings.to_environment(), settings.instance / "logs" / "web.log")
