"""The holder's download of all certificates in one file."""

from collections.abc import Callable

from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.certs.models import Credential
from tests.factories.accounts import make_user
from tests.factories.certs import NOW, Pair, make_credential

SignIn = Callable[[User], None]


def test_the_holder_downloads_everything_that_was_not_withdrawn_and_nothing_of_others(
    client: FlaskClient, sign_in: SignIn, session: Session, sessions: sessionmaker[Session], pair: Pair,
    holder: User, credential: Credential,
) -> None:  # fmt: skip
    second = make_credential(sessions, pair, user_id=holder.id)
    withdrawn = session.get_one(Credential, make_credential(sessions, pair, user_id=holder.id).id)
    withdrawn.revoked_at = NOW
    make_credential(sessions, pair)
    sign_in(holder)
    answer = client.get("/certificates/transcript.json")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Cache-Control"] == "no-store"
    record = answer.get_json()
    assert record["type"] == ["VerifiableCredential", "ClrCredential"]
    assert "proof" not in record
    inside = record["credentialSubject"]["verifiableCredential"]
    assert inside == [credential.document, second.document]
    assert "/certificates/transcript.json" in client.get("/certificates").get_data(as_text=True)


def test_without_a_certificate_there_is_no_transcript(
    client: FlaskClient, sign_in: SignIn, session: Session
) -> None:
    sign_in(make_user(session))
    client.set_cookie("language", "en")
    answer = client.get("/certificates/transcript.json")
    assert answer.status_code == 404
    assert "no certificate yet" in answer.get_data(as_text=True)
