"""The checker's side of what does not cross as data: handles come in, numbers of lent things go out.

What the student's kernel says about an object is a claim. It may make the checker use a class or function
of its own only where the reference solution did so too in the same test, or where that can do no harm.
"""

import enum
import inspect
import sys
import types
import weakref
from typing import TYPE_CHECKING, Any

from lms.runtime.inside import faults, instances
from lms.runtime.inside.codec import Change, Decoder, Encoder, Node, Rule, exact
from lms.runtime.inside.finding import (
    NOTEBOOK,
    TEXT,
    find,
    harmless,
    is_exception,
    library_class,
    locate,
    path_of,
)
from lms.runtime.inside.frames import ProtocolError
from lms.runtime.inside.handles import CLAIMS, Handle, Remote, RemoteKind, handle_class, handle_of, make

if TYPE_CHECKING:
    from lms.runtime.inside.asking import Conversation

MOST_CLASSES = 2_000
MOST_CLAIMS = 50


class Seeing:
    """Reads and writes for the checker."""

    def __init__(self, talk: "Conversation", locked: dict[str, Any]) -> None:
        self._talk = talk
        self._locked = locked  # definitions of locked cells, which both sides have
        self._remotes: weakref.WeakValueDictionary[int, Remote] = weakref.WeakValueDictionary()
        self._counts: dict[int, list[int]] = {}
        self._kinds: dict[Any, type[Remote]] = {}
        self._exceptions: dict[int, type] = {}
        self._raised: dict[int, tuple[BaseException, str]] = {}
        self._sent: dict[int, BaseException] = {}

    # Out of the checker.

    def rule(self, value: object) -> Rule | None:
        """Return how an instance of an author's class, or a named tuple, crosses."""
        return instances.rule(value, self._locked)

    def locked_class(self, name: str) -> Any:
        """Return a class that a locked cell defines."""
        found = self._locked.get(name)
        return found if isinstance(found, type) else None

    def change(self) -> Change:
        """Say what becomes of a change that student code made to something of the test's."""
        return self._talk.change()

    def write(self, encoder: Encoder, value: Any) -> Node:
        """Write what is no data."""
        known = self._known(value)
        if known is not None:
            return known
        if isinstance(value, BaseException):
            return self._write_exception(encoder, value)
        base = instances.as_plain(value)
        if base is None:
            base = instances.as_container(value)
        if base is not None:
            return encoder.node(base)
        named = instances.estimator_node(encoder, value) or self._by_name(value)
        return named or self._talk.lent.node(value, self._hint(value))

    def _known(self, value: Any) -> Node:
        """Write what the other side has itself: its own objects, and what both have from a locked cell."""
        kind = type(value)
        if isinstance(kind, RemoteKind):
            return ["mine", handle_of(value).number]
        if isinstance(value, faults.StudentKind):
            return ["mine", handle_of(vars(value)["_remote"]).number]
        if isinstance(value, enum.Enum) and self._locked.get(kind.__name__) is kind:
            return ["enum", kind.__name__, value.name]
        return instances.shape_node(value) if isinstance(value, type) and instances.is_shape(value) else None

    def _by_name(self, value: Any) -> Node:
        if isinstance(value, types.ModuleType):
            return ["m", value.__name__] if sys.modules.get(value.__name__) is value else None
        if isinstance(value, inspect.Signature):
            return None
        found = (
            locate(value) if (callable(value) and hasattr(value, "__qualname__")) or _ufunc(value) else None
        )
        return ["q", *found] if found is not None else None

    def _hint(self, value: Any) -> str | None:
        module, name = path_of(value)
        return name if module == NOTEBOOK and self._locked.get(name) is value else None

    def _write_exception(self, encoder: Encoder, error: BaseException) -> Node:
        remote = vars(error).get("_remote") if isinstance(type(error), faults.StudentKind) else None
        if remote is not None:
            return ["mine", handle_of(remote).number]
        number = id(error)
        self._sent[number] = error
        kind = faults.class_node(type(error), self._exception_name)
        return ["x", kind, faults.content_node(encoder, error), number]

    def _exception_name(self, kind: type) -> Node:
        if isinstance(kind, faults.StudentKind):
            return ["mine", handle_of(vars(kind)["_remote"]).number]
        base = next(one for one in kind.__mro__ if locate(one) is not None)
        return ["named", kind.__name__, faults.class_node(base, lambda _: None)]

    # Into the checker.

    def read(self, decoder: Decoder, node: list[Any]) -> Any:
        """Read what is no data."""
        tag = exact(node[0], str)
        reader = getattr(self, f"_read_{tag}", None)
        if reader is None:
            raise ProtocolError("no such tag")
        return reader(decoder, node)

    def _read_lent(self, _: Decoder, node: list[Any]) -> Any:
        return self._talk.lent.thing(exact(node[1], int))

    def _read_locked(self, _: Decoder, node: list[Any]) -> Any:
        return self._locked[exact(node[1], str)]

    def _read_enum(self, _: Decoder, node: list[Any]) -> Any:
        kind = self._locked[exact(node[1], str)]
        if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
            raise ProtocolError("no such enumeration")
        return kind[exact(node[2], str)]

    def _read_h(self, decoder: Decoder, node: list[Any]) -> Any:
        """Read a handle: number, name of its class, claims, abilities, and what it might be instead."""
        _, number, name, claims, able, instead = node
        if instead is not None:
            found = self._instead(decoder, exact(instead, list))
            if found is not None:
                self._talk.drop_now(number)
                return found
        return self._remote(exact(number, int), exact(name, str)[:TEXT], claims, able)

    def _remote(self, number: int, name: str, claims: Any, able: Any) -> Remote:
        remote = self._remotes.get(number)
        if remote is None:
            said = [(exact(one, str)[:TEXT], exact(two, str)[:TEXT]) for one, two in claims[:MOST_CLAIMS]]
            kind = self._kind(name, frozenset(exact(one, str) for one in able[:200]))
            remote = make(kind, Handle(self._talk, number, name, said))
            self._remotes[number] = remote
            self._counts[number] = [0]
            self._talk.watch(remote, number, self._counts[number])
        self._counts[number][0] += 1
        return remote

    def _kind(self, name: str, able: frozenset[str]) -> type[Remote]:
        if len(self._kinds) > MOST_CLASSES:
            raise ProtocolError("too many classes")
        if (name, able) not in self._kinds:
            self._kinds[name, able] = handle_class(name, able)
        return self._kinds[name, able]

    def _instead(self, decoder: Decoder, node: list[Any]) -> Any:
        """Return what the checker has itself, None if it may not or cannot use that."""
        tag = node[0]
        if tag == "m":
            module = exact(node[1], str)
            hidden = module == NOTEBOOK or module.partition(".")[0] == "lms"
            return sys.modules.get(module) if not hidden and self._talk.may(f"library:{module}") else None
        if tag == "q":
            found = find(exact(node[1], str), exact(node[2], str))
            fine = found is not None and (harmless(node[1], node[2], found) or self._may(node))
            return found if fine and callable(found) else None
        if tag == "estimator":
            return instances.estimator(decoder, node) if self._talk.may("estimator") else None
        if tag == "base":
            return None if self._talk.may("subclass") else decoder.node(node[1])
        raise ProtocolError("no such tag")

    def _may(self, node: list[Any]) -> bool:
        return self._talk.may(f"library:{node[1]}.{node[2]}")

    def _read_class(self, _: Decoder, node: list[Any]) -> type:
        """Read a class of exceptions that the student wrote: number, name, its bases, and its handle."""
        kind: list[Any] = node
        number = exact(kind[1], int)
        if number not in self._exceptions:
            if len(self._exceptions) > MOST_CLASSES:
                raise ProtocolError("too many classes")
            bases = [self._exception_class(one, 0) for one in exact(kind[3], list)[: faults.MOST_BASES]]
            remote = self._remote(number, "type", [["builtins", "type"]], ["__call__"])
            handle_of(remote).named = True
            name = exact(kind[2], str)[:TEXT]
            self._exceptions[number] = faults.student_class(name, bases, self._construct, remote)
        return self._exceptions[number]

    def _construct(self, deed: str, kind: Any, *values: Any, **named: Any) -> Any:
        return self._talk.ask(deed, kind, *values, **named)

    def _exception_class(self, node: Any, depth: int) -> type:
        if depth > faults.DEEPEST:
            raise ProtocolError("a class has too many ancestors")
        tag = exact(node, list)[0]
        if tag == "locked":
            found = self._locked.get(exact(node[1], str))
            if isinstance(found, type) and is_exception(found):
                return found
            raise ProtocolError("no such class of exceptions")
        return self._read_class(None, node) if tag == "class" else faults.read_library_class(node)  # type: ignore[arg-type]

    def _read_x(self, decoder: Decoder, node: list[Any]) -> BaseException:
        """Read an exception: its class, its content, the student's part of the traceback, its handle."""
        _, kind, content, trace, number = node
        found = self._exception_class(kind, 0)
        error = faults.fill(decoder, found, exact(content, list))
        if isinstance(found, faults.StudentKind) and number is not None:
            vars(error)["_remote"] = self._remote(exact(number, int), found.__name__, [], [])
        self._raised[id(error)] = (error, exact(trace, str)[: faults.TRACE])
        return error

    def _read_cx(self, _: Decoder, node: list[Any]) -> BaseException:
        return self._sent[exact(node[1], int)]

    def _read_signature(self, decoder: Decoder, node: list[Any]) -> inspect.Signature:
        parameters = []
        for name, kind, default, annotation in exact(node[1], list)[:1000]:
            values = [
                inspect.Parameter.empty if one is None else decoder.node(one[0])
                for one in (default, annotation)
            ]
            which = inspect._ParameterKind(exact(kind, int))  # noqa: SLF001  # its numbers are what crosses
            parameters.append(
                inspect.Parameter(exact(name, str), which, default=values[0], annotation=values[1])
            )
        back = inspect.Signature.empty if node[2] is None else decoder.node(node[2][0])
        return inspect.Signature(parameters, return_annotation=back)

    # Questions of the conversation and of the account.

    def raised(self, value: Any) -> BaseException:
        """Return an exception that came as an answer."""
        return faults.exact_error(value)

    def trace_of(self, error: BaseException) -> str | None:
        """Return the student's part of the traceback; None if the exception is not the student's."""
        found = self._raised.get(id(error))
        return found[1] if found is not None and found[0] is error else None

    def claimed(self, claims: list[tuple[str, str]]) -> type | None:
        """Return the first known class of those that an object claims to be of."""
        for module, name in claims:
            known = self._locked.get(name) if module == NOTEBOOK else library_class(module, name)
            if isinstance(known, type):
                return known
            if module == "builtins" and name in CLAIMS and name != "object":
                return CLAIMS[name]
        return None

    def clear(self) -> None:
        """Forget what belonged to one test."""
        self._raised.clear()
        self._sent.clear()


def _ufunc(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ufunc)
