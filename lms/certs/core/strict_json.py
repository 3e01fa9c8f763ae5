"""JSON without its traps: one meaning for everyone who reads the same bytes."""

import hashlib
import json
from typing import Any

import rfc8785

from lms.certs.core.problems import Unreadable

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_INTEGER = 2**53 - 1

Document = dict[str, Any]


def read_object(content: bytes, max_bytes: int = MAX_BYTES) -> Document:
    """Read one JSON object, refusing what two readers could understand differently.

    Raises:
        Unreadable: too large, not UTF-8, not JSON, duplicate keys, NaN or Infinity, integers beyond 2^53,
            lone surrogates, nesting deeper than 40, or no object at the top.
    """
    if len(content) > max_bytes:
        raise Unreadable("file.too_large", limit=max_bytes)
    try:
        value = json.loads(
            content.decode("utf-8", errors="strict"),
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
    _check_values(value)
    return value


def canonical(value: Any) -> bytes:
    """Write a JSON value in its one canonical form.

    Raises:
        Unreadable: the value has no canonical form.

    Source: RFC 8785.
    """
    try:
        if _is_plain(value):
            text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            return text.encode("utf-8")
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        raise Unreadable("json.no_canonical_form") from None


def without_proof(document: Document) -> Document:
    """Return the part of a document that its proofs sign."""
    return {key: value for key, value in document.items() if key != "proof"}


def sha256_of(document: Document) -> str:
    """Return the hash by which a certificate is known: hex SHA-256 of its canonical form without proofs."""
    return hashlib.sha256(canonical(without_proof(document))).hexdigest()


def _is_plain(value: Any) -> bool:
    """Tell whether Python's own writer gives the canonical form: no fractions, and names that sort alike."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if not all(isinstance(key, str) and key.isascii() for key in item):
                return False
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif type(item) is int:
            if abs(item) > MAX_INTEGER:
                return False
        elif not isinstance(item, str | bool) and item is not None:
            return False
    return True


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> Document:
    found: Document = {}
    for key, value in pairs:
        if key in found:
            raise Unreadable("json.duplicate_key", key=key[:80])
        found[key] = value
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


def _check_values(value: Any) -> None:
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Unreadable("json.too_deep", limit=MAX_DEPTH)
        if isinstance(item, dict):
            waiting.extend((inner, depth + 1) for inner in item.values())
            waiting.extend((key, depth) for key in item)
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)
        elif isinstance(item, str):
            _check_text(item)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unreadable("json.lone_surrogate") from None
