import http.cookiejar
import re
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lms.certs.core.document import Claim, Rank, StatusEntry, build_credential
from lms.certs.core.endorsement import build_endorsement, endorse
from lms.certs.core.mandate import NotYet, Refusal, write_mandate
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.protocols import Kind, SignerRefused, SignerWaits
from lms.certs.core.strict_json import read_object, sha256_of
from lms.certs.signer import approvals
from lms.certs.signer.approvals import Asked, Desk, add_approver, approvers, knows, remove_approver
from lms.certs.signer.commands import main
from lms.certs.signer.pages import MOST_TRIES, Doorkeeper, sheet_of, texts
from lms.certs.signer.roster import Roster, add_entries, make_entry, remove_entries
from tests.certs.conftest import CLAIM, COMPANY, NOW, STATUS_URL, UNIVERSITY
from tests.certs.signer.conftest import MANDATE, now_claim, quick
from tests.factories.signers import client, opened, served

PASSPHRASE = "맑은 하늘 아래 느린 배"


@pytest.fixture(scope="session")
def asking(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signer that waits for 윤서명."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("asking") / "university"))
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, approval=True)))
    with quick():
        add_approver(folder, "윤서명", PASSPHRASE)
    return folder


@pytest.fixture
def approved_by_people(asking: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(asking, tmp_path / "university"))


def numbered(number: int, **changes: object) -> Claim:
    return now_claim(
        credential_id=f"urn:uuid:0000000{number}-d8ba-41ed-83dd-0b3aef56cc33",
        status=StatusEntry(STATUS_URL, number),
        **changes,
    )


def test_nothing_is_signed_before_a_person_approved_just_this(approved_by_people: Path) -> None:
    document, other = build_credential(CLAIM), build_credential(replace(CLAIM, score="92"))
    with opened(approved_by_people) as signer:
        for _ in range(2):
            with pytest.raises(NotYet, match="pending"):
                signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.desk.waiting() == [sha256_of(document)]
        assert signer.desk.decide([sha256_of(document), "../signer", "0" * 64], "윤서명") == 1
        with pytest.raises(NotYet, match="pending"):
            signer.sign(other, Kind.CREDENTIAL, NOW)
    with opened(approved_by_people) as signer:
        assert signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.chain.length == 1
    assert '"approved_by":"윤서명"' in (approved_by_people / "journal.jsonl").read_text()


def test_who_is_withdrawn_after_the_approval_is_not_certified(approved_by_people: Path) -> None:
    folder = approved_by_people
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, approval=True, open_roster=False)))
    add_entries(folder, [make_entry("haneul@example.org", CLAIM.achievement.id)])
    document = build_credential(CLAIM)
    with opened(folder) as signer:
        with pytest.raises(NotYet):
            signer.sign(document, Kind.CREDENTIAL, NOW)
        signer.desk.decide([sha256_of(document)], "윤서명")
        remove_entries(folder, "haneul@example.org")
        with pytest.raises(Refusal, match="not_on_roster"):
            signer.sign(document, Kind.CREDENTIAL, NOW)


def test_what_was_declined_is_refused_with_the_reason_and_stays_so(approved_by_people: Path) -> None:
    document = build_credential(now_claim())
    digest = sha256_of(document)
    desk = Desk(approved_by_people)
    with served(approved_by_people) as port:
        asked = client(approved_by_people, port)
        with pytest.raises(SignerWaits) as waiting:
            asked.sign(document, Kind.CREDENTIAL)
        assert waiting.value.code == "signer.pending"
        (answer,) = asked.sign_many([document], Kind.CREDENTIAL)
        assert isinstance(answer, SignerWaits)
        desk.decide([digest], "윤서명", "이 반의 학생이 아닙니다")
        assert desk.decide([digest], "윤서명") == 0
        with pytest.raises(SignerRefused, match=r"signer\.declined") as refused:
            asked.sign(document, Kind.CREDENTIAL)
    assert "이 반의 학생이 아닙니다" in refused.value.korean


