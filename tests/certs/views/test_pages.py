"""Pages: the wallet, the public certificate, the verify page and what staff see."""

import io
import os
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import Role as Member
from lms.accounts.models import User
from lms.accounts.services.limits import Limit
from lms.certs import policy
from lms.certs.core.evidence import read_bundle, write_bundle
from lms.certs.core.pdf import credential_from_pdf
from lms.certs.core.strict_json import canonical, read_object
from lms.certs.models import Credential, IssuanceRequest, RequestState
from lms.certs.queries.credentials import content_of
from lms.certs.services import requests
from lms.certs.services.batches import issue
from lms.certs.services.status import keep_status_lists_fresh
from tests.factories.accounts import make_member, make_user
from tests.factories.certs import NOW, PUBLIC_URL, Pair, make_credential, make_enrolment, make_request

SignIn = Callable[[User], None]


def upload(client: FlaskClient, content: bytes, name: str = "credential.json") -> tuple[int, str]:
    """Send a form by hand: the test client would leave a large one open on disk."""
    head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--edge--\r\n"
    response = client.post("/verify", data=body, content_type="multipart/form-data; boundary=edge")
    return response.status_code, response.get_data(as_text=True)


def status_of(page: str) -> str:
    found = re.search(r'data-status="(\w+)"', page)
    assert found, page[-1500:]
    return found[1]


def test_anyone_can_check_a_file_and_sees_who_what_when_by_whom(
    client: FlaskClient, credential: Credential
) -> None:
    status, page = upload(client, content_of(credential))
    assert (status, status_of(page)) == (200, "valid")
    for part in ("김하늘", "딥러닝 첫걸음 수료", "27 / 30", "shared-kernel", "2026", "university", "company"):
        assert part in page
    assert "시연용 키" in page


def test_a_pasted_certificate_is_checked_too(client: FlaskClient, credential: Credential) -> None:
    response = client.post("/verify", data={"text": content_of(credential).decode()})
    assert status_of(response.get_data(as_text=True)) == "valid"


def test_the_verify_page_speaks_both_languages(client: FlaskClient, credential: Credential) -> None:
    client.set_cookie("language", "en")
    _, page = upload(client, content_of(credential))
    assert "Valid: both organisations have signed" in page
    client.set_cookie("language", "ko")
    _, page = upload(client, content_of(credential))
    assert "유효합니다" in page
    assert "Valid" not in page


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda d: d["proof"].pop(), "exactly two"),
        (lambda d: d["proof"].pop(0), "missing"),
        (lambda d: d["proof"].reverse(), "swapped"),
        (lambda d: d["credentialSubject"]["result"][0].update(value="30"), "does not match"),
        (lambda d: d["credentialSubject"]["identifier"][0].update(identityHash="이도윤"), "does not match"),
        (lambda d: d.update(honours="summa"), "added, removed or renamed"),
    ],
)
def test_a_harmed_certificate_is_refused_and_says_what_is_wrong(
    client: FlaskClient, credential: Credential, harm: Callable[[dict[str, object]], None], says: str
) -> None:
    client.set_cookie("language", "en")
    document = read_object(content_of(credential))
    harm(document)
    status, page = upload(client, canonical(document))
    assert (status, status_of(page)) == (200, "refused")
    assert says in page
    if says != "swapped":  # there both did sign, in the wrong places
        assert "key matches" not in page


def test_a_certificate_of_strangers_is_refused(client: FlaskClient, sessions: sessionmaker[Session]) -> None:
    foreign = make_credential(sessions, Pair())
    _, page = upload(client, content_of(foreign))
    assert status_of(page) == "refused"


