"""Become an OS user of one's own, for good, once everything has been loaded.

The interpreter's own files may be closed to that user, and libraries load parts of themselves when they are
first needed. So everything is done once before.
"""

import asyncio
import codecs
import ctypes
import io
import os
import shutil
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
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
from lms.certs.core.pdf import SIGNATURE_FIELDS
from lms.certs.core.pdf_reading import open_pdf, page_text
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.proofs import create_proof
from lms.certs.core.status import StatusList, build_status_list, encode_bits
from lms.certs.core.strict_json import Document
from lms.certs.signer.keeping import Signer
from lms.certs.signer.tls import admit_client, dismiss_client

_SET_PDEATHSIG, _GET_PDEATHSIG = 1, 2  # of prctl(2)
_HERE = "https://localhost/"
_REHEARSAL = "rehearsal"
_ENCODINGS = ("ascii", "latin-1", "idna", "utf-8-sig", "utf-16-be", "cp1252")


async def become(user: int, signer: Signer, port: int) -> None:
    """Give root away after a rehearsal with a server at `port`."""
    rehearse(signer)
    await asyncio.get_running_loop().run_in_executor(None, rehearse_pdf, signer)  # it has a loop of its own
    await _be_asked(signer, port)
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
    signer.keyring.open(KeyUse.OPERATIONAL)
    if not signer.keyring.in_browser():
        signer.keyring.open(KeyUse.ISSUING)
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    own = replace(mandate, courses=(_HERE,), status_lists=(_HERE,))
    certificate, listed = _certificate(own, moment), _list(own, moment)
    for document in (certificate, listed):
        create_proof(document, generate(), "did:web:localhost#rehearsal", SUITES[own.role], moment)
    review_credential(certificate, own, moment)
    review_status_list(listed, own, moment, None)
    signer.roster.current()
    signer.desk.waiting()


def rehearse_pdf(signer: Signer) -> None:
    """Sign an empty page and read it back."""
    writers, objects = (import_module(f"pyhanko.pdf_utils.{name}") for name in ("writer", "generic"))
    fields = import_module("pyhanko.sign.fields")
    writer = writers.PdfFileWriter()
    empty = writer.add_object(objects.StreamObject(stream_data=b""))
    writer.insert_page(writers.PageObject(contents=empty, media_box=(0, 0, 842, 595)))
    field = SIGNATURE_FIELDS[signer.mandate.role]
    fields.append_signature_field(writer, fields.SigFieldSpec(field.name, box=field.box))
    page = io.BytesIO()
    writer.write(page)
    sealing = signer.sealing()
    if sealing.timestamps is not None:
        with suppress(OSError):  # it may be down now; asking it is what loads the rest
            sealing.seal(page.getvalue(), "ko", "0" * 64, datetime.now(UTC))
    sealed = replace(sealing, timestamps=None).seal(page.getvalue(), "ko", "0" * 64, datetime.now(UTC))
    for signature in open_pdf(sealed).embedded_signatures:
        signature.compute_integrity_info()
    page_text(sealed)
    with suppress(CertificateProblem):
        signer.sign_pdf(sealed, datetime.now(UTC))


async def _be_asked(signer: Signer, port: int) -> None:
    """Let the server answer an admitted client once on each path."""
    target = signer.folder / _REHEARSAL
    if target.exists():  # a rehearsal was cut short
        shutil.rmtree(target)
    admit_client(signer.folder, _REHEARSAL, target, datetime.now(UTC))
    try:
        context = ssl.create_default_context(cafile=target / "ca.pem")
        context.load_cert_chain(target / "client.pem", target / "client.key")
        for path in ("/sign", "/pdf", "/approve", "/approve/sign-in", "/health"):
            await _post(context, port, path)
    finally:
        dismiss_client(signer.folder, _REHEARSAL)
        shutil.rmtree(target)


async def _post(context: ssl.SSLContext, port: int, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    body = b'{"kind": "credential", "document": {"id": "x"}}'
    head = (f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}")
    writer.write("\r\n".join((*head, "", "")).encode("ascii") + body)
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
