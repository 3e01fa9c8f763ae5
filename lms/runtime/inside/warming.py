"""Import before forking: what a kernel needs, the lab's libraries, and what was seen to be imported late."""

import importlib
import inspect
import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

KERNEL = (
    "lms.runtime.inside.kernel_main",
    "ipykernel.debugger", "ipykernel.zmqshell", "ipykernel.displayhook", "ipykernel.iostream",
    "ipykernel.subshell_manager", "ipykernel.subshell", "ipykernel.heartbeat",
    "IPython.core.completer", "IPython.core.historyapp", "zmq.eventloop.zmqstream",
    "tornado.platform.asyncio",
)  # fmt: skip
OURS = ("serving", "checking")


def warm(order: Mapping[str, Any], apart: Callable[[Callable[[], Any]], Any]) -> dict[str, Any]:
    """Import all that the order names; return how that went.

    Args:
        order: `libraries`, `excluded`, and `learnt` (None: find out with a throw-away child).
        apart: runs work in such a child and returns what it says.
    """
    report: dict[str, Any] = {"failed": {}, "spoilt": None, "learnt": order["learnt"]}
    excluded = set(order["excluded"])
    wanted = [*KERNEL, *(f"lms.runtime.inside.{name}" for name in OURS), *order["libraries"]]
    _bring(wanted, excluded, report)
    if report["spoilt"] is None and order["learnt"] is None:
        report["learnt"] = apart(late_imports) or []
    if report["spoilt"] is None:
        failed = report["failed"]
        report["failed"] = {}
        _bring(report["learnt"], excluded, report)
        report["failed"] = failed  # what was learnt may fail: then it stays late
    # A traceback asks for the file of every module; what it found is remembered.
    inspect.getmodule(warm.__code__, "/nowhere")
    report["threads"] = threads()
    return report


def threads() -> int:
    """Return how many threads this process has, those of libraries included."""
    return max(threading.active_count(), len(os.listdir("/proc/self/task")))  # noqa: PTH208


def _bring(names: Any, excluded: set[str], report: dict[str, Any]) -> None:
    for name in names:
        if name in excluded or name in sys.modules:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith("lms."):
                report["failed"][name] = str(error)
        except Exception as error:  # noqa: BLE001  # a library that fails here fails in the cell too, and says so there
            report["failed"][name] = f"{type(error).__name__}: {error}"[:300]
        if threads() > 1:
            report["spoilt"] = name
            return


def late_imports() -> list[str]:
    """Run a sample kernel and a few cells in this throw-away child; return what was imported meanwhile."""
    from lms.runtime.inside import sample  # noqa: PLC0415  # only where nothing is learnt yet

    before = set(sys.modules)
    sample.run()
    found = [name for name, module in list(sys.modules.items()) if name not in before and _lasting(module)]
    return [name for name in found if not name.startswith(("lms.", "__"))]


def _lasting(module: object) -> bool:
    return getattr(module, "__spec__", None) is not None
