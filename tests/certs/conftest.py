"""Two organisations, their keys, and one good certificate with all that it takes to verify it."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.document import (
    Achievement,
    Claim,
    Evidence,
    LabResult,
    Party,
    Rank,
    Skill,
    StatusEntry,
    build_credential,
    hash_email,
)
from lms.certs.core.endorsement import SUITE as ENDORSEMENT_SUITE
from lms.certs.core.endorsement import build_endorsement, endorse
from lms.certs.core.evidence import salted_digest
from lms.certs.core.joint import SUITES
from lms.certs.core.keys import PublicKey, encode_public, generate, key_id
from lms.certs.core.proofs import attach, create_proof
from lms.certs.core.sentences import sentence
from lms.certs.core.status import StatusList, build_status_list, encode_bits
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, Trust, TrustedParty
from lms.certs.core.verify import Verdict, verify
from lms.db import Base, make_engine, make_sessions
from tests.factories import pdf as pdfs

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
UNIVERSITY = Party("did:web:hangang-university.example", "한강대학교", "https://hangang-university.example/")
COMPANY = Party("did:web:nuri-ai.example", "누리에이아이", "https://nuri-ai.example/")
STATUS_URL = "https://duri.example/status/1"
SUSPENSION_URL = "https://duri.example/status/2"
ENDORSEMENT_ID = "urn:uuid:0b8a9c8e-6a8c-4f4f-9f0e-0d3f6d2f7b11"
CLAIM = Claim(
    credential_id="urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
    issued_at=NOW,
    university=UNIVERSITY,
    company=COMPANY,
    holder_name="김하늘",
    email_hash=hash_email("haneul@example.org", "c2FsdA"),
    email_salt="c2FsdA",
    achievement=Achievement(
        "https://duri.example/courses/deep-learning/versions/1",
        "딥러닝 첫걸음",
        "넘파이로 신경망을 처음부터 만듭니다.",
        "100점 가운데 60점 이상, 필수 과제 모두 제출.",
        "ko",
        (Skill("use machine learning", "https://data.europa.eu/esco/skill/8369c2d6", "ESCO"),),
    ),
    score="91.4",
    maximum="100",
    labs=(LabResult("softmax", "소프트맥스", "38.5", "40"), LabResult("digits", "숫자 분류", "52.9", "60")),
    evidence=(Evidence("softmax.ipynb", "ab" * 32), Evidence("digits.ipynb", "cd" * 32)),
    status=StatusEntry(STATUS_URL, 94_567),
    demo_custody=True,
)


@dataclass
class Pair:
    """Both organisations' keys, and what they sign."""

    keys: dict[Role, Ed25519PrivateKey] = field(
        default_factory=lambda: {role: generate() for role in Role},
    )
    dids: dict[Role, str] = field(
        default_factory=lambda: {Role.UNIVERSITY: UNIVERSITY.did, Role.COMPANY: COMPANY.did}
    )

    def proof(self, document: Document, role: Role, **changes: Any) -> Document:
        key = changes.pop("key", self.keys[role])
        method = changes.pop("method", key_id(self.dids[role], self.keys[role].public_key()))
        return create_proof(
            document,
            key,
            method,
            changes.pop("suite", SUITES[role]),
            changes.pop("created", NOW),
        )

    def sign(self, document: Document) -> Document:
        return attach(document, *(self.proof(document, role) for role in Role))

    def party(self, role: Role, **changes: Any) -> TrustedParty:
        public = self.keys[role].public_key()
        key = PublicKey(key_id(self.dids[role], public), encode_public(public))
        name = {Role.UNIVERSITY: UNIVERSITY, Role.COMPANY: COMPANY}[role].name
        return TrustedParty(role, name, self.dids[role], (replace(key, **changes),))

    @property
    def trust(self) -> Trust:
        return Trust(tuple(self.party(role) for role in Role))


@dataclass
class Case:
    """One good certificate; the tests spoil one thing of it at a time."""

    pair: Pair
    credential: Document
    resources: dict[str, bytes]

    def verify(self, credential: Any = None, **changes: Any) -> Verdict:
        chosen = self.credential if credential is None else credential
        content = chosen if isinstance(chosen, bytes) else json.dumps(chosen).encode()
        verdict = verify(
            content,
            changes.get("trust", self.pair.trust),
            changes.get("resources", self.resources),
            changes.get("at", NOW + timedelta(hours=1)),
        )
        for told in (*verdict.findings, *verdict.notices):
            assert sentence(told.code, told.params, "ko") != sentence(told.code, told.params, "en")
        return verdict


