"""Showing a part of a certificate: asked for by the holder, signed by both, cut, and read by everyone."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import AuditEvent, User
from lms.certs import verifier
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, write_trust
from lms.certs.core.verify import Status, verify
from lms.certs.models import Credential, SelectiveForm
from lms.certs.queries import credentials as queries
from lms.certs.services import presenting
from lms.certs.services.erasing import erase
from lms.certs.services.status import keep_status_lists_fresh
from lms.errors import Conflict, Invalid, NotAllowed
from tests.factories.accounts import make_user
from tests.factories.certs import NOW, PUBLIC_URL, Pair

SignIn = Callable[[User], None]


@pytest.fixture
def asked(session: Session, credential: Credential, holder: User) -> SelectiveForm:
    form = presenting.ask(session, holder, credential.uuid, at=NOW)
    session.commit()
    return form


def test_the_holder_chooses_downloads_and_anyone_can_check_it(
    client: FlaskClient, sign_in: SignIn, sessions: sessionmaker[Session], credential: Credential,
    holder: User, pair: Pair,
) -> None:  # fmt: skip
    address = f"/c/{credential.uuid}/present"
    sign_in(holder)
    assert 'name="part"' not in client.get(address).get_data(as_text=True)
    assert client.post(address, data={"part": ["score"]}).status_code == 409
    assert client.post(f"/c/{credential.uuid}/form").status_code == 303
    assert presenting.keep_forms_signed(sessions, pair.signing, NOW) == []
    assert 'value="lab-softmax"' in client.get(address).get_data(as_text=True)
    file = client.post(address, data={"part": ["score", "lab-softmax"]})
    assert file.headers["Content-Disposition"].startswith("attachment; filename=presentation-")
    assert credential.uuid.encode() not in file.data
    client.post("/sign-out")
    page = client.post("/verify", data={"text": file.data.decode()}).get_data(as_text=True)
    assert re.findall(r'data-status="(\w+)"', page) == ["valid"]
    assert "27 / 30" in page
    assert "소프트맥스" in page
    assert "벡터" not in page
    assert "김하늘" not in page
    assert "본인임을 증명하지 않습니다" in page
    answer = client.post("/api/verify", data=file.data, content_type="application/json").get_json()
    assert (answer["status"], answer["facts"]["claim"]["holder_name"]) == ("valid", "")


@pytest.mark.parametrize("chosen", [[], ["honours"], ["score", "honours"]])
def test_a_choice_of_nothing_or_of_what_is_not_there_gives_no_file(
    client: FlaskClient, sign_in: SignIn, sessions: sessionmaker[Session], session: Session,
    asked: SelectiveForm, holder: User, pair: Pair, chosen: list[str],
) -> None:  # fmt: skip
    presenting.keep_forms_signed(sessions, pair.signing, NOW)
    session.expire_all()
    with pytest.raises(Invalid):
        presenting.cut(session, holder, asked.credential.uuid, chosen)
    sign_in(holder)
    page = client.post(f"/c/{asked.credential.uuid}/present", data={"part": chosen})
    assert page.status_code == 422
    assert 'role="alert"' in page.get_data(as_text=True)


def test_nobody_but_the_holder_asks_chooses_or_downloads(
    client: FlaskClient, sign_in: SignIn, session: Session, asked: SelectiveForm
) -> None:
    stranger, uuid = make_user(session), asked.credential.uuid
    with pytest.raises(NotAllowed):
        presenting.ask(session, stranger, uuid, at=NOW)
    with pytest.raises(NotAllowed):
        presenting.cut(session, stranger, uuid, ["score"])
    session.commit()
    requests = (("GET", "present"), ("POST", "present"), ("POST", "form"))
    assert {client.open(f"/c/{uuid}/{path}", method=method).status_code for method, path in requests} == {302}
    sign_in(stranger)
    assert {client.open(f"/c/{uuid}/{path}", method=method).status_code for method, path in requests} == {403}


def test_asking_again_changes_nothing(session: Session, asked: SelectiveForm, holder: User) -> None:
    assert presenting.ask(session, holder, asked.credential.uuid, at=NOW).id == asked.id
    events = session.scalars(select(AuditEvent).where(AuditEvent.action == "certificate.form_requested"))
    assert len(events.all()) == 1


@pytest.mark.parametrize("role", list(Role))
def test_while_one_organisation_does_not_sign_there_is_no_half_signed_form(
    sessions: sessionmaker[Session], session: Session, asked: SelectiveForm, holder: User, pair: Pair,
    role: Role,
) -> None:  # fmt: skip
    signer = {Role.UNIVERSITY: pair.university, Role.COMPANY: pair.company}[role]
    signer.down = True
    (missing,) = presenting.keep_forms_signed(sessions, pair.signing, NOW)
    assert missing.role is role
    session.refresh(asked)
    assert (asked.university_signature, asked.company_signature, asked.signed_at) == (None, None, None)
    with pytest.raises(Conflict):
        presenting.cut(session, holder, asked.credential.uuid, ["score"])
    session.commit()
    signer.down = False
    assert presenting.keep_forms_signed(sessions, pair.signing, NOW) == []
    session.refresh(asked)
    assert asked.signed_at is None  # not before the pause is over
    later = NOW + timedelta(minutes=1)
    assert presenting.keep_forms_signed(sessions, pair.signing, later) == []
    session.refresh(asked)
    assert asked.signed_at == later


def test_a_signature_that_does_not_hold_is_not_kept(
    sessions: sessionmaker[Session], session: Session, asked: SelectiveForm, pair: Pair
) -> None:
    pair.company.lies = True
    (missing,) = presenting.keep_forms_signed(sessions, pair.signing, NOW)
    assert missing.role is Role.COMPANY
    session.refresh(asked)
    assert asked.signed_at is None
    assert "does not match" in asked.refusal


@pytest.mark.parametrize("answer", [{}, {"protected": "!", "signature": 3}, {"protected": "e30"}])
def test_an_answer_that_is_no_signature_is_noted_and_holds_nobody_else_up(
    sessions: sessionmaker[Session], session: Session, asked: SelectiveForm, pair: Pair,
    monkeypatch: pytest.MonkeyPatch, answer: Document,
) -> None:  # fmt: skip
    monkeypatch.setattr(pair.company, "sign", lambda *_: answer)
    assert len(presenting.keep_forms_signed(sessions, pair.signing, NOW)) == 1
    session.refresh(asked)
    assert asked.signed_at is None
    assert asked.refusal
    assert asked.next_try_at is not None


def test_a_signer_that_never_signed_the_certificate_refuses(
    client: FlaskClient, sign_in: SignIn, sessions: sessionmaker[Session], asked: SelectiveForm, pair: Pair,
    holder: User,
) -> None:  # fmt: skip
    pair.university.own.clear()
    (missing,) = presenting.keep_forms_signed(sessions, pair.signing, NOW)
    assert missing.final
    sign_in(holder)
    page = client.get(f"/c/{asked.credential.uuid}/present").get_data(as_text=True)
    assert "여기서 서명하지 않았어요" in page


def test_erasing_a_certificate_takes_its_other_form_with_it(session: Session, asked: SelectiveForm) -> None:
    asked.credential.revoked_at = NOW
    session.flush()
    erase(session, asked.credential.uuid, at=NOW)
    assert session.scalars(select(SelectiveForm)).all() == []


def test_the_command_line_reads_a_presentation(
    sessions: sessionmaker[Session], session: Session, asked: SelectiveForm, holder: User, pair: Pair,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    presenting.keep_forms_signed(sessions, pair.signing, NOW)
    session.expire_all()
    file, trust = tmp_path / "shown.json", tmp_path / "trust.json"
    file.write_text(json.dumps(presenting.cut(session, holder, asked.credential.uuid, ["score"])))
    trust.write_bytes(write_trust(pair.trust.parties))
    arguments = [str(file), "--trust", str(trust), "--at", NOW.isoformat(), "--language", "en"]
    assert verifier.main(arguments) == 3
    for number, (url, content) in enumerate(queries.resources(session, asked.credential, pair.trust).items()):
        (tmp_path / str(number)).write_bytes(content)
        arguments += ["--resource", f"{url}={tmp_path / str(number)}"]
    capsys.readouterr()
    assert verifier.main(arguments) == 0
    said = capsys.readouterr().out
    assert "Points: 27 / 30" in said
    assert "Holder" not in said
    assert "does not prove who shows it" in said


def test_a_withdrawn_certificate_is_withdrawn_in_this_form_too(
    sessions: sessionmaker[Session], session: Session, asked: SelectiveForm, holder: User, pair: Pair
) -> None:
    presenting.keep_forms_signed(sessions, pair.signing, NOW)
    session.expire_all()
    content = json.dumps(presenting.cut(session, holder, asked.credential.uuid, ["score"])).encode()
    asked.credential.revoked_at = NOW
    session.commit()
    keep_status_lists_fresh(sessions, pair.signing, NOW)
    verdict = verify(content, pair.trust, queries.OwnResources(session, PUBLIC_URL), NOW)
    assert verdict.status is Status.REFUSED
    assert [finding.code for finding in verdict.findings] == ["credential.revoked"]


@pytest.mark.parametrize(
    ("language", "said"),
    [("ko", "보여 주는 사람이 본인이라는 증명은 되지 않아요"), ("en", "it does not prove who shows it")],
)
def test_the_page_says_that_a_presentation_proves_nobodys_identity(
    client: FlaskClient, sign_in: SignIn, credential: Credential, holder: User, language: str, said: str
) -> None:
    sign_in(holder)
    client.set_cookie("language", language)
    assert said in client.get(f"/c/{credential.uuid}/present").get_data(as_text=True)
