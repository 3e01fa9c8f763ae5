"""The signed PDFs: each is set on paper, signed by both and kept once; after a change of its template, anew.

The queue is rows. A worker takes one for some minutes; if it dies, the next one takes it when they are over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.certs.core.pdf_signatures import PdfAnswer, Roots, examine_pdf
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.protocols import SignerRefused, SignerUnavailable
from lms.certs.core.reading import read_claim
from lms.certs.core.trust import Role
from lms.certs.models import Credential, Paper
from lms.certs.queries import credentials as queries
from lms.certs.queries import signed_papers
from lms.certs.services.signing import Signing, Unanswered, both_languages, two_lines
from lms.db import reading

LANGUAGES = ("ko", "en")
LEASE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
MOST_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Press:
    """Hold what sets a certificate on paper, and where the paper is kept."""

    set_on_paper: Callable[..., bytes]
    template: str
    """What every page is set from, as a hash: a paper of another template is due."""
    blobs: BlobStore
    examine: Callable[[bytes, Roots, datetime, datetime], PdfAnswer] = examine_pdf


def queue_papers(session: Session, template: str, *, logged: bool) -> int:
    """Note that certificates without papers need them, in both languages; return how many rows were added.

    With `logged` a certificate waits for its log proof, which travels in the paper.
    """
    fresh = signed_papers.without_papers(session, MOST_AT_ONCE, logged=logged)
    for credential_id in fresh:
        session.add_all(
            Paper(credential_id=credential_id, language=language, wanted=template, due=True)
            for language in LANGUAGES
        )
    session.flush()
    return len(fresh) * len(LANGUAGES)


def renew_papers(session: Session, template: str, *, also_unchanged: bool = False) -> int:
    """Have every paper made anew that was set from another template; return how many became due.

    The certificates stay as they are; until a new paper is signed the one before is handed out. One that
    waits to be made anew from yet another template is made from this one instead.
    """
    other = Paper.blob.is_not(None) if also_unchanged else Paper.made != template
    finished = and_(Paper.due.is_(False), other)
    waiting = and_(Paper.due, Paper.made != "", Paper.wanted != template)
    changed = session.execute(
        update(Paper)
        .where(or_(finished, waiting))
        .values(due=True, wanted=template, tries=0, next_try_at=None, refusal="", leased_until=None)
        .returning(Paper.id)
    )
    return len(changed.all())


def take_paper(session: Session, template: str, at: datetime) -> int | None:
    """Take the paper whose turn it is, for some minutes; None where none is due.

    A first paper is set from the template of whoever takes it; one that is made anew waits for a worker that
    has the template asked for.
    """
    waiting = (
        select(Paper.id)
        .join(Credential, Credential.id == Paper.credential_id)
        .where(
            Paper.due,
            or_(Paper.made == "", Paper.wanted == template),
            Credential.revoked_at.is_(None),
            or_(Paper.leased_until.is_(None), Paper.leased_until <= at),
            or_(Paper.next_try_at.is_(None), Paper.next_try_at <= at),
        )
        .order_by(Paper.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Paper)
        .scalar_subquery()
    )
    wanted = case((Paper.made == "", template), else_=Paper.wanted)
    return session.scalar(
        update(Paper)
        .where(Paper.id == waiting)
        .values(leased_until=at + LEASE, wanted=wanted)
        .returning(Paper.id)
    )


def make_paper(
    sessions: sessionmaker[Session], paper_id: int, signing: Signing, press: Press, at: datetime
) -> bool:
    """Set one paper, have both organisations sign it, check it and keep it; say whether it is there now.

    Nothing is locked while the page is set or a signer is asked. Only a paper that our own verifier finds
    good is kept.
    """
    try:
        draft, issued_at = _draft(sessions, paper_id, signing, press)
        signed = _sign(signing, draft)
        _check(press, signed, signing, at, issued_at)
    except Unanswered as missing:
        _postpone(sessions, paper_id, missing, at)
        return False
    except CertificateProblem as problem:
        _postpone(
            sessions, paper_id, Unanswered(Role.UNIVERSITY, both_languages(problem.code, problem.params)), at
        )
        return False
    blob = press.blobs.put(signed)
    with sessions.begin() as session:
        return _keep(session, paper_id, blob, press, at)


def make_next(sessions: sessionmaker[Session], signing: Signing, press: Press, at: datetime) -> bool | None:
    """Queue papers of new certificates and make the next one; None where nothing waits.

    Nothing is written, and no writer's place taken, where nothing waits or papers are not signed here.
    """
    if signed_papers.paper_roots(signing.trust) is None:
        return None
    logged = bool(signing.trust.logs)
    with reading(sessions) as session:
        if not signed_papers.papers_waiting(session, at, logged=logged):
            return None
    with sessions.begin() as session:
        queue_papers(session, press.template, logged=logged)
        paper_id = take_paper(session, press.template, at)
    return None if paper_id is None else make_paper(sessions, paper_id, signing, press, at)


def _draft(
    sessions: sessionmaker[Session], paper_id: int, signing: Signing, press: Press
) -> tuple[bytes, datetime]:
    """Set the page: that takes its time, so nothing is locked meanwhile."""
    with reading(sessions) as session:
        paper = session.get_one(Paper, paper_id)
        credential, language = paper.credential, paper.language
        proof = queries.log_proof(session, credential.sha256)
    draft = press.set_on_paper(
        credential.document,
        language=language,
        verify_url=queries.verify_url(credential, signing.public_url),
        log_proof=proof,
        to_sign=True,
    )
    return draft, read_claim(credential.document).issued_at


def _sign(signing: Signing, draft: bytes) -> bytes:
    """Let the university certify the file, then the company approve it; each only appends."""
    for role in Role:
        signer = signing.signers.get(role)
        if signer is None:
            raise Unanswered(role)
        try:
            draft += signer.sign_pdf(draft)
        except SignerUnavailable:
            raise Unanswered(role) from None
        except SignerRefused as refused:
            raise Unanswered(role, two_lines(refused.sentence or refused.code, refused.korean)) from None
    return draft


def _check(press: Press, signed: bytes, signing: Signing, at: datetime, issued_at: datetime) -> None:
    """Look at the whole as a verifying person would; what is not good is not kept."""
    roots = signed_papers.paper_roots(signing.trust)
    if roots is None:
        raise Unanswered(Role.UNIVERSITY)
    answer = press.examine(signed, roots, at, issued_at)
    for finding in (*answer.findings, *answer.unknown):
        raise Unanswered(Role.UNIVERSITY, both_languages(finding.code, finding.params))


def _keep(session: Session, paper_id: int, blob: str, press: Press, at: datetime) -> bool:
    """Note the paper, unless another worker did or the template has changed meanwhile."""
    kept = session.execute(
        update(Paper)
        .where(Paper.id == paper_id, Paper.due, Paper.wanted == press.template)
        .values(
            due=False, made=press.template, blob=blob, signed_at=at, leased_until=None, tries=0, refusal="",
            next_try_at=None,
        )
        .returning(Paper.id)
    )  # fmt: skip
    return kept.first() is not None


def _postpone(sessions: sessionmaker[Session], paper_id: int, missing: Unanswered, at: datetime) -> None:
    """Note why it is not there yet, and try again after a while that doubles."""
    with sessions.begin() as session:
        paper = session.get_one(Paper, paper_id)
        paper.tries += 1
        paper.refusal, paper.leased_until = missing.refusal, None
        paper.next_try_at = at + min(FIRST_PAUSE * 2 ** min(paper.tries - 1, 10), LONGEST_PAUSE)