def edition(**changes: Any) -> StatusList:
    whole: dict[str, Any] = {
        "url": STATUS_URL,
        "university_did": UNIVERSITY.did,
        "company_did": COMPANY.did,
        "valid_from": NOW,
        "valid_until": NOW + timedelta(hours=24),
        "encoded": encode_bits([3]),
        "demo_custody": True,
    }
    return StatusList(**{**whole, **changes})


@pytest.fixture
def claim() -> Claim:
    return CLAIM


@pytest.fixture(scope="session")
def case() -> Case:
    pair = Pair()
    listed = pair.sign(build_status_list(edition()))
    return Case(pair, pair.sign(build_credential(CLAIM)), {STATUS_URL: json.dumps(listed).encode()})


def endorsed(pair: Pair, **changes: Any) -> Document:
    """Return the achievement's endorsement as the company signs it."""
    signing = {name: changes.pop(name) for name in ("role", "key", "suite", "created") if name in changes}
    said = endorse(
        CLAIM.achievement, COMPANY, endorsement_id=ENDORSEMENT_ID, at=NOW, demo_custody=CLAIM.demo_custody
    )
    document = build_endorsement(replace(said, **changes))
    role = signing.pop("role", Role.COMPANY)
    return {**document, "proof": [pair.proof(document, role, **{"suite": ENDORSEMENT_SUITE, **signing})]}


def whole_claim(pair: Pair) -> Claim:
    """Return a claim with everything that the first form did not have."""
    return replace(
        CLAIM,
        evidence=(Evidence("softmax.ipynb", salted_digest("5a" * 32, b"{}"), salted=True),),
        ranks=(Rank("digits", "숫자 순위전(2026-03-01 기준)", 3, 2, 41),),
        suspension=StatusEntry(SUSPENSION_URL, 17),
        endorsement=endorsed(pair),
    )


@pytest.fixture(scope="session")
def whole(case: Case) -> Case:
    """Return a good certificate of the present form: endorsed, ranked, with salted evidence, suspendable."""
    pair = case.pair
    rests = pair.sign(build_status_list(edition(url=SUSPENSION_URL, purpose="suspension")))
    resources = {**case.resources, SUSPENSION_URL: json.dumps(rests).encode()}
    return Case(pair, pair.sign(build_credential(whole_claim(pair))), resources)


@pytest.fixture(scope="session")
def draft(case: Case) -> bytes:
    """Return a paper that nobody has signed."""
    return pdfs.paper(case.credential)


@pytest.fixture(scope="session")
def certified(case: Case, draft: bytes) -> bytes:
    """Return that paper with the university's signature."""
    return pdfs.seal(draft, case.credential, Role.UNIVERSITY)


@pytest.fixture(scope="session")
def signed(case: Case, certified: bytes) -> bytes:
    """Return that paper with both signatures."""
    return pdfs.seal(certified, case.credential, Role.COMPANY)


@pytest.fixture
def make_list(case: Case) -> Callable[..., dict[str, bytes]]:
    """Return resources with another edition of the status list."""

    def make(**changes: Any) -> dict[str, bytes]:
        return {STATUS_URL: json.dumps(case.pair.sign(build_status_list(edition(**changes)))).encode()}

    return make


@pytest.fixture(scope="session")
def standards() -> Path:
    """Return the folder of the standards' own data, which is not part of the project."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "standards"
    folder = Path(os.environ.get("DURI_STANDARDS", beside))
    if not folder.is_dir():
        pytest.skip("not run: the standards' data are not at hand")
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    """Sessions on a database of their own, which several threads can use."""
    if request.param == "postgresql":
        yield make_sessions(request.getfixturevalue("postgres_engine"))
        return
    engine = make_engine(f"sqlite:///{tmp_path / 'two.db'}")
    Base.metadata.create_all(engine)
    yield make_sessions(engine)
    engine.dispose()
