import json
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lms.certs.core.endorsement import build_endorsement, endorse
from lms.certs.core.joint import examine_signature
from lms.certs.core.keys import KeyUse
from lms.certs.core.mandate import Refusal, read_mandate, write_mandate
from lms.certs.core.problems import KeyProblem
from lms.certs.core.proofs import attach
from lms.certs.core.protocols import Kind, SignerRefused, SignerWaits
from lms.certs.core.sd_jwt import ask_for_form
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.trust import Role, Trust
from lms.certs.signer.approvals import Desk
from lms.certs.signer.browser_proofs import Given, check_given, proof_options
from lms.certs.signer.browser_signing import options, take
from lms.certs.signer.commands import main
from lms.certs.signer.enrolment import CODE_LASTS, Enrolment, begin_enrolment, is_open, register
from lms.certs.signer.folder import trusted_party, unlock
from lms.certs.signer.keyring import read_register, rotate
from lms.certs.signer.pages import MOST_SHOWN, MOST_TRIES
from lms.certs.signer.roster import remove_entries
from tests.certs.conftest import CLAIM, COMPANY, ENDORSEMENT_ID, NOW, Pair
from tests.certs.signer.conftest import quick
from tests.factories.signatories import LEARNER, NAME, PASSPHRASE, Signatory, certificate, make_company
from tests.factories.signers import client, opened, served


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A company's signer without a key, and the code for one."""
    folder = tmp_path_factory.mktemp("browser") / "company"
    with quick():
        return folder, make_company(folder)


@pytest.fixture
def folder(fresh: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(fresh[0], tmp_path / "company"))


@pytest.fixture
def code(fresh: tuple[Path, str]) -> str:
    return fresh[1]


@pytest.fixture
def signatory(folder: Path, code: str) -> Iterator[Signatory]:
    """A person whose browser is registered and who is signed in; three certificates wait."""
    with served(folder) as port:
        person = Signatory(folder, port).sign_in()
        assert person.enrol(code)[0] == 200
        asked(person, *(certificate(number) for number in range(3)))
        yield person


def asked(person: Signatory, *documents: Document) -> list[object]:
    return list(client(person.folder, person.port).sign_many(documents, Kind.CREDENTIAL))


def journal(folder: Path) -> list[Document]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]


def codes_of(told: Document) -> list[str]:
    return [said.get("code", "") for said in told.values()]


def test_a_certificate_waits_for_the_browser_and_is_good_with_the_registered_key(
    signatory: Signatory,
) -> None:
    document = certificate(0)
    (waiting,) = asked(signatory, document)
    assert isinstance(waiting, SignerWaits)
    assert waiting.code == "signer.pending"
    assert codes_of(signatory.sign(document)) == [""]
    (proof,) = asked(signatory, document)
    assert isinstance(proof, dict)
    pair = Pair()
    trust = Trust((pair.party(Role.UNIVERSITY), trusted_party(signatory.folder)))
    signed = attach(document, pair.proof(document, Role.UNIVERSITY), proof)
    judged = examine_signature(signed, COMPANY.did, Role.COMPANY, trust, datetime.now(UTC))
    assert (judged.good, judged.key_id) == (True, f"{COMPANY.did}#{signatory.multibase}")
    (line,) = journal(signatory.folder)
    assert (line["approved_by"], line["proof"], line["roster"]) == (NAME, proof, "listed")
    assert sha256_of(document) not in {
        each["digest"] for each in signatory.ask("signing.json")[1]["documents"]
    }


def test_no_private_half_of_the_issuing_key_lies_with_the_signer(signatory: Signatory) -> None:
    assert [path.name for path in signatory.folder.glob("issuing*")] == []
    with pytest.raises(BlockingIOError), opened(signatory.folder):
        pass  # it runs; and nothing that it holds opens this key:
    (entry,) = [each for each in read_register(signatory.folder) if each.use is KeyUse.ISSUING]
    assert (entry.file, entry.token, entry.browser) == ("", {}, {"by": NAME})
    shown = json.loads(signatory.open("/.well-known/did.json")[1])
    assert f"{COMPANY.did}#{signatory.multibase}" in shown["assertionMethod"]


