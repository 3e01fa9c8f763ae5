"""A certificate's other form, of which its holder shows a part: asked for, signed by both, cut to size."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.certs import policy
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.protocols import Kind
from lms.certs.core.sd_jwt import ask_for_form, examine_makers, present, read_presentation
from lms.certs.core.shown import parts
from lms.certs.core.strict_json import Document, without_proof
from lms.certs.core.trust import Role
from lms.certs.models import Credential, SelectiveForm
from lms.certs.queries import credentials as queries
from lms.certs.services.signing import Signing, Unanswered, ask_signer, both_languages
from lms.db import reading
from lms.errors import N_, Conflict, Invalid

MOST_AT_ONCE = 20
PAUSE = timedelta(seconds=30)
LONG_PAUSE = timedelta(minutes=10)
"""After a refusal: it will hardly be taken back within a minute."""


def ask(session: Session, actor: User, uuid: str, *, at: datetime) -> SelectiveForm:
    """Note that the holder wants the other form; the worker asks both organisations. Safe to repeat."""
    credential = queries.credential(session, uuid)
    policy.check_can_share(actor, credential)
    if (known := form_of(session, credential)) is not None:
        return known
    wanted = ask_for_form(credential.document)
    made = SelectiveForm(
        credential_id=credential.id,
        disclosures=wanted["disclosures"],
        decoys=wanted["decoys"],
        created_at=at,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:  # asked for twice at once: the other one is the form
        known = form_of(session, credential)
        if known is None:
            raise
        return known
    record(session, actor, "certificate.form_requested", f"credential:{credential.id}")
    return made


def form_of(session: Session, credential: Credential) -> SelectiveForm | None:
    """Return the other form of a certificate, signed or on its way."""
    mine = SelectiveForm.credential_id == credential.id
    return session.scalars(select(SelectiveForm).where(mine)).one_or_none()


def cut(session: Session, actor: User, uuid: str, names: Collection[str]) -> Document:
    """Return the file that shows these parts of a certificate and hides the others.

    Raises:
        Conflict: both have not signed the other form yet.
        Invalid: no part was chosen, or one that the certificate does not have.
    """
    credential = queries.credential(session, uuid)
    policy.check_can_share(actor, credential)
    found = form_of(session, credential)
    if found is None or found.university_signature is None or found.company_signature is None:
        raise Conflict(N_("Both organisations have to sign this form first. Ask for it, and come back."))
    if not names or not set(names) <= parts(credential.document).keys():
        raise Invalid(N_("Choose at least one part to show."), field="parts")
    record(session, actor, "certificate.presented", f"credential:{credential.id}", parts=len(set(names)))
    return present(_request(found), (found.university_signature, found.company_signature), names)


def keep_forms_signed(sessions: sessionmaker[Session], signing: Signing, at: datetime) -> list[Unanswered]:
    """Ask both organisations for their signatures under the forms that wait; return who did not sign."""
    with reading(sessions) as session:
        due = or_(SelectiveForm.next_try_at.is_(None), SelectiveForm.next_try_at <= at)
        waiting = select(SelectiveForm.id).where(SelectiveForm.signed_at.is_(None), due)
        found = session.scalars(waiting.order_by(SelectiveForm.id).limit(MOST_AT_ONCE)).all()
    unanswered = []
    for form_id in found:
        try:
            _sign(sessions, form_id, signing, at)
        except Unanswered as missing:
            unanswered.append(missing)
            with sessions.begin() as session:
                form = session.get_one(SelectiveForm, form_id)
                form.refusal, pause = missing.refusal, LONG_PAUSE if missing.refusal else PAUSE
                form.next_try_at = at + pause
    return unanswered


def _sign(sessions: sessionmaker[Session], form_id: int, signing: Signing, at: datetime) -> None:
    """Ask both for the same words; the two signatures are kept together, and only if they hold."""
    with reading(sessions) as session:
        request = _request(session.get_one(SelectiveForm, form_id))
    signatures = (
        ask_signer(signing, Role.UNIVERSITY, request, Kind.SD_JWT),
        ask_signer(signing, Role.COMPANY, request, Kind.SD_JWT),
    )
    _check(request, signatures, signing, at)
    with sessions.begin() as session:
        form = session.get_one(SelectiveForm, form_id)
        form.university_signature, form.company_signature = signatures
        form.signed_at, form.refusal = at, ""


def _check(request: Document, signatures: tuple[Document, Document], signing: Signing, at: datetime) -> None:
    """Look at the whole as a verifying person would; what a signer answers may be anything."""
    try:
        presented = read_presentation(present(request, signatures, ()))
    except CertificateProblem as problem:
        raise Unanswered(Role.UNIVERSITY, both_languages(problem.code, problem.params)) from None
    for signature in examine_makers(presented, signing.trust, at):
        if not signature.good:
            finding = signature.findings[0]
            raise Unanswered(signature.role, both_languages(finding.code, finding.params))


def _request(form: SelectiveForm) -> Document:
    certificate = without_proof(form.credential.document)
    return {
        "id": certificate["id"],
        "certificate": certificate,
        "disclosures": form.disclosures,
        "decoys": form.decoys,
    }
