"""The walls around one kernel, attacked from inside: /proc, processes, devices, descriptors, memory,
sockets."""

from typing import Any

import pytest

from tests.redteam.arena import SECRET, Arena
from tests.redteam.lab import FULL, HIDDEN_FILE_MARK, SOLUTIONS, SOURCE_MARK
from tests.redteam.test_rows_of_walls import ask

pytestmark = pytest.mark.jail

TRY = """
import ctypes, os, glob, socket, signal, struct, errno, sys, stat
libc = ctypes.CDLL(None, use_errno=True)
found = []
def attempt(name, act):
    try: result = act()
    except (OSError, PermissionError, ValueError, AttributeError, OverflowError): return
    found.append((name, repr(result)[:200]))
def call(name, *args):
    result = libc.syscall(*args)
    if result >= 0: found.append((name, result))
    return result
def write(path, text):
    number = os.open(path, os.O_WRONLY)
    try: return os.write(number, text.encode())
    finally: os.close(number)
def read(path, size=1 << 16):
    with open(path, 'rb') as file: return file.read(size)
"""


def holes(arena: Arena, code: str) -> Any:
    """Run code that fills `found` with whatever it should not have managed."""
    return ask(arena, TRY + code)


def test_other_processes_show_nothing_in_proc(arena: Arena) -> None:
    code = """
own = {str(os.getpid()), 'self', 'thread-self'}
for name in os.listdir('/proc'):
    if name.isdigit() and name not in own:
        for part in ('environ', 'mem', 'maps', 'stack', 'auxv', 'io', 'syscall', 'personality',
            'pagemap', 'smaps'):
            attempt((name, part), lambda: read(f'/proc/{name}/{part}') or 1 / 0)
        for part in ('cwd', 'root', 'exe'):
            attempt((name, part), lambda: os.readlink(f'/proc/{name}/{part}'))
        for part in ('fd', 'root', 'cwd', 'map_files', 'ns'):
            attempt((name, part), lambda: os.listdir(f'/proc/{name}/{part}') or 1 / 0)
        attempt((name, 'oom'), lambda: write(f'/proc/{name}/oom_score_adj', '1000'))
found = [one for one in found if 'ZeroDivision' not in one[1]]
"""
    assert holes(arena, code.replace("or 1 / 0", "or int('x')")) == []


def test_nothing_of_the_machine_can_be_set(arena: Arena) -> None:
    code = """
for top in ('/proc/sys', '/sys', '/proc/irq', '/proc/bus', '/proc/tty', '/proc/acpi'):
    for where, folders, names in os.walk(top):
        for name in names[:400]:
            path = os.path.join(where, name)
            if os.access(path, os.W_OK) and name != 'ns_last_pid': attempt(path, lambda: os.open(path,
                os.O_WRONLY))
for path in ('/proc/sysrq-trigger', '/proc/kcore', '/proc/kmsg', '/proc/kallsyms', '/dev/mem', '/dev/kmsg',
        '/proc/keys', '/proc/timer_list', '/proc/vmallocinfo', '/proc/sched_debug', '/dev/fuse',
            '/dev/kvm', '/dev/net/tun'):
    attempt(path, lambda: os.open(path, os.O_RDWR))
attempt('core', lambda: write('/proc/self/coredump_filter', 'zz'))
attempt('map', lambda: write('/proc/self/uid_map', '0 0 1'))
attempt('setgroups', lambda: write('/proc/self/setgroups', 'allow'))
attempt('oom', lambda: write('/proc/self/oom_score_adj', '-1000'))
"""
    assert holes(arena, code) == []


def test_kernel_addresses_and_counters_are_hidden(arena: Arena) -> None:
    code = """
attempt('kallsyms', lambda: {line[:16] for line in open('/proc/kallsyms')} - {'0' * 16} or int('none'))
"""
    assert holes(arena, code) == []  # absent, unreadable or zeroed


