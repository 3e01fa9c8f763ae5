"""Verbs of organisations: found one, give and end roles."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import Membership, Organisation, OrganisationKind, Role, User
from lms.accounts.services.audit import record
from lms.db import now
from lms.errors import N_, Conflict


def create_organisation(
    session: Session,
    actor: User | None,
    *,
    slug: str,
    kind: OrganisationKind,
    name: dict[str, str],
    website: str = "",
) -> Organisation:
    """Found an organisation; only the command line does it without an actor.

    Raises:
        Conflict: the slug is taken.
    """
    if session.scalar(select(Organisation.id).where(Organisation.slug == slug)):
        raise Conflict(N_("This short name is taken. Choose another one."))
    organisation = Organisation(slug=slug, kind=kind, name=name, website=website, created_at=now())
    session.add(organisation)
    session.flush()
    record(session, actor, "accounts.found", f"organisation:{organisation.id}", kind=kind.value)
    return organisation


def grant_role(
    session: Session, actor: User | None, *, user: User, organisation: Organisation, role: Role
) -> Membership:
    """Make a user a member with a role, again if it had ended; nothing changes if it is held already.

    Whether the actor may give it is checked by whoever calls: an invitation, an enrolment, the command line.
    """
    membership = session.scalar(
        select(Membership).where(
            Membership.user_id == user.id,
            Membership.organisation_id == organisation.id,
            Membership.role == role,
        )
    )
    if membership is not None and membership.ended_at is None:
        return membership
    if membership is None:
        membership = Membership(user=user, organisation=organisation, role=role)
        session.add(membership)
    membership.ended_at = None
    membership.created_at = now()
    membership.granted_by_id = actor.id if actor else None
    session.flush()
    record(session, actor, "accounts.grant", f"user:{user.id}", organisation=organisation.id, role=role.value)
    return membership