def test_before_a_key_is_registered_certificates_wait_and_say_for_what(folder: Path, code: str) -> None:
    with served(folder) as port:
        person = Signatory(folder, port).sign_in()
        (answer,) = asked(person, certificate(0))
        assert isinstance(answer, SignerWaits)
        assert answer.code == "signer.no_browser_key"
        with pytest.raises(SignerWaits, match="no_browser_key"):
            client(folder, port).sign(certificate(0), Kind.CREDENTIAL)
        told = person.ask("signing.json")[1]
        assert (told["key"], told["enrolling"], len(told["documents"])) == (None, True, 1)
        assert codes_of(person.options(sha256_of(certificate(0)))) == ["signer.no_browser_key"]
        assert person.enrol(code)[1]["key"]["by"] == NAME
        assert codes_of(person.sign(certificate(0))) == [""]


def test_a_code_is_good_once_for_a_day_and_for_who_is_signed_in(folder: Path, code: str) -> None:
    with served(folder) as port:
        stranger = Signatory(folder, port)
        assert stranger.enrol(code)[0] == 403
        person = stranger.sign_in()
        assert person.enrol("AAAAA-AAAAA-AAAAA-AAAAA")[1]["code"] == "signer.enrolment_code"
        assert person.enrol(code.lower().replace("-", " "))[0] == 200
        assert person.enrol(code)[1]["code"] == "signer.enrolment_code"
        for _ in range(MOST_TRIES):
            status, said = person.enrol("no")
        assert (status, said["code"]) == (422, "signer.too_often")
    late = datetime.now(UTC) + CODE_LASTS
    begin_enrolment(folder, Role.COMPANY, late - CODE_LASTS)
    assert is_open(folder, late - timedelta(seconds=1))
    assert not is_open(folder, late)


def test_who_registers_a_key_must_have_it(folder: Path, code: str) -> None:
    with served(folder) as port:
        person = Signatory(folder, port).sign_in()
        other = Signatory(folder, port)
        assert (
            person.enrol(code, publicKeyMultibase=other.multibase)[1]["code"] == "signer.enrolment_signature"
        )
        assert person.enrol(code, did="did:web:other.example")[1]["code"] == "signer.enrolment_signature"
        assert person.enrol(code, signature="z1")[1]["code"] == "signer.enrolment_signature"
        assert person.enrol(code, publicKeyMultibase="zQ3sh")[1]["code"] == "key.not_a_multikey"
        assert person.ask("signing.json")[1]["key"] is None


def test_a_university_cannot_sign_in_a_browser(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "university"
    arguments = ["init", str(folder), "--role", "university", "--name", "한강대학교", "--port", "8101"]
    assert main([*arguments, "--partner", COMPANY.did, "--keys", "browser"]) == 1
    assert "university's signature" in capsys.readouterr().err
    assert not folder.exists()
    assert main([*arguments, "--partner", COMPANY.did]) == 0
    assert main(["rotate", str(folder), "--keys", "browser"]) == 1
    mandate = read_mandate((folder / "signer.json").read_bytes())
    asked_for = Enrolment(code="", multibase="", token="", signature="")
    with pytest.raises(Refusal, match="browser_university"):
        register(folder, mandate, asked_for, NAME, datetime.now(UTC))


def test_the_commands_print_a_code_and_no_issuing_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "company"
    arguments = ["init", str(folder), "--role", "company", "--name", "누리에이아이", "--port", "8102"]
    assert main([*arguments, "--partner", "did:web:hangang.example", "--keys", "browser"]) == 0
    *entry, first = capsys.readouterr().out.splitlines()
    uses = [key.get("use") for key in json.loads("\n".join(entry))["parties"][0]["keys"]]
    assert uses == ["operational", "pdf"]
    assert main(["rotate", str(folder), "--keys", "browser"]) == 0
    second = capsys.readouterr().out.strip()
    assert len(first) == len(second) == 23
    assert first != second
    assert first not in (folder / "enrolment.json").read_text()
    assert (folder / "enrolment.json").stat().st_mode & 0o077 == 0
    assert main(["rotate", str(folder), "--keys", "browser", "--use", "pdf"]) == 1
    assert main(["rotate", str(folder), "--keys", "browser", "--module", "x.so"]) == 1


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"proofValue": "z" + "1" * 64}, "signer.browser_signature"),
        ({"proofValue": "no"}, "signer.browser_signature"),
        ({"proofValue": 5}, "signer.browser_signature"),
        ({"created": "2026-13-01T00:00:00Z"}, "signer.browser_signature"),
        ({"created": ["2026"]}, "signer.browser_signature"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, "signer.browser_signature"),
        ({"proofPurpose": "authentication"}, "signer.browser_signature"),
        ({"@context": []}, "signer.browser_signature"),
        ({"expires": "2099-01-01T00:00:00Z"}, "signer.browser_signature"),
        ({"verificationMethod": f"{COMPANY.did}#z6Mk"}, "signer.other_browser_key"),
        ({"verificationMethod": 1}, "signer.other_browser_key"),
    ],
)
def test_another_signature_than_the_page_was_asked_for_is_refused(
    folder: Path, code: str, spoil: Document
) -> None:
    person, document = Signatory(folder, 0), certificate(0)
    method = f"{COMPANY.did}#{person.multibase}"
    settings = proof_options(document, method, NOW)
    check_given(document, person.proof(document, settings), method, NOW)
    changed = {**settings, **{name: value for name, value in spoil.items() if name != "proofValue"}}
    proof = {**person.proof(document, changed), **spoil}  # the key's own word for these settings
    with pytest.raises(Refusal, match=code.replace(".", r"\.")):
        check_given(document, proof, method, NOW)