POWERS = """
import platform
numbers = dict(ptrace=101, process_vm_readv=310, process_vm_writev=311, mount=165, umount2=166,
    pivot_root=155,
    chroot=161, setns=308, keyctl=250, add_key=248, request_key=249, bpf=321, perf_event_open=298,
        userfaultfd=323,
    io_uring_setup=425, open_by_handle_at=304, name_to_handle_at=303, kcmp=312, pidfd_getfd=438,
        init_module=175,
    finit_module=313, kexec_load=246, swapon=167, reboot=169, personality=135, syslog=103, quotactl=179,
    fsopen=430, open_tree=428, move_mount=429, mount_setattr=442, memfd_secret=447, sethostname=170,
    clock_settime=227, settimeofday=164, acct=163, iopl=172, ioperm=173, fanotify_init=300,
        lookup_dcookie=212)
if platform.machine() == 'x86_64':
    buffer = ctypes.create_string_buffer(4096)
    address = ctypes.addressof(buffer)
    arguments = dict(ptrace=(16, 1, 0, 0), keyctl=(0, -3, 1), add_key=(address, address, address, 1, -3),
        process_vm_readv=(1, address, 1, address, 1, 0), kcmp=(1, 2, 0, 0, 0), setns=(0, 0),
            sethostname=(address, 1),
        mount=(address, address, address, 0, 0), personality=(0x0040000,), syslog=(3, address, 100),
        userfaultfd=(0,), perf_event_open=(address, 0, -1, -1, 0), memfd_secret=(0,), io_uring_setup=(8,
            address))
    for name, number in numbers.items():
        call(name, number, *arguments.get(name, (0, 0, 0, 0, 0)))
    for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000):
        if flag: call(f'unshare {flag:x}', 272, flag)
    for flag in (0x10000000, 0x10000000 | 0x20000):
        pid = libc.syscall(56, flag | 17, 0, 0, 0, 0)
        if pid == 0: os._exit(0)
        if pid > 0: found.append((f'clone {flag:x}', pid))
for name, number in (('root', 0), ('somebody', 1), ('nobody', 65534)):
    attempt(f'setuid {name}', lambda: os.setuid(number))
    attempt(f'setgid {name}', lambda: os.setgid(number))
    attempt(f'setgroups {name}', lambda: os.setgroups([number]))
attempt('chown', lambda: os.chown(os.getcwd(), 0, 0))
attempt('device', lambda: os.mknod('/tmp/device', stat.S_IFBLK | 0o666, os.makedev(8, 0)))
attempt('memory device', lambda: os.mknod('/tmp/memory', stat.S_IFCHR | 0o666, os.makedev(1, 1)))
attempt('nice', lambda: os.nice(-5))
attempt('real time', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10)))
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
if any(int(status[name], 16) for name in ('CapInh', 'CapPrm', 'CapEff',
    'CapAmb')): found.append('capabilities')
if status['NoNewPrivs'].strip() != '1' or status['Seccomp'].strip() != '2': found.append('no filter')
"""


def test_no_power_is_left_and_none_can_be_had(arena: Arena) -> None:
    assert holes(arena, POWERS) == []


def test_a_program_with_the_set_user_bit_gains_nothing(arena: Arena) -> None:
    code = """
import subprocess
for name in ('su', 'sudo', 'mount', 'passwd', 'newgrp', 'chsh', 'pkexec', 'fusermount3', 'bwrap'):
    for place in ('/usr/bin', '/bin', '/usr/sbin'):
        if os.path.exists(f'{place}/{name}') and os.stat(f'{place}/{name}').st_mode & stat.S_ISUID:
            done = subprocess.run([f'{place}/{name}', '-c', 'id -u'], stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True, timeout=5)
            if done.stdout.strip() == '0': found.append(name)
open('/tmp/own', 'w').write('#!/bin/sh\\nid -u'); os.chmod('/tmp/own', 0o4755)
if subprocess.run(['/tmp/own'], capture_output=True, text=True).stdout.strip() == '0': found.append('own')
"""
    assert holes(arena, code) == []


DESCRIPTORS = """
kinds = {}
for name in sorted(os.listdir('/proc/self/fd'), key=int):
    try: kinds[int(name)] = os.readlink(f'/proc/self/fd/{name}')
    except OSError: continue
listed = dict(kinds)
for number, target in listed.items():
    try: mode = os.fstat(number).st_mode
    except OSError: continue
    if stat.S_ISDIR(mode): found.append(('folder', number, target))
    if stat.S_ISBLK(mode): found.append(('device', number, target))
    if stat.S_ISREG(mode) and not target.startswith(('/lab', '/tmp', '/run/desk', '/usr', '/proc')):
        found.append(('file', number, target))
    if stat.S_ISCHR(mode) and target not in ('/dev/null', '/dev/urandom', '/dev/random'):
        found.append(('character', number, target))
    if 'memfd:' in target or 'pidfd' in target: found.append(('kept', number, target))
    if stat.S_ISSOCK(mode):
        try: made = socket.socket(fileno=os.dup(number))
        except OSError: continue
        if made.family == socket.AF_UNIX:
            try: peer, own = made.getpeername(), made.getsockname()
            except OSError: peer = own = ''
            for name in (peer, own):
                if name and not str(name).startswith('/run/desk/s-'): found.append(('socket', number, name))
            credentials = made.getsockopt(socket.SOL_SOCKET, 17, struct.calcsize('3i'))
        made.close()
"""


