"""Handles: objects that live in the student's kernel and stay there, as a test sees them.

Each operation is a question to that kernel, and its answer a claim of the student's. Therefore the
conversation lets through only what the test asked of the reference solution's objects too.
"""

import types
from collections.abc import Callable
from typing import Any, Protocol

from lms.runtime.inside.operations import ARITHMETIC, CAPABILITIES, ORDER, UNARY, special

# Attributes with two underscores that a test may look at; all others belong to Python and its libraries.
VISIBLE = frozenset({
    "__name__", "__qualname__", "__doc__", "__module__", "__dict__", "__annotations__", "__defaults__",
    "__kwdefaults__", "__code__", "__wrapped__", "__bases__", "__mro__", "__closure__", "__func__",
    "__self__", "__slots__", "__match_args__", "__dataclass_fields__", "__version__", "__file__",
})  # fmt: skip
STATED = frozenset(
    {"__module__", "__doc__", "__dict__", "__slots__"}
)  # of the handle's own class, unless fetched
CLAIMS: dict[str, type] = {
    "function": types.FunctionType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "generator": types.GeneratorType,
    "code": types.CodeType,
    "module": types.ModuleType,
    "type": type,
    "map": map,
    "filter": filter,
    "zip": zip,
    "enumerate": enumerate,
    "reversed": reversed,
    "property": property,
    "object": object,
}
ONE_PASS = frozenset(
    {"generator", "map", "filter", "zip", "enumerate", "reversed", "list_iterator", "range_iterator"}
)


class Asking(Protocol):
    """What a handle needs of the conversation."""

    def ask(self, deed: str, *values: Any, **named: Any) -> Any:
        """Let the student's kernel do something."""

    def may(self, what: str) -> bool:
        """Note that something is asked; say whether it may be."""

    def claimed(self, claims: list[tuple[str, str]]) -> type | None:
        """Return the class that an object claims to be of, None if it is unknown here."""

    def signature(self, handle: Any) -> Any:
        """Return the signature of a function."""


class Handle:
    """What the checker knows of one object: nothing but what was said."""

    __slots__ = ("claims", "kind", "named", "number", "one_pass", "passed", "talk")

    def __init__(self, talk: Asking, number: int, kind: str, claims: list[tuple[str, str]]) -> None:
        self.talk = talk
        self.number = number
        self.kind = kind
        self.claims = claims
        self.named = False  # the student's own name led here, so that it may be called
        self.one_pass = claims[:1] == [("builtins", kind)] and kind in ONE_PASS
        self.passed: Any = None


def handle_of(remote: Any) -> Handle:
    """Return what is known of a remote object."""
    handle: Handle = object.__getattribute__(remote, "_handle")
    return handle


def ask(remote: Any, deed: str, *values: Any, what: str = "", **named: Any) -> Any:
    """Ask for an operation on a remote object.

    Raises:
        TypeError: no test asked this of the reference solution's objects.
    """
    handle = handle_of(remote)
    if not handle.talk.may(what or deed):
        raise TypeError(f"unsupported type: {handle.kind} ({what or deed})")
    return handle.talk.ask(deed, remote, *values, **named)


def quietly(remote: Any, deed: str, otherwise: Callable[[], Any], *values: Any) -> Any:
    """Ask for an operation that every object has; where it may not be asked, do without the student."""
    handle = handle_of(remote)
    return handle.talk.ask(deed, remote, *values) if handle.talk.may(deed) else otherwise()


