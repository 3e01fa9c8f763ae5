"""Erasure: words and files go, and what anyone else relies on stays."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.certs.cli import certs
from lms.certs.core.status import is_set
from lms.certs.core.strict_json import canonical
from lms.certs.core.verify import verify
from lms.certs.models import Credential, EvidenceFile, Paper, StatusList
from lms.certs.queries import certificates
from lms.certs.queries import credentials as queries
from lms.certs.services.erasing import erase
from lms.certs.services.log import log_what_happened
from lms.certs.services.status import VALIDITY, keep_status_lists_fresh
from lms.errors import Conflict, NotFound
from tests.factories.certs import NOW, PUBLIC_URL, Pair, make_credential

LATER = NOW + VALIDITY


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def credential(sessions: sessionmaker[Session], session: Session, pair: Pair) -> Credential:
    return session.get_one(Credential, make_credential(sessions, pair).id)


def test_nothing_that_holds_is_erased(session: Session, credential: Credential) -> None:
    with pytest.raises(Conflict):
        erase(session, credential.uuid, at=NOW)


def test_an_erased_certificate_is_nowhere_and_copies_of_it_stay_refused(
    sessions: sessionmaker[Session], session: Session, credential: Credential, pair: Pair
) -> None:
    copy, index, list_id = credential.document, credential.status_index, credential.status_list_id
    credential.revoked_at = NOW
    erase(session, credential.uuid, at=NOW)
    session.commit()
    assert "김하늘" not in str([credential.document, credential.request.claim, credential.request.document])
    assert session.scalar(select(func.count(EvidenceFile.id))) == 0
    with pytest.raises(NotFound):
        queries.credential(session, credential.uuid)
    assert certificates.wallet(session, credential.enrolment.user_id) == []
    assert log_what_happened(session, NOW) == 1
    session.commit()
    assert keep_status_lists_fresh(sessions, pair.signing, LATER) == []
    session.expire_all()
    listed = session.get_one(StatusList, list_id).document
    assert listed is not None
    assert is_set(listed["credentialSubject"]["encodedList"], index)
    verdict = verify(canonical(copy), pair.trust, queries.OwnResources(session, PUBLIC_URL), LATER)
    assert [str(verdict.status), verdict.findings[0].code] == ["refused", "credential.revoked"]


def test_an_erased_certificate_is_not_counted_among_those_of_its_course(
    session: Session, credential: Credential
) -> None:
    course_id = credential.enrolment.cohort.course_id
    credential.revoked_at = NOW
    session.flush()
    assert certificates.certificates_of_course(session, course_id).total == 1
    erase(session, credential.uuid, at=NOW)
    session.flush()
    found = certificates.certificates_of_course(session, course_id)
    assert (found.total, found.rows) == (0, [])
    assert certificates.certificate_of_enrolment(session, credential.enrolment_id) is None


def test_the_list_keeps_a_place_whose_row_says_nothing_any_more(
    sessions: sessionmaker[Session], session: Session, credential: Credential, pair: Pair
) -> None:
    credential.revoked_at = NOW
    session.commit()
    assert keep_status_lists_fresh(sessions, pair.signing, NOW) == []
    credential.revoked_at = None  # as if somebody had changed the table by hand
    session.commit()
    assert keep_status_lists_fresh(sessions, pair.signing, LATER) == []
    session.expire_all()
    listed = session.get_one(StatusList, credential.status_list_id).document
    assert listed is not None
    assert is_set(listed["credentialSubject"]["encodedList"], credential.status_index)


def test_the_operator_erases_on_the_command_line(
    sessions: sessionmaker[Session], session: Session, credential: Credential, blobs: FolderBlobs
) -> None:
    tools = SimpleNamespace(sessions=sessions, press=SimpleNamespace(blobs=blobs))
    kept, paper = blobs.put(b"of somebody else"), blobs.put(b"%PDF with a name")
    session.add(
        Paper(
            credential_id=credential.id, language="ko", wanted="1" * 64, blob=paper, due=False, made="1" * 64
        )
    )
    session.commit()
    run = CliRunner().invoke
    assert (
        "Withdraw this certificate first" in run(certs, ["erase", credential.uuid, "--yes"], obj=tools).output
    )
    credential.revoked_at = NOW
    session.commit()
    assert run(certs, ["erase", credential.uuid], obj=tools, input="n\n").exit_code == 1
    done = run(certs, ["erase", credential.uuid, "--yes"], obj=tools)
    assert (done.exit_code, credential.sha256 in done.output) == (0, True)
    assert blobs.get(kept)
    with pytest.raises(KeyError):
        blobs.get(paper)


def test_only_files_that_no_other_certificate_carries_are_deleted(
    sessions: sessionmaker[Session], session: Session, credential: Credential, pair: Pair
) -> None:
    other = make_credential(sessions, pair)
    own, shared = "a" * 64, "b" * 64
    for request_id, position, path, blob in (
        (credential.request_id, 0, "evidence/one/gradebook.json", own),
        (credential.request_id, 1, "evidence/two/gradebook.json", shared),
        (credential.request_id, 2, "evidence/one/notebook.ipynb", "c" * 64),
        (other.request_id, 0, "evidence/two/gradebook.json", shared),
    ):
        row = EvidenceFile(request_id=request_id, position=position, path=path, salt="5a", blob=blob)
        session.add(row)
    credential.revoked_at = NOW
    session.flush()
    assert erase(session, credential.uuid, at=NOW).files == {own}