def test_a_signature_begun_long_ago_or_in_the_future_is_refused(folder: Path) -> None:
    person, document = Signatory(folder, 0), certificate(0)
    method = f"{COMPANY.did}#{person.multibase}"
    proof = person.proof(document, proof_options(document, method, NOW))
    for moment in (NOW + timedelta(minutes=6), NOW - timedelta(minutes=6)):
        with pytest.raises(Refusal, match="browser_late"):
            check_given(document, proof, method, moment)


def test_a_signature_counts_for_the_document_it_was_made_for_only(signatory: Signatory) -> None:
    first, second = certificate(0), certificate(1)
    digest = sha256_of(first)
    settings = signatory.options(digest)[digest]["answer"]
    told = signatory.hand_in({digest: signatory.proof(second, settings)})
    assert codes_of(told) == ["signer.browser_signature"]
    other = Signatory(signatory.folder, signatory.port)
    assert codes_of(signatory.hand_in({digest: other.proof(first, settings)})) == ["signer.browser_signature"]
    assert journal(signatory.folder) == []
    assert "이 문서와 등록된 키에 맞지 않아요" in told[digest]["said"]


def test_all_that_one_page_shows_is_signed_at_once(signatory: Signatory) -> None:
    documents = [certificate(number) for number in range(3, 3 + MOST_SHOWN)]
    asked(signatory, *documents)
    assert len(signatory.ask("signing.json")[1]["documents"]) == MOST_SHOWN
    assert codes_of(signatory.sign(*documents)) == [""] * MOST_SHOWN
    assert all(isinstance(proof, dict) for proof in asked(signatory, *documents))


def test_a_signature_sent_twice_is_written_once(signatory: Signatory) -> None:
    document = certificate(0)
    digest = sha256_of(document)
    proof = signatory.proof(document, signatory.options(digest)[digest]["answer"])
    assert (
        signatory.hand_in({digest: proof})
        == signatory.hand_in({digest: proof})
        == {digest: {"answer": proof}}
    )
    assert len(journal(signatory.folder)) == 1
    assert codes_of(signatory.options(digest)) == ["signer.signed_before"]


def test_of_two_tabs_the_first_signs_and_the_second_hears_of_it(signatory: Signatory) -> None:
    document = certificate(0)
    digest = sha256_of(document)
    earlier = signatory.options(digest)[digest]["answer"]
    assert codes_of(signatory.sign(document)) == [""]
    written = (signatory.folder / "journal.jsonl").read_bytes()
    late = {**earlier, "created": "2026-01-01T00:00:00Z"}
    told = signatory.hand_in({digest: signatory.proof(document, late)})
    assert told[digest]["answer"] == json.loads(written)["proof"]
    assert (signatory.folder / "journal.jsonl").read_bytes() == written


def test_what_was_changed_while_it_waited_is_not_signed(signatory: Signatory) -> None:
    document = certificate(0)
    digest = sha256_of(document)
    settings = signatory.options(digest)[digest]["answer"]
    path = signatory.folder / "waiting" / f"{digest}.json"
    held = read_object(path.read_bytes())
    held["document"]["credentialSubject"]["result"][0]["value"] = "99"
    path.write_text(json.dumps(held))
    assert codes_of(signatory.options(digest)) == ["signer.document_changed"]
    for signed in (document, held["document"]):
        told = signatory.hand_in({digest: signatory.proof(signed, settings)})
        assert codes_of(told) == ["signer.document_changed"]
    assert journal(signatory.folder) == []


