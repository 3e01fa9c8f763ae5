"""Classes and functions by name: only what is imported already, never a part of the checker or a notebook."""

import builtins
import math
import sys
from typing import Any

NOTEBOOK = "__main__"
TEXT = 200  # characters of a name
# Pure functions that may cross by name whatever a test asked of the reference solution.
PURE: dict[str, frozenset[str]] = {
    "builtins": frozenset({
        "abs", "all", "any", "bin", "bool", "bytes", "chr", "complex", "dict", "divmod", "enumerate",
        "filter", "float", "frozenset", "hash", "hex", "int", "len", "list", "map", "max", "min", "oct",
        "ord", "pow", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum",
        "tuple", "zip", "bytearray", "object",
    }),
    "math": frozenset(name for name in vars(math) if not name.startswith("_")),
    "numpy": frozenset({
        "abs", "all", "any", "argmax", "argmin", "argsort", "array", "array_equal", "asarray",
        "average", "clip", "concatenate", "cumprod", "cumsum", "diff", "dot", "max", "mean", "median",
        "min", "nanmax", "nanmean", "nanmedian", "nanmin", "nanstd", "nansum", "ones", "percentile",
        "prod", "ptp", "quantile", "round", "sort", "std", "sum", "unique", "var", "where", "zeros",
        "amax", "amin",
    }),
}  # fmt: skip
# A class whose values cross as plain data is no claim that a handle can make.
PLAIN = ("int", "float", "str", "bytes", "list", "dict", "tuple", "set", "bool", "complex", "bytearray",
         "frozenset", "ndarray", "Series", "DataFrame", "Index")  # fmt: skip


def is_exception(kind: object) -> bool:
    """Say whether a value is a class of exceptions."""
    return isinstance(kind, type) and issubclass(kind, BaseException)


def path_of(value: Any) -> tuple[str, str]:
    """Return module and qualified name as the value itself states them."""
    return str(getattr(value, "__module__", None) or "")[:TEXT], str(getattr(value, "__qualname__", ""))[
        :TEXT
    ]


def find(module: str, name: str) -> Any:
    """Return what stands under a name in an imported module, None if nothing does; runs no code of it."""
    if module == NOTEBOOK or module.partition(".")[0] == "lms":
        return None
    place: Any = sys.modules.get(module)
    for part in name.split("."):
        if place is None or not hasattr(type(place), "__dict__"):
            return None
        place = getattr(place, "__dict__", {}).get(part)
    return place


def locate(value: Any) -> tuple[str, str] | None:
    """Return under which name a class or function can be found again, None if under none."""
    module, name = path_of(value)
    if isinstance(value, _universal()):
        module, name = "numpy", str(value.__name__)
    found = find(module, name) if module and name else None
    return (module, name) if found is value else None


def _universal() -> Any:
    numpy = sys.modules.get("numpy")
    return getattr(numpy, "ufunc", ())


def harmless(module: str, name: str, value: Any) -> bool:
    """Say whether student code may make the checker use this: nothing that reads, runs or reaches out."""
    if is_exception(value) and module == "builtins":
        return True
    return name in PURE.get(module, ()) or isinstance(value, _universal())


def is_library(kind: type) -> bool:
    """Say whether a class comes from a library, not from a notebook."""
    return locate(kind) is not None


def builtin(name: str) -> Any:
    """Return a built-in by name, or None."""
    return vars(builtins).get(name)


def library_class(module: str, name: str) -> type | None:
    """Return a class that a handle may claim to be of."""
    found = find(module, name)
    return found if isinstance(found, type) and found.__name__ not in PLAIN else None
