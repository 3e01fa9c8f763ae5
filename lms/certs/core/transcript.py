"""A transcript: all certificates of a holder in one file, each as it was signed.

A Comprehensive Learner Record that nobody signs as a whole: neither the platform nor one organisation may
speak for the others, and each certificate in it carries the signatures of its own two. What stands around
them proves nothing, also not that all of them are about one person; who reads it checks each by itself.

Source: Comprehensive Learner Record 2.0, ClrCredential and ClrSubject.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from lms.certs.core.jsonld import CREDENTIALS_V2, OPEN_BADGES
from lms.certs.core.problems import Unreadable
from lms.certs.core.strict_json import Document, canonical, read_object
from lms.certs.core.times import write_time

CLR = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"
CONTEXT = [CREDENTIALS_V2, CLR, OPEN_BADGES]
TYPE = "ClrCredential"
MAX_TRANSCRIPT_BYTES = 5_000_000

_MARK = f'"{TYPE}"'.encode()
_LOOKED_AT = 2_000


def build_transcript(
    certificates: Sequence[Document], *, transcript_id: str, maker: tuple[str, str], at: datetime
) -> Document:
    """Put certificates into one record, untouched.

    Args:
        certificates: with their proofs.
        transcript_id: a random URI.
        maker: address and name of who put it together; it vouches for nothing.
        at: when it was put together.
    """
    address, name = maker
    return {
        "@context": list(CONTEXT),
        "type": ["VerifiableCredential", TYPE],
        "id": transcript_id,
        "name": "Transcript · 인증서 모음",
        "description": (
            "Not signed as a whole: check each certificate by itself. "
            "전체에는 서명이 없습니다. 인증서마다 따로 확인해야 합니다."
        ),
        "issuer": {"id": address, "type": ["Profile"], "name": name, "url": address},
        "validFrom": write_time(at),
        "credentialSubject": {"type": ["ClrSubject"], "verifiableCredential": list(certificates)},
    }


def write_transcript(transcript: Document) -> bytes:
    """Write a transcript as a file; what it is stands at its beginning."""
    return json.dumps(transcript, ensure_ascii=False, indent=1).encode("utf-8")


def is_transcript(content: bytes) -> bool:
    """Say whether a JSON file begins as a transcript does."""
    return _MARK in content[:_LOOKED_AT]


def read_transcript(content: bytes) -> Iterator[bytes]:
    """Yield the certificates of a transcript, each as a file of its own.

    Raises:
        Unreadable: it is none, or holds none.
    """
    subject = read_object(content, MAX_TRANSCRIPT_BYTES).get("credentialSubject")
    certificates = subject.get("verifiableCredential") if isinstance(subject, dict) else None
    if not isinstance(certificates, list) or not certificates:
        raise Unreadable("transcript.empty")
    yield from (canonical(one) for one in certificates)