def test_approvers_are_kept_by_commands_and_known_by_their_passphrases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lms.certs.signer.commands.getpass.getpass", lambda _prompt: PASSPHRASE)
    assert main(["approver", str(tmp_path), "add", "윤서명"]) == 0
    assert main(["approver", str(tmp_path), "list"]) == 0
    assert capsys.readouterr().out == "윤서명\n"
    assert knows(tmp_path, "윤서명", PASSPHRASE)
    assert not knows(tmp_path, "윤서명", PASSPHRASE + " ")
    assert not knows(tmp_path, "박교수", PASSPHRASE)
    assert PASSPHRASE not in (tmp_path / "approvers.json").read_text()
    with pytest.raises(DocumentProblem):
        add_approver(tmp_path, "박교수", "short")
    add_approver(tmp_path, "박교수", "x" * 2_000)
    assert knows(tmp_path, "박교수", "x" * 2_000)
    assert remove_approver(tmp_path, "박교수")
    assert main(["approver", str(tmp_path), "remove", "윤서명"]) == 0
    assert approvers(tmp_path) == []
    assert not remove_approver(tmp_path, "윤서명")


@dataclass
class Browser:
    """A browser without scripts: cookies, pages, forms."""

    folder: Path
    port: int
    language: str = "ko"
    cookies: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    def open(self, path: str, **fields: object) -> tuple[int, str]:
        context = ssl.create_default_context(cafile=self.folder / "tls" / "ca.pem")
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        body = urllib.parse.urlencode(fields, doseq=True).encode() if fields else None
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", body)
        request.add_header("Accept-Language", self.language)
        try:
            with opener.open(request, timeout=20) as answer:
                self.headers = answer.headers
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode()

    def sign_in(self) -> str:
        return self.open("/approve/sign-in", name="윤서명", passphrase=PASSPHRASE)[1]

    def token(self) -> str:
        found = re.search('name="token" value="([^"]+)"', self.open("/approve")[1])
        assert found is not None
        return found[1]


@pytest.fixture
def browser(approved_by_people: Path) -> Iterator[Browser]:
    with served(approved_by_people) as port:
        documents = [build_credential(numbered(n)) for n in range(3)]
        client(approved_by_people, port).sign_many(documents, Kind.CREDENTIAL)
        yield Browser(approved_by_people, port)


def test_the_page_shows_what_waits_to_who_signed_in_only(browser: Browser) -> None:
    status, page = browser.open("/approve")
    assert status == 200
    assert "김하늘" not in page
    assert "암호" in page
    page = browser.sign_in()
    assert page.count('type="checkbox"') == 3
    for shown in ("김하늘", "91.4 / 100", "소프트맥스: 38.5 / 40", "열린 명단"):
        assert shown in page
    for shown in (CLAIM.achievement.description, "softmax.ipynb", UNIVERSITY.url, "use machine learning"):
        assert shown in page
    assert "default-src 'none'" in browser.headers["Content-Security-Policy"]
    assert "script" not in page
    assert "Certificates that wait" in browser.open("/approve?language=en")[1]
    assert "Certificates that wait" in browser.open("/approve")[1]
    assert browser.open("/approve/page.css")[0] == 200


def test_one_approval_covers_what_was_shown_and_nothing_that_came_later(browser: Browser) -> None:
    browser.sign_in()
    page = browser.open("/approve")[1]
    shown = re.findall('name="shown" value="([0-9a-f]{64})"', page)
    late = build_credential(numbered(7))
    asked = client(browser.folder, browser.port)
    asked.sign_many([late], Kind.CREDENTIAL)
    said = browser.open("/approve/decide", token=browser.token(), decision="all", shown=shown)[1]
    assert "3건을 승인했어요" in said
    assert said.count('type="checkbox"') == 1
    with pytest.raises(SignerWaits):
        asked.sign(late, Kind.CREDENTIAL)


def test_a_choice_is_needed_and_a_reason_to_decline(browser: Browser) -> None:
    browser.sign_in()
    token = browser.token()
    assert "고른 인증서가 없어요" in browser.open("/approve/decide", token=token, decision="chosen")[1]
    (first, *_) = re.findall('name="chosen" value="([0-9a-f]{64})"', browser.open("/approve")[1])
    silent = browser.open("/approve/decide", token=token, decision="decline", chosen=first)[1]
    assert "까닭을 짧게" in silent
    declined = browser.open(
        "/approve/decide", token=token, decision="decline", chosen=first, reason="<b>no</b>"
    )
    assert "1건을 승인하지 않았어요" in declined[1]
    assert first not in declined[1]


