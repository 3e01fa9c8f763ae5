"""Try inside a jail, or inside a fork of a warm environment, what must not work; say what did.

Standard library only: it is handed to a jail as text, and then reads the canaries from standard input.
"""

import contextlib
import ctypes
import json
import os
import resource
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def readable(paths: list[str]) -> list[str]:
    """Return those paths that can be read or listed."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            if Path(path).is_dir():
                os.listdir(path)  # noqa: PTH208  # stands alone
            else:
                Path(path).open("rb").close()
            found.append(path)
    return found


def reachable(port: int) -> bool:
    """Say whether the worker's own listener answers, or any device but the loop-back one is there."""
    devices = [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    if devices != ["lo"]:
        return True
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def others() -> int:
    """Count the processes in sight beyond the jail's own two."""
    return sum(name.isdigit() for name in os.listdir("/proc")) - 2  # noqa: PTH208  # stands alone


def mounts() -> bool:
    """Say whether a file system can be mounted."""
    library = ctypes.CDLL(None)
    return bool(library.mount(b"tmpfs", b"/lab", b"tmpfs", 0, None) == 0)


def outer_user() -> int:
    """Return our user id as those outside see it, if the kernel tells."""
    inner, outer, _ = Path("/proc/self/uid_map").read_text().split()[:3]
    return int(outer) if int(inner) == os.getuid() else os.getuid()


def explore(canaries: Mapping[str, Any]) -> dict[str, Any]:
    """Try everything; return what was found."""
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    power = int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapAmb"], 16)
    return {
        "readable": readable(canaries["paths"]),
        "writable": [name for name in ("/usr", "/etc", "/", sys.prefix) if os.access(name, os.W_OK)],
        "network": reachable(canaries["port"]),
        "processes": others(),
        "mounts": mounts(),
        "user": outer_user() if canaries["forked"] else os.getuid(),
        "capabilities": power | int(status["CapBnd"], 16) * (os.getuid() == 0 or canaries["forked"]),
        "new-privileges": status.get("NoNewPrivs", "0").strip() != "1",
        "seccomp": status.get("Seccomp", "0").strip() == "2",
        "limits": resource.getrlimit(resource.RLIMIT_AS)[0] > 0
        and resource.getrlimit(resource.RLIMIT_CORE)[0] == 0,
        "variables": sorted(os.environ),
    }


def main() -> None:
    """Read the canaries, print what was found."""
    json.dump(explore(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
