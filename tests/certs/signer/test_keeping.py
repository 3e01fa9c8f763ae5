import json
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core.document import Party, StatusEntry, build_credential
from lms.certs.core.endorsement import build_endorsement, endorse
from lms.certs.core.journal import JournalProblem, read_journal
from lms.certs.core.keys import KeyUse, generate, seal_key
from lms.certs.core.mandate import NotYet, read_mandate, write_mandate
from lms.certs.core.problems import CertificateProblem, DocumentProblem, KeyProblem
from lms.certs.core.proofs import attach
from lms.certs.core.protocols import Kind
from lms.certs.core.status import REVOCATION, SUSPENSION, build_status_list, encode_bits
from lms.certs.core.strict_json import MAX_BYTES, Document, canonical
from lms.certs.core.trust import Role, Trust
from lms.certs.core.verify import Status, verify
from lms.certs.signer.commands import main
from lms.certs.signer.folder import approve, create, trusted_party
from lms.certs.signer.keeping import Signer
from tests.certs.conftest import CLAIM, COMPANY, NOW, STATUS_URL, UNIVERSITY, edition
from tests.certs.signer.conftest import MANDATE, now_claim
from tests.factories.signers import client, opened, served

Changes = dict[str, Any]


def refusal(signer: Signer, document: Document, kind: Kind = Kind.CREDENTIAL, now: datetime = NOW) -> str:
    with pytest.raises(CertificateProblem) as caught:
        signer.sign(document, kind, now)
    return caught.value.code


def test_the_folder_is_for_its_owner_only(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in (
        "issuing-1.json",
        "pdf-root.json",
        "passphrase",
        "keys.json",
        "signer.json",
        "journal.jsonl",
        "tls/ca.key",
    ):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        create(folder, MANDATE, NOW)


def test_two_signers_make_a_valid_certificate(tmp_path: Path) -> None:
    claim = now_claim()
    for role in Role:
        create(tmp_path / role, replace(MANDATE, role=role), datetime.now(UTC))
    document = build_credential(claim)
    with served(tmp_path / "university") as one, served(tmp_path / "company") as two:
        ports = {Role.UNIVERSITY: one, Role.COMPANY: two}
        proofs = [client(tmp_path / role, ports[role]).sign(document, Kind.CREDENTIAL) for role in Role]
        listed = build_status_list(
            edition(valid_from=claim.issued_at, valid_until=claim.issued_at + timedelta(hours=24))
        )
        listed_proofs = [client(tmp_path / role, ports[role]).sign(listed, Kind.STATUS_LIST) for role in Role]
    trust = Trust(tuple(trusted_party(tmp_path / role) for role in Role))
    resources = {STATUS_URL: json.dumps(attach(listed, *listed_proofs)).encode()}
    content = json.dumps(attach(document, *proofs)).encode()
    assert verify(content, trust, resources, datetime.now(UTC)).status is Status.VALID


def test_the_same_document_gets_the_same_proof_also_after_a_restart(folder: Path) -> None:
    document = build_credential(CLAIM)
    with opened(folder) as signer:
        proof = signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.sign(document, Kind.CREDENTIAL, NOW + timedelta(seconds=5)) == proof
    with opened(folder) as signer:
        assert signer.sign(document, Kind.CREDENTIAL, NOW + timedelta(days=90)) == proof
        assert signer.chain.length == 1
        other = build_credential(replace(CLAIM, score="99"))
        assert refusal(signer, other) == "signer.id_taken"


def test_parallel_requests_for_one_document_are_signed_once(folder: Path) -> None:
    document = build_credential(CLAIM)
    with opened(folder) as signer, ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(signer.sign, document, Kind.CREDENTIAL, NOW) for _ in range(12)]
        assert len({json.dumps(job.result()) for job in jobs}) == 1
        assert signer.chain.length == 1