def test_without_its_status_list_the_answer_is_undecided(
    client: FlaskClient, sessions: sessionmaker[Session], credential: Credential
) -> None:
    with sessions.begin() as session:
        found = session.get_one(Credential, credential.id)
        found.status_list.document = found.status_list.valid_until = None
    _, page = upload(client, content_of(credential))
    assert status_of(page) == "undecided"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"[]",
        b"{",
        b"{}" + b" " * 1_000_001,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a": 1, "a": 2}',
        b'{"proof": [{"type": []}], "issuer": 3, "@context": {}}',
        b"%PDF-1.7 broken",
        "파일".encode("euc-kr"),
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
    ],
)
def test_garbage_gets_an_answer_and_never_a_crash(client: FlaskClient, content: bytes) -> None:
    status, page = upload(client, content, "../../etc/passwd\x00.json")
    assert status in {200, 422}
    assert "<h1>" in page
    api = client.post("/api/verify", data=content, content_type="application/json")
    assert api.status_code == 200
    assert api.json is not None
    assert api.json["status"] in {"unreadable", "refused"}


def test_a_bundle_with_large_files_is_checked_too(
    client: FlaskClient, credential: Credential, sign_in: SignIn
) -> None:
    sign_in(credential.enrolment.user)
    bundle = read_bundle(client.get(f"/c/{credential.uuid}/bundle.zip").data)
    content = write_bundle(replace(bundle, others={"data.bin": os.urandom(5_100_000)}))
    status, page = upload(client, content, "bundle.zip")
    assert (status, status_of(page)) == (200, "valid")
    told = client.post("/api/verify", data=content, content_type="application/zip")
    assert (told.json or {})["status"] == "valid"
    assert client.post("/api/verify", data=b" " * 5_100_000).status_code == 413


@pytest.mark.parametrize(
    ("language", "one", "many"), [("en", "bundle", "transcript"), ("ko", "보유자의 묶음", "모은 파일")]
)
def test_both_pages_say_which_files_they_take(
    client: FlaskClient, credential: Credential, sign_in: SignIn, language: str, one: str, many: str
) -> None:
    sign_in(credential.enrolment.user)
    client.set_cookie("language", language)
    assert one in client.get("/verify").get_data(as_text=True)
    assert many in client.get("/verify/many").get_data(as_text=True)


def test_an_upload_without_anything_says_what_to_do(client: FlaskClient) -> None:
    client.set_cookie("language", "en")
    response = client.post("/verify", data={})
    assert response.status_code == 422
    assert "Choose a file or paste" in response.get_data(as_text=True)


def test_scripts_in_a_certificate_are_only_text(client: FlaskClient, credential: Credential) -> None:
    document = read_object(content_of(credential))
    document["credentialSubject"]["achievement"]["name"] = "<script>alert(1)</script>"
    document["name"] = "<script>alert(1)</script>"
    _, page = upload(client, canonical(document))
    assert status_of(page) == "refused"
    assert "<script>alert" not in page


def test_the_qr_code_leads_to_an_answer(client: FlaskClient, credential: Credential) -> None:
    for address in (f"/verify/{credential.uuid}", f"/c/{credential.uuid}"):
        response = client.get(address)
        assert response.status_code == 200
        assert status_of(response.get_data(as_text=True)) == "valid"
        assert credential.sha256 in response.get_data(as_text=True)
        assert response.headers["X-Robots-Tag"] == "noindex"
    moved = client.get("/verify", query_string={"c": credential.uuid})
    assert moved.headers["Location"].endswith(f"/verify/{credential.uuid}")


@pytest.mark.parametrize("address", ["/c/{}", "/c/{}.json", "/c/{}.pdf", "/verify/{}", "/verify?c={}"])
@pytest.mark.parametrize("uuid", ["0b0e5b1e-54c5-4f6c-9d3f-1b2c3d4e5f60", "nonsense", "%00"])
def test_an_unknown_certificate_is_not_there(client: FlaskClient, address: str, uuid: str) -> None:
    assert client.get(address.format(uuid)).status_code == 404


def test_the_files_are_public_and_carry_the_signed_document(
    client: FlaskClient, credential: Credential
) -> None:
    file = client.get(f"/c/{credential.uuid}.json")
    assert read_object(file.data) == credential.document
    for language in ("ko", "en"):
        pdf = client.get(f"/c/{credential.uuid}.pdf", query_string={"language": language})
        assert pdf.mimetype == "application/pdf"
        assert read_object(credential_from_pdf(pdf.data)) == credential.document
    status, page = upload(client, pdf.data, "certificate.pdf")
    assert (status, status_of(page)) == (200, "valid")
    listed = client.get(f"/status/{credential.status_list_id}")
    assert read_object(listed.data)["id"] == f"{PUBLIC_URL}/status/{credential.status_list_id}"
    assert client.get("/status/999999").status_code == 404


