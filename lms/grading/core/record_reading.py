"""Strict reading of grade records: one meaning for the same bytes, or a plain refusal; and what differs."""

import hashlib
import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from lms.grading.core.record import (
    FORMAT,
    KEYS_FORMAT,
    MAX_BYTES,
    GradeRecord,
    RecordKey,
    RecordKeys,
    Statement,
    canonical,
    from_multibase,
    public_bytes,
    signing_input,
)

SENTENCES: Mapping[str, Mapping[str, str]] = tomllib.loads(
    Path(__file__).with_name("record_sentences.toml").read_text(encoding="utf-8")
)
OUTSIDE = frozenset({"format", "installation", "run", "timings", "proof"})
"""Members in which two runs over the same things may differ without any meaning."""
RESULT = frozenset({"outcomes", "total"})


class RecordProblem(Exception):
    """The record, or the list of keys, cannot be relied on; `code` and `params` say why."""

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.params = params

    def sentence(self, language: str) -> str:
        """Return the reason in Korean or English."""
        return SENTENCES[self.code]["ko" if language == "ko" else "en"] % self.params


@dataclass(frozen=True)
class Difference:
    """One place in which two statements are not the same; None: it is not there."""

    where: str
    recorded: Any
    now: Any


def read_record(content: bytes) -> GradeRecord:
    """Read a record without asking who signed it.

    Raises:
        RecordProblem: too large, no JSON, doubled or unknown members, or another form than the canonical one.
    """
    _check_json(content)
    try:
        return GradeRecord.model_validate_json(content)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise RecordProblem("record.other-shape", where=where[:80]) from None


def read_keys(content: bytes) -> tuple[RecordKey, ...]:
    """Read a list of public keys, in any spelling of its JSON.

    Raises:
        RecordProblem: it is none.
    """
    try:
        keys = RecordKeys.model_validate_json(content if len(content) <= MAX_BYTES else b"").keys
    except ValidationError:
        raise RecordProblem("keys.broken", format=KEYS_FORMAT) from None
    if any(public_bytes(one.key) is None for one in keys):
        raise RecordProblem("keys.broken", format=KEYS_FORMAT)
    return keys


def verify(content: bytes, keys: tuple[RecordKey, ...]) -> GradeRecord:
    """Return the record if one of `keys` signed exactly these bytes.

    Raises:
        RecordProblem: it cannot be read strictly, or is not what one of the keys signed while in use.
    """
    record = read_record(content)
    known = next((one for one in keys if one.key == record.proof.key), None)
    if known is None:
        raise RecordProblem("record.unknown-key", key=record.proof.key, installation=record.installation)
    _check_signature(record)
    made = record.timings.finished_at
    if known.retired_at is not None and made > known.retired_at:
        raise RecordProblem("record.after-retirement", at=made, retired=known.retired_at)
    if not _adds_up(record):
        raise RecordProblem("record.wrong-total")
    return record


def check_about(record: GradeRecord, notebook: bytes) -> None:
    """Raise unless the record is about this very file."""
    if record.submission.sha256 != hashlib.sha256(notebook).hexdigest():
        raise RecordProblem("record.another-file", sha256=record.submission.sha256)


def differences(recorded: Statement, now: Statement) -> list[Difference]:
    """Return where two statements differ in what can be repeated, in the order of their names."""
    one, other = (_flat(each.model_dump(mode="json", exclude=set(OUTSIDE))) for each in (recorded, now))
    places = sorted(one.keys() | other.keys())
    return [
        Difference(where, one.get(where), other.get(where))
        for where in places
        if one.get(where) != other.get(where)
    ]


def explained(inputs: Iterable[Difference], language: str) -> list[str]:
    """Say in sentences what kinds of things went in differently."""
    kinds = {_member(one) for one in inputs}
    codes = [f"differs.{kind}" for kind in sorted(kinds)] or ["differs.nothing"]
    known = (code if code in SENTENCES else "differs.inputs" for code in codes)
    return [SENTENCES[code]["ko" if language == "ko" else "en"] for code in dict.fromkeys(known)]


def is_result(difference: Difference) -> bool:
    """Say whether a difference is one of outcomes, not of what went in."""
    return _member(difference) in RESULT


def _member(difference: Difference) -> str:
    return difference.where.partition(".")[0].partition("[")[0]


def _check_json(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise RecordProblem("record.too-large", limit=MAX_BYTES)
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=_members)
        spelt = canonical(document)
    except RecursionError:
        raise RecordProblem("record.not-json") from None
    except UnicodeEncodeError:
        raise RecordProblem("record.not-canonical") from None
    except ValueError as error:  # what has no canonical form is a ValueError too
        code = "record.not-json" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else ""
        raise RecordProblem(code or "record.not-canonical") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise RecordProblem("record.unknown-format", format=FORMAT)
    if spelt != content:
        raise RecordProblem("record.not-canonical")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise RecordProblem("record.duplicate-key", name=name[:80])
        found[name] = value
    return found


def _check_signature(record: GradeRecord) -> None:
    raw, signature = public_bytes(record.proof.key), from_multibase(record.proof.signature)
    if raw is None or signature is None:
        raise RecordProblem("record.forged")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, signing_input(record, key=record.proof.key))
    except InvalidSignature:
        raise RecordProblem("record.forged") from None


def _adds_up(record: GradeRecord) -> bool:
    counted = [one for one in record.outcomes if one.score is not None]
    score = math.fsum(one.score or 0 for one in counted)
    maximum = math.fsum(one.maximum for one in counted)
    return (record.total.score, record.total.maximum) == (score, maximum)


def _flat(value: Any, where: str = "") -> dict[str, Any]:
    return dict(_leaves(value, where))


def _leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{where}.{name}" if where else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{where}[{_label(inner, number)}]")
    else:
        yield where, value


def _label(value: Any, number: int) -> str:
    """Return what names an entry of a list: a cell's grade_id, a package's name, else its place."""
    if isinstance(value, dict):
        return str(value.get("grade_id", number))
    name, pinned, _ = str(value).partition("==")
    return name if pinned else str(number)
