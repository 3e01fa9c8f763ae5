"""Exceptions across the line: real classes on both sides, so that `except` and `raises` work."""

from collections.abc import Callable
from typing import Any

from lms.runtime.inside.codec import Decoder, Encoder, Node, exact
from lms.runtime.inside.finding import TEXT, find, is_exception, locate
from lms.runtime.inside.frames import ProtocolError, TooLarge

MESSAGE = 4_000
TRACE = 16_000
MOST_BASES = 8
DEEPEST = 20


class StudentKind(type):
    """The class of exception classes that a student wrote, as the checker has them."""

    _ask: Callable[..., Any]
    _remote: Any

    def __call__(cls, *values: Any, **named: Any) -> Any:
        """Let the student's own class make the exception."""
        return cls._ask("call", cls, *values, **named)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(cls._remote, name)


def _said(self: BaseException) -> str:
    return str(vars(self).get("_said", ""))


def _asked(self: Any, name: str) -> Any:
    remote = vars(self).get("_remote")
    if remote is None or name.startswith("__"):
        raise AttributeError(name)
    return getattr(remote, name)


def student_class(name: str, bases: list[type], ask: Callable[..., Any], remote: Any) -> type:
    """Return a class of exceptions that stands for one of the student's."""
    body = {"__module__": "__main__", "__str__": _said, "__getattr__": _asked, "_ask": staticmethod(ask)}
    body["_remote"] = remote
    known = tuple(one for one in bases if is_exception(one)) or (Exception,)
    for chosen in (known, known[:1], (Exception,)):
        try:
            return StudentKind(name, chosen, dict(body))
        except TypeError:  # layouts that do not fit together
            continue
    raise ProtocolError("no such class of exceptions")


def class_node(kind: type, other: Callable[[type], Node]) -> Node:
    """Write a class of exceptions: by name if a library has it, otherwise as `other` says."""
    found = locate(kind)
    return ["q", *found] if found is not None else other(kind)


def read_library_class(node: list[Any]) -> type:
    """Read a class of exceptions by name.

    Raises:
        ProtocolError: there is none here.
    """
    found = find(exact(node[1], str)[:TEXT], exact(node[2], str)[:TEXT])
    if not is_exception(found):
        raise ProtocolError("no such class of exceptions")
    return found  # type: ignore[no-any-return]


def content_node(encoder: Encoder, error: BaseException) -> list[Node]:
    """Write what an exception holds: arguments, message, attributes; what does not pass is left out."""
    message = message_of(error)
    try:
        file = (error.filename,) if isinstance(error, OSError) and error.filename is not None else ()
        given = encoder.node((*error.args, *file))
    except TooLarge:
        given = encoder.node((message,))
    attributes = []
    for name, value in list(getattr(error, "__dict__", {}).items())[:100]:
        if isinstance(name, str) and not name.startswith("_") and name != "__traceback__":
            attributes.append([name, encoder.node(value)])
    return [given, message, attributes]


def message_of(error: BaseException) -> str:
    """Return an exception's text, even of one that cannot say it."""
    try:
        return str(error)[:MESSAGE]
    except Exception as other:  # noqa: BLE001  # it is the student's own method that fails
        return f"<no text: {type(other).__name__}>"


def fill(decoder: Decoder, kind: type, node: list[Any]) -> BaseException:
    """Make an exception without running code that is not Python's own."""
    given, message, attributes = node
    values = decoder.node(given)
    error = _made(kind, exact(values, tuple), exact(message, str)[:MESSAGE])
    if isinstance(kind, StudentKind):
        vars(error)["_said"] = message
    for name, value in exact(attributes, list):
        vars(error)[exact(name, str)] = decoder.node(value)
    return error


def _made(kind: Any, values: tuple[Any, ...], message: str) -> BaseException:
    try:
        error = kind.__new__(kind, *values)
        if kind.__module__ == "builtins":
            error.__init__(*values)
        else:
            error.args = values
    except (TypeError, ValueError):
        error = Exception.__new__(RuntimeError if kind.__module__ == "builtins" else kind)
        error.args = (message,)
    return exact_error(error)


def exact_error(error: Any) -> BaseException:
    """Return the exception.

    Raises:
        ProtocolError: it is none.
    """
    if not isinstance(error, BaseException):
        raise ProtocolError("expected an exception")
    return error
