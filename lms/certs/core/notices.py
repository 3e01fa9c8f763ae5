"""A notice: one organisation's signed word that a certificate is withdrawn, which counts at once.

The list that both sign follows it. One organisation alone can end a certificate; neither alone brings one
back.
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lms.certs.core.heads import is_signed, is_usable, operational_keys, sign_bytes
from lms.certs.core.joint import CLOCK_SKEW, Finding
from lms.certs.core.keys import SigningKey
from lms.certs.core.problems import MISSHAPEN, CertificateProblem, LogProblem
from lms.certs.core.strict_json import Document, canonical, read_object
from lms.certs.core.times import read_time, write_time
from lms.certs.core.trust import Trust

NOTICE_FORMAT = "duri-revocation-notice/1"
LONGEST_REASON = 300
MOST_NOTICES_BYTES = 20_000
_MOST_NOTICES = 4
_SHA256_CHARACTERS = frozenset("0123456789abcdef")
_SHA256_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Notice:
    """Say which certificate (its hash, hex) is withdrawn, by whom (a DID), why, and when."""

    credential: str
    by: str
    reason: str
    time: datetime


def show_notice(notice: Notice) -> Document:
    """Return a notice as JSON, without its signature."""
    return {
        "format": NOTICE_FORMAT,
        "id": notice_id(notice.credential),
        "credential": notice.credential,
        "by": notice.by,
        "reason": notice.reason,
        "time": write_time(notice.time),
    }


def notice_id(credential: str) -> str:
    """Return what a notice about a certificate (its hash) is called."""
    return f"urn:duri:notice:{credential}"


def notice_address(status_list: str, credential: str) -> str:
    """Return where a verifier finds the notices about a certificate: beside its status list."""
    return f"{status_list}/notices/{credential}"


def read_notice(value: Any) -> Notice:
    """Read a notice without its signature.

    Raises:
        LogProblem: not exactly a notice.
    """
    try:
        notice = Notice(value["credential"], value["by"], value["reason"], read_time(value["time"]))
        texts = all(isinstance(text, str) for text in (notice.credential, notice.by, notice.reason))
        if value != show_notice(notice) or not texts or len(notice.reason) > LONGEST_REASON:
            raise LogProblem("notice.shape")
        if len(notice.credential) != _SHA256_LENGTH or not _SHA256_CHARACTERS.issuperset(notice.credential):
            raise LogProblem("notice.shape")
    except MISSHAPEN:
        raise LogProblem("notice.shape") from None
    return notice


def sign_notice(notice: Notice, key: SigningKey, key_id: str) -> Document:
    """Sign a notice with an operational key."""
    return sign_bytes(canonical(show_notice(notice)), key, key_id)


def attach_signature(notice: Document, signature: Document) -> Document:
    """Return a notice with its signature."""
    return {**notice, "signature": signature}


def write_notices(notices: Iterable[Document]) -> bytes:
    """Write the notices about one certificate as a file."""
    return json.dumps({"notices": list(notices)}, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"


def review_notice(document: Document, did: str, own: Container[str], now: datetime) -> Notice:
    """Judge a notice before signing it in the name of `did`.

    Args:
        own: the hashes of all certificates that this organisation has signed.

    Raises:
        LogProblem: with the first thing against it.
    """
    notice = read_notice(document)
    if notice.by != did or notice.credential not in own:
        raise LogProblem("signer.not_ours")
    if not abs(now - notice.time) <= CLOCK_SKEW:
        raise LogProblem("signer.notice_not_now", time=write_time(notice.time))
    return notice


def examine_notices(
    resources: Mapping[str, bytes], address: str, credential: str, signers: tuple[str, str], trust: Trust
) -> tuple[Finding, ...]:
    """Return a finding for each organisation that has withdrawn a certificate, as far as notices are at hand.

    What is no notice of one of its two signers says nothing: else anyone could end a certificate.
    """
    content = resources.get(address)
    return () if content is None else tuple(_withdrawals(content, credential, signers, trust))


def _withdrawals(
    content: bytes, credential: str, signers: tuple[str, str], trust: Trust
) -> Iterator[Finding]:
    for signed in _listed(content):
        try:
            notice = read_notice({name: part for name, part in signed.items() if name != "signature"})
        except LogProblem:
            continue
        if (
            notice.credential == credential
            and notice.by in signers
            and notice_holds(notice, signed.get("signature"), trust)
        ):
            named = next(party for party in trust.parties if party.did == notice.by)
            yield Finding(
                "credential.withdrawn_by",
                {
                    "role": str(named.role),
                    "name": named.name,
                    "time": write_time(notice.time),
                    "reason": notice.reason,
                },
            )


def _listed(content: bytes) -> list[dict[str, Any]]:
    try:
        notices = read_object(content, max_bytes=MOST_NOTICES_BYTES).get("notices")
    except CertificateProblem:
        return []
    found = notices[:_MOST_NOTICES] if isinstance(notices, list) else []
    return [one for one in found if isinstance(one, dict)]


def notice_holds(notice: Notice, signature: Any, trust: Trust) -> bool:
    """Tell whether a notice is signed by whom it names, with an operational key of that time."""
    method = signature.get("verificationMethod") if isinstance(signature, dict) else None
    return any(
        key.id == method
        and is_usable(key, notice.time)
        and is_signed(canonical(show_notice(notice)), signature, key.multibase)
        for key in operational_keys(trust, notice.by)
    )
