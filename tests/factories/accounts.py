"""People and organisations for tests, made through the services."""

from itertools import count

from sqlalchemy.orm import Session

from lms.accounts.models import Membership, Organisation, OrganisationKind, Role, User
from lms.accounts.services.organisations import create_organisation, grant_role
from lms.accounts.services.people import create_user
from lms.db import now

NUMBERS = count(1)


def make_user(
    session: Session,
    *,
    name: str = "김하늘",
    email: str = "",
    password: str | None = None,
    language: str = "ko",
    confirmed: bool = True,
) -> User:
    """Make a person; without a password (quick) only `sign_in` can sign them in."""
    return create_user(
        session,
        None,
        email=email or f"person{next(NUMBERS)}@example.org",
        name=name,
        password=password,
        language=language,
        confirmed_at=now() if confirmed else None,
    )


def make_organisation(
    session: Session,
    *,
    kind: OrganisationKind = OrganisationKind.UNIVERSITY,
    slug: str = "",
    name: dict[str, str] | None = None,
) -> Organisation:
    """Make an organisation."""
    names = {
        OrganisationKind.UNIVERSITY: {"ko": "한강대학교", "en": "Hangang University"},
        OrganisationKind.COMPANY: {"ko": "누리에이아이", "en": "Nuri AI"},
        OrganisationKind.OPERATOR: {"ko": "두리", "en": "Duri"},
    }
    return create_organisation(
        session, None, slug=slug or f"{kind}-{next(NUMBERS)}", kind=kind, name=name or names[kind]
    )


def make_member(
    session: Session, *, user: User | None = None, organisation: Organisation | None = None, role: Role
) -> Membership:
    """Make a person a member of an organisation."""
    return grant_role(
        session,
        None,
        user=user or make_user(session),
        organisation=organisation or make_organisation(session),
        role=role,
    )
