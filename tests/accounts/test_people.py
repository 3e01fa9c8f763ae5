import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.core.passwords import weakness
from lms.accounts.core.secrets import is_password
from lms.accounts.models import LinkPurpose, OutgoingMail, SingleUseLink, User
from lms.accounts.services import people
from lms.db import now
from lms.errors import Conflict, Invalid, NotFound
from tests.factories.accounts import make_user

GOOD = "a sentence to remember"
SITE = "https://duri.example"


def last_secret(session: Session) -> str:
    mail = session.scalars(select(OutgoingMail).order_by(OutgoingMail.id.desc())).first()
    assert mail is not None
    return next(word for word in mail.body.split() if word.startswith(SITE)).rsplit("/", 1)[1]


def sign_up(session: Session, *, email: str = "sky@example.org", password: str = GOOD) -> User | None:
    people.sign_up(session, email=email, name="김하늘", password=password, language="ko", links_at=SITE)
    return session.scalar(select(User).where(User.email == email.casefold()))


def test_a_new_account_is_confirmed_by_the_link_in_its_mail(session: Session) -> None:
    user = sign_up(session, email="Sky@Example.org")
    assert user is not None
    assert user.confirmed_at is None
    assert people.confirm(session, last_secret(session)) is user
    assert user.confirmed_at is not None


def test_a_link_works_once(session: Session) -> None:
    sign_up(session)
    secret = last_secret(session)
    people.confirm(session, secret)
    with pytest.raises(NotFound):
        people.confirm(session, secret)


def test_a_link_ends_with_its_time(session: Session) -> None:
    sign_up(session)
    link = session.scalars(select(SingleUseLink)).one()
    link.expires_at = now()
    session.flush()
    with pytest.raises(NotFound):
        people.confirm(session, last_secret(session))


def test_a_link_works_for_its_own_purpose_only(session: Session) -> None:
    sign_up(session)
    with pytest.raises(NotFound):
        people.reset_password(session, last_secret(session), GOOD, links_at=SITE)


def test_the_secret_of_a_link_is_not_in_the_database(session: Session) -> None:
    sign_up(session)
    link = session.scalars(select(SingleUseLink)).one()
    assert link.purpose is LinkPurpose.CONFIRM
    assert last_secret(session) not in {link.token_hash, link.email}


def test_signing_up_again_tells_the_owner_and_changes_nothing(session: Session) -> None:
    user = sign_up(session)
    assert user is not None
    before = user.password_hash
    assert sign_up(session, password="another long sentence") is user
    assert user.password_hash == before
    subjects = session.scalars(select(OutgoingMail.subject).order_by(OutgoingMail.id)).all()
    assert subjects[-1] == "[두리] 이미 계정이 있어요"


def test_an_operator_is_told_that_an_address_is_taken(session: Session) -> None:
    make_user(session, email="sky@example.org")
    with pytest.raises(Conflict):
        make_user(session, email="SKY@example.org")


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaa", "password123", "sky@example.org"])
def test_a_weak_password_is_refused_beside_its_field(session: Session, password: str) -> None:
    with pytest.raises(Invalid) as refused:
        sign_up(session, password=password)
    assert refused.value.field == "password"


def test_a_korean_sentence_is_a_good_password() -> None:
    assert weakness("봄이 오면 강가에 가자", "sky@example.org") is None


def test_authentication_needs_the_right_password_of_an_open_account(session: Session) -> None:
    user = make_user(session, email="sky@example.org", password=GOOD)
    assert people.authenticate(session, email=" SKY@example.org ", password=GOOD) is user
    assert people.authenticate(session, email="sky@example.org", password="wrong one here") is None
    assert people.authenticate(session, email="nobody@example.org", password=GOOD) is None
    people.disable(session, None, user)
    assert people.authenticate(session, email="sky@example.org", password=GOOD) is None


def test_an_account_without_a_password_cannot_be_entered(session: Session) -> None:
    make_user(session, email="sky@example.org")
    assert people.authenticate(session, email="sky@example.org", password="!") is None


def test_a_reset_confirms_the_address_ends_sessions_and_other_links(session: Session) -> None:
    user = make_user(session, email="sky@example.org", password=GOOD, confirmed=False)
    token = user.session_token
    people.request_reset(session, email="sky@example.org", links_at=SITE)
    older = last_secret(session)
    people.request_reset(session, email="sky@example.org", links_at=SITE)
    people.reset_password(session, last_secret(session), "a brand new sentence", links_at=SITE)
    assert is_password("a brand new sentence", user.password_hash)
    assert user.session_token != token
    assert user.confirmed_at is not None
    with pytest.raises(NotFound):
        people.reset_password(session, older, "one more sentence", links_at=SITE)


def test_a_weak_password_does_not_use_the_link_up(session: Session) -> None:
    make_user(session, email="sky@example.org", password=GOOD)
    people.request_reset(session, email="sky@example.org", links_at=SITE)
    secret = last_secret(session)
    with pytest.raises(Invalid):
        people.reset_password(session, secret, "short", links_at=SITE)
    people.reset_password(session, secret, "a brand new sentence", links_at=SITE)


def test_no_letter_goes_to_an_address_without_an_account(session: Session) -> None:
    people.request_reset(session, email="nobody@example.org", links_at=SITE)
    assert session.scalars(select(OutgoingMail)).all() == []


def test_changing_the_password_needs_the_present_one(session: Session) -> None:
    user = make_user(session, password=GOOD)
    token = user.session_token
    with pytest.raises(Invalid) as refused:
        people.change_password(session, user, current="wrong one here", new="a new sentence", links_at=SITE)
    assert refused.value.field == "current"
    assert user.session_token == token
    people.change_password(session, user, current=GOOD, new="a new sentence", links_at=SITE)
    assert user.session_token != token