def test_a_reason_with_an_approval_or_no_decision_decides_nothing(browser: Browser) -> None:
    """The enter key in the field of the reason presses the first button, which approves."""
    browser.sign_in()
    token = browser.token()
    (first, *_) = re.findall('name="chosen" value="([0-9a-f]{64})"', browser.open("/approve")[1])
    for decision, said in (("chosen", "까닭이 적혀"), ("", "아무것도 결정되지"), ("x", "아무것도 결정되지")):
        fields = {"token": token, "decision": decision, "chosen": first, "reason": "다른 반"}
        page = browser.open("/approve/decide", **fields)[1]
        assert said in page
        assert first in page


def test_who_is_an_approver_no_more_decides_nothing_from_then_on(browser: Browser) -> None:
    browser.sign_in()
    assert 'type="checkbox"' in browser.open("/approve")[1]
    add_approver(browser.folder, "윤서명", PASSPHRASE + "!")
    assert 'type="checkbox"' not in browser.open("/approve")[1]
    add_approver(browser.folder, "윤서명", PASSPHRASE)
    browser.sign_in()
    token = browser.token()
    (first, *_) = re.findall('name="chosen" value="([0-9a-f]{64})"', browser.open("/approve")[1])
    remove_approver(browser.folder, "윤서명")
    assert browser.open("/approve/decide", token=token, decision="chosen", chosen=first)[0] == 403
    assert len(Desk(browser.folder).waiting()) == 3


def test_who_opens_the_address_of_a_form_finds_the_page(browser: Browser) -> None:
    for path in ("/approve/sign-in", "/approve/sign-out", "/approve/decide"):
        assert "로그인" in browser.open(path)[1]


def test_whatever_an_approver_s_signature_covers_is_shown() -> None:
    other = endorse(
        CLAIM.achievement,
        COMPANY,
        endorsement_id="urn:uuid:11111111-d8ba-41ed-83dd-0b3aef56cc33",
        at=NOW,
        demo_custody=True,
    )
    foreign = build_endorsement(replace(other, comment="의사 면허에 갈음합니다."))
    claim = replace(
        CLAIM,
        endorsement=foreign,
        assurance="separate-process",
        valid_until=NOW,
        ranks=(Rank("final", "기말 순위", 1, 2, 30),),
    )
    asked = Asked(digest="0" * 64, document=build_credential(claim), asked_at=NOW)
    said = "\n".join(value for _, value in sheet_of(asked, MANDATE, Roster(), "ko").lines)
    for shown in ("의사 면허에 갈음합니다.", "separate-process", "기말 순위: 30명 중 1위, 같은 점수 2명"):
        assert shown in said
    assert f"{NOW:%Y-%m-%d %H:%M} UTC" in said
    honest = replace(asked, document=build_credential(replace(claim, endorsement=build_endorsement(other))))
    lines = dict(sheet_of(honest, MANDATE, Roster(), "ko").lines)
    assert lines["endorsement"] == f"{COMPANY.name}\n{other.name}"


def test_a_full_desk_says_so_to_whoever_runs_the_signer(
    approved_by_people: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lms.certs.signer.approvals.MOST_WAITING", 1)
    with opened(approved_by_people) as signer:
        answers = signer.sign_many(
            [build_credential(replace(numbered(n), issued_at=NOW)) for n in range(2)], Kind.CREDENTIAL, NOW
        )
        assert all(isinstance(answer, NotYet) for answer in answers)
        assert len(signer.desk.waiting()) == 1
    assert "no more are put up" in caplog.text


def test_what_will_never_be_signed_stands_in_nobody_s_way(approved_by_people: Path) -> None:
    folder = approved_by_people
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, approval=True, open_roster=False)))
    add_entries(folder, [make_entry("haneul@example.org", CLAIM.achievement.id)])
    withdrawn, approved, declined = (build_credential(replace(numbered(n), issued_at=NOW)) for n in range(3))
    with opened(folder) as signer:
        signer.sign_many([withdrawn, approved, declined], Kind.CREDENTIAL, NOW)
        signer.desk.decide([sha256_of(approved)], "윤서명")
        signer.desk.decide([sha256_of(declined)], "윤서명", "다른 반")
        assert signer.desk.waiting() == [sha256_of(withdrawn)]
        remove_entries(folder, "haneul@example.org")
        answers = signer.sign_many([withdrawn, approved, declined], Kind.CREDENTIAL, NOW)
        assert {answer.code for answer in answers if isinstance(answer, Refusal)} == {"signer.not_on_roster"}
        assert signer.desk.waiting() == []
        add_entries(folder, [make_entry("haneul@example.org", CLAIM.achievement.id)])
        answers = signer.sign_many([withdrawn, approved, declined], Kind.CREDENTIAL, NOW)
    assert [getattr(answer, "code", "signed") for answer in answers] == [
        "signer.pending", "signed", "signer.declined"
    ]  # fmt: skip


