"""The holder's bundle, put together for its download."""

from datetime import datetime

from flask import current_app, render_template

from lms.certs.core.evidence import Bundle
from lms.certs.core.reading import read_claim
from lms.certs.core.times import write_time
from lms.certs.models import Credential
from lms.certs.queries import credentials as queries
from lms.certs.queries import signed_papers
from lms.certs.queries.evidence_files import evidence_pieces
from lms.web.language import LANGUAGES
from lms.web.session import blobs, session, settings


def paper_of(credential: Credential, language: str) -> bytes | None:
    """Return the certificate on paper, in either language; None while both organisations are signing it."""
    if signs_papers():
        kept = signed_papers.paper(session(), credential.id, language)
        if kept is not None and kept.blob is not None:
            return blobs().get(kept.blob)
        if credential.revoked_at is None:
            return None
    content: bytes = current_app.extensions["certificate_paper"](
        credential.document,
        language=language,
        verify_url=queries.verify_url(credential, settings().public_url),
        title=queries.title_of(credential, language),
    )
    return content


def papers_of(credential: Credential) -> set[str]:
    """Return the languages in which the certificate can be had on paper now."""
    if not signs_papers() or credential.revoked_at is not None:
        return set(LANGUAGES)
    return signed_papers.papers_ready(session(), credential.id)


def signs_papers() -> bool:
    """Say whether papers are signed here: the roots of both organisations are pinned."""
    return signed_papers.paper_roots(queries.pinned_trust(settings().trust)) is not None


def bundle_of(credential: Credential, at: datetime) -> Bundle:
    """Gather everything that outlives this site: certificate, paper, keys, lists, files with their salts."""
    papers = {f"certificate-{code}.pdf": paper_of(credential, code) for code in LANGUAGES}
    others = {name: paper for name, paper in papers.items() if paper is not None}
    trust = settings().trust
    return Bundle(
        made_at=write_time(at),
        credential=queries.content_of(credential),
        trust=trust.read_bytes() if trust.exists() else b"{}",
        resources=queries.resources(session(), credential, queries.pinned_trust(trust)),
        log_proof=queries.log_proof(session(), credential.sha256),
        evidence=evidence_pieces(session(), credential, blobs()),
        others=others | {f"README.{code}.txt": _explained(credential, code, at) for code in LANGUAGES},
    )


def _explained(credential: Credential, language: str, at: datetime) -> bytes:
    text = render_template(
        f"certs/bundle/README.{language}.txt",
        holder=read_claim(credential.document).holder_name,
        title=queries.title_of(credential, language) or credential.document["name"],
        uuid=credential.uuid,
        sha256=credential.sha256,
        made_at=write_time(at),
    )
    return text.encode("utf-8")
