"""Become an OS user of one's own, for good, once everything has been loaded."""

import asyncio
import ctypes
import json
import os
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from lms.certs.core.document import (
    Achievement,
    Claim,
    Party,
    StatusEntry,
    build_credential,
    hash_email,
)
from lms.certs.core.joint import SUITES
from lms.certs.core.keys import KeyUse, generate
from lms.certs.core.mandate import Mandate, review_credential, review_status_list
from lms.certs.core.proofs import create_proof
from lms.certs.core.status import StatusList, build_status_list, encode_bits
from lms.certs.core.strict_json import Document
from lms.certs.signer.keeping import Signer

_SET_PDEATHSIG, _GET_PDEATHSIG = 1, 2  # of prctl(2)
_HERE = "https://localhost/"


async def become(user: int, signer: Signer, port: int) -> None:
    """Give root away, after a rehearsal: the interpreter's own files may be closed to `user`."""
    rehearse(signer)
    for path in ("/health", "/sign", "/approve/sign-in"):
        await _ask_self(port, path)
    process = ctypes.CDLL(None)
    ends_with_parent = ctypes.c_int()
    process.prctl(_GET_PDEATHSIG, ctypes.byref(ends_with_parent))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    process.prctl(_SET_PDEATHSIG, ends_with_parent)  # the kernel forgets it when the user changes


def rehearse(signer: Signer) -> None:
    """Open the keys; judge and sign one document of each kind with a key that is thrown away."""
    moment, mandate = datetime.now(UTC), signer.mandate
    for use in (KeyUse.ISSUING, KeyUse.OPERATIONAL):
        signer.keyring.open(use)
    own = replace(mandate, courses=(_HERE,), status_lists=(_HERE,))
    certificate, listed = _certificate(own, moment), _list(own, moment)
    for document in (certificate, listed):
        create_proof(document, generate(), "did:web:localhost#rehearsal", SUITES[own.role], moment)
    review_credential(certificate, own, moment)
    review_status_list(listed, own, moment, None)


async def _ask_self(port: int, path: str) -> None:
    """Let the server answer once; nothing is believed, so nothing is checked."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    body = json.dumps({}).encode("ascii")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode("ascii") + body)
    await reader.read(65_536)
    writer.close()


def _certificate(own: Mandate, moment: datetime) -> Document:
    claim = Claim(
        credential_id=f"urn:uuid:{uuid4()}",
        issued_at=moment,
        university=Party(own.university, "-", _HERE),
        company=Party(own.company, "-", _HERE),
        holder_name="-",
        email_hash=hash_email("nobody@localhost", "-"),
        email_salt="-",
        achievement=Achievement(f"{_HERE}c", "-", "-", "-", "en"),
        score="0",
        maximum="1",
        status=StatusEntry(f"{_HERE}s", 0),
        demo_custody=own.demo_custody,
    )
    return build_credential(claim)


def _list(own: Mandate, moment: datetime) -> Document:
    edition = StatusList(
        url=f"{_HERE}s",
        university_did=own.university,
        company_did=own.company,
        valid_from=moment,
        valid_until=moment + timedelta(hours=1),
        encoded=encode_bits([]),
        demo_custody=own.demo_custody,
    )
    return build_status_list(edition)
