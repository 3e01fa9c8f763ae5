import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lms.runtime import seccomp
from lms.runtime.environments import EnvironmentBroken, describe
from lms.runtime.faults import JailUnavailable
from lms.runtime.jail import Bounds, JailSpec
from lms.runtime.jailed import Jailed
from lms.runtime.jobs import JobResult, JobStatus, run_job
from lms.runtime.probe import Isolation, IsolationLevel, probe
from lms.runtime.slots import Slot
from tests.runtime.jails import ROOT, need

pytestmark = pytest.mark.jail
SMALL = Bounds(memory_bytes=256 << 20, processes=24, disk_bytes=16 << 20)

PROBES = """
import json, os, socket, subprocess
from pathlib import Path
found = {}
def attempt(name, action):
    try:
        found[name] = repr(action())
    except BaseException as error:
        found[name] = type(error).__name__
attempt("shadow", lambda: open("/etc/shadow").read())
attempt("canary", lambda: open(CANARY).read())
attempt("home", lambda: os.listdir("/root"))
attempt("internet", lambda: socket.create_connection(("1.1.1.1", 53), 1))
attempt("port", lambda: socket.create_connection(("127.0.0.1", PORT), 1))
attempt("name", lambda: socket.gethostbyname("example.org"))
attempt("write", lambda: open("/usr/x", "w"))
attempt("root", lambda: os.setuid(0))
attempt("signal", lambda: os.kill(PARENT, 0))
attempt("unshare", lambda: subprocess.run(["unshare", "-Ur", "true"], check=True))
attempt("disk", lambda: [open(f"/lab/{n}", "wb").write(bytes(1 << 20)) for n in range(40)])
found["environment"] = sorted(os.environ)
found["processes"] = sum(name.isdigit() for name in os.listdir("/proc"))
print(json.dumps(found))
"""


@pytest.fixture
def python(environment: Path, isolation: Isolation) -> Path:
    assert isolation.level is not IsolationLevel.REFUSE, isolation
    return environment / "bin" / "python"


def run(python: Path, code: str, *, seconds: float = 20, output_bytes: int = 1 << 20) -> JobResult:
    spec = JailSpec(python, ("-c", code), bounds=SMALL)
    return run_job(spec, seconds=seconds, output_bytes=output_bytes)


