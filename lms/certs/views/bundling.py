"""The holder's bundle, put together for its download."""

from datetime import datetime

from flask import current_app, render_template

from lms.certs import queries
from lms.certs.core.evidence import Bundle
from lms.certs.core.times import write_time
from lms.certs.models import Credential
from lms.web.language import LANGUAGES
from lms.web.session import blobs, session, settings


def paper_of(credential: Credential, language: str) -> bytes:
    """Return the certificate on paper, in either language."""
    content: bytes = current_app.extensions["certificate_paper"](
        credential.document,
        language=language,
        verify_url=queries.verify_url(credential, settings().public_url),
        title=queries.title_of(credential, language),
    )
    return content


def bundle_of(credential: Credential, at: datetime) -> Bundle:
    """Gather everything that outlives this site: certificate, paper, keys, lists, files with their salts."""
    others = {f"certificate-{code}.pdf": paper_of(credential, code) for code in LANGUAGES}
    trust = settings().trust
    return Bundle(
        made_at=write_time(at),
        credential=queries.content_of(credential),
        trust=trust.read_bytes(),
        resources=queries.resources(session(), credential, queries.pinned_trust(trust)),
        log_proof=queries.log_proof(session(), credential.sha256),
        evidence=queries.evidence_pieces(session(), credential, blobs()),
        others=others | {f"README.{code}.txt": _explained(credential, code, at) for code in LANGUAGES},
    )


def _explained(credential: Credential, language: str, at: datetime) -> bytes:
    text = render_template(
        f"certs/bundle/README.{language}.txt",
        holder=credential.enrolment.confirmed_name,
        title=queries.title_of(credential, language) or credential.document["name"],
        uuid=credential.uuid,
        sha256=credential.sha256,
        made_at=write_time(at),
    )
    return text.encode("utf-8")
