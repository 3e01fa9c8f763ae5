"""What one side may do with an object of the other: names of operations, and what Python calls them."""

import copy
import operator
from collections.abc import Callable
from typing import Any

ARITHMETIC = (
    "add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift",
    "and", "or", "xor",
)  # fmt: skip
ORDER = ("lt", "le", "gt", "ge")
UNARY = ("neg", "pos", "invert", "abs", "index", "int", "float", "complex")
ONES = ("len", "iter", "next", "reversed", "enter")  # of the object alone
ITEMS = ("getitem", "setitem", "delitem", "contains", "exit", "round", "divmod")


def special(name: str) -> str:
    """Return the name of the method that Python looks for."""
    return f"__{name}__"


CAPABILITIES = frozenset(
    special(name)
    for name in (
        *ARITHMETIC, *(f"r{name}" for name in ARITHMETIC), *(f"i{name}" for name in ARITHMETIC),
        *ORDER, *UNARY, *ONES, *ITEMS, "rdivmod", "call", "array",
    )
)  # fmt: skip


def _operator(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(operator, f"{name}_" if name in {"and", "or"} else name)
    return found


def _array(value: Any, *how: Any) -> Any:
    import numpy as np  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # of the lab, if it has one

    return np.asarray(value, *how)


# What the student's kernel does when it is asked. Plain Python: nothing here needs to be guarded there.
DEEDS: dict[str, Callable[..., Any]] = {
    **{name: _operator(name) for name in (*ARITHMETIC, *ORDER, "eq", "neg", "pos", "invert", "abs", "index")},
    **{f"i{name}": _operator(f"i{name}") for name in ARITHMETIC},
    **{name: _operator(name) for name in ("getitem", "setitem", "delitem", "contains")},
    "int": int,
    "float": float,
    "complex": complex,
    "round": round,
    "divmod": divmod,
    "len": len,
    "bool": bool,
    "hash": hash,
    "str": str,
    "repr": repr,
    "format": format,
    "iter": iter,
    "next": next,
    "reversed": reversed,
    "dir": dir,
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value, *error: type(value).__exit__(value, *error),
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "isinstance": lambda kind, of: isinstance(of, kind),
    "issubclass": lambda kind, of: issubclass(of, kind),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "array": _array,
}
