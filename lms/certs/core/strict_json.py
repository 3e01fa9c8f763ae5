"""JSON without its traps: one meaning for everyone who reads the same bytes."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import rfc8785

from lms.certs.core.problems import Unreadable

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_INTEGER = 2**53 - 1

Document = dict[str, Any]

_CONTAINERS = (dict, list)
_PLAIN_WRITER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_WRITER = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))


def read_object(content: bytes, max_bytes: int = MAX_BYTES) -> Document:
    """Read one JSON object, refusing what two readers could understand differently.

    Raises:
        Unreadable: too large, not UTF-8, not JSON, duplicate keys, NaN or Infinity, integers beyond 2^53,
            lone surrogates, nesting deeper than 40, or no object at the top.
    """
    if len(content) > max_bytes:
        raise Unreadable("file.too_large", limit=max_bytes)
    try:
        text = content.decode("utf-8", errors="strict")
        value = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_safe_integer,
        )
    except RecursionError:
        raise Unreadable("json.too_deep", limit=MAX_DEPTH) from None
    except UnicodeDecodeError:
        raise Unreadable("json.not_utf8") from None
    except ValueError:
        raise Unreadable("json.broken") from None
    if not isinstance(value, dict):
        raise Unreadable("json.no_object")
    _check_depth(value)
    if "\\u" in text:  # half of a surrogate pair can come in no other way
        _check_texts(value)
    return value


def write(value: Document) -> bytes:
    """Write a JSON object as it stands.

    Raises:
        Unreadable: it holds half of a surrogate pair, or is nested too deep to write.
    """
    try:
        return _PLAIN_WRITER.encode(value).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        raise Unreadable("json.no_canonical_form") from None


def canonical(value: Any) -> bytes:
    """Write a JSON value in its one canonical form.

    Raises:
        Unreadable: the value has no canonical form.

    Source: RFC 8785.
    """
    try:
        if _is_plain(value):
            return _WRITER.encode(value).encode("utf-8")
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        raise Unreadable("json.no_canonical_form") from None


def is_same(one: Document, other: Document) -> bool:
    """Tell whether two documents have the same canonical form."""
    return one == other and (_are_of_one_kind(one, other) or canonical(one) == canonical(other))


def without_proof(document: Document) -> Document:
    """Return the part of a document that its proofs sign."""
    return {key: value for key, value in document.items() if key != "proof"}


def sha256_of(document: Document) -> str:
    """Return the hash by which a certificate is known: hex SHA-256 of its canonical form without proofs."""
    return hashlib.sha256(canonical(without_proof(document))).hexdigest()


def _are_of_one_kind(one: Document, other: Document) -> bool:
    """Tell whether equal values are equal in kind too: Python takes `true`, `1` and `1.0` for one."""
    waiting: list[tuple[Any, Any]] = [(one, other)]
    while waiting:
        mine, yours = waiting.pop()
        kind = type(mine)
        if kind is not type(yours):
            return False
        if kind is dict:
            waiting += [(inner, yours[key]) for key, inner in mine.items() if type(inner) is not str]
        elif kind is list:
            waiting += [pair for pair in zip(mine, yours, strict=True) if type(pair[0]) is not str]
    return True


def _has_plain_names(item: Document) -> bool:
    try:
        return all(map(str.isascii, item))
    except TypeError:  # a name that is no text
        return False


def _is_plain(value: Any) -> bool:
    """Tell whether Python's own writer gives the canonical form: no fractions, and names that sort alike."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is dict:
            if not _has_plain_names(item):
                return False
            waiting += [inner for inner in item.values() if type(inner) is not str]
        elif kind is list:
            waiting += [inner for inner in item if type(inner) is not str]
        elif kind is int:
            if abs(item) > MAX_INTEGER:
                return False
        elif not (item is None or kind is bool or isinstance(item, str)):
            return False
    return True


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> Document:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Unreadable("json.duplicate_key", key=key[:80])
            seen.add(key)
    return found


def _refuse_constant(name: str) -> Any:
    raise Unreadable("json.bad_number", number=name)


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise Unreadable("json.bad_number", number=text[:40])
    return number


def _safe_integer(text: str) -> int:
    if len(text) > len("-9007199254740991") or abs(int(text)) > MAX_INTEGER:
        raise Unreadable("json.bad_number", number=text[:40])
    return int(text)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH - 1):
        level = [inner for item in level for inner in _inside(item) if type(inner) in _CONTAINERS]
        if not level:
            return
    if any(level):
        raise Unreadable("json.too_deep", limit=MAX_DEPTH)


def _inside(item: Any) -> Iterable[Any]:
    inner: Iterable[Any] = item.values() if type(item) is dict else item
    return inner


def _check_texts(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            _check_text(item)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unreadable("json.lone_surrogate") from None