def test_who_is_taken_off_the_roster_is_not_certified_even_after_the_page_was_shown(
    signatory: Signatory,
) -> None:
    document = certificate(0)
    digest = sha256_of(document)
    proof = signatory.proof(document, signatory.options(digest)[digest]["answer"])
    remove_entries(signatory.folder, LEARNER)
    assert codes_of(signatory.hand_in({digest: proof})) == ["signer.not_on_roster"]
    assert codes_of(signatory.options(digest)) == ["signer.waits_no_more"]  # it stands in nobody's way
    (answer,) = asked(signatory, document)
    assert isinstance(answer, SignerRefused)
    assert journal(signatory.folder) == []


def test_what_was_declined_in_another_tab_is_not_signed(signatory: Signatory) -> None:
    document = certificate(0)
    digest = sha256_of(document)
    proof = signatory.proof(document, signatory.options(digest)[digest]["answer"])
    form = f"token={signatory.token}&decision=decline&chosen={digest}&reason=no".encode()
    assert signatory.open("/approve/decide", form)[0] == 200
    assert codes_of(signatory.hand_in({digest: proof})) == ["signer.waits_no_more"]
    (answer,) = asked(signatory, document)
    assert isinstance(answer, SignerRefused)
    assert answer.code == "signer.declined"


def test_without_scripts_the_page_says_that_it_needs_them(signatory: Signatory) -> None:
    _, page = signatory.open("/approve")
    assert re.search("<noscript>.*자바스크립트가 필요해요", page)
    assert re.findall("<script([^>]*)>", page) == [' type="module" src="/approve/signing.js"']
    for name in ("jcs", "keys", "signing"):
        status, script = signatory.open(f"/approve/{name}.js")
        assert status == 200
        assert "innerHTML" not in script
        assert re.findall(r"https?://[^\s\"]+", script.replace("https://duri.example/ns#", "")) == []


def test_an_approval_without_a_signature_is_none(signatory: Signatory) -> None:
    digest = sha256_of(certificate(0))
    form = f"token={signatory.token}&decision=chosen&chosen={digest}".encode()
    assert "서명도 브라우저에서 해야 해요" in signatory.open("/approve/decide", form)[1]
    (answer,) = asked(signatory, certificate(0))
    assert isinstance(answer, SignerWaits)


def test_nothing_is_taken_from_another_site_or_without_the_pages_token(signatory: Signatory) -> None:
    document = certificate(0)
    digest = sha256_of(document)
    proofs = {digest: signatory.proof(document, signatory.options(digest)[digest]["answer"])}
    for site in ("cross-site", "same-site", "none"):
        assert signatory.ask("signatures", {"proofs": proofs}, Sec_Fetch_Site=site)[0] == 403
    form = {"Content_Type": "text/plain"}  # what a form of another site can send
    assert signatory.ask("signatures", {"proofs": proofs}, **form)[0] == 400
    for token in ("", "é", "x" * 43):
        assert signatory.ask("signatures", {"proofs": proofs, "token": token})[0] == 403
    assert signatory.ask("signatures", {"proofs": proofs, "token": 5})[0] == 400
    stranger = Signatory(signatory.folder, signatory.port, token=signatory.token)
    for path, body in (("signatures", {"proofs": proofs}), ("options", {"digests": [digest]})):
        assert stranger.ask(path, body)[0] == 403
    assert stranger.ask("signing.json")[0] == 403
    assert "암호" in stranger.open("/approve/signing")[1]
    assert journal(signatory.folder) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("signatures", b"{"),
        ("signatures", b"[]"),
        ("signatures", b'{"token": "a", "token": "b"}'),
        ("options", b"\xff"),
        ("key", b"{" + b'"a":{' * 50 + b"}" * 51),
    ],
)
def test_a_broken_request_is_refused_and_changes_nothing(
    signatory: Signatory, path: str, body: bytes
) -> None:
    status, _ = signatory.open(f"/approve/{path}", body, Content_Type="application/json")
    assert status == 400