OTHER_ID = "urn:uuid:11111111-d8ba-41ed-83dd-0b3aef56cc33"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"company": Party("did:web:evil.example", "Evil", "https://evil.example/")}, "signer.not_the_pair"),
        ({"university": COMPANY, "company": UNIVERSITY}, "signer.not_the_pair"),
        ({"achievement": replace(CLAIM.achievement, id="https://duri.example/other")}, "signer.not_approved"),
        ({"achievement": replace(CLAIM.achievement, id=CLAIM.achievement.id + "2")}, "signer.not_approved"),
        ({"demo_custody": False}, "signer.demo_custody"),
        ({"issued_at": NOW + timedelta(hours=1)}, "signer.not_now"),
        ({"issued_at": NOW - timedelta(days=31)}, "signer.not_now"),
        ({"score": "101"}, "signer.score"),
        ({"status": StatusEntry("https://evil.example/status/1", 1)}, "signer.list_not_approved"),
        ({"status": StatusEntry("https://duri.example/status/../x", 1)}, "signer.list_not_approved"),
    ],
)
def test_what_the_organisation_did_not_approve_is_not_signed(
    folder: Path, changes: Changes, code: str
) -> None:
    with opened(folder) as signer:
        assert refusal(signer, build_credential(replace(CLAIM, **changes))) == code
        assert signer.chain.length == 0
    assert (folder / "journal.jsonl").read_bytes() == b""


def test_a_document_in_another_form_is_not_signed(folder: Path) -> None:
    document = build_credential(CLAIM)
    weakened = json.loads(json.dumps(document))
    weakened["termsOfUse"][0]["https://duri.example/ns#requiredSigner"].pop()
    with opened(folder) as signer:
        assert refusal(signer, {**document, "honours": "summa cum laude"}) == "document.shape"
        assert refusal(signer, {**document, "@context": document["@context"][:1]}) == "context.not_pinned"
        assert refusal(signer, {**document, "proof": []}) == "signer.has_proofs"
        assert refusal(signer, weakened) == "document.shape"
        assert refusal(signer, {}) == "context.not_pinned"
        assert refusal(signer, document, Kind.STATUS_LIST) == "status.shape"
        assert refusal(signer, {"id": []}, Kind.STATUS_LIST) == "status.shape"


def test_a_place_of_the_list_is_given_once(folder: Path) -> None:
    with opened(folder) as signer:
        signer.sign(build_credential(CLAIM), Kind.CREDENTIAL, NOW)
        assert (
            refusal(signer, build_credential(replace(CLAIM, credential_id=OTHER_ID))) == "signer.place_taken"
        )


def test_nobody_takes_back_a_revocation(folder: Path) -> None:
    later = NOW + timedelta(hours=1)
    with opened(folder) as signer:
        signer.sign(build_status_list(edition(encoded=encode_bits([3, 7]))), Kind.STATUS_LIST, NOW)
    with opened(folder) as signer:
        cleared = build_status_list(edition(encoded=encode_bits([7]), valid_from=later))
        assert refusal(signer, cleared, Kind.STATUS_LIST, later) == "signer.unrevoked"
        earlier = build_status_list(edition(encoded=encode_bits([3, 7]), valid_from=NOW - timedelta(hours=1)))
        assert refusal(signer, earlier, Kind.STATUS_LIST, later) == "signer.older_list"
        more = build_status_list(edition(encoded=encode_bits([3, 7, 9]), valid_from=later))
        assert signer.sign(more, Kind.STATUS_LIST, later)["cryptosuite"] == "eddsa-rdfc-2022"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"valid_until": NOW + timedelta(hours=73)}, "signer.lives_too_long"),
        ({"valid_until": NOW}, "signer.lives_too_long"),
        ({"url": "https://evil.example/status/1"}, "signer.list_not_approved"),
        ({"demo_custody": False}, "signer.demo_custody"),
        ({"company_did": "did:web:evil.example"}, "signer.not_the_pair"),
        ({"encoded": "uAAAA"}, "status.bad_encoding"),
    ],
)
def test_a_doubtful_list_is_not_signed(folder: Path, changes: Changes, code: str) -> None:
    with opened(folder) as signer:
        assert refusal(signer, build_status_list(edition(**changes)), Kind.STATUS_LIST) == code


def test_an_approval_counts_at_once(folder: Path) -> None:
    course = "https://duri.example/courses/data-work/"
    achievement = replace(CLAIM.achievement, id=f"{course}versions/1")
    document = build_credential(replace(CLAIM, achievement=achievement))
    with opened(folder) as signer:
        assert refusal(signer, document) == "signer.not_approved"
        approve(folder, course=course)
        approve(folder, course=course)
        assert signer.mandate.courses == (course,)
        assert signer.sign(document, Kind.CREDENTIAL, NOW)
    with pytest.raises(DocumentProblem):
        approve(folder, course="https://duri.example/courses")
    assert read_mandate((folder / "signer.json").read_bytes()).courses == (course,)


