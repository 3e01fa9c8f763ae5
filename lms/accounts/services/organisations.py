"""Verbs of organisations: found one, invite to it, give and end roles."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts import queries
from lms.accounts.core.letters import role_name
from lms.accounts.core.secrets import fold_email
from lms.accounts.models import LinkPurpose, Membership, Organisation, OrganisationKind, Role, User
from lms.accounts.policy import check_can_administer, check_can_give
from lms.accounts.services.audit import record
from lms.accounts.services.links import make_link, use_link
from lms.accounts.services.mail import queue_letter
from lms.db import now
from lms.errors import N_, Conflict, NotAllowed, NotFound


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


def invite(
    session: Session,
    actor: User,
    *,
    organisation: Organisation,
    role: Role,
    email: str,
    language: str,
    links_at: str,
) -> None:
    """Invite an address to an organisation in a role, by a single-use link.

    Raises:
        NotAllowed: the role is not the actor's to give.
    """
    check_can_give(actor, organisation, role)
    address = fold_email(email)
    secret = make_link(session, LinkPurpose.INVITE, address, invited_to=(organisation, role), actor=actor)
    name = organisation.name.get(language) or next(iter(organisation.name.values()))
    queue_letter(
        session,
        address,
        "invite",
        language,
        organisation=name,
        role=role_name(role.value, language),
        link=f"{links_at}/invitations/{secret}",
    )
    record(session, actor, "accounts.invite", f"organisation:{organisation.id}", role=role.value)


def accept_invitation(session: Session, user: User, secret: str) -> Membership:
    """Take the role that a link offers; the link counts for the address that it was sent to.

    Raises:
        NotFound: the link was used or is too old.
        NotAllowed: it was sent to another address, or who sent it may not give that role any more.
    """
    link = queries.open_link(session, secret, LinkPurpose.INVITE)
    if link.email != user.email:
        raise NotAllowed(
            N_("This invitation was sent to another address. Sign in with that address to accept it.")
        )
    organisation, inviter = queries.invitation_parties(session, link)
    if inviter is None or link.role is None:
        raise NotFound(queries.LINK_GONE)
    check_can_give(inviter, organisation, link.role)
    use_link(session, secret, LinkPurpose.INVITE)
    user.confirmed_at = user.confirmed_at or now()  # the link arrived there
    return grant_role(session, inviter, user=user, organisation=organisation, role=link.role)


def end_membership(session: Session, actor: User, membership: Membership) -> None:
    """End a role at once.

    Raises:
        NotAllowed: the actor does not administer the organisation.
        Conflict: it is the actor's own last way to administer it.
    """
    check_can_administer(actor, membership.organisation)
    if membership.user_id == actor.id and membership.role in {Role.ADMIN, Role.SITE_ADMIN}:
        raise Conflict(N_("You cannot end your own admin role. Ask another admin to do it."))
    if membership.ended_at is None:
        membership.ended_at = now()
        record(
            session,
            actor,
            "accounts.end",
            f"user:{membership.user_id}",
            organisation=membership.organisation_id,
            role=membership.role.value,
        )