def test_a_request_of_another_shape_is_refused(signatory: Signatory) -> None:
    hostile = "../signer"
    for path, body in (
        ("signatures", {"proofs": []}),
        ("signatures", {"proofs": {hostile: "x"}}),
        ("options", {"digests": "x"}),
        ("options", {"digests": [5]}),
        ("options", {}),
        ("key", {"code": 5}),
    ):
        assert signatory.ask(path, body)[0] == 422
    assert codes_of(signatory.options(hostile, "0" * 64)) == ["signer.waits_no_more"] * 2
    assert codes_of(signatory.hand_in({hostile: {}})) == ["signer.waits_no_more"]


def test_nothing_but_certificates_is_signed_in_a_browser(signatory: Signatory) -> None:
    said = endorse(
        CLAIM.achievement, COMPANY, endorsement_id=ENDORSEMENT_ID, at=datetime.now(UTC), demo_custody=True
    )
    asking = client(signatory.folder, signatory.port)
    with pytest.raises(SignerRefused, match="not_in_browser"):
        asking.sign(build_endorsement(said), Kind.ENDORSEMENT)
    document = certificate(0)
    signatory.sign(document)
    with pytest.raises(SignerRefused, match="not_in_browser"):
        asking.sign(ask_for_form(document), Kind.SD_JWT)


def test_a_lost_key_is_replaced_and_what_it_signed_stays(signatory: Signatory) -> None:
    signatory.sign(certificate(0))
    code = begin_enrolment(signatory.folder, Role.COMPANY, datetime.now(UTC))
    before = signatory.multibase
    new = Signatory(signatory.folder, signatory.port).sign_in()
    begun = signatory.options(sha256_of(certificate(1)))[sha256_of(certificate(1))]["answer"]
    status, said = new.enrol(code)
    assert (status, said["key"]["multibase"]) == (200, new.multibase)
    stale = {sha256_of(certificate(1)): signatory.proof(certificate(1), begun)}
    assert codes_of(signatory.hand_in(stale)) == ["signer.other_browser_key"]
    told = new.ask("signing.json")[1]
    assert (told["retired"], told["enrolling"]) == ([before], False)
    assert codes_of(new.sign(certificate(1), certificate(2))) == ["", ""]
    keys = {key.multibase: key.retired_at for key in trusted_party(signatory.folder).keys}
    assert keys[before] is not None
    assert keys[new.multibase] is None
    assert asked(new, certificate(0))[0] == journal(signatory.folder)[0]["proof"]
    again = begin_enrolment(signatory.folder, Role.COMPANY, datetime.now(UTC))
    assert signatory.sign_in().enrol(again)[1]["code"] == "key.used_before"


def test_a_file_takes_over_from_a_browser_and_a_browser_from_a_file(folder: Path, code: str) -> None:
    now = datetime.now(UTC)
    rotate(folder, unlock(folder), KeyUse.ISSUING, name="-", now=now)
    assert not is_open(folder, now)
    with served(folder) as port:
        person = Signatory(folder, port)
        assert isinstance(asked(person, certificate(0))[0], dict)
        other = begin_enrolment(folder, Role.COMPANY, now)
        assert isinstance(asked(person, certificate(1))[0], dict)
        person.sign_in()
        assert "/approve/signing" in person.open("/approve")[1]
        assert person.ask("signing.json")[1]["elsewhere"] is True
        assert person.enrol(code)[1]["code"] == "signer.enrolment_code"
        assert person.enrol(other)[0] == 200
        assert isinstance(asked(person, certificate(2))[0], SignerWaits)
        assert codes_of(person.sign(certificate(2))) == [""]