def journalled(folder: Path) -> list[bytes]:
    with opened(folder) as signer:
        for number in range(3):
            claim = replace(
                CLAIM,
                credential_id=f"urn:uuid:0000000{number}-d8ba-41ed-83dd-0b3aef56cc33",
                status=StatusEntry(STATUS_URL, number),
            )
            signer.sign(build_credential(claim), Kind.CREDENTIAL, NOW)
    return (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)


def test_a_journal_with_a_changed_missing_or_moved_line_is_refused(folder: Path) -> None:
    lines = journalled(folder)
    assert [entry["sequence"] for entry, _ in read_journal(lines)] == [1, 2, 3]
    spoilt = [
        [lines[0].replace(b"deep-learning", b"data-work"), *lines[1:]],
        [lines[0], lines[2]],
        lines[1:],
        [lines[1], lines[0], lines[2]],
        [lines[0].replace(b":", b": ", 1), *lines[1:]],
        [lines[0], b"\n", *lines[1:]],
    ]
    for case in spoilt:
        with pytest.raises(JournalProblem):
            list(read_journal(case))
    (folder / "journal.jsonl").write_bytes(b"".join(spoilt[0]))
    with pytest.raises(JournalProblem):
        Signer.open(folder, NOW)
    assert main(["journal", str(folder)]) == 1


def test_a_line_cut_short_by_a_crash_is_dropped(folder: Path) -> None:
    lines = journalled(folder)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:40])
    with opened(folder) as signer:
        assert signer.chain.length == 2
    assert (folder / "journal.jsonl").read_bytes() == b"".join(lines[:2])


def test_a_full_disk_gives_no_proof(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    document = build_credential(CLAIM)
    with opened(folder) as signer:
        with monkeypatch.context() as patch:
            patch.setattr("lms.certs.signer.keeping.os.fsync", full)
            with pytest.raises(OSError, match="No space"):
                signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.chain.length == 0
        assert signer.sign(document, Kind.CREDENTIAL, NOW)
    with opened(folder) as signer:
        assert signer.chain.length == 1


def test_one_process_at_a_time_holds_a_signer(folder: Path) -> None:
    with opened(folder), pytest.raises(BlockingIOError):
        Signer.open(folder, NOW)


def test_a_wrong_passphrase_or_key_file_ends_the_start(folder: Path) -> None:
    (folder / "passphrase").write_text("wrong")
    with pytest.raises(KeyProblem, match="wrong_passphrase"):
        Signer.open(folder, NOW)
    (folder / "issuing-1.json").write_bytes(seal_key(generate(), "other")[:50])
    with pytest.raises(KeyProblem, match="broken_envelope"):
        Signer.open(folder, NOW)


def test_each_document_of_a_batch_is_judged_alone_and_written_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr("lms.certs.signer.keeping.os.fsync", flushed.append)
    good = [
        build_credential(replace(CLAIM, credential_id=_id(n), status=StatusEntry(STATUS_URL, n)))
        for n in range(3)
    ]
    twin = build_credential(replace(CLAIM, credential_id=_id(9), status=StatusEntry(STATUS_URL, 2)))
    same_id = build_credential(replace(CLAIM, credential_id=_id(1), status=StatusEntry(STATUS_URL, 8)))
    with opened(folder) as signer:
        flushed.clear()
        batch = [*good, good[0], twin, same_id, {"id": 3}]
        answers = signer.sign_many(batch, Kind.CREDENTIAL, NOW)
        assert len(flushed) == 1
        assert answers[3] == answers[0]
        codes = [answer.code for answer in answers if isinstance(answer, CertificateProblem)]
        assert codes == ["signer.place_taken", "signer.id_taken", "context.not_pinned"]
        assert signer.chain.length == 3
    with (folder / "journal.jsonl").open("rb") as lines:
        assert [entry["id"] for entry, _ in read_journal(lines)] == [_id(n) for n in range(3)]


def _id(number: int) -> str:
    return f"urn:uuid:0000000{number}-d8ba-41ed-83dd-0b3aef56cc33"


def test_a_batch_that_does_not_reach_the_disk_is_not_signed_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    documents = [
        build_credential(replace(CLAIM, credential_id=_id(n), status=StatusEntry(STATUS_URL, n)))
        for n in range(2)
    ]
    with opened(folder) as signer:
        with monkeypatch.context() as patch:
            patch.setattr("lms.certs.signer.keeping.os.fsync", full)
            with pytest.raises(OSError, match="No space"):
                signer.sign_many(documents, Kind.CREDENTIAL, NOW)
        assert (folder / "journal.jsonl").read_bytes() == b""
        swapped = build_credential(replace(CLAIM, credential_id=_id(0), status=StatusEntry(STATUS_URL, 1)))
        assert signer.sign(swapped, Kind.CREDENTIAL, NOW)
        assert signer.chain.length == 1


def test_no_more_are_signed_in_a_day_than_the_quota_says(folder: Path) -> None:
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, daily_quota=2)))
    with opened(folder) as signer:
        documents = [
            build_credential(replace(CLAIM, credential_id=_id(n), status=StatusEntry(STATUS_URL, n)))
            for n in range(3)
        ]
        answers = signer.sign_many(documents, Kind.CREDENTIAL, NOW)
        assert [isinstance(answer, NotYet) for answer in answers] == [False, False, True]
    with opened(folder) as signer:
        assert refusal(signer, documents[2], now=NOW + timedelta(hours=23)) == "signer.quota"
        assert signer.sign(documents[2], Kind.CREDENTIAL, NOW + timedelta(hours=24))