def test_a_jailed_program_reaches_nothing_of_ours(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for students")
    canary = tmp_path / "duri.db"
    canary.write_text("grades")
    given = f"CANARY={str(canary)!r}\nPORT=22\nPARENT={os.getpid()}\n"
    result = run(python, given + PROBES)
    assert result.ok, result.errors
    found = json.loads(result.output)
    environment = found.pop("environment")
    assert found.pop("processes") <= 3
    assert {name: text for name, text in found.items() if not text.endswith("rror")} in (
        {},
        {"home": "['.pyenv']"},  # the empty way to an interpreter that lies there
    )
    assert len(environment) <= 10
    assert "SECRET_KEY" not in environment


MARKS = """
import ctypes, errno, json, os, sys
found, library = {}, ctypes.CDLL(None, use_errno=True)
file = os.open(sys.executable, os.O_RDONLY)
def attempt(name, action):
    try:
        found[name] = repr(action())
    except OSError as error:
        found[name] = errno.errorcode[error.errno]
def call(number, *arguments):
    if library.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
attempt("forget", lambda: os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED))
attempt("only what is in memory", lambda: os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT))
attempt("any", lambda: os.preadv(file, [bytearray(1)], 0))
attempt("watch", lambda: call(INOTIFY, 0))
attempt("pages in memory", lambda: call(CACHESTAT, file, 0, 0, 0))
print(json.dumps(found))
"""
INOTIFY = {"x86_64": 294, "aarch64": 26}  # inotify_init1(2)
CACHESTAT = 451  # on every architecture


def test_what_is_in_memory_of_shared_files_is_no_note_for_the_next_run(python: Path) -> None:
    need(there=seccomp.program() is not None, what="no filter of system calls on this machine")
    result = run(python, f"INOTIFY = {INOTIFY[platform.machine()]}\nCACHESTAT = {CACHESTAT}\n{MARKS}")
    assert result.ok, result.errors
    assert json.loads(result.output) == {
        "forget": "EPERM",
        "only what is in memory": "ENOTSUP",
        "any": "1",
        "watch": "EPERM",
        "pages in memory": "EPERM",
    }


def test_limits_end_a_program_and_say_which(python: Path) -> None:
    assert run(python, "while True: pass", seconds=1).status is JobStatus.TIME
    assert run(python, "while True: print('x' * 1000)", output_bytes=100_000).status is JobStatus.OUTPUT
    greedy = run(python, "kept = []\nwhile True: kept.append(bytearray(10 ** 7))")
    assert greedy.status is JobStatus.MEMORY or "MemoryError" in greedy.errors
    assert "MemoryError" in run(python, "import numpy; numpy.ones(10 ** 11)").errors


def test_a_fork_bomb_stays_in_its_jail(python: Path) -> None:
    result = run(python, "import os\nwhile True: os.fork()", seconds=5)
    assert not result.ok
    assert run(python, "print(1)").output == b"1\n"


def test_what_comes_in_and_out_are_bytes_of_any_size(python: Path) -> None:
    spec = JailSpec(python, ("-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"))
    content = bytes(range(256)) * 4096
    assert run_job(spec, content).output == content[::-1]


def test_handed_in_files_and_folders_are_read_only(python: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    code = "print(open('/lab/data/a.csv').read(), open('/lab/b').read()); open('/lab/data/a.csv', 'a')"
    result = run_job(JailSpec(python, ("-c", code), mounts={tmp_path: "/lab/data"}, files={"/lab/b": b"2"}))
    assert result.output == b"1 2\n"
    assert "Read-only" in result.errors or "PermissionError" in result.errors


SPECIAL = ("link", "pipe", "folder", "big", "none")


def test_only_plain_small_files_are_fetched(python: Path) -> None:
    code = (
        "import os, time\nos.symlink('/etc/passwd', 'link'); os.mkfifo('pipe'); os.mkdir('folder')\n"
        "open('big', 'w').write('x' * 99); open('good', 'w').write('yes'); time.sleep(60)"
    )
    with Jailed.start(JailSpec(python, ("-c", code), bounds=SMALL)) as jailed:
        deadline = time.monotonic() + 10
        while jailed.fetch("/lab/good", 9) != b"yes" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert jailed.fetch("/lab/good", 9) == b"yes"
        assert [jailed.fetch(f"/lab/{name}", 9) for name in SPECIAL] == [None] * 5
        jailed.put("given", b"1")
        with pytest.raises(FileExistsError):
            jailed.put("given", b"2")


def test_nothing_is_left_when_the_worker_is_killed(python: Path) -> None:
    mark = f"duri-test-{os.getpid()}"
    code = (
        "from pathlib import Path\nfrom lms.runtime.jobs import run_job\n"
        "from lms.runtime.jail import JailSpec\n"
        f"run_job(JailSpec(Path({str(python)!r}), ('-c', 'import time; time.sleep(99)', {mark!r})))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    worker = subprocess.Popen([sys.executable, "-c", code], env=env)
    _wait_for(lambda: any(words[0] == str(python).encode() for words in _running(mark, ours=worker.pid)))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    _wait_for(lambda: not _running(mark, ours=worker.pid))


def _wait_for(condition: object) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _running(mark: str, *, ours: int) -> list[list[bytes]]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != ours:
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in words:
                found.append(words)
    return found


def test_the_probe_finds_the_jail_sound(isolation: Isolation) -> None:
    assert isolation.level is not IsolationLevel.REFUSE
    if os.geteuid() == 0 and seccomp.program():
        assert "seccomp" not in isolation.missing


def test_the_probe_refuses_when_a_secret_can_be_read(python: Path) -> None:
    found = probe(python, [Path("/usr/bin/env")])
    assert str(found) == "refuse:/usr/bin/env,/usr/bin/env (warm)"


def test_the_probe_refuses_without_bubblewrap(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert probe(python).level is IsolationLevel.REFUSE


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: only root can become a plain user")
def test_the_jail_holds_for_a_plain_user_too(isolation: Isolation) -> None:
    assert isolation
    system = Path("/usr/bin/python3")
    need(there=system.exists(), what="no interpreter that a plain user may read")
    code = (
        "from pathlib import Path\nfrom lms.runtime.probe import probe\n"
        f"print(probe(Path({str(system)!r}), [Path({str(ROOT / 'pyproject.toml')!r})]))"
    )
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(
        [*become, str(system), "-c", code], env=env, cwd="/", capture_output=True, text=True, check=False
    )
    need(there="lms" not in found.stderr, what="a plain user may not read this folder")
    assert found.stdout.split(":")[0].strip() in {"full", "reduced"}, found


def test_a_jail_whose_interpreter_is_missing_cannot_start() -> None:
    with pytest.raises(JailUnavailable):
        run(Path("/nowhere/bin/python"), "")


def test_two_jails_never_share_a_user() -> None:
    first, second = Slot.take(), Slot.take()
    assert first.uid != second.uid
    first.release()
    second.release()


def test_an_environment_is_named_by_the_hash_of_its_list(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "tiny.txt").write_text("")
    found = describe(tmp_path, "tiny")
    assert found.path == tmp_path / ".environments" / "tiny-e3b0c44298fc"
    with pytest.raises(EnvironmentBroken):
        describe(tmp_path, "other")
