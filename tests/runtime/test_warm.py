"""Kernels and checkers forked from warm environments: what they get, what they cannot reach, how they end."""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lms.runtime import zygotes
from lms.runtime.jail import Bounds
from lms.runtime.kernel import Kernel, KernelSpec, RunStatus
from lms.runtime.probe import Isolation
from lms.runtime.warm import Pair, WarmPool, WarmSpec
from tests.runtime.jails import ROOT, need

pytestmark = pytest.mark.jail
BOUNDS = Bounds(memory_bytes=512 << 20, processes=24, disk_bytes=16 << 20, file_bytes=8 << 20)
Open = Callable[..., Pair]


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    with WarmPool() as pool:
        yield pool


@pytest.fixture
def open_pair(pool: WarmPool, environment: Path, isolation: Isolation) -> Iterator[Open]:
    assert isolation
    with contextlib.ExitStack() as stack:

        def open_pair(*, seed: int = 0, checked: bool = False, fresh: bool = False, **spec: object) -> Pair:
            kernel = KernelSpec(environment, BOUNDS, **spec)  # type: ignore[arg-type]  # as the test says
            pair = pool.open(
                WarmSpec(environment, ("numpy",)), kernel, seed=seed, checked=checked, fresh=fresh
            )
            return stack.enter_context(pair)

        yield open_pair


def value(kernel: Kernel, expression: str) -> str:
    run = kernel.execute(expression, 20)
    assert run.status is RunStatus.OK, run.error
    return run.result or ""


def shown(kernel: Kernel, code: str) -> str:
    [stream] = kernel.execute(code, 20).outputs
    return str(stream["text"])


# What a student might try -> what the last expression may say, or how it fails.
ATTEMPTS = {
    "import socket; socket.create_connection(('1.1.1.1', 53), 1)": "OSError",
    "import socket; socket.gethostbyname('example.org')": "gaierror",
    "import socket; socket.create_connection(('127.0.0.1', PORT), 1)": "ConnectionRefusedError",
    "open('/etc/shadow').read()": "FileNotFoundError",
    "open(CANARY).read()": "FileNotFoundError",
    "import os; os.listdir('/run/shelf')": "PermissionError",
    "open('/run/shelf/other/answers.csv').read()": "PermissionError",
    "open('/lab/data/a.csv', 'a')": "PermissionError",
    "open('/lab/data/b.csv', 'w')": "OSError",
    "open('/opt/duri/lms/x.py', 'w')": "OSError",
    "open('/usr/x', 'w')": "OSError",
    "sorted(int(n) for n in os.listdir('/proc') if n.isdigit())": "[1, 2]",
    "open('/proc/1/mem', 'rb+')": "PermissionError",
    "os.listdir('/proc/1/fd')": "PermissionError",
    "os.listdir('/proc/1/root')": "PermissionError",
    "os.kill(PARENT, 0)": "ProcessLookupError",
    "os.setuid(0)": "OSError",
    "import ctypes; c = ctypes.CDLL(None, use_errno=True); c.ptrace(16, 1, 0, 0)": "-1",
    "c.mount(b'tmpfs', b'/lab', b'tmpfs', 0, None), ctypes.get_errno()": "(-1, 1)",
    "c.umount2(b'/run/shelf', 2), ctypes.get_errno()": "(-1, 1)",
    "c.unshare(0x10000000), ctypes.get_errno()": "(-1, 1)",
    "c.setns(0, 0), ctypes.get_errno()": "(-1, 1)",
    "c.syscall(304, -1, 0, 0), ctypes.get_errno()": "(-1, 1)",
    "import subprocess; subprocess.run(['unshare', '-Ur', 'true'], check=True)": "CalledProcessError",
    "open('/lab/big', 'wb').write(bytes(9 << 20))": "OSError",
    "[open(f'/lab/{n}', 'wb').write(bytes(1 << 20)) for n in range(40)]": "OSError",
    "import numpy; numpy.ones(10 ** 10)": "MemoryError",
    "[line for line in open('/proc/self/status') if line[:3] == 'Cap' and int(line[7:], 16)]": "[]",
    "os.getuid(), os.getcwd(), os.uname().nodename": "(1000, '/lab', 'lab')",
    "sum(1 for n in os.listdir('/dev/pts') if n.isdigit())": "0",
    "open('/proc/self/cgroup').read().count('duri')": "0",
}