def test_certificates_and_lists_are_signed_with_keys_of_their_own(folder: Path) -> None:
    keys = {key.use: key.id for key in trusted_party(folder).keys}
    with opened(folder) as signer:
        certificate = signer.sign(build_credential(CLAIM), Kind.CREDENTIAL, NOW)
        listed = signer.sign(build_status_list(edition()), Kind.STATUS_LIST, NOW)
    assert certificate["verificationMethod"] == keys[KeyUse.ISSUING]
    assert listed["verificationMethod"] == keys[KeyUse.OPERATIONAL]


def test_only_the_company_endorses_and_only_what_it_approved(tmp_path: Path) -> None:
    create(tmp_path / "company", replace(MANDATE, role=Role.COMPANY), NOW)
    endorsement = endorse(CLAIM.achievement, COMPANY, endorsement_id=_id(5), at=NOW, demo_custody=True)
    document = build_endorsement(endorsement)
    other = build_endorsement(replace(endorsement, id=_id(6), achievement_id="https://duri.example/other"))
    foreign = build_endorsement(replace(endorsement, id=_id(7), endorser=UNIVERSITY))
    with opened(tmp_path / "company") as signer:
        assert signer.sign(document, Kind.ENDORSEMENT, NOW)["cryptosuite"] == "eddsa-rdfc-2022"
        assert refusal(signer, other, Kind.ENDORSEMENT) == "signer.not_approved"
        assert refusal(signer, foreign, Kind.ENDORSEMENT) == "signer.not_the_pair"
        assert refusal(signer, {"id": "x"}, Kind.ENDORSEMENT) == "endorsement.shape"


def test_a_university_endorses_nothing(folder: Path) -> None:
    endorsement = endorse(CLAIM.achievement, UNIVERSITY, endorsement_id=_id(5), at=NOW, demo_custody=True)
    with opened(folder) as signer:
        assert refusal(signer, build_endorsement(endorsement), Kind.ENDORSEMENT) == "signer.not_the_pair"


def test_a_suspension_ends_only_where_the_organisation_lifts_it(folder: Path) -> None:
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, open_roster=False)))
    suspended = edition(purpose=SUSPENSION, encoded=encode_bits([3, 7]))
    later = replace(suspended, encoded=encode_bits([7]), valid_from=NOW + timedelta(minutes=1))
    with opened(folder) as signer:
        signer.sign(build_status_list(suspended), Kind.STATUS_LIST, NOW)
        assert refusal(signer, build_status_list(later), Kind.STATUS_LIST) == "signer.not_lifted"
        assert main(["lift", str(folder), f"{STATUS_URL}#7"]) == 0
        assert refusal(signer, build_status_list(later), Kind.STATUS_LIST) == "signer.not_lifted"
        assert main(["lift", str(folder), f"{STATUS_URL}#3"]) == 0
        assert signer.sign(build_status_list(later), Kind.STATUS_LIST, NOW)
        turned = replace(later, purpose=REVOCATION, valid_from=NOW + timedelta(minutes=2))
        assert refusal(signer, build_status_list(turned), Kind.STATUS_LIST) == "signer.other_purpose"
    assert main(["lift", str(folder), "3"]) == 1


