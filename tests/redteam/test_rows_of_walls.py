"""Rows 28-32, 46 and 47: what lies outside of a kernel is out of its reach, however it is asked for."""

import ast
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.redteam.arena import Arena, Graded
from tests.redteam.arena import told as shown
from tests.redteam.lab import DATA_MARK, FULL, LIMITS, SOLUTIONS

pytestmark = pytest.mark.jail
# What the kernel's own library sets for its children.
IPYTHONS = {
    "TERM",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "FORCE_COLOR",
    "PAGER",
    "GIT_PAGER",
    "MPLBACKEND",
    "JPY_PARENT_PID",
    "PYDEVD_USE_FRAME_EVAL",
    "KERNEL_LAUNCHER",
    "JPY_SESSION_NAME",
}
ANSWER = re.compile(r"FOUND (.*?) END")


def told(graded: Graded) -> Any:
    """Return what the notebook printed as its findings."""
    for one in json.loads(graded.report.executed)["cells"]:
        for output in one.get("outputs", []):
            found = ANSWER.search("".join(output.get("text", "")).replace("\n", ""))
            if found:
                return ast.literal_eval(found.group(1))
    raise AssertionError(shown(graded))


def ask(arena: Arena, code: str, **changes: Any) -> Any:
    """Run code in the notebook of an honest student; return what it found."""
    report = "\nprint('FOUND', repr(found), 'END')"
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[code + report]), **changes)
    assert graded.scores == FULL, shown(graded)
    return told(graded)


def test_only_the_open_data_of_the_lab_can_be_read(arena: Arena) -> None:
    """Row 28."""
    code = f"""
import glob, os
tried = ['data/table.csv', '../hidden/table.csv', 'hidden/table.csv', {str(arena.release.source.folder)!r},
    {str(arena.release.source.folder / "hidden" / "table.csv")!r}, {__file__!r}, '/root', '/home',
        '/etc/shadow']
for pattern in ('/proc/[0-9]*/cwd/*', '/proc/[0-9]*/root/hidden/*', '/proc/[0-9]*/root/root/*',
    '/lab/**', '/run/**',
        '/opt/**', '/*/small.ipynb', '/tmp/**', '/proc/[0-9]*/fd/*', '/var/**', '/srv/**', '/mnt/**',
            '/*', '/*/*'):
    tried += glob.glob(pattern, recursive=True, include_hidden=True)[:5_000]
found = []
for name in tried:
    try:
        if os.path.isfile(name):
            with open(name, errors='replace') as file: text = file.read(1_000_000)
            for mark in ('marmot-of-' + 'the', 'heron-of-' + 'the', 'thistle_' + 'of'):
                if mark in text: found.append(mark)
        elif os.path.isdir(name) and os.listdir(name) and name in ('/root', '/home'):
            found.append(name + ': ' + ' '.join(os.listdir(name)))
    except OSError: pass
found = sorted(set(found))
"""
    # Thousands of files are read: on a busy machine that takes longer than a lab's cell has.
    found = ask(arena, code, limits=replace(LIMITS, cell_seconds=60, total_seconds=90))
    assert DATA_MARK[: len("heron-of-the")] in found
    assert [one for one in found if not one.startswith("heron")] in ([], ["/root: .pyenv"], ["/root: .local"])


def test_open_data_cannot_be_changed_for_the_next(arena: Arena) -> None:
    code = """
import os
found = []
for act in (lambda: open('data/table.csv', 'a'), lambda: os.remove('data/table.csv'),
        lambda: os.chmod('data/table.csv', 0o777), lambda: os.rename('data', 'other'),
        lambda: os.symlink('/etc', 'data/x'), lambda: os.utime('data/table.csv')):
    try: act(); found.append('changed')
    except OSError as error: pass
"""
    assert ask(arena, code) == []


