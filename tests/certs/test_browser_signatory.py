"""The ceremony with a company whose signatory signs in the browser."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.keys import did_web
from lms.certs.core.mandate import Mandate
from lms.certs.core.trust import Role, Trust
from lms.certs.models import IssuanceRequest, RequestState
from lms.certs.services.batches import issue
from lms.certs.services.signing import Signing
from lms.certs.signer.approvals import add_approver
from lms.certs.signer.enrolment import begin_enrolment
from lms.certs.signer.folder import approve, create, trusted_party
from lms.db import now
from tests.certs.signer.conftest import quick
from tests.factories.certs import PUBLIC_URL, make_request
from tests.factories.signatories import NAME, PASSPHRASE, Signatory
from tests.factories.signers import client, served

DIDS = {Role.UNIVERSITY: did_web("localhost", 1), Role.COMPANY: did_web("localhost", 2)}


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[dict[Role, Path]]:
    with quick():
        for role in Role:
            mandate = Mandate(
                role=role,
                name=str(role),
                university=DIDS[Role.UNIVERSITY],
                company=DIDS[Role.COMPANY],
                host="127.0.0.1",
                port=1,
                demo_custody=True,
                status_lists=(f"{PUBLIC_URL}/status/",),
                open_roster=True,
            )
            create(tmp_path / role, mandate, now(), browser=role is Role.COMPANY)
        add_approver(tmp_path / Role.COMPANY, NAME, PASSPHRASE)
        yield {role: tmp_path / role for role in Role}


def test_a_request_waits_for_the_key_then_for_the_signature_and_is_then_issued(
    sessions: sessionmaker[Session], folders: dict[Role, Path]
) -> None:
    with sessions.begin() as session:
        request = make_request(session)
        course = request.enrolment.cohort.course.slug
    for folder in folders.values():
        approve(folder, course=f"{PUBLIC_URL}/courses/{course}/")
    with ExitStack() as stack:
        ports = {role: stack.enter_context(served(folders[role])) for role in Role}
        clients = {role: client(folders[role], ports[role]) for role in Role}

        def asked(minutes: int) -> tuple[object, RequestState, str]:
            """Ask again, with the trust file of that moment."""
            trust = Trust(tuple(trusted_party(folders[role]) for role in Role))
            both = Signing(signers=clients, trust=trust, public_url=PUBLIC_URL, demo_custody=True)
            issued = issue(sessions, request.id, both, now() + timedelta(minutes=minutes))
            with sessions() as session:
                found = session.get_one(IssuanceRequest, request.id)
                return issued, found.state, found.refusal

        issued, state, said = asked(0)
        assert (issued, state) == (None, RequestState.WAITING_FOR_COMPANY)
        assert "has not registered a key" in said
        signatory = Signatory(folders[Role.COMPANY], ports[Role.COMPANY]).sign_in()
        code = begin_enrolment(folders[Role.COMPANY], Role.COMPANY, now())
        assert signatory.enrol(code, did=DIDS[Role.COMPANY])[0] == 200
        issued, state, said = asked(1)
        assert (issued, state) == (None, RequestState.WAITING_FOR_COMPANY)
        assert "approve this certificate first" in said
        (waiting,) = signatory.ask("signing.json")[1]["documents"]
        assert all("answer" in told for told in signatory.sign(waiting["document"]).values())
        issued, state, said = asked(2)
        assert state is RequestState.ISSUED
        assert issued is not None