def test_the_wallet_says_for_whom_a_certificate_waits(
    client: FlaskClient, sessions: sessionmaker[Session], session: Session, pair: Pair, sign_in: SignIn
) -> None:
    client.set_cookie("language", "ko")
    request = make_request(session)
    session.commit()
    sign_in(request.enrolment.user)
    pair.company.down = True
    issue(sessions, request.id, pair.signing, NOW)
    page = client.get("/certificates").get_data(as_text=True)
    assert "누리에이아이" in page
    assert "서명을 기다" in page
    assert "/c/" not in page
    pair.company.down = False
    issued = issue(sessions, request.id, pair.signing, NOW)
    assert issued is not None
    session.expire_all()
    page = client.get("/certificates").get_data(as_text=True)
    assert f"/c/{issued.uuid}" in page


def test_the_holder_chooses_the_language_on_the_wallet_page(
    client: FlaskClient, session: Session, sign_in: SignIn
) -> None:
    request = make_request(session)
    sign_in(request.enrolment.user)
    address = f"/certificates/{request.id}/language"
    assert client.post(address, data={"language": "en"}).status_code == 303
    session.expire_all()
    assert session.get_one(IssuanceRequest, request.id).language == "en"
    assert client.post(address, data={"language": "xx"}).status_code == 422
    sign_in(make_user(session))
    assert client.post(address, data={"language": "ko"}).status_code == 403


def test_a_refused_certificate_says_why_in_the_readers_language(
    client: FlaskClient, sessions: sessionmaker[Session], session: Session, pair: Pair, sign_in: SignIn
) -> None:
    request = make_request(session)
    sign_in(request.enrolment.user)
    pair.university.refuses = True
    issue(sessions, request.id, pair.signing, NOW)
    client.set_cookie("language", "ko")
    assert "승인되지 않은 과정입니다." in client.get("/certificates").get_data(as_text=True)
    client.set_cookie("language", "en")
    assert "This course is not approved." in client.get("/certificates").get_data(as_text=True)


def test_staff_see_their_course_and_ask_again(
    client: FlaskClient, sessions: sessionmaker[Session], session: Session, pair: Pair, sign_in: SignIn
) -> None:
    request = make_request(session)
    course = request.enrolment.cohort.course
    member = make_member(session, organisation=course.company, role=Member.INSTRUCTOR)
    session.commit()
    pair.company.refuses = True
    issue(sessions, request.id, pair.signing, NOW)
    sign_in(member.user)
    page = client.get(f"/courses/{course.slug}/certificates")
    assert page.status_code == 200
    assert "김하늘" in page.get_data(as_text=True)
    assert client.post(f"/certificates/{request.id}/retry").status_code == 303
    session.expire_all()
    assert session.get_one(IssuanceRequest, request.id).state is RequestState.REQUESTED


def test_a_signatory_withdraws_with_a_reason(
    client: FlaskClient, session: Session, credential: Credential, sign_in: SignIn
) -> None:
    course = session.get_one(Credential, credential.id).enrolment.cohort.course
    sign_in(make_member(session, organisation=course.university, role=Member.SIGNATORY).user)
    address = f"/c/{credential.uuid}/withdraw"
    assert client.get(address).status_code == 200
    assert client.post(address, data={"reason": ""}).status_code == 422
    assert client.post(address, data={"reason": "   "}).status_code == 422
    assert client.post(address, data={"reason": "이름이 틀렸습니다."}).status_code == 303
    assert client.post(address, data={"reason": "한 번 더"}).status_code == 409


