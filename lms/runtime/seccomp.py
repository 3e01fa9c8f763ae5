"""The system calls that no lab needs, as a filter that bubblewrap loads."""

import errno
import functools
import os
import tempfile

CLONE_NEWUSER = 0x10000000
DENIED = [
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "request_key",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "nfsservctl",
    "syslog",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "personality",
    "open_by_handle_at",
    "name_to_handle_at",
    "lookup_dcookie",
    "vmsplice",
    "pidfd_getfd",
    "process_madvise",
    "fanotify_init",
    "memfd_secret",
    # Jails share the files of an environment, so what is in memory of these is a note that one run can leave
    # for the next, and who opens them one for a run beside it.
    "fadvise64",
    "readahead",
    "mincore",
    "cachestat",
    "inotify_init",
    "inotify_init1",
    "inotify_add_watch",
]
# Only a loop-back device exists in the jail, so the internet families are left to plain programs.
# The refusal is one after which ZeroMQ goes on without the list of network devices.
DENIED_FAMILIES = (16, 17, 38, 40)  # netlink, packet, kernel crypto, virtual-machine sockets


# What a program needs that encloses others before it lets them run; they get the whole list.
NESTING = {"mount", "unshare"}


@functools.cache
def program(*, nests: bool = False) -> bytes | None:
    """Return the compiled filter, or None where libseccomp is not to be had.

    Args:
        nests: leave what a program needs to enclose others.
    """
    try:
        import pyseccomp  # noqa: PLC0415  # loads a C library that may be missing on this machine
    except (ImportError, OSError, RuntimeError):
        return None
    rules = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    for name in DENIED:
        if nests and name in NESTING:
            continue
        _deny(pyseccomp, rules, name)
    # Its flags lie in memory where a filter cannot look; the C library falls back to clone.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    # Reads only what is in memory, if asked to; without that the C library falls back to preadv.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "preadv2")
    user_namespace = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER)
    if not nests:
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", user_namespace)
    for family in DENIED_FAMILIES:
        argument = pyseccomp.Arg(0, pyseccomp.EQ, family)
        rules.add_rule(pyseccomp.ERRNO(errno.EOPNOTSUPP), "socket", argument)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        return file.read()


def _deny(library: object, rules: object, name: str) -> None:
    try:
        rules.add_rule(library.ERRNO(errno.EPERM), name)  # type: ignore[attr-defined]  # untyped library
    except (ValueError, OSError, RuntimeError):
        return  # this architecture or kernel has no such call, so there is nothing to deny
