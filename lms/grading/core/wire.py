"""The contracts as JSON and back: plain values only, bytes as base64, paths as text."""

import base64
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(record: object) -> str:
    """Return a record of the contracts as JSON text."""
    return json.dumps(to_plain(record), ensure_ascii=False, allow_nan=False)


def to_plain(value: Any) -> Any:
    """Return a record as dictionaries, lists, text and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Path | StrEnum):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): to_plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(one) for one in value]
    return value


def from_json(kind: type[T], text: str | bytes) -> T:
    """Read a record back.

    Raises:
        ValueError: the text does not hold such a record.
    """
    try:
        record: T = from_plain(kind, json.loads(text))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no {kind.__name__}: {error}") from error
    return record


def from_plain(kind: Any, value: Any) -> Any:
    """Read a value of the given type back from plain values."""
    origin = typing.get_origin(kind)
    if origin in {types.UnionType, typing.Union}:
        return _either(kind, value)
    if origin is tuple:
        return tuple(from_plain(typing.get_args(kind)[0], one) for one in value)
    if origin is not None and issubclass(origin, Mapping):
        inner = typing.get_args(kind)[1]
        return {str(name): from_plain(inner, one) for name, one in value.items()}
    if is_dataclass(kind):
        return _record(kind, value)
    return _simple(kind, value)


def _either(kind: Any, value: Any) -> Any:
    options = typing.get_args(kind)
    if value is None:
        if type(None) not in options:
            raise TypeError("nothing where something is needed")
        return None
    options = tuple(option for option in options if option is not type(None))
    return from_plain(options[0], value) if len(options) == 1 else _matching(options, value)


def _matching(options: tuple[Any, ...], value: Any) -> Any:
    allowed = {float: (int, float), int: (int,), str: (str,)}
    for option in options:
        if isinstance(value, allowed.get(option, (option,))):
            return value
    raise TypeError(f"{value!r} is none of {options}")


def _record(kind: Any, value: Any) -> Any:
    hints = typing.get_type_hints(kind)
    given = {}
    for one in fields(kind):
        if one.name in value:
            given[one.name] = from_plain(hints[one.name], value[one.name])
        elif one.default is MISSING and one.default_factory is MISSING:
            raise KeyError(one.name)
    return kind(**given)


def _simple(kind: Any, value: Any) -> Any:
    if kind is bytes:
        return base64.b64decode(value, validate=True)
    if kind is float and isinstance(value, int | float):
        return value if isinstance(value, bool) else float(value)
    if kind is Any:
        return value
    if issubclass(kind, StrEnum | Path):
        return kind(value)
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
