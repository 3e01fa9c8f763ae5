"""Many certificates at once, with two signers that can be down, wait, refuse or lie."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.joint import CLOCK_SKEW
from lms.certs.core.protocols import Answer, Kind, SignerRefused, SignerWaits
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role
from lms.certs.models import Credential, IssuanceRequest, RequestState
from lms.certs.services import batches
from lms.certs.services.batches import issue, issue_many
from tests.factories.certs import NOW, KeySigner, Pair, make_enrolment, make_request, then

Answers = dict[int, Answer]


@dataclass
class Choosy(KeySigner):
    """A signer that says something of its own about some documents, by their position in the batch."""

    says: Answers = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def sign_many(self, documents: Sequence[Document], kind: Kind) -> list[Answer]:
        self.batches.append(len(documents))
        signed = super().sign_many(documents, kind)
        return [self.says.get(position, answer) for position, answer in enumerate(signed)]


@dataclass
class Moment:
    """A clock that is moved on by hand."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, time: timedelta) -> None:
        self.at += time


@pytest.fixture
def pair() -> Pair:
    return Pair(Choosy(Role.UNIVERSITY), Choosy(Role.COMPANY))


def several(sessions: sessionmaker[Session], number: int, **changes: Any) -> list[int]:
    with sessions.begin() as session:
        first = make_enrolment(session)
        made = [make_request(session, enrolment=first, **changes).id]
        for _ in range(number - 1):
            made.append(make_request(session, **changes).id)  # noqa: PERF401 - each in the order of its making
        return made


def states(sessions: sessionmaker[Session], request_ids: list[int]) -> list[RequestState]:
    with sessions() as session:
        return [session.get_one(IssuanceRequest, each).state for each in request_ids]


def test_many_are_issued_with_one_request_to_each_signer(sessions: sessionmaker[Session], pair: Pair) -> None:
    requests = several(sessions, 12)
    issued = issue_many(sessions, requests, pair.signing, then)
    assert [credential.request_id for credential in issued] == requests
    assert [signer.batches for signer in (pair.university, pair.company)] == [[12], [12]]  # type: ignore[attr-defined]
    assert len({credential.uuid for credential in issued}) == 12
    assert issue_many(sessions, requests, pair.signing, then) == []


def test_what_one_meets_concerns_no_other(sessions: sessionmaker[Session], pair: Pair) -> None:
    requests = several(sessions, 5)
    with sessions.begin() as session:
        session.get_one(IssuanceRequest, requests[0]).enrolment.confirmed_name = None
        damaged = session.get_one(IssuanceRequest, requests[1])
        damaged.claim = {"labs": []}
    pair.university.says = {0: SignerRefused("signer.not_on_roster", "No.", "아니요.")}  # type: ignore[attr-defined]
    pair.company.says = {0: SignerWaits("signer.pending", "Not yet.", "아직이요.")}  # type: ignore[attr-defined]
    issued = issue_many(sessions, requests, pair.signing, then)
    assert [credential.request_id for credential in issued] == requests[4:]
    assert states(sessions, requests) == [
        RequestState.WAITING_FOR_NAME,
        RequestState.REFUSED,
        RequestState.REFUSED,
        RequestState.WAITING_FOR_COMPANY,
        RequestState.ISSUED,
    ]
    with sessions() as session:
        waiting = session.get_one(IssuanceRequest, requests[3])
        assert waiting.refusal == "Not yet.\n아직이요."
        assert waiting.next_try_at is not None
        assert set(waiting.proofs) == {"university"}


def test_who_waited_is_issued_when_the_organisation_agrees(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    (request,) = several(sessions, 1)
    pair.company.says = {0: SignerWaits("signer.pending", "Not yet.", "아직이요.")}  # type: ignore[attr-defined]
    assert issue_many(sessions, [request], pair.signing, then) == []
    with sessions() as session:
        document = session.get_one(IssuanceRequest, request).document
    pair.company.says = {}  # type: ignore[attr-defined]
    (credential,) = issue_many(sessions, [request], pair.signing, lambda: NOW + timedelta(minutes=1))
    assert document is not None
    assert credential.document["id"] == document["id"]


@pytest.mark.parametrize("down", ["university", "company"])
def test_all_wait_for_a_signer_that_is_down_and_nothing_is_shown(
    sessions: sessionmaker[Session], pair: Pair, down: str
) -> None:
    requests = several(sessions, 3)
    getattr(pair, down).down = True
    assert issue_many(sessions, requests, pair.signing, then) == []
    assert set(states(sessions, requests)) == {RequestState(f"waiting_for_{down}")}
    with sessions() as session:
        assert session.scalar(select(func.count(Credential.id))) == 0
    getattr(pair, down).down = False
    assert len(issue_many(sessions, requests, pair.signing, then)) == 3


def test_a_signer_that_lies_in_a_batch_is_not_believed(sessions: sessionmaker[Session], pair: Pair) -> None:
    requests = several(sessions, 3)
    pair.company.lies = True
    assert issue_many(sessions, requests, pair.signing, then) == []
    assert set(states(sessions, requests)) == {RequestState.REFUSED}


def test_a_signer_that_repeats_another_document_s_proof_is_not_believed(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    (first,) = several(sessions, 1)
    (credential,) = issue_many(sessions, [first], pair.signing, then)
    pair.university.says = {0: credential.document["proof"][0]}  # type: ignore[attr-defined]
    others = several(sessions, 2)
    issued = issue_many(sessions, others, pair.signing, then)
    assert [each.request_id for each in issued] == others[1:]
    assert states(sessions, others)[0] is RequestState.REFUSED


def test_what_a_long_run_signs_later_than_clocks_may_differ_is_no_signature_from_the_future(
    sessions: sessionmaker[Session], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = several(sessions, 3)
    pair.university.now = pair.company.now = moment = Moment(NOW)
    pair.company.before = lambda: moment.pass_(timedelta(minutes=4))
    monkeypatch.setattr(
        batches, "MOST_ASKED", 1
    )  # many signers' answers in a run, each a while after the last
    monkeypatch.setattr(batches, "LANES", 1)
    issued = issue_many(sessions, requests, pair.signing, moment)
    assert [credential.request_id for credential in issued] == requests
    assert moment() > NOW + CLOCK_SKEW
    assert issued[-1].issued_at > issued[0].issued_at


def test_a_signer_whose_clock_runs_fast_is_waited_for(sessions: sessionmaker[Session], pair: Pair) -> None:
    (request,) = several(sessions, 1)
    pair.company.now = lambda: NOW + CLOCK_SKEW + timedelta(minutes=1)
    assert issue_many(sessions, [request], pair.signing, then) == []
    with sessions() as session:
        waiting = session.get_one(IssuanceRequest, request)
        assert waiting.state is RequestState.WAITING_FOR_COMPANY
        assert "clock" in waiting.refusal
    pair.company.now = then
    assert len(issue_many(sessions, [request], pair.signing, then)) == 1


def test_one_that_another_worker_issued_meanwhile_is_issued_once(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    requests = several(sessions, 2)
    before: list[int] = []

    def meanwhile() -> None:
        if not before:
            before.append(requests[0])
            issue(sessions, requests[0], Pair(pair.university, pair.company).signing, NOW)

    pair.company.before = meanwhile
    issue_many(sessions, requests, pair.signing, then)
    with sessions() as session:
        assert session.scalar(select(func.count(Credential.id))) == 2