def test_a_list_of_what_waits_reads_no_file_twice(
    approved_by_people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [build_credential(replace(numbered(n), issued_at=NOW)) for n in range(4)]
    with opened(approved_by_people) as signer:
        signer.sign_many(documents, Kind.CREDENTIAL, NOW)
        known = signer.desk.waiting()
        assert sorted(known) == sorted(map(sha256_of, documents))
        read: list[bytes] = []
        monkeypatch.setattr(
            approvals,
            "read_object",
            lambda content, limit: read.append(content) or read_object(content, limit),
        )
        assert signer.desk.waiting() == known
        assert read == []
        signer.desk.decide(known[:1], "윤서명")
        read.clear()
        assert (signer.desk.waiting(), signer.desk.to_sign()) == (known[1:], known)
        assert len(read) == 1


def test_a_damaged_roster_is_named_on_the_page(approved_by_people: Path) -> None:
    folder = approved_by_people
    with served(folder) as port:
        client(folder, port).sign_many([build_credential(numbered(1))], Kind.CREDENTIAL)
        (folder / "roster.csv").write_text("email,achievement\nnobody,nothing\n")
        browser = Browser(folder, port, "en")
        browser.sign_in()
        status, page = browser.open("/approve")
    assert status == 200
    assert "line 2" in page
    assert 'type="checkbox"' not in page


def test_a_form_from_elsewhere_or_of_another_session_decides_nothing(browser: Browser) -> None:
    browser.sign_in()
    (first, *_) = re.findall('name="chosen" value="([0-9a-f]{64})"', browser.open("/approve")[1])
    for fields in ({}, {"token": "x"}, {"token": "é"}):
        status, page = browser.open("/approve/decide", decision="chosen", chosen=first, **fields)
        assert status == 403
        assert "아무것도 결정되지 않았어요" in page
    stranger = Browser(browser.folder, browser.port)
    assert stranger.open("/approve/decide", token=browser.token(), decision="chosen", chosen=first)[0] == 403
    (cookie,) = [each for each in browser.cookies if each.name == "__Host-approver"]
    assert cookie.secure
    assert cookie.get_nonstandard_attr("SameSite") == "Strict"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert "로그인" in browser.open("/approve/sign-out", token=browser.token())[1]
    assert "로그인" in browser.open("/approve")[1]


def test_guessing_ends_after_some_tries(browser: Browser) -> None:
    for _ in range(MOST_TRIES):
        status, page = browser.open("/approve/sign-in", name="윤서명", passphrase="wrong")
        assert (status, "맞지 않아요" in page) == (403, True)
    assert browser.open("/approve/sign-in", name="윤서명", passphrase=PASSPHRASE)[0] == 429


def test_however_often_somebody_tries_no_more_is_remembered() -> None:
    door = Doorkeeper()
    tried = [door.may_try("192.0.2.1") for _ in range(100)]
    assert tried == [True] * MOST_TRIES + [False] * (100 - MOST_TRIES)
    assert len(door.tries["192.0.2.1"]) == MOST_TRIES + 1
    door.pool.shutdown()


def test_what_a_document_says_cannot_become_part_of_the_page(approved_by_people: Path) -> None:
    with served(approved_by_people) as port:
        hostile = build_credential(numbered(1, holder_name="<script>alert(1)</script>"))
        client(approved_by_people, port).sign_many([hostile], Kind.CREDENTIAL)
        page = Browser(approved_by_people, port).sign_in()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("name", sorted(texts()))
def test_every_text_of_the_page_is_there_in_both_languages(name: str) -> None:
    placed = re.compile(r"%\((\w+)\)[sd]")
    english, korean = texts()[name]["en"], texts()[name]["ko"]
    assert sorted(placed.findall(english)) == sorted(placed.findall(korean))
    assert re.search("[가-힣]", korean) or name == "language"
