"""The page hands out the paper that both have signed, and says so while they are at it."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.certs.cli import certs
from lms.certs.core.pdf_signatures import PdfAnswer
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, write_trust
from lms.certs.models import Credential
from lms.certs.services.papers import Press, make_next
from lms.certs.services.signing import Signing
from lms.config import Settings
from lms.db import now
from tests.factories import pdf as pdfs
from tests.factories.certs import PUBLIC_URL, Pair, make_credential


@dataclass
class WordSigner:
    """Sign a paper with a word."""

    role: Role
    asked: list[bytes] = field(default_factory=list)

    def sign_pdf(self, content: bytes) -> bytes:
        self.asked.append(content)
        return f"+{self.role}".encode()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", secret_key="not secret in a test", public_url=PUBLIC_URL)


@pytest.fixture
def signing(settings: Settings) -> Signing:
    trust = pdfs.with_roots(Pair().trust)
    settings.trust.parent.mkdir(parents=True, exist_ok=True)
    settings.trust.write_bytes(write_trust(trust.parties))
    return Signing(
        signers={role: WordSigner(role) for role in Role},  # type: ignore[misc]
        trust=trust,
        public_url=PUBLIC_URL,
        demo_custody=True,
    )


@pytest.fixture
def press(blobs: FolderBlobs) -> Press:
    return Press(set_on_paper=_say, template="a" * 64, blobs=blobs, examine=lambda *_: PdfAnswer())


@pytest.fixture
def credential(sessions: sessionmaker[Session]) -> Credential:
    return make_credential(sessions, Pair())


def _say(document: Document, **said: object) -> bytes:
    return f"%PDF {document['id']} {said['language']}".encode()


def test_the_page_says_that_it_is_being_signed_until_it_is_and_then_hands_it_out(
    client: FlaskClient,
    sessions: sessionmaker[Session],
    signing: Signing,
    press: Press,
    credential: Credential,
) -> None:
    client.set_cookie("language", "en")
    address = f"/c/{credential.uuid}.pdf?language=en"
    waiting = client.get(address)
    assert waiting.status_code == 202
    assert "signing the PDF" in waiting.get_data(as_text=True)
    page = client.get(f"/c/{credential.uuid}").get_data(as_text=True)
    assert ".pdf" not in page
    assert [make_next(sessions, signing, press, now()) for _ in range(3)] == [True, True, None]
    signed = client.get(address)
    assert (signed.status_code, signed.mimetype) == (200, "application/pdf")
    assert signed.data == f"%PDF {credential.document['id']} en+university+company".encode()
    page = client.get(f"/c/{credential.uuid}").get_data(as_text=True)
    assert page.count(".pdf?language=") == 2


def test_where_no_roots_are_pinned_the_page_is_handed_out_as_before(
    client: FlaskClient,
    sessions: sessionmaker[Session],
    settings: Settings,
    press: Press,
    credential: Credential,
) -> None:
    trust = Pair().trust
    settings.trust.parent.mkdir(parents=True, exist_ok=True)
    settings.trust.write_bytes(write_trust(trust.parties))
    assert client.get(f"/c/{credential.uuid}.pdf").data.startswith(b"%PDF-")
    unsigned = Signing(signers={}, trust=trust, public_url=PUBLIC_URL, demo_custody=True)
    assert make_next(sessions, unsigned, press, now()) is None


def test_operators_have_papers_made_anew_and_see_how_far_it_is(
    sessions: sessionmaker[Session], signing: Signing, press: Press, credential: Credential
) -> None:
    del credential
    tools = SimpleNamespace(sessions=sessions, signing=signing, press=press, trust=signing.trust)
    run = CliRunner()
    first = run.invoke(certs, ["render", "--here"], obj=tools, catch_exceptions=False)
    assert first.output.splitlines() == [
        "0 papers are to be made anew.",
        "2 of 2 papers are signed; 0 were refused.",
    ]
    again = run.invoke(certs, ["render", "--all"], obj=tools, catch_exceptions=False)
    assert again.output.splitlines()[-1] == "0 of 2 papers are signed; 0 were refused."
    assert "0 of 2" in run.invoke(certs, ["papers"], obj=tools, catch_exceptions=False).output
