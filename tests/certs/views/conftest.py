"""An installation with a trust file, two signers and one certificate, at the moment of its signing."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.certs.core.trust import write_trust
from lms.certs.models import Credential
from lms.config import Settings
from tests.factories.certs import NOW, PUBLIC_URL, Pair, make_credential

KEY = "not secret in a test"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", secret_key=KEY, public_url=PUBLIC_URL)


@pytest.fixture(autouse=True)
def pair(settings: Settings) -> Pair:
    pair = Pair()
    settings.trust.parent.mkdir(parents=True, exist_ok=True)
    settings.trust.write_bytes(write_trust(pair.trust.parties))
    return pair


@pytest.fixture(autouse=True)
def _at_the_time_of_signing(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("api", "views.bulk", "views.pages", "views.sharing", "views.wallet"):
        monkeypatch.setattr(f"lms.certs.{module}.now", lambda: NOW)


@pytest.fixture
def credential(sessions: sessionmaker[Session], session: Session, pair: Pair) -> Credential:
    return session.get_one(Credential, make_credential(sessions, pair).id)


@pytest.fixture
def holder(credential: Credential, session: Session) -> User:
    return session.get_one(User, credential.enrolment.user_id)