def test_a_lift_is_spent_with_the_suspension_that_it_ends(folder: Path) -> None:
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, open_roster=False)))

    def list_with(places: list[int], minute: int) -> Document:
        dated = NOW + timedelta(minutes=minute)
        return build_status_list(edition(purpose=SUSPENSION, encoded=encode_bits(places), valid_from=dated))

    for _ in range(2):  # said twice, it still counts once
        assert main(["lift", str(folder), f"{STATUS_URL}#3"]) == 0
    assert main(["lift", str(folder), f"{STATUS_URL}#999999999"]) == 0
    with opened(folder) as signer:
        for minute, places in enumerate(([3, 7], [7], [3, 7])):
            assert signer.sign(list_with(places, minute), Kind.STATUS_LIST, NOW)
        assert refusal(signer, list_with([7], 3), Kind.STATUS_LIST) == "signer.not_lifted"
    with opened(folder) as signer:
        assert refusal(signer, list_with([7], 3), Kind.STATUS_LIST) == "signer.not_lifted"
        assert main(["lift", str(folder), f"{STATUS_URL}#3"]) == 0
        assert signer.sign(list_with([7], 3), Kind.STATUS_LIST, NOW)


def test_a_document_too_long_for_readers_or_the_journal_is_not_signed(folder: Path) -> None:
    (folder / "signer.json").write_bytes(
        write_mandate(replace(MANDATE, approval=True, courses=("https://duri.example/courses/",)))
    )
    address = "https://duri.example/courses/" + "a" * 1_000_000
    wordy = build_credential(replace(CLAIM, achievement=replace(CLAIM.achievement, id=address)))
    endless = build_status_list(edition(url="https://duri.example/status/" + "1" * 1_000_000))
    with opened(folder) as signer:
        assert refusal(signer, wordy) == "signer.too_large"
        assert refusal(signer, endless, Kind.STATUS_LIST) == "signer.too_large"
        assert signer.desk.waiting() == []
        assert signer.chain.length == 0


def test_the_longest_document_leaves_a_journal_and_a_desk_that_can_be_read(folder: Path) -> None:
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, approval=True)))
    short = build_credential(replace(CLAIM, achievement=replace(CLAIM.achievement, criteria="")))
    criteria = "a" * (MAX_BYTES - len(canonical(short)))
    document = build_credential(replace(CLAIM, achievement=replace(CLAIM.achievement, criteria=criteria)))
    long_list = build_status_list(edition(url="https://duri.example/status/" + "1" * 800_000))
    with opened(folder) as signer:
        assert refusal(signer, document) == "signer.pending"
        (digest,) = signer.desk.waiting()
        signer.desk.decide([digest], "윤서명")
        assert signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.sign(long_list, Kind.STATUS_LIST, NOW)
    with opened(folder) as signer:
        assert signer.chain.length == 2


def test_a_key_that_fails_refuses_no_document(folder: Path) -> None:
    document = build_credential(CLAIM)
    with opened(folder) as signer:
        signer.keyring._opened.clear()
        kept = (folder / "issuing-1.json").read_bytes()
        (folder / "issuing-1.json").write_bytes(seal_key(generate(), "other"))
        with pytest.raises(KeyProblem):
            signer.sign_many([document], Kind.CREDENTIAL, NOW)
        (folder / "issuing-1.json").write_bytes(kept)
        assert signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.chain.length == 1


def test_a_pdf_key_that_is_not_the_certified_one_signs_nothing(folder: Path, tmp_path: Path) -> None:
    create(tmp_path / "other", MANDATE, NOW)
    with opened(folder) as signer:
        assert signer.keyring.pdf()
        (folder / "pdf-1.pem").write_bytes((tmp_path / "other" / "pdf-1.pem").read_bytes())
        with pytest.raises(KeyProblem):
            signer.keyring.pdf()
