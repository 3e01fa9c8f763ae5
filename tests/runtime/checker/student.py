"""A student's kernel without a jail: runs cells, serves the checker. Run by path, with the lab's Python."""

import builtins
import json
import signal
import socket
import sys
from types import ModuleType, SimpleNamespace

sys.path.insert(0, sys.argv[3])

from lms.runtime.inside import serving  # noqa: E402


def main() -> None:
    rpc, orders = (
        socket.socket(fileno=int(sys.argv[1])),
        socket.socket(fileno=int(sys.argv[2])).makefile("rw"),
    )
    notebook = ModuleType("__main__")
    notebook.__builtins__ = builtins
    names, sys.modules["__main__"] = vars(notebook), notebook
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in orders:
        order = json.loads(line)
        if order is None:
            serving.serve(rpc, SimpleNamespace(user_ns=names))
            answer = ""
        else:
            answer = run(order, names)
        orders.write(json.dumps(answer) + "\n")
        orders.flush()


def run(code: str, names: dict) -> str:
    try:
        exec(compile(code, "<student>", "exec"), names)  # noqa: S102
    except BaseException as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return ""


main()
