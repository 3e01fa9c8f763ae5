"""Two organisations that sign PDFs: roots, certificates and keys of their own, and one signed certificate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from lms.certs.adapters.pdf import render_certificate
from lms.certs.core.pdf_review import Known
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.trust import Role, Trust
from lms.certs.signer.authority import Identity, make_leaf, make_root, pem
from lms.certs.signer.pdf import PdfIdentity, PdfSealing

NAMES = {Role.UNIVERSITY: "한강대학교", Role.COMPANY: "누리에이아이"}
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
OTHER = {Role.UNIVERSITY: Role.COMPANY, Role.COMPANY: Role.UNIVERSITY}


@cache
def pdf_root(role: Role, number: int) -> Identity:
    """Make a root once; another `number` is another organisation's."""
    return make_root(f"{NAMES[role]} {number}", LONG_AGO)


@cache
def pdf_identity(role: Role, number: int) -> PdfIdentity:
    """Make a key with its certificate once."""
    root = pdf_root(role, number)
    leaf = make_leaf(root, NAMES[role], LONG_AGO)
    return PdfIdentity(key=leaf.key, certificate=leaf.certificate, chain=(root.certificate,))


def roots() -> Mapping[Role, Sequence[str]]:
    """Return what a verifying person pins."""
    return {role: (pem(pdf_root(role, 1).certificate).decode("ascii"),) for role in Role}


def with_roots(trust: Trust) -> Trust:
    """Pin the PDF roots of both organisations as well."""
    return replace(
        trust, parties=tuple(replace(party, pdf_roots=tuple(roots()[party.role])) for party in trust.parties)
    )


def sealing(role: Role, *, key: PdfIdentity | None = None, timestamps: str | None = None) -> PdfSealing:
    """Return what an organisation signs PDFs with; `key` is another's."""
    return PdfSealing(role=role, identity=key or pdf_identity(role, 1), timestamps=timestamps)


def known(document: Document, role: Role) -> Known:
    """Return the journal of a signer that has signed this one certificate."""
    proof = document["proof"][list(Role).index(role)]
    return {document["id"]: (sha256_of(document), proof)}.get


def paper(document: Document, language: str = "ko") -> bytes:
    """Set a certificate on paper, ready to be signed."""
    identifier = document["id"].removeprefix("urn:uuid:")
    url = f"https://duri.example/verify/{identifier}#h={sha256_of(document)}"
    return render_certificate(document, language=language, verify_url=url, to_sign=True)


def seal(content: bytes, document: Document, role: Role, *, timestamps: str | None = None) -> bytes:
    """Let one organisation sign."""
    signer = sealing(role, timestamps=timestamps)
    return content + signer.sign(content, known(document, role), datetime.now(UTC))[0]


def signed_paper(document: Document, language: str = "ko") -> bytes:
    """Set a certificate on paper and let both sign."""
    return seal(seal(paper(document, language), document, Role.UNIVERSITY), document, Role.COMPANY)
