"""A notebook cannot see which of our runs it is in: everything that it can observe is the same in both."""

import ast
import re
from typing import Any

import pytest

from tests.redteam.arena import Arena
from tests.redteam.arena import told as shown
from tests.redteam.lab import FULL, SOLUTIONS

pytestmark = pytest.mark.jail

OBSERVE = """
import glob, hashlib, locale, os, platform, resource, signal, socket, sys
import sysconfig, tempfile, threading, time
seen = {}
def note(name, act):
    try: seen[name] = repr(act())[:3000]
    except Exception as error: seen[name] = type(error).__name__
note('environment', lambda: sorted(os.environ.items()))
note('folder', os.getcwd)
note('files', lambda: sorted(glob.glob('/lab/**', recursive=True)))
note('top', lambda: sorted(os.listdir('/')))
note('run', lambda: sorted(glob.glob('/run/**', recursive=True)))
note('dev', lambda: sorted(os.listdir('/dev')))
note('opt', lambda: sorted(glob.glob('/opt/**', recursive=True)))
note('etc', lambda: sorted(glob.glob('/etc/**', recursive=True)))
note('users', lambda: (os.getuid(), os.getgid(), os.geteuid(), os.getgroups()))
note('host', lambda: (socket.gethostname(), platform.node(), platform.release()))
note('zone', lambda: (time.tzname, time.timezone, os.path.realpath('/etc/localtime')))
note('locale', lambda: (locale.getlocale(), sys.getfilesystemencoding(), sys.flags, sys.getrecursionlimit()))
note('arguments', lambda: (sys.argv, sys.orig_argv, sys.executable, sys.path))
note('modules', lambda: sorted(name for name in sys.modules))
note('limits', lambda: [(name, resource.getrlimit(getattr(resource, name)))
    for name in sorted(dir(resource)) if name.startswith('RLIMIT')])
note('numbers', lambda: sorted(os.listdir('/proc/self/fd'), key=int)[:-1])
note('processes', lambda: sorted(name for name in os.listdir('/proc') if name.isdigit()))
note('process', lambda: (os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), os.nice(0)))
for name in ('cgroup', 'cmdline', 'comm', 'limits', 'loginuid', 'oom_score_adj', 'sessionid', 'setgroups',
        'wchan', 'attr/current', 'timerslack_ns', 'coredump_filter', 'personality'):
    note('proc ' + name, lambda: open('/proc/self/' + name).read())
note('maps', lambda: [open('/proc/self/' + name).read() for name in ('gid_map', 'uid_map')])
note('status', lambda: [line for line in open('/proc/self/status') if line.split(':')[0] in
    ('Name', 'Umask', 'Groups', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters', 'CapEff', 'CapBnd', 'SigIgn',
        'SigBlk',
     'SigCgt', 'Threads', 'NStgid', 'NSpid')])
note('mounts',
    lambda: [line.split()[3:5] + line.split(' - ')[1].split()[:1] for line in open('/proc/self/mountinfo')])
note('threads', lambda: sorted(type(one).__name__ for one in threading.enumerate()))
note('signals', lambda: [str(signal.getsignal(number)).split(' at ')[0] for number in sorted(signal.Signals)])
note('sockets',
    lambda: sorted(line.split()[-1] for line in open('/proc/net/unix').readlines()[1:] if '/' in line))
note('cpus', lambda: (os.cpu_count(), sorted(os.sched_getaffinity(0))))
note('random', lambda: (__import__('random').random(), __import__('numpy').random.rand()))
note('hash', lambda: (hash('a'), sys.hash_info, hash(b'b')))
note('kernel', lambda: sorted(vars(get_ipython().kernel)))
note('handlers', lambda: sorted(get_ipython().kernel.shell_handlers))
note('frames', lambda: [frame.f_code.co_name for frame in sys._current_frames().values()][:0])
note('space', lambda: (os.statvfs('/lab').f_blocks, os.statvfs('/tmp').f_blocks, os.statvfs('/tmp').f_files))
note('memory', lambda: open('/sys/fs/cgroup/memory/memory.limit_in_bytes').read())
print('SEEN', repr(seen), 'END')
"""


def _seen(notebook: str) -> list[dict[str, Any]]:
    import json  # noqa: PLC0415

    found = []
    for one in json.loads(notebook)["cells"]:
        text = "".join("".join(output.get("text", "")) for output in one.get("outputs", []))
        match = re.search(r"SEEN (.*) END", text, re.DOTALL)
        if match:
            found.append(ast.literal_eval(match.group(1)))
    return found


def test_the_counting_run_and_the_shown_run_look_the_same(arena: Arena) -> None:
    """At the start of a notebook, and at its end, after tests have called it in the one and in the other."""
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[OBSERVE], last=[OBSERVE]))
    assert graded.scores == FULL, shown(graded)
    counting, other_run = _seen(graded.executed), _seen(arena.view(graded).feedback.decode())
    assert len(counting) == len(other_run) == 2
    assert all(len(one) > 40 for one in counting)
    # A test that sets the random state sets the student's too, so it has moved once hidden tests were there.
    del counting[1]["random"], other_run[1]["random"]
    for one, other in zip(counting, other_run, strict=True):
        assert {name for name in one if one[name] != other[name]} == set(), {
            name: (one[name][:600], other[name][:600]) for name in one if one[name] != other[name]
        }


def test_two_seeds_draw_differently_and_one_draws_the_same(arena: Arena) -> None:
    draw = (
        "import random, numpy as np\n"
        "print('SEEN', repr({'drawn': [random.random(), np.random.rand()]}), 'END')"
    )
    content = arena.release.submission(SOLUTIONS, first=[draw])
    drawn = [_seen(arena.grade(content, seed=seed).executed)[0]["drawn"] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