def test_what_was_declined_stays_so_and_whoever_rotates_hears_what_becomes_of_the_rest(
    signatory: Signatory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, declined = signatory.folder, certificate(0)
    form = f"token={signatory.token}&decision=decline&chosen={sha256_of(declined)}&reason=no".encode()
    assert signatory.open("/approve/decide", form)[0] == 200
    assert main(["rotate", str(folder), "--keys", "browser"]) == 0
    assert "2 certificates wait. Once the browser's key is registered" in capsys.readouterr().err
    assert main(["rotate", str(folder)]) == 0
    said = capsys.readouterr().err
    assert "2 certificates waited" in said
    assert "without asking anybody" in said
    one, other = asked(signatory, declined, certificate(1))
    assert isinstance(one, SignerRefused)
    assert one.code == "signer.declined"
    assert isinstance(other, dict)
    assert main(["rotate", str(folder)]) == 0
    assert capsys.readouterr().err == ""


def test_documents_that_are_no_longer_to_be_signed_leave_the_page(signatory: Signatory) -> None:
    digests = [sha256_of(certificate(number)) for number in range(3)]
    remove_entries(signatory.folder, LEARNER)
    assert set(codes_of(signatory.options(*digests[:2]))) == {"signer.not_on_roster"}
    told = signatory.ask("signing.json")[1]
    assert [each["digest"] for each in told["documents"]] == digests[2:]
    assert isinstance(asked(signatory, certificate(2))[0], SignerRefused)
    assert signatory.ask("signing.json")[1]["count"] == 0


def test_a_damaged_roster_is_said_and_not_shown_as_nobody(signatory: Signatory) -> None:
    (signatory.folder / "roster.csv").write_text("email,achievement\nnobody,nothing\n")
    status, told = signatory.ask("signing.json")
    assert (status, told["code"]) == (422, "roster.broken")


def test_whoever_asks_for_signatures_does_not_wait_for_the_page(
    signatory: Signatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, go_on = threading.Event(), threading.Event()

    def slowly(_desk: Desk) -> list[str]:
        looked.set()
        assert go_on.wait(20)
        return []

    monkeypatch.setattr(Desk, "to_sign", slowly)
    found: list[int] = []
    page = threading.Thread(target=lambda: found.append(signatory.ask("signing.json")[0]))
    page.start()
    try:
        assert looked.wait(20)
        stranger = Signatory(signatory.folder, signatory.port)
        assert stranger.open("/health")[0] == 200
        assert isinstance(asked(signatory, certificate(3))[0], SignerWaits)
        assert found == []
    finally:
        go_on.set()
        page.join()
    assert found == [200]


def test_what_is_only_read_takes_nothing_in(signatory: Signatory) -> None:
    assert signatory.open("/approve/signing.json", b"{}", Content_Type="application/json")[0] == 405


def test_what_was_approved_before_the_browser_took_over_waits_for_its_signature(folder: Path) -> None:
    document, now = certificate(0), datetime.now(UTC)
    rotate(folder, unlock(folder), KeyUse.ISSUING, name="-", now=now)
    mandate = read_mandate((folder / "signer.json").read_bytes())
    (folder / "signer.json").write_bytes(write_mandate(replace(mandate, approval=True)))
    with served(folder) as port:
        person = Signatory(folder, port)
        asked(person, document)
        person.sign_in()
        form = f"token={person.token}&decision=chosen&chosen={sha256_of(document)}".encode()
        assert person.open("/approve/decide", form)[0] == 200
        assert person.enrol(begin_enrolment(folder, Role.COMPANY, now))[0] == 200
        assert isinstance(asked(person, document)[0], SignerWaits)
        assert codes_of(person.sign(document)) == [""]


def test_a_journal_that_cannot_be_written_keeps_no_signature(
    folder: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, now = certificate(0), datetime.now(UTC)
    with opened(folder) as signer:
        person = Signatory(folder, 0)
        entry = Enrolment(code=code, multibase=person.multibase, token="", signature="")
        monkeypatch.setattr("lms.certs.signer.enrolment._check_possession", lambda _did, _asked: None)
        register(folder, signer.mandate, entry, NAME, now)
        signer.sign_many([document], Kind.CREDENTIAL, now)
        digest = sha256_of(document)
        settings = options(signer, [digest], now)[digest]
        assert isinstance(settings, dict)
        given = {digest: Given(NAME, person.proof(document, settings))}
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", _full)
            with pytest.raises(OSError, match="full"):
                take(signer, given, now)
        assert (folder / "journal.jsonl").read_bytes() == b""
        assert signer.desk.to_sign() == [digest]
        assert isinstance(take(signer, given, now)[digest], dict)


def _full(_descriptor: int) -> None:
    raise OSError("full")


def test_a_damaged_enrolment_opens_nothing(folder: Path, code: str) -> None:
    for content in (b"{}", b'{"code": 5}', b"no", b'{"code": "", "until": "2099-01-01T00:00:00Z"}'):
        (folder / "enrolment.json").write_bytes(content)
        asked_for = Enrolment(code="", multibase="", token="", signature="")
        with pytest.raises((KeyProblem, Refusal)):
            register(folder, read_mandate((folder / "signer.json").read_bytes()), asked_for, NAME, NOW)
    assert PASSPHRASE not in code