def test_no_database_no_socket_no_key_is_there(arena: Arena) -> None:
    """Row 29."""
    folder = arena.canaries.folder
    ours = [str(folder / name) for name in ("duri.db", "signer.key", "")]
    code = """
import os, sqlite3, socket, stat, sys
found = []
for name in ours:
    if os.path.exists(name): found.append(name)
try:
    sqlite3.connect('file:' + ours[0] + '?mode=rw', uri=True).execute('UPDATE grades SET score = 99')
    found.append('updated')
except sqlite3.Error: pass
for top in ('/run', '/tmp', '/var', '/lab', '/opt', '/dev', '/etc'):
    for where, _, names in os.walk(top):
        if where.startswith(sys.prefix): continue  # the lab's own packages, wherever they lie
        for name in names:
            path = os.path.join(where, name)
            try: kind = os.lstat(path).st_mode
            except OSError: continue
            if name.endswith(('.db', '.sqlite', '.sqlite3', '.key')): found.append(path)
            if stat.S_ISSOCK(kind) and not path.startswith('/run/desk/s-'): found.append(path)
"""
    assert ask(arena, f"ours = {ours!r}{code}") == []


def test_the_environment_is_a_short_list_without_secrets(arena: Arena) -> None:
    """Row 30: at most ten variables, in every process that can be seen."""
    code = """
import glob, os
found = {'own': sorted(os.environ)}
for name in glob.glob('/proc/[0-9]*/environ'):
    try: found[name] = sorted(part.split('=')[0] for part in open(name).read().split(chr(0)) if part)
    except OSError: pass
"""
    for names in ask(arena, code).values():
        assert len(set(names) - IPYTHONS) <= 10, names
        assert not {"SECRET_KEY", "DURI_DATABASE_URL", "AWS_TOKEN", "NBGRADER_EXECUTION"} & set(names)


def test_no_other_kernel_and_no_other_work_is_in_sight(arena: Arena) -> None:
    """Row 31, while a second kernel runs beside it."""
    code = """
import glob, os, json, sys
own = os.getpid()
found = {'others': [], 'connections': [], 'unix': [], 'notebooks': []}
for name in os.listdir('/proc'):
    if name.isdigit() and int(name) not in (1, own, os.getppid()): found['others'].append(name)
for pattern in ('/run/**', '/tmp/**', '/lab/**', '/root/.local/share/jupyter/**', '/dev/shm/**'):
    for path in glob.glob(pattern, recursive=True, include_hidden=True):
        if path.startswith(sys.prefix): continue  # the lab's own packages, wherever they lie
        if path.endswith('.ipynb'): found['notebooks'].append(path)
        if 'kernel' in path and path.endswith('.json'): found['connections'].append(path)
lines = open('/proc/net/unix').readlines()[1:]
found['unix'] = [line.split()[-1] for line in lines if '/' in line or '@' in line]
"""
    found = ask(arena, code)
    assert found["others"] == []
    assert len(found["connections"]) <= 1  # its own
    assert found["notebooks"] == []
    assert all(name.startswith("/run/desk/s-") for name in found["unix"]), found["unix"]


def test_nothing_leaves_over_the_network(arena: Arena) -> None:
    """Row 32: each way fails by itself within a second; the oracle's listener hears nothing."""
    code = f"""
import socket, time, subprocess, sys, urllib.request
found = {{}}
def attempt(name, act):
    begun = time.monotonic()
    try: found[name] = (repr(act())[:80], time.monotonic() - begun)
    except BaseException as error: found[name] = (type(error).__name__, time.monotonic() - begun)
def udp(address):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); made.settimeout(1)
    made.sendto(b'x' * 32, address); return made.recv(9)
for name, address in dict(internet=('1.1.1.1', 443), dns=('8.8.8.8', 53), metadata=('169.254.169.254', 80),
        own=('127.0.0.1', {arena.canaries.port}), web=('127.0.0.1', 5000), gate=('10.0.0.1', 80)).items():
    attempt(name, lambda: socket.create_connection(address, 2))
for name, address in dict(udp_dns=('8.8.8.8', 53), udp_gate=('172.17.0.1', 53)).items():
    attempt(name, lambda: udp(address))
attempt('name', lambda: socket.getaddrinfo('example.org', 80))
attempt('url', lambda: urllib.request.urlopen('http://example.org', timeout=2))
attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt('vsock', lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 22)))
attempt('abstract', lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + '/run/dbus'))
attempt('docker', lambda: socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock'))
devices = [line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]]
found['devices'] = (devices, 0)
"""
    found = ask(arena, code)
    assert found.pop("devices")[0] in (["lo"], [])
    assert {
        name: text for name, (text, _) in found.items() if not re.search(r"rror|timeout|Refused", text)
    } == {}
    assert {name: seconds for name, (_, seconds) in found.items() if seconds > 1} == {}


