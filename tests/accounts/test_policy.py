from sqlalchemy.orm import Session

from lms.accounts.models import OrganisationKind, Role
from lms.accounts.policy import has_role, is_site_admin, is_staff
from tests.factories.accounts import make_member, make_organisation, make_user


def test_a_role_counts_in_its_own_organisation_only(session: Session) -> None:
    member = make_member(session, role=Role.INSTRUCTOR)
    elsewhere = make_organisation(session)
    assert has_role(member.user, member.organisation_id, Role.INSTRUCTOR, Role.ADMIN)
    assert is_staff(member.user, member.organisation_id)
    assert not has_role(member.user, elsewhere.id, Role.INSTRUCTOR)
    assert not is_staff(make_user(session), member.organisation_id)


def test_site_admins_are_made_by_the_operator_alone(session: Session) -> None:
    forged = make_member(session, role=Role.SITE_ADMIN)
    operator = make_organisation(session, kind=OrganisationKind.OPERATOR)
    real = make_member(session, organisation=operator, role=Role.SITE_ADMIN)
    assert not is_site_admin(forged.user)
    assert is_site_admin(real.user)