ROUTES = [
    ("GET", "/certificates"),
    ("POST", "/certificates/{request}/language"),
    ("POST", "/certificates/{request}/retry"),
    ("GET", "/courses/{slug}/certificates"),
    ("GET", "/c/{uuid}/withdraw"),
    ("POST", "/c/{uuid}/withdraw"),
    ("GET", "/c/{uuid}/suspend"),
    ("POST", "/c/{uuid}/suspend"),
    ("POST", "/c/{uuid}/lift"),
    ("GET", "/c/{uuid}/correct"),
    ("POST", "/c/{uuid}/correct"),
    ("GET", "/c/{uuid}/bundle.zip"),
]


@pytest.mark.parametrize(("method", "address"), ROUTES)
def test_a_visitor_must_sign_in_and_a_stranger_gets_nothing(
    client: FlaskClient, session: Session, credential: Credential, sign_in: SignIn, method: str, address: str
) -> None:
    course = session.get_one(Credential, credential.id).enrolment.cohort.course
    path = address.format(request=credential.request_id, slug=course.slug, uuid=credential.uuid)
    assert client.open(path, method=method).status_code == 302
    sign_in(make_user(session))
    expected = 200 if path == "/certificates" else 403
    assert client.open(path, method=method).status_code == expected


def test_the_api_answers_with_sentences_in_both_languages(
    client: FlaskClient, credential: Credential
) -> None:
    document = read_object(content_of(credential))
    document["proof"].pop()
    answer = client.post("/api/verify", data=canonical(document), content_type="application/json").json
    assert answer is not None
    assert answer["status"] == "refused"
    assert {"code", "params", "en", "ko"} <= set(answer["findings"][0])
    assert answer["facts"]["claim"]["holder_name"] == "김하늘"
    sent = {"file": (io.BytesIO(content_of(credential)), "credential.json")}
    answer = client.post("/api/verify", data=sent, content_type="multipart/form-data").json
    assert answer is not None
    assert answer["status"] == "valid"


def test_programs_need_no_form_token(app: Flask, credential: Credential) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    client = app.test_client()
    assert client.post("/api/verify", data=content_of(credential)).status_code == 200
    assert client.post("/verify", data={"text": "{}"}).status_code == 400


def test_too_many_checks_from_one_place_have_to_wait(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "VERIFY_PER_ADDRESS", Limit(name="v", tries=2, seconds=60))
    statuses = [client.post("/verify", data={"text": "{}"}).status_code for _ in range(3)]
    assert statuses[-1] == 429
    assert 429 not in statuses[:-1]
    assert client.post("/api/verify", data=b"{}").status_code == 429


def test_a_signed_in_person_checks_like_anyone_else(
    client: FlaskClient, session: Session, credential: Credential, sign_in: SignIn
) -> None:
    sign_in(make_user(session))
    status, page = upload(client, content_of(credential))
    assert (status, status_of(page)) == (200, "valid")


def test_a_withdrawn_certificate_shows_no_seals_and_its_reason_to_its_holder_only(
    client: FlaskClient, sessions: sessionmaker[Session], session: Session, pair: Pair, sign_in: SignIn
) -> None:
    credential = make_credential(sessions, pair)
    bound = session.get_one(Credential, credential.id)
    staff = make_member(session, organisation=bound.enrolment.cohort.course.company, role=Member.ADMIN).user
    requests.revoke(session, staff, credential.uuid, "대리 응시", at=NOW)
    session.commit()
    assert keep_status_lists_fresh(sessions, pair.signing, NOW) == []
    session.expire_all()
    page = client.get(f"/c/{credential.uuid}").get_data(as_text=True)
    assert status_of(page) == "refused"
    assert "seal-mark" not in page
    assert "대리 응시" not in page
    sign_in(bound.enrolment.user)
    assert "대리 응시" in client.get("/certificates").get_data(as_text=True)


def test_an_enrolment_without_a_name_waits_for_staff(
    client: FlaskClient, session: Session, sign_in: SignIn
) -> None:
    request = make_request(session, enrolment=make_enrolment(session, name=None))
    sign_in(request.enrolment.user)
    client.set_cookie("language", "ko")
    assert "이름을 확인" in client.get("/certificates").get_data(as_text=True)
