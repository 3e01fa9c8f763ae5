"""The ceremony with the two real signers, each with its own key, asked over HTTP."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.certs.adapters.pdf import render_certificate
from lms.certs.adapters.signers import HttpSigner
from lms.certs.core.keys import did_web
from lms.certs.core.mandate import Mandate
from lms.certs.core.strict_json import canonical
from lms.certs.core.trust import Role, Trust
from lms.certs.core.verify import Status, verify
from lms.certs.models import IssuanceRequest, Paper, RequestState
from lms.certs.queries import credentials as queries
from lms.certs.services.batches import issue
from lms.certs.services.log import keep_heads_signed
from lms.certs.services.papers import Press, make_next
from lms.certs.services.signing import Signing
from lms.certs.signer.folder import approve, create, trusted_party
from lms.db import now
from tests.factories.certs import PUBLIC_URL, LogKey, make_request
from tests.factories.signers import client, served


@pytest.fixture
def folders(tmp_path: Path) -> dict[Role, Path]:
    dids = {Role.UNIVERSITY: did_web("localhost", 1), Role.COMPANY: did_web("localhost", 2)}
    for role in Role:
        create(
            tmp_path / role,
            Mandate(
                role=role,
                name=str(role),
                university=dids[Role.UNIVERSITY],
                company=dids[Role.COMPANY],
                host="127.0.0.1",
                port=1,
                demo_custody=True,
                status_lists=(f"{PUBLIC_URL}/status/",),
                open_roster=True,
            ),
            now(),
        )
    return {role: tmp_path / role for role in Role}


def signing(folders: dict[Role, Path], clients: dict[Role, HttpSigner]) -> Signing:
    trust = Trust(tuple(trusted_party(folders[role]) for role in Role))
    return Signing(signers=clients, trust=trust, public_url=PUBLIC_URL, demo_custody=True)


def state_of(sessions: sessionmaker[Session], request_id: int) -> tuple[RequestState, str]:
    with sessions() as session:
        found = session.get_one(IssuanceRequest, request_id)
        return found.state, found.refusal


def make_paper(sessions: sessionmaker[Session], both: Signing, papers: FolderBlobs) -> None:
    """Have the paper signed too, and look at it with the trust file of a stranger."""
    press = Press(set_on_paper=render_certificate, template="a" * 64, blobs=papers)
    assert make_next(sessions, both, press, now()) is True
    with sessions() as session:
        kept = session.scalars(select(Paper.blob).where(Paper.blob.is_not(None))).one()
        resources = queries.OwnResources(session, PUBLIC_URL)
        verdict = verify(papers.get(kept or ""), both.trust, resources, now())
    assert verdict.status is Status.VALID
    assert "notice.pdf_signed" in {notice.code for notice in verdict.notices}


def test_two_real_signers_issue_once_both_approve_and_both_are_up(
    sessions: sessionmaker[Session], folders: dict[Role, Path], tmp_path: Path
) -> None:
    with sessions.begin() as session:
        request = make_request(session)
        course = request.enrolment.cohort.course.slug
    with served(folders[Role.UNIVERSITY]) as port:
        university = client(folders[Role.UNIVERSITY], port)
        company = client(folders[Role.COMPANY], 9)
        alone = signing(folders, {Role.UNIVERSITY: university, Role.COMPANY: company})
        assert issue(sessions, request.id, alone, now()) is None
        assert state_of(sessions, request.id)[0] is RequestState.WAITING_FOR_COMPANY
    with ExitStack() as stack:
        ports = {role: stack.enter_context(served(folders[role])) for role in Role}
        clients = {role: client(folders[role], ports[role]) for role in Role}
        both = replace(signing(folders, clients), log=LogKey())
        assert issue(sessions, request.id, both, now()) is None
        state, refusal = state_of(sessions, request.id)
        assert state is RequestState.REFUSED
        assert len(refusal.splitlines()) == 2
        for role in Role:
            approve(folders[role], course=f"{PUBLIC_URL}/courses/{course}/")
        with sessions.begin() as session:
            bound = session.get_one(IssuanceRequest, request.id)
            bound.state, bound.document, bound.proofs = RequestState.REQUESTED, None, {}
        credential = issue(sessions, request.id, both, now())
        assert keep_heads_signed(sessions, both, now()) == []
        make_paper(sessions, both, FolderBlobs(tmp_path / "papers"))
    assert credential is not None
    with sessions() as session:
        assert queries.log_proof(session, credential.sha256)
        resources = queries.OwnResources(session, PUBLIC_URL)
        assert verify(canonical(credential.document), both.trust, resources, now()).status is Status.VALID
