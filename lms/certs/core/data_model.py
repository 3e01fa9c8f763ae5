"""What the W3C data models ask of credentials and presentations of any kind, not only of ours.

Certificates have a stricter form of their own (`document.py`). These rules serve the VC-API in test mode.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lms.certs.core.addresses import is_address
from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.strict_json import Document

CREDENTIALS_V1 = "https://www.w3.org/2018/credentials/v1"
STATUS_ENTRY = "BitstringStatusListEntry"
_STAMP = re.compile(
    r"([1-9][0-9]{3}|0[0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
)
_INDEX = re.compile(r"0|[1-9][0-9]{0,15}")
# Parts that are objects or lists of them, each with a type: the section of the data model, is `id` due?
_TYPED = {
    "credentialStatus": ("4.10", False),
    "credentialSchema": ("4.11", True),
    "refreshService": ("5.4", False),
    "termsOfUse": ("5.5", False),
    "evidence": ("5.6", False),
    "confidenceMethod": ("5.10", False),
    "renderMethod": ("5.10", False),
}
_LANGUAGE_PARTS = {"@value", "@language", "@direction"}


def check_credential(document: Document) -> None:
    """Refuse a credential that does not follow the data model; what its terms mean is another question.

    Raises:
        DocumentProblem: with the part and the section of the data model.

    Source: W3C Verifiable Credentials Data Model 2.0, sections 4 and 5; 1.1 where that is the first context.
    """
    first = check_contexts(document)
    if first == CREDENTIALS_V1 and not ("issuanceDate" in document and "validFrom" not in document):
        raise _malformed("issuanceDate", "4.9")
    check_types(document, "VerifiableCredential")
    check_identifier(document)
    issuer = check_party(document.get("issuer"), "issuer", "4.7")
    for subject in objects(document.get("credentialSubject"), "credentialSubject", "4.8"):
        if not subject:
            raise _malformed("credentialSubject", "4.8")
        check_identifier(subject, "credentialSubject.id")
    for owner in (document, issuer):
        _check_texts(owner)
    _check_dates(document)
    _check_typed(document)


def check_presentation(document: Document) -> None:
    """Refuse a presentation that does not follow the data model; the credentials in it are not looked at.

    Raises:
        DocumentProblem: likewise.

    Source: W3C Verifiable Credentials Data Model 2.0, section 4.13.
    """
    check_contexts(document)
    check_types(document, "VerifiablePresentation")
    check_identifier(document)
    if "holder" in document:
        check_party(document["holder"], "holder", "4.13")
    if "termsOfUse" in document:
        _check_typed({"termsOfUse": document["termsOfUse"]})
    held = document.get("verifiableCredential", [])
    if held != []:
        list(objects(held, "verifiableCredential", "4.13"))


def check_contexts(document: Document, *, one: bool = False) -> str:
    """Return the first context, which says by which data model the document is written.

    An envelope may name its `one` context without a list.
    """
    contexts = document.get("@context")
    listed = [contexts] if one and isinstance(contexts, str) else contexts
    if not isinstance(listed, list):
        raise DocumentProblem("vc.first_context")
    first = listed[0] if listed else None
    if first not in (CREDENTIALS_V2, CREDENTIALS_V1):
        raise DocumentProblem("vc.first_context")
    for context in listed[1:]:
        if not isinstance(context, dict) and not is_address(context):
            raise _malformed("@context", "4.3")
    return str(first)


def check_types(document: Document, needed: str | None = None, part: str = "type") -> list[str]:
    """Return the types of an object, of which one may be asked for."""
    types = document.get("type")
    listed = [types] if isinstance(types, str) else types
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
        raise _malformed(part, "4.5")
    if needed is not None and needed not in listed:
        raise _malformed(part, "4.5")
    return listed


def check_identifier(document: Document, part: str = "id", *, required: bool = False) -> None:
    """Refuse an `id` that is there and is no single address."""
    if ("id" in document or required) and not is_address(document.get("id")):
        raise _malformed(part, "4.4")


def check_party(value: object, part: str, section: str) -> Document:
    """Return an issuer or holder as an object; it is an address, or an object whose `id` is one."""
    party = {"id": value} if isinstance(value, str) else value
    if not isinstance(party, dict) or not is_address(party.get("id")):
        raise _malformed(part, section)
    return party


def objects(value: object, part: str, section: str) -> Iterator[Document]:
    """Yield what is an object, or a list of at least one object and nothing else."""
    listed: list[Any] = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(item, dict) for item in listed):
        raise _malformed(part, section)
    yield from listed


def read_stamp(value: object, part: str, section: str = "4.9") -> datetime:
    """Read a time with its offset; without one it is refused and not guessed.

    Raises:
        DocumentProblem: another spelling, or no such moment.

    Source: XML Schema 1.1 part 2, dateTimeStamp.
    """
    if not isinstance(value, str) or not _STAMP.fullmatch(value):
        raise _malformed(part, section)
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _malformed(part, section) from None


def check_period(document: Document, now: datetime) -> None:
    """Refuse a credential that is not valid yet, or no more.

    Raises:
        DocumentProblem: likewise.
    """
    begin, end = _dates(document)
    if begin is not None and now < begin:
        raise DocumentProblem("vc.not_yet_valid")
    if end is not None and end < now:
        raise DocumentProblem("vc.expired")


def _dates(document: Document) -> tuple[datetime | None, datetime | None]:
    names = (
        ("validFrom", "validUntil") if "issuanceDate" not in document else ("issuanceDate", "expirationDate")
    )
    begin, end = (read_stamp(document[name], name) if name in document else None for name in names)
    return begin, end


def _check_dates(document: Document) -> None:
    begin, end = _dates(document)
    if begin is not None and end is not None and end < begin:
        raise _malformed("validUntil", "4.9")


def _check_texts(owner: Document) -> None:
    for part in ("name", "description"):
        value = owner.get(part, "")
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str) and not _is_language_text(text):
                raise _malformed(part, "4.6")


def _is_language_text(value: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() <= _LANGUAGE_PARTS or "@value" not in value:
        return False
    direction = value.get("@direction", "ltr")
    return all(isinstance(item, str) for item in value.values()) and direction in {"ltr", "rtl"}


def _check_typed(document: Document) -> None:
    for part, (section, required) in _TYPED.items():
        for item in objects(document[part], part, section) if part in document else ():
            types = check_types(item, part=f"{part}.type")
            check_identifier(item, f"{part}.id", required=required)
            if part == "credentialStatus" and STATUS_ENTRY in types:
                _check_entry(item)


def _check_entry(entry: Document) -> None:
    """Refuse a status entry of another form.

    Source: W3C Bitstring Status List 1.0, section 2.1.
    """
    address, index, size = (
        entry.get("statusListCredential"),
        entry.get("statusListIndex"),
        entry.get("statusSize", 1),
    )
    good = {
        "credentialStatus.type": entry["type"] == STATUS_ENTRY,
        "credentialStatus.statusPurpose": isinstance(entry.get("statusPurpose"), str),
        "credentialStatus.statusListIndex": isinstance(index, str) and bool(_INDEX.fullmatch(index)),
        "credentialStatus.statusListCredential": is_address(address),
        "credentialStatus.id": "id" not in entry or entry["id"] != address,
        "credentialStatus.statusSize": type(size) is int and size > 0,
        "credentialStatus.statusMessage": size == 1 or _are_messages(entry.get("statusMessage"), size),
    }
    for part, fine in good.items():
        if not fine:
            raise DocumentProblem("vc.malformed_entry", part=part)


def _are_messages(messages: object, size: object) -> bool:
    most = 8
    if not isinstance(messages, list) or not isinstance(size, int) or size > most or len(messages) != 2**size:
        return False
    return all(isinstance(one, dict) and {"status", "message"} <= one.keys() for one in messages)


def _malformed(part: str, section: str) -> DocumentProblem:
    return DocumentProblem("vc.malformed", part=part, section=section)
