import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import Membership, Organisation, OrganisationKind, OutgoingMail, Role, User
from lms.accounts.policy import has_role
from lms.accounts.services import organisations
from lms.errors import Conflict, NotAllowed, NotFound
from tests.factories.accounts import make_member, make_organisation, make_user

SITE = "https://duri.example"


def invite(session: Session, actor: User, organisation: Organisation, role: Role, email: str) -> str:
    organisations.invite(
        session, actor, organisation=organisation, role=role, email=email, language="en", links_at=SITE
    )
    mail = session.scalars(select(OutgoingMail).order_by(OutgoingMail.id.desc())).first()
    assert mail is not None
    return mail.body.split(f"{SITE}/invitations/")[1].split()[0]


def test_an_invitation_gives_the_role_to_the_address_it_was_sent_to(session: Session) -> None:
    admin = make_member(session, role=Role.ADMIN)
    guest = make_user(session, email="guest@example.org", confirmed=False)
    secret = invite(session, admin.user, admin.organisation, Role.INSTRUCTOR, "Guest@example.org")
    with pytest.raises(NotAllowed):
        organisations.accept_invitation(session, make_user(session), secret)
    organisations.accept_invitation(session, guest, secret)
    assert has_role(guest, admin.organisation_id, Role.INSTRUCTOR)
    assert guest.confirmed_at is not None
    with pytest.raises(NotFound):
        organisations.accept_invitation(session, guest, secret)


def test_an_invitation_falls_with_the_admin_who_sent_it(session: Session) -> None:
    admin = make_member(session, role=Role.ADMIN)
    other = make_member(session, organisation=admin.organisation, role=Role.ADMIN)
    guest = make_user(session, email="guest@example.org")
    secret = invite(session, admin.user, admin.organisation, Role.ADMIN, "guest@example.org")
    organisations.end_membership(session, other.user, admin)
    with pytest.raises(NotAllowed):
        organisations.accept_invitation(session, guest, secret)


@pytest.mark.parametrize("role", [Role.STUDENT, Role.SITE_ADMIN, Role.EMPLOYER])
def test_a_university_gives_its_own_roles_only(session: Session, role: Role) -> None:
    admin = make_member(session, role=Role.ADMIN)
    with pytest.raises(NotAllowed):
        invite(session, admin.user, admin.organisation, role, "guest@example.org")


@pytest.mark.parametrize("role", [Role.STUDENT, Role.ASSISTANT, Role.INSTRUCTOR, Role.SIGNATORY])
def test_only_admins_invite(session: Session, role: Role) -> None:
    member = make_member(session, role=role)
    with pytest.raises(NotAllowed):
        invite(session, member.user, member.organisation, Role.INSTRUCTOR, "guest@example.org")


def test_an_admin_of_one_organisation_has_no_say_in_another(session: Session) -> None:
    admin = make_member(session, role=Role.ADMIN)
    company = make_organisation(session, kind=OrganisationKind.COMPANY)
    with pytest.raises(NotAllowed):
        invite(session, admin.user, company, Role.EMPLOYER, "guest@example.org")
    stranger = make_member(session, organisation=company, role=Role.EMPLOYER)
    with pytest.raises(NotAllowed):
        organisations.end_membership(session, admin.user, stranger)


def test_the_operator_is_ruled_by_site_admins_only(session: Session) -> None:
    operator = make_organisation(session, kind=OrganisationKind.OPERATOR)
    forged = make_member(session, organisation=operator, role=Role.ADMIN)
    with pytest.raises(NotAllowed):
        invite(session, forged.user, operator, Role.SITE_ADMIN, "guest@example.org")


def test_an_admin_cannot_lock_themselves_out(session: Session) -> None:
    admin = make_member(session, role=Role.ADMIN)
    with pytest.raises(Conflict):
        organisations.end_membership(session, admin.user, admin)


def test_a_role_that_ended_can_be_given_again(session: Session) -> None:
    admin = make_member(session, role=Role.ADMIN)
    member = make_member(session, organisation=admin.organisation, role=Role.ASSISTANT)
    organisations.end_membership(session, admin.user, member)
    assert not has_role(member.user, admin.organisation_id)
    make_member(session, user=member.user, organisation=admin.organisation, role=Role.ASSISTANT)
    assert has_role(member.user, admin.organisation_id, Role.ASSISTANT)
    rows = session.scalars(select(Membership).where(Membership.user_id == member.user_id)).all()
    assert len(rows) == 1


def test_a_short_name_is_taken_once(session: Session) -> None:
    make_organisation(session, slug="nuri-ai")
    with pytest.raises(Conflict):
        make_organisation(session, slug="nuri-ai")