def test_packages_cannot_be_fetched(arena: Arena) -> None:
    """Row 32."""
    code = """
import subprocess, sys
done = subprocess.run([sys.executable, '-m', 'pip', 'install', '--retries', '0', '--timeout', '1', 'six'],
    capture_output=True, text=True)
found = done.returncode
"""
    assert ask(arena, code) != 0


# Row 46


def test_nothing_tells_a_notebook_that_it_is_being_graded(arena: Arena) -> None:
    """Behaviour that depends on the upstream's variable, or on a host name, changes nothing."""
    sly = (
        "import os, socket\n"
        "graded = 'NBGRADER_EXECUTION' in os.environ or 'grad' in socket.gethostname() or "
        "any('grad' in text.lower() for text in open('/proc/self/cgroup'))\n"
        "def squares(n):\n    if graded: return [1, 4, 9, 16, 25, 36, 49][:n]\n    return None"
    )
    arena.gains_nothing(arena.release.submission({"squares-answer": sly}))


def test_the_visible_cases_by_heart_are_worth_the_visible_points(arena: Arena) -> None:
    known = {
        "squares-answer": "def squares(n): return {1: [1], 2: [1, 4], 3: [1, 4, 9]}[n]",
        "shout-answer": "def shout(text): return 'A!'",
        "double-answer": "def double(number): return 4",
    }
    graded = arena.attack(arena.release.submission(known))
    scores = {name: score for name, score in graded.scores.items() if score}
    assert scores == {"squares": 2, "double": 1}


# Row 47

MAGICS = {
    "%%bash": "%%bash\ncat /etc/shadow; ls /root; curl -m 1 http://1.1.1.1; id",
    "!": "!cat /etc/shadow; id",
    "%system": "%system cat /etc/shadow",
    "%run": "open('/lab/x.py', 'w').write('import os; print(os.listdir(\"/root\"))')\n%run /lab/x.py",
    "%load_ext": "%load_ext autoreload\n%load_ext no_such_extension",
    "%%script": "%%script sh\ncat /etc/shadow",
    "%%javascript": "%%javascript\nalert(document.cookie)",
    "%%writefile": "%%writefile /etc/passwd\nroot::0:0::/:/bin/sh",
    "%env": "%env NBGRADER_EXECUTION=autograde",
    "%reset": "%reset -f",
    "%cd": "%cd /proc/1/root",
}


@pytest.mark.parametrize("magic", MAGICS)
def test_magic_meets_the_same_walls(arena: Arena, magic: str) -> None:
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[MAGICS[magic]]))
    assert graded.scores == FULL, shown(graded)
    assert "root:" not in graded.executed.replace("root::0:0::", "")
    assert "uid=0" not in graded.executed
    assert "alert(document.cookie)" not in json.dumps(
        [one.get("outputs") for one in json.loads(graded.report.executed)["cells"]]
    )
    arena.assert_next_is_graded_fully()


def test_who_shuts_the_own_kernel_down_hurts_nobody_else(arena: Arena) -> None:
    graded = arena.attack(
        arena.release.submission(SOLUTIONS, first=["get_ipython().kernel.do_shutdown(False)"])
    )
    assert graded.total <= sum(FULL.values())
    arena.assert_next_is_graded_fully()


@pytest.mark.parametrize(
    "code", ["input('Password: ')", "import getpass; getpass.getpass()", "import pdb; pdb.set_trace()"]
)
def test_a_question_to_nobody_is_an_error_and_the_job_goes_on(arena: Arena, code: str) -> None:
    asking = {"squares-answer": f"def squares(n):\n    {code}\n    return []"}
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **asking}, first=[code]))
    assert graded.scores == {**FULL, "squares": 0, "squares-hidden": 0, "sum": 0}, shown(graded)
    assert "StdinNotImplementedError" in graded.executed
