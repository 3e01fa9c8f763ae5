"""Who may do what in accounts, and the questions about roles that all domains ask."""

from collections.abc import Iterable

from lms.accounts.models import Organisation, OrganisationKind, Role, User
from lms.errors import N_, NotAllowed

STAFF = (Role.ASSISTANT, Role.INSTRUCTOR, Role.SIGNATORY, Role.ADMIN)
"""Roles of those who teach in an organisation's name."""
INVITED_ROLES = {
    OrganisationKind.UNIVERSITY: (Role.ASSISTANT, Role.INSTRUCTOR, Role.SIGNATORY, Role.ADMIN),
    OrganisationKind.COMPANY: (
        Role.ASSISTANT,
        Role.INSTRUCTOR,
        Role.SIGNATORY,
        Role.ADMIN,
        Role.EMPLOYER,
    ),
    OrganisationKind.OPERATOR: (Role.SITE_ADMIN,),
}
"""Which roles an organisation can give; students become members by enrolling."""


def roles_in(user: User, organisation_id: int) -> frozenset[Role]:
    """Return the roles that a user holds in an organisation now."""
    return frozenset(
        membership.role
        for membership in user.memberships
        if membership.organisation_id == organisation_id and membership.ended_at is None
    )


def has_role(user: User, organisation_id: int, *roles: Role) -> bool:
    """Say whether a user holds one of `roles` (any role, without them) in an organisation now."""
    held = roles_in(user, organisation_id)
    return bool(held & set(roles)) if roles else bool(held)


def has_role_in_any(user: User, organisation_ids: Iterable[int], *roles: Role) -> bool:
    """Say whether a user holds one of `roles` in one of the organisations now."""
    return any(has_role(user, organisation_id, *roles) for organisation_id in organisation_ids)


def is_staff(user: User, organisation_id: int) -> bool:
    """Say whether a user teaches, signs or administers in an organisation's name."""
    return has_role(user, organisation_id, *STAFF)


def is_site_admin(user: User) -> bool:
    """Say whether a user administers this installation."""
    return any(
        each.role is Role.SITE_ADMIN
        and each.ended_at is None
        and each.organisation.kind is OrganisationKind.OPERATOR
        for each in user.memberships
    )


def can_administer(user: User, organisation: Organisation) -> bool:
    """Say whether a user may see and change who belongs to an organisation."""
    return is_site_admin(user) or (
        organisation.kind is not OrganisationKind.OPERATOR and has_role(user, organisation.id, Role.ADMIN)
    )


def can_administer_any(user: User) -> bool:
    """Say whether a user administers some organisation."""
    return any(can_administer(user, each.organisation) for each in user.memberships)


def check_can_administer(user: User, organisation: Organisation) -> None:
    """Refuse whoever may not see and change who belongs to an organisation.

    Raises:
        NotAllowed: the user is neither its admin nor a site admin.
    """
    if not can_administer(user, organisation):
        raise NotAllowed(N_("Only an admin of this organisation can do this. Ask one of them."))


def check_can_give(user: User, organisation: Organisation, role: Role) -> None:
    """Refuse a role that the user may not give, or that the organisation has not.

    Raises:
        NotAllowed: the role is not theirs to give.
    """
    check_can_administer(user, organisation)
    if role not in INVITED_ROLES[organisation.kind]:
        raise NotAllowed(N_("This organisation does not give that role. Choose one from the list."))


def check_is_site_admin(user: User) -> None:
    """Refuse everyone but site admins.

    Raises:
        NotAllowed: the user is no site admin.
    """
    if not is_site_admin(user):
        raise NotAllowed(N_("Only a site admin can do this. Ask the operator of this site."))