def test_no_descriptor_of_ours_is_inherited(arena: Arena) -> None:
    """Every open file of a kernel is its own: no folder, no file, no socket of worker or warm environment."""
    assert holes(arena, DESCRIPTORS) == []


def test_no_socket_that_a_kernel_holds_takes_orders(arena: Arena) -> None:
    """Whoever writes to every socket in reach starts no fork, gets no file and hurts nobody else."""
    code = """
import json, array
orders = [json.dumps(order).encode() for order in (
    {'kind': 'checker', 'seed': 1, 'rpc': True, 'variables': {}, 'binds': [['/', '/lab/root']], 'memory': {},
     'covered': [], 'limits': {}, 'uid': 0, 'gid': 0}, {'kind': 'probe', 'canaries': {}}, {'fork': 1},
         {'exit': 0})]
orders += [b'', b'go', b'\\x00' * 1000, b'\\xff' * 70_000, b'{' * 1000]
for number in range(3, 512):
    try: mode = os.fstat(number).st_mode
    except OSError: continue
    if not stat.S_ISSOCK(mode): continue
    made = socket.socket(fileno=os.dup(number))
    if made.family != socket.AF_UNIX or made.getsockname():
        made.close()
        continue
    for order in orders:
        try: made.send(order, socket.MSG_DONTWAIT)
        except OSError: pass
    try:
        text, extra, _, _ = made.recvmsg(1 << 16, 4096, socket.MSG_DONTWAIT)
        if extra: found.append(('given', number))
    except OSError: pass
    made.close()
before = sorted(name for name in os.listdir('/proc') if name.isdigit())
"""
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[TRY + code]))
    assert graded.total <= sum(FULL.values())
    arena.assert_next_is_graded_fully()


def test_signals_reach_only_what_a_kernel_started(arena: Arena) -> None:
    code = """
own = (os.getpid(), os.getppid(), *map(int, os.listdir('/proc/self/task')))
for pid in [*range(1, 400), -1]:
    if pid in own and pid != 1: continue
    try:
        if pid > 1:
            os.kill(pid, 0); found.append(pid)
    except OSError: pass
for number in set(signal.Signals) - {signal.SIGCHLD, signal.SIGCONT}:
    try: os.kill(1, number)
    except OSError: pass
"""
    assert holes(arena, code) == []


def test_killing_everything_in_sight_ends_only_oneself(arena: Arena) -> None:
    code = "import os, signal\nos.kill(-1, signal.SIGKILL)\nos.killpg(0, signal.SIGKILL)"
    graded = arena.attack(arena.release.submission(SOLUTIONS, last=[code]))
    assert graded.scores == FULL
    arena.assert_next_is_graded_fully()


OTHERS = "ostrich-of-somebody-elses-answer"
LEAVE = """
import os, glob, ctypes, subprocess, sys, mmap, builtins
mark = 'left-behind-' + 'by-one'
for top in ('/', '/lab', '/tmp', '/dev', '/dev/shm', '/run', '/run/desk', '/opt', '/opt/duri', '/etc',
    '/var', '/usr',
        sys.prefix, *sys.path, '/lab/data', '/proc/self', '/dev/mqueue', '/dev/pts', '/run/user', '/var/tmp'):
    try: open(os.path.join(top, mark), 'w').write(mark)
    except OSError: pass
libc = ctypes.CDLL(None, use_errno=True)
key = libc.shmget(0x5eed, 4096, 0o1666)
if key >= 0:
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(key, None, 0)
    ctypes.memmove(place, mark.encode(), len(mark))
libc.semget(0x5eed, 1, 0o1666); libc.msgget(0x5eed, 0o1666)
try: print(libc.mq_open(b'/' + mark.encode(), 0o102, 0o666, None))
except AttributeError: pass
import numpy, json
numpy.left_behind = json.left_behind = builtins.left_behind = mark
os.environ['LEFT'] = mark
try:
    page = mmap.mmap(-1, 4096); page.write(mark.encode())
except OSError: pass
module = sys.modules['numpy'].__file__
for name in (module, json.__file__, sys.executable):
    try: open(name, 'a').write('#')
    except OSError: pass
print(mark)
"""
SEARCH = """
import os, glob, ctypes, sys, builtins, json, numpy
mark = 'left-behind-' + 'by-one'
found = []
for top in ('/lab', '/tmp', '/dev', '/run', '/opt', '/etc', '/var'):
    for where, folders, names in os.walk(top):
        found += [os.path.join(where, name) for name in names + folders if mark in name]
libc = ctypes.CDLL(None, use_errno=True)
if libc.shmget(0x5eed, 4096, 0o666) >= 0: found.append('shared memory')
if libc.semget(0x5eed, 1, 0o666) >= 0: found.append('semaphore')
if libc.msgget(0x5eed, 0o666) >= 0: found.append('queue')
for name in ('shm', 'sem', 'msg'):
    if len(open('/proc/sysvipc/' + name).readlines()) > 1: found.append(name)
for owner in (numpy, json, builtins):
    if hasattr(owner, 'left_behind'): found.append(owner.__name__)
if 'LEFT' in os.environ: found.append('environment')
def memory():
    for line in open('/proc/self/maps'):
        parts = line.split()
        low, high = (int(text, 16) for text in parts[0].split('-'))
        if 'rw' in parts[1] and high - low < 1 << 27 and not (len(parts) > 5 and parts[5].startswith('[v')):
            with open('/proc/self/mem', 'rb', 0) as file:
                file.seek(low)
                try: yield parts[-1], file.read(high - low)
                except (OSError, OverflowError): pass
def spot(marks):
    # Each mark comes in two halves, the second one turned: so the search finds no copy of what it looks for.
    for place, content in memory():
        for half, turned in marks:
            at = content.find(half)
            while at >= 0:
                rest = content[at + len(half):at + len(half) + len(turned)]
                if bytes(one ^ 1 for one in rest) == turned:
                    found.append((place, half, content[max(at - 50, 0):at]))
                at = content.find(half, at + 1)
"""