def test_a_cell_reaches_nothing_that_is_not_its_own(
    pool: WarmPool, open_pair: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for students")
    canary = tmp_path / "duri.db"
    canary.write_text("grades")
    data = pool.lay("a", lambda folder: (folder / "a.csv").write_text("1"))
    pool.lay("other", lambda folder: (folder / "answers.csv").write_text("2"))
    kernel = open_pair(mounts={data: "/lab/data"}).kernel
    kernel.execute(f"PORT, PARENT, CANARY = 22, {os.getpid()}, {str(canary)!r}", 9)
    found = {}
    for code in ATTEMPTS:
        run = kernel.execute(code, 20)
        found[code] = (run.error or (run.result,))[0]
    assert found == ATTEMPTS
    assert value(kernel, "open('/lab/data/a.csv').read()") == "'1'"
    assert "student:x:1000:" in value(kernel, "open('/etc/passwd').read()")


def test_a_fork_bomb_meets_its_limit(open_pair: Open) -> None:
    bomb = (
        "import os, time\nmade = 0\ntry:\n  while made < 999:\n    if os.fork() == 0:\n      time.sleep(60)\n"
        "    made += 1\nexcept OSError as error:\n  found = error.errno\n(found, made < 24)"
    )
    assert value(open_pair().kernel, bomb) == "(11, True)"


def test_the_variables_of_a_kernel_are_few_and_named(open_pair: Open) -> None:
    kernel = open_pair(variables={"NBGRADER_EXECUTION": "autograde"}).kernel
    from_jupyter = {"TERM", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PAGER", "GIT_PAGER"}
    names = set(eval(value(kernel, "import os; sorted(os.environ)")))  # noqa: S307  # a list of our own names
    own = {name for name in names - from_jupyter if not name.startswith("KMP_")}
    assert own <= {
        "PATH", "HOME", "TMPDIR", "USER", "LANG", "PYTHONHASHSEED", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
        "MPLBACKEND", "PWD", "NBGRADER_EXECUTION",
    }  # fmt: skip
    assert len(value(kernel, "open('/proc/self/environ').read()").split("\\x00")) - 1 <= 10


def test_a_kernel_holds_no_open_file_of_another(open_pair: Open) -> None:
    first, second = open_pair().kernel, open_pair().kernel
    code = (
        "import os, socket\nnames = []\nfor n in os.listdir('/proc/self/fd'):\n  try:\n"
        "    s = socket.socket(fileno=os.dup(int(n)))\n    names.append((s.family.name, s.type.name))\n"
        "  except OSError:\n    pass\nsorted(names).count(('AF_UNIX', 'SOCK_SEQPACKET'))"
    )
    assert value(second, code) == "0"
    links = "sorted({os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in range(3)})"
    assert value(first, f"import os; {links}") in {"['/dev/null', 'pipe']", "['/dev/null']"}
    pipes = "print(*[os.readlink(e.path) for e in os.scandir('/proc/self/fd') if os.path.lexists(e.path)])"
    ends = [set(shown(one, f"import os; {pipes}").split()) for one in (first, second)]
    shared = {link for link in ends[0] & ends[1] if not link.startswith(("anon_inode", "/dev/", "/proc/"))}
    assert shared == set()
    assert ends[0] != ends[1]


def test_two_kernels_share_neither_random_numbers_nor_memory(open_pair: Open) -> None:
    draw = "import random, numpy; (random.random(), float(numpy.random.rand()))"
    first, again, other = (open_pair(seed=seed).kernel for seed in (1, 1, 2))
    values = [value(kernel, draw) for kernel in (first, again, other)]
    assert values[0] == values[1] != values[2]
    late = [open_pair(seed=seed, fresh=True).kernel for seed in (1, 1)]
    assert [value(kernel, draw) for kernel in late] == values[:2]
    assert value(late[0], "type(numpy.random.__loader__).__name__") == "'SourceFileLoader'"
    first.execute("import json; json.mark = 1; open('/tmp/mark', 'w'); open('/dev/shm/mark', 'w')", 9)
    look = "import json, os, sys; hasattr(json, 'mark'), os.path.exists('/tmp/mark'), os.listdir('/dev/shm')"
    assert value(other, look) == "(False, False, [])"


def test_whoever_asks_what_a_kernel_is_leaves_its_random_state_alone(open_pair: Open) -> None:
    """A greeting may be asked twice, and its second answer come when the random state was set already."""
    look = "import random; before = random.getstate(); get_ipython().kernel.kernel_info"
    assert value(open_pair(seed=1).kernel, f"{look}; before == random.getstate()") == "True"


LOOK_AROUND = """
import gc, os, random, sys, threading, warnings, numpy
shell = get_ipython()
print(sorted(sys.modules), sorted(globals()), shell.execution_count, In, Out, shell.last_execution_result,
      random.getstate(), numpy.random.get_state(), warnings.filters, numpy.get_printoptions(), gc.isenabled(),
      sorted(one.name for one in threading.enumerate()), os.listdir('/tmp'), os.listdir('/lab'), sys.flags,
      sorted(os.listdir('/proc/self/fd')), os.environ, sys.meta_path, sys.path, shell.history_length)
"""


def test_a_kernel_that_has_rehearsed_looks_like_one_that_has_not(pool: WarmPool, open_pair: Open) -> None:
    open_pair().close()
    [kept] = [one for one in pool._kept.values() if one._spare is not None]
    assert kept._spare is not None
    waiting = kept._spare.result()._kernel
    before, taken = 0.0, waiting.cpu_seconds()
    while before < taken:
        time.sleep(0.3)
        before, taken = taken, waiting.cpu_seconds()
    rehearsed = open_pair(output_bytes=1 << 20).kernel
    at_once = open_pair(output_bytes=1 << 20).kernel
    assert rehearsed._program is waiting
    seen = [shown(kernel, LOOK_AROUND) for kernel in (rehearsed, at_once)]
    addresses = re.compile(r"0x[0-9a-f]+")
    assert addresses.sub("", seen[0]) == addresses.sub("", seen[1])


def test_files_cross_the_wall_as_with_a_jail(open_pair: Open) -> None:
    kernel = open_pair(files={"/lab/given.txt": b"given"}).kernel
    assert value(kernel, "open('/lab/given.txt').read()") == "'given'"
    kernel.put("later", b"later")
    assert value(kernel, "open('/run/desk/later').read()") == "'later'"
    kernel.execute("open('/lab/made', 'w').write('made'); open('/run/desk/said', 'w').write('said')", 9)
    assert (kernel.fetch("/lab/made", 9), kernel.fetch("/run/desk/said", 9)) == (b"made", b"said")
    assert kernel.fetch("/lab/made", 2) is None


def test_a_kernel_that_ends_itself_is_noticed_at_once(open_pair: Open) -> None:
    for code in ("import os; os._exit(0)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"):
        run = open_pair().kernel.execute(code, 30)
        assert run.status is RunStatus.DIED
        assert run.seconds < 10


def test_time_and_memory_are_bounded_and_named(open_pair: Open) -> None:
    kernel = open_pair().kernel
    assert kernel.execute("while True: pass", 1).status is RunStatus.TIME
    assert value(kernel, "1") == "1"
    greedy = kernel.execute("kept = []\nwhile True: kept.append(bytearray(10 ** 7))", 30)
    assert greedy.status is RunStatus.MEMORY or greedy.error == ("MemoryError", "")
    kernel.close()
    assert kernel.peak_memory_bytes() > 100 << 20
    assert kernel.cpu_seconds() > 0.5


def test_an_answer_in_the_checks_can_be_interrupted(open_pair: Open) -> None:
    pair = open_pair(checked=True)
    pair.kernel.execute("def forever():\n    while True: pass\ndef one(): return 1", 9)
    assert pair.checker is not None
    late = pair.checker.check(pair.kernel, "forever()", allowed=None, seconds=1)
    assert late.status is not RunStatus.OK
    assert pair.kernel.ended is None
    assert pair.checker.check(pair.kernel, "one()", allowed=None, seconds=9).result == "1"


def test_a_pair_may_outlive_its_pool(environment: Path, isolation: Isolation) -> None:
    assert isolation
    pool = WarmPool()
    pair = pool.open(WarmSpec(environment), KernelSpec(environment, BOUNDS), seed=0, checked=False)
    pool.close()
    pool.close()
    assert pair.kernel.execute("1", 9).status is RunStatus.DIED
    pair.close()
    pair.close()
    assert pool.environments() == []


def test_a_killed_environment_is_replaced_without_the_run_noticing(pool: WarmPool, open_pair: Open) -> None:
    first = open_pair().kernel
    assert value(first, "1") == "1"
    [kept] = pool._kept.values()
    os.kill(kept.zygote._pid, signal.SIGKILL)
    await_end(os.dup(first.fileno()))
    assert first.execute("1", 9).status is RunStatus.DIED
    assert value(open_pair().kernel, "1") == "1"


def test_a_spare_that_died_is_replaced_without_the_run_noticing(pool: WarmPool, open_pair: Open) -> None:
    open_pair().close()
    [kept] = pool._kept.values()
    assert kept._spare is not None
    os.kill(kept._spare.result()._kernel._pid, signal.SIGKILL)
    assert value(open_pair().kernel, "1") == "1"


def test_environments_are_few_and_start_anew_after_a_number_of_children(environment: Path) -> None:
    with WarmPool(most=1, forks_before_recycling=1) as pool:
        spec = KernelSpec(environment, BOUNDS)
        for libraries in ((), ("json",), ("json",)):
            with pool.open(WarmSpec(environment, libraries), spec, seed=0, checked=False) as pair:
                assert value(pair.kernel, "1") == "1"
            [report] = pool.environments()
            assert report.name.split()[1:] == list(libraries)
            assert report.forks == 1
            assert report.memory_bytes > 1 << 20


def test_a_library_that_fails_is_named_and_left_to_the_cell(environment: Path) -> None:
    warm = WarmSpec(environment, ("no_such_library", "json"))
    with WarmPool() as pool, pool.open(warm, KernelSpec(environment, BOUNDS), seed=0, checked=False) as pair:
        assert value(pair.kernel, "1") == "1"
        [report] = pool.environments()
    assert [reason.split(":")[0] for reason in report.failed] == ["no_such_library"]


WORKER = """
import sys, time
from pathlib import Path
from lms.runtime.kernel import KernelSpec
from lms.runtime import zygotes
from lms.runtime.jail import Bounds
from lms.runtime.warm import WarmPool, WarmSpec
environment = Path(sys.argv[1])
pool = WarmPool()
pair = pool.open(WarmSpec(environment), KernelSpec(environment, Bounds()), seed=0, checked=False)
pair.kernel.execute("import subprocess; subprocess.Popen(['sleep', '4711'], start_new_session=True)", 9)
print(pool.environments()[0].name, pool._kept[WarmSpec(environment)].zygote._pid, pair.kernel._program._pid,
      pool.shelf, flush=True)
time.sleep(99)
"""


def test_a_library_that_starts_threads_is_left_to_the_cell(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = zygotes._program_files()
    started = b"import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    monkeypatch.setattr(zygotes, "_program_files", lambda: {**program, "/opt/duri/threaded.py": started})
    warm = WarmSpec(environment, ("json", "threaded"))
    with WarmPool() as pool, pool.open(warm, KernelSpec(environment, BOUNDS), seed=0, checked=False) as pair:
        assert value(pair.kernel, "1") == "1"
        [report] = pool.environments()
    assert report.left_out == ("threaded",)


def test_nothing_is_left_when_the_worker_is_killed(environment: Path, isolation: Isolation) -> None:
    assert isolation
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(environment)], env=env, stdout=subprocess.PIPE, text=True
    )
    with worker:
        assert worker.stdout is not None
        _, *pids, shelf = worker.stdout.readline().split()
        handles = [os.pidfd_open(int(pid)) for pid in pids]
        worker.send_signal(signal.SIGKILL)
        for handle in handles:
            await_end(handle)
    assert Path(shelf).exists()
    WarmPool().close()
    assert not Path(shelf).exists()


def await_end(handle: int) -> None:
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    assert poller.poll(20_000)
    os.close(handle)


def test_a_fresh_kernel_comes_from_an_environment_of_its_own(pool: WarmPool, open_pair: Open) -> None:
    before = len(pool.environments())
    pair = open_pair(fresh=True)
    assert value(pair.kernel, "import sys; 'numpy' in sys.modules") == "False"
    pair.close()
    assert len(pool.environments()) == before


def test_what_is_left_after_many_runs_is_nothing(pool: WarmPool, open_pair: Open) -> None:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(list(pool.shelf.iterdir()))  # noqa: PTH208

    open_pair().close()
    pool._keeper.submit(time.time).result()
    before = held()
    for _ in range(5):
        open_pair(files={"/lab/x": b"x"}).close()
    pool._keeper.submit(time.time).result()
    files, laid = held()
    assert files <= before[0]
    assert laid <= before[1]


PLAIN = """
from pathlib import Path
from lms.runtime.jail import Bounds
from lms.runtime.kernel import KernelSpec
from lms.runtime.warm import WarmPool, WarmSpec
environment = Path({environment!r})
with WarmPool() as pool:
    data = pool.lay("a", lambda folder: (folder / "a.csv").write_text("1"))
    spec = KernelSpec(environment, Bounds(), mounts={{data: "/lab/data"}})
    with pool.open(WarmSpec(environment), spec, seed=0, checked=False) as pair:
        pair.kernel.put("given", b"2")
        code = "open('/lab/data/a.csv').read() + open('/run/desk/given').read()"
        print(pair.kernel.execute(code, 9).result, pair.kernel.execute("import os; os.getuid()", 9).result)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: only root can become a plain user")
def test_warm_kernels_work_for_a_plain_user_too(
    environment: Path, isolation: Isolation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The interpreter may lie in root's home, so the packages are lent to the system's own."""
    assert isolation
    system = Path("/usr/bin") / environment.joinpath("lib").glob("python*").__next__().name
    need(there=system.exists(), what="the system has another Python than the lab environment")
    home = tmp_path_factory.mktemp("plain")
    for folder in (home, *home.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    lent = home / "environment"
    subprocess.run([system, "-m", "venv", "--without-pip", lent], check=True)
    packages = f"lib/{system.name}/site-packages"
    shutil.copytree(environment / packages, lent / packages, copy_function=os.link, dirs_exist_ok=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": f"{ROOT}:{lent / packages}"}
    become = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        str(lent / "bin" / "python"),
        "-B",
    ]
    code = PLAIN.format(environment=str(lent))
    found = subprocess.run(
        [*become, "-c", code], env=env, cwd="/", capture_output=True, text=True, check=False
    )
    need(there="No module named 'lms" not in found.stderr, what="a plain user may not read this folder")
    assert found.stdout == "'12' 1000\n", found.stderr
