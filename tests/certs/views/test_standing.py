"""Pages on which a certificate is suspended, corrected, and taken as one file."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import Role as Member
from lms.accounts.models import User
from lms.certs.core.evidence import read_bundle
from lms.certs.models import Credential
from lms.certs.queries import credentials as queries
from lms.certs.services.batches import issue
from lms.certs.verifier import main
from lms.config import Settings
from tests.factories.accounts import make_member
from tests.factories.certs import NOW, Pair

SignIn = Callable[[User], None]


def staff(session: Session, credential: Credential, *, company: bool = False) -> User:
    course = credential.enrolment.cohort.course
    organisation = course.company if company else course.university
    user = make_member(session, organisation=organisation, role=Member.SIGNATORY).user
    session.commit()
    return user


def text(client: FlaskClient, address: str) -> str:
    client.set_cookie("language", "ko")
    return client.get(address).get_data(as_text=True)


def test_staff_suspend_it_and_both_sides_end_that_on_their_page(
    client: FlaskClient, session: Session, credential: Credential, sign_in: SignIn
) -> None:
    page = f"/courses/{credential.enrolment.cohort.course.slug}/certificates"
    address = f"/c/{credential.uuid}"
    sign_in(staff(session, credential))
    assert f"{address}/suspend" in text(client, page)
    assert client.get(f"{address}/suspend").status_code == 200
    assert client.post(f"{address}/suspend", data={"reason": " "}).status_code == 422
    assert client.post(f"{address}/suspend", data={"reason": "이의 검토 중"}).status_code == 303
    assert client.post(f"{address}/suspend", data={"reason": "이의 검토 중"}).status_code == 409
    shown = text(client, page)
    assert "효력 정지" in shown
    assert "이의 검토 중" in shown
    assert client.post(f"{address}/lift").status_code == 303
    assert f"{address}/lift" not in text(client, page)
    sign_in(staff(session, credential, company=True))
    assert f"{address}/lift" in text(client, page)
    assert client.post(f"{address}/lift").status_code == 303
    assert "효력 정지" not in text(client, page)


def test_staff_correct_the_name_and_the_old_page_leads_to_the_new_one(
    client: FlaskClient,
    session: Session,
    sessions: sessionmaker[Session],
    credential: Credential,
    sign_in: SignIn,
    pair: Pair,
) -> None:
    address = f"/c/{credential.uuid}/correct"
    sign_in(staff(session, credential))
    assert "김하늘" in text(client, address)
    assert client.post(address, data={"name": ""}).status_code == 422
    assert client.post(address, data={"name": "\u202e"}).status_code == 422
    assert client.post(address, data={"name": "김하나"}).status_code == 303
    assert client.post(address, data={"name": "김하나"}).status_code == 409
    slug = credential.enrolment.cohort.course.slug
    assert address not in text(client, f"/courses/{slug}/certificates")  # one at a time: no button either
    request = queries.request_of_enrolment(session, credential.enrolment_id)
    assert request is not None
    fresh = issue(sessions, request.id, pair.signing, NOW)
    assert fresh is not None
    session.expire_all()
    for page in (f"/c/{credential.uuid}", f"/verify/{credential.uuid}"):
        assert f"/c/{fresh.uuid}" in text(client, page)
    assert "정정된 인증서" not in text(client, f"/c/{fresh.uuid}")


def test_the_holder_takes_everything_as_one_file_that_verifies_without_this_site(
    client: FlaskClient, credential: Credential, sign_in: SignIn, settings: Settings, tmp_path: Path
) -> None:
    sign_in(credential.enrolment.user)
    assert "bundle.zip" in text(client, f"/c/{credential.uuid}")
    response = client.get(f"/c/{credential.uuid}/bundle.zip")
    assert (response.status_code, response.mimetype) == (200, "application/zip")
    assert response.headers["Cache-Control"] == "no-store"
    bundle = read_bundle(response.data)
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        names = archive.namelist()
        readme = archive.read("README.ko.txt").decode()
    assert {"certificate-ko.pdf", "certificate-en.pdf", "README.en.txt", "trust.json"} <= set(names)
    assert "lms-verify --evidence" in readme
    assert bundle.made_at in readme
    path = tmp_path / "bundle.zip"
    path.write_bytes(response.data)
    assert main(["--evidence", str(path), "--trust", str(settings.trust), "--at", bundle.made_at]) == 0


def test_a_stranger_and_staff_find_no_bundle(
    client: FlaskClient, session: Session, credential: Credential, sign_in: SignIn
) -> None:
    assert "bundle.zip" not in text(client, f"/c/{credential.uuid}")
    sign_in(staff(session, credential))
    assert client.get(f"/c/{credential.uuid}/bundle.zip").status_code == 403


def test_the_bundle_of_a_replaced_certificate_names_whom_that_one_names(
    client: FlaskClient, session: Session, credential: Credential, sign_in: SignIn
) -> None:
    credential.enrolment.confirmed_name = "김하나"
    session.commit()
    sign_in(credential.enrolment.user)
    content = client.get(f"/c/{credential.uuid}/bundle.zip").data
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        readme = archive.read("README.ko.txt").decode()
    assert "김하늘" in readme
    assert "김하나" not in readme


def test_who_withdraws_or_suspends_is_told_who_reads_the_reason(
    client: FlaskClient, session: Session, credential: Credential, sign_in: SignIn
) -> None:
    sign_in(staff(session, credential))
    assert "누구나 읽게 돼요" in text(client, f"/c/{credential.uuid}/withdraw")
    assert "공개 페이지에는 나오지 않아요" in text(client, f"/c/{credential.uuid}/suspend")