def halves(*marks: bytes) -> list[tuple[bytes, bytes]]:
    """Return marks as `spot` takes them."""
    return [(mark[: len(mark) // 2], bytes(one ^ 1 for one in mark[len(mark) // 2 :])) for mark in marks]


def test_nothing_of_one_run_is_there_in_the_next(arena: Arena) -> None:
    """Files, shared memory, semaphores, queues, modules, environment: all new for each kernel."""
    arena.attack(arena.release.submission(SOLUTIONS, first=[LEAVE]))
    assert ask(arena, SEARCH) == []


def test_the_memory_of_a_fork_holds_nothing_of_earlier_runs(arena: Arena) -> None:
    """A kernel reads its own memory: no other student's answer, no hidden test, no secret lies there."""
    earlier = {**SOLUTIONS, "shout-answer": f"{SOLUTIONS['shout-answer']}\n# {OTHERS}"}
    arena.attack(arena.release.submission(earlier))
    marks = halves(*(text.encode() for text in (OTHERS, SOURCE_MARK, HIDDEN_FILE_MARK, SECRET)))
    assert ask(arena, f"{SEARCH}spot({marks!r})\n") == []


def test_the_own_mounts_cannot_be_opened_up(arena: Arena) -> None:
    code = """
for line in open('/proc/self/mountinfo'):
    parts = line.split()
    place, flags = parts[4], parts[5].split(',')
    kind = line.split(' - ')[1].split()[0]
    if 'rw' in flags and kind not in ('proc', 'tmpfs', 'devpts', 'mqueue',
        'devtmpfs'): found.append((place, kind))
    if kind == 'tmpfs' and 'rw' in flags and not place.startswith(('/lab', '/tmp', '/dev',
        '/run')): found.append(place)
    if kind == 'tmpfs' and 'rw' in flags and 'nosuid' not in flags: found.append((place, 'suid'))
for path in ('/proc/1/root/etc/shadow', '/proc/self/root/../../etc/shadow', '/..//..//etc/shadow',
        '/proc/thread-self/root/etc/shadow', '/dev/fd/../../root/.ssh', '/proc/self/fd/0/../..'):
    attempt(path, lambda: read(path))
"""
    assert holes(arena, code) == []


def test_a_kernel_has_no_terminal_of_ours(arena: Arena) -> None:
    code = """
import fcntl, termios
attempt('terminal', lambda: os.open('/dev/tty', os.O_RDWR))
attempt('console', lambda: os.open('/dev/console', os.O_RDWR))
for number in (0, 1, 2):
    attempt(('push', number), lambda: fcntl.ioctl(number, termios.TIOCSTI, b'x'))
"""
    assert holes(arena, code) == []


def test_the_state_of_one_student_says_nothing_of_anothers_seed(arena: Arena) -> None:
    """The seed of an earlier run cannot be read out of a later one's memory."""
    seed = 0x5EED_FACE_1234
    arena.grade(arena.release.submission(SOLUTIONS), seed=seed)
    marks = halves(str(seed).encode(), seed.to_bytes(6, "little"))
    assert ask(arena, f"{SEARCH}spot({marks!r})\n") == []
