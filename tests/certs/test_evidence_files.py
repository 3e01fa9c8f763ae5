"""What a certificate was earned with: bound by salted hashes, handed to the holder alone, no hidden tests."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms import workflows
from lms.blobs import FolderBlobs
from lms.certs import policy
from lms.certs.core.document import SALTED_DIGEST
from lms.certs.core.evidence import MISSING, Bundle, check_bundle
from lms.certs.core.reading import read_claim
from lms.certs.core.trust import Role
from lms.certs.models import Credential, EvidenceFile, IssuanceRequest, RequestState
from lms.certs.queries.evidence_files import evidence_pieces
from lms.certs.services.batches import issue
from lms.certs.services.ceremony import FIRST_PAUSE, MOST_WAITS
from lms.certs.services.evidence import GRADEBOOK_ROW
from lms.certs.services.signing import Signing
from lms.errors import NotAllowed
from lms.grading.core.contracts import CheckResult, CheckStatus, GradingReport, ViewReport
from lms.grading.models import Grade, RunState, ViewRun
from tests.factories.certs import NOW, Pair
from tests.factories.grading import NOW as GRADED_AT
from tests.factories.grading import ONLY_TESTS, World, grading_report, make_world, notebook

SEEN = ViewReport(feedback=b"<p>what the student sees</p>", messages={})
HIDDEN = b"assert secret"


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    made = make_world(session, blobs, tmp_path / "env", manifest=ONLY_TESTS)
    made.enrolment.confirmed_name = "김하늘"
    return made


@pytest.fixture
def signing(blobs: FolderBlobs) -> Signing:
    return replace(Pair().signing, blobs=blobs)


def report(view: ViewReport | None = SEEN) -> GradingReport:
    made = grading_report(manual=False)
    visible = CheckResult("shown", 1, 2, CheckStatus.PARTIAL)
    return replace(made, checks=(*made.checks, visible), view=view)


def certified(world: World, view: ViewReport | None = SEEN) -> IssuanceRequest:
    """Let the student earn the certificate with one graded hand-in."""
    world.graded(report=report(view))
    grade = world.session.scalars(select(Grade)).one()
    workflows.settle(world.session, grade, GRADED_AT)
    world.session.commit()
    return world.session.scalars(select(IssuanceRequest)).one()


def issued(world: World, sessions: sessionmaker[Session], signing: Signing) -> Credential:
    request = certified(world)
    made = issue(sessions, request.id, signing, NOW)
    assert made is not None, request.refusal
    return world.session.get_one(Credential, made.id)


def bundle(world: World, credential: Credential) -> Bundle:
    pieces = evidence_pieces(world.session, credential, world.blobs)
    return Bundle(made_at="", credential=b"", trust=b"", resources={}, evidence=pieces)


def test_a_document_that_is_written_anew_leaves_no_file_of_its_own_behind(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    signer = signing.signers[Role.UNIVERSITY]
    signer.refuses = True  # type: ignore[attr-defined]
    request = certified(world)
    assert issue(sessions, request.id, signing, NOW) is None
    world.session.expire_all()
    row = select(EvidenceFile.blob).where(EvidenceFile.path.endswith(GRADEBOOK_ROW))
    first = world.session.scalars(row).one()
    assert world.blobs.get(first)
    grade = world.session.scalars(select(Grade)).one()
    grade.score = 1.0
    request.state, request.document = RequestState.REQUESTED, None  # a person asks for it again
    world.session.commit()
    signer.refuses = False  # type: ignore[attr-defined]
    assert issue(sessions, request.id, signing, NOW) is not None
    second = world.session.scalars(row).one()
    assert second != first
    assert world.blobs.get(second)
    with pytest.raises(KeyError):
        world.blobs.get(first)


def test_the_document_carries_salted_hashes_of_what_led_to_it(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    credential = issued(world, sessions, signing)
    genres = [item["genre"] for item in credential.document["evidence"]]
    assert genres == ["Notebook", "Feedback", "LabRelease", "Environment", "GradebookRow"]
    assert all(SALTED_DIGEST in item for item in credential.document["evidence"])
    found = bundle(world, credential)
    assert check_bundle(read_claim(credential.document), found) == ()
    contents = [piece.content for piece in found.evidence if piece is not None]
    assert contents[0] == world.blobs.get(credential.request.claim["labs"][0]["submission_sha256"])
    assert contents[1] == SEEN.feedback
    assert b'"score":"4"' in contents[4]
    assert contents[4].count(b'"grade_id"') == 1  # of the test that students see whole


def test_every_salt_is_its_own_and_stands_in_no_document(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    credential = issued(world, sessions, signing)
    salts = world.session.scalars(select(EvidenceFile.salt)).all()
    assert len(set(salts)) == len(salts) == 5
    assert not any(salt in str(credential.document) for salt in salts)


def test_no_file_of_the_bundle_holds_a_hidden_test(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    found = bundle(world, issued(world, sessions, signing))
    for piece in found.evidence:
        assert piece is not None
        assert HIDDEN not in piece.content
        assert b"staff only" not in piece.content


def test_a_certificate_waits_for_what_the_student_sees_and_has_it_made_soon(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    request = certified(world, view=None)
    assert issue(sessions, request.id, signing, NOW) is None
    world.session.expire_all()
    view = world.session.scalars(select(ViewRun)).one()
    assert (request.document, request.tries) == (None, 1)
    assert request.next_try_at == NOW + FIRST_PAUSE
    assert view.state is RunState.QUEUED
    assert view.priority < 50
    view.state, view.feedback_blob = RunState.DONE, world.blobs.put(SEEN.feedback)
    world.session.commit()
    credential = issue(sessions, request.id, signing, NOW + timedelta(minutes=1))
    assert credential is not None
    assert "Feedback" in [item["genre"] for item in credential.document["evidence"]]


def test_a_certificate_does_not_wait_for_ever(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    request = certified(world, view=None)
    request.tries = MOST_WAITS - 1
    world.session.commit()
    assert issue(sessions, request.id, signing, NOW) is None
    credential = issue(sessions, request.id, signing, NOW)
    assert credential is not None
    assert "Feedback" not in [item["genre"] for item in credential.document["evidence"]]


def test_a_document_written_anew_has_new_salts(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    request = certified(world)
    company = signing.signers[next(reversed(signing.signers))]
    company.refuses = True  # type: ignore[attr-defined]  # of the factory's signer
    assert issue(sessions, request.id, signing, NOW) is None
    before = set(world.session.scalars(select(EvidenceFile.salt)))
    world.session.expire_all()
    request.state, request.document, request.proofs = request.state.REQUESTED, None, {}
    world.session.commit()
    company.refuses = False  # type: ignore[attr-defined]  # likewise
    assert issue(sessions, request.id, signing, NOW) is not None
    after = set(world.session.scalars(select(EvidenceFile.salt)))
    assert len(after) == 5
    assert not before & after


def test_a_lost_file_stops_the_certificate_instead_of_an_empty_claim(
    world: World, sessions: sessionmaker[Session], signing: Signing, tmp_path: Path
) -> None:
    request = certified(world)
    elsewhere = replace(signing, blobs=FolderBlobs(tmp_path / "empty"))
    assert issue(sessions, request.id, elsewhere, NOW) is None
    world.session.expire_all()
    assert "facts" in request.refusal


def test_only_the_holder_gets_the_bundle(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    credential = issued(world, sessions, signing)
    policy.check_can_take_bundle(world.student, credential)
    with pytest.raises(NotAllowed):
        policy.check_can_take_bundle(world.instructor, credential)


def test_facts_of_an_older_release_keep_their_plain_hashes(
    world: World, sessions: sessionmaker[Session], signing: Signing
) -> None:
    request = certified(world)
    labs = [{name: value for name, value in lab.items() if name != "run"} for lab in request.claim["labs"]]
    request.claim = request.claim | {"labs": labs}
    world.session.commit()
    made = issue(sessions, request.id, signing, NOW)
    assert made is not None
    credential = world.session.get_one(Credential, made.id)
    assert [SALTED_DIGEST in item for item in credential.document["evidence"]] == [False] * 3
    found = bundle(world, credential)
    assert [piece is not None for piece in found.evidence] == [True, False, False]
    assert found.evidence[0] is not None
    assert found.evidence[0].content != notebook()


def test_a_hand_in_that_was_deleted_since_is_missing_from_the_bundle_and_nothing_else(
    world: World, sessions: sessionmaker[Session], signing: Signing, tmp_path: Path
) -> None:
    credential = issued(world, sessions, signing)
    pieces = evidence_pieces(world.session, credential, FolderBlobs(tmp_path / "empty"))
    assert pieces == [None] * 5
    shared = replace(bundle(world, credential), evidence=pieces)
    assert {each.code for each in check_bundle(read_claim(credential.document), shared)} == {MISSING}