class Remote:
    """An object of the student's kernel; subclasses add what its class can do."""

    __slots__ = ("__weakref__", "_handle")
    _handle: Handle

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return _class(self)
        if name in STATED:
            return _attribute(self, name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        return _attribute(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        ask(self, "setattr", name, value, what=f"setattr:{name}")

    def __delattr__(self, name: str) -> None:
        ask(self, "delattr", name, what=f"delattr:{name}")

    def __eq__(self, other: object) -> Any:
        if type(self) is not type(other) and not isinstance(type(other), RemoteKind):
            return False  # what the student's object says about a plain value of the checker's is no evidence
        return quietly(self, "eq", lambda: self is other, other)

    def __hash__(self) -> int:
        return int(quietly(self, "hash", lambda: object.__hash__(self)))

    def __bool__(self) -> bool:
        return ask(self, "bool") is True

    def __repr__(self) -> str:
        return str(quietly(self, "repr", lambda: f"<{handle_of(self).kind} of the student>"))

    def __str__(self) -> str:
        return str(quietly(self, "str", lambda: f"<{handle_of(self).kind} of the student>"))

    def __format__(self, how: str) -> str:
        return str(quietly(self, "format", lambda: f"<{handle_of(self).kind} of the student>", how))

    def __dir__(self) -> list[str]:
        return [str(one) for one in quietly(self, "dir", list)]

    def __instancecheck__(self, instance: object) -> bool:
        if isinstance(type(instance), RemoteKind):
            return bool(ask(self, "isinstance", what="isinstance", of=instance))
        return False

    def __subclasscheck__(self, kind: object) -> bool:
        if isinstance(type(kind), RemoteKind):
            return bool(ask(self, "issubclass", what="issubclass", of=kind))
        return False

    def __copy__(self) -> Any:
        return ask(self, "copy")

    def __deepcopy__(self, memo: object) -> Any:
        return ask(self, "deepcopy")

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("objects of the student cannot be pickled")


class RemoteKind(type):
    """The class of handle classes: tells them from everything else without asking anybody."""


def _class(remote: Remote) -> type:
    handle = handle_of(remote)
    claimed = handle.talk.claimed(handle.claims) if handle.talk.may("class") else None
    return claimed if claimed is not None else type(remote)


def _attribute(remote: Remote, name: str) -> Any:
    if name == "__signature__":
        if not handle_of(remote).talk.may("signature"):
            raise AttributeError(name)
        return handle_of(remote).talk.signature(remote)
    if name.startswith("__") and name.endswith("__") and name not in VISIBLE:
        raise AttributeError(name)
    return ask(remote, "getattr", name, what=f"getattr:{name}")


# What handles of a class can do depends on what the student's class says that it can.


def _call(self: Any, *values: Any, **named: Any) -> Any:
    handle = handle_of(self)
    if handle.named:
        return handle.talk.ask("call", self, *values, **named)
    return ask(self, "call", *values, **named)


def _iter(self: Any) -> Any:
    handle = handle_of(self)
    if handle.one_pass:
        if handle.passed is None:
            handle.passed = self if handle.talk.may("next") else _once(self)
        return handle.passed
    return ask(self, "iter")


def _once(self: Any) -> Any:
    """Yield what an iterator yields, to everybody together and once: no more than a list can do."""
    handle = handle_of(self)
    while True:
        try:
            value = handle.talk.ask("next", self)
        except StopIteration:
            return
        yield value


def _next(self: Any) -> Any:
    handle = handle_of(self)
    if handle.one_pass:
        return handle.talk.ask("next", self) if handle.talk.may("next") else next(_iter(self))
    return ask(self, "next")


def _plain(name: str) -> Callable[..., Any]:
    def method(self: Any, *values: Any) -> Any:
        return ask(self, name, *values)

    return method


def _reflected(name: str) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        handle = handle_of(self)
        if not handle.talk.may(name):
            raise TypeError(f"unsupported type: {handle.kind} ({name})")
        return handle.talk.ask(name, other, self)

    return method


def _exactly(name: str, kind: type) -> Callable[..., Any]:
    def method(self: Any, *values: Any) -> Any:
        value = ask(self, name, *values)
        if type(value) is not kind:
            raise TypeError(f"__{name}__ returned no {kind.__name__}")
        return value

    return method


METHODS: dict[str, Callable[..., Any]] = {
    **{name: _plain(name.strip("_")) for name in CAPABILITIES},
    **{special(f"r{name}"): _reflected(name) for name in (*ARITHMETIC, "divmod")},
    **{special(name): _plain(name) for name in (*ORDER, *UNARY)},
    "__len__": _exactly("len", int),
    "__contains__": _exactly("contains", bool),
    "__call__": _call,
    "__iter__": _iter,
    "__next__": _next,
}


def handle_class(kind: str, able: frozenset[str]) -> type[Remote]:
    """Return a class of handles, named like the student's class and able to do the same."""
    body: dict[str, Any] = {name: METHODS[name] for name in able & CAPABILITIES}
    made: Any = RemoteKind(kind, (Remote,), {"__slots__": (), "__hash__": Remote.__hash__, **body})
    return made  # type: ignore[no-any-return]


def make(kind: type[Remote], handle: Handle) -> Remote:
    """Return a handle for one object."""
    remote = kind.__new__(kind)
    object.__setattr__(remote, "_handle", handle)
    return remote
