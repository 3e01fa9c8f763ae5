"""Certificates for tests: a course that can be completed, two honest signers, and dishonest ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OrganisationKind, User
from lms.certs.core.endorsement import SUITE as ENDORSEMENT_SUITE
from lms.certs.core.heads import TreeHead, log_key_id, sign_head
from lms.certs.core.joint import SUITES
from lms.certs.core.keys import KeyUse, PublicKey, encode_public, generate, key_id
from lms.certs.core.notices import read_notice, review_notice, sign_notice
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.proofs import create_proof
from lms.certs.core.protocols import Answer, Kind, SignerRefused, SignerUnavailable
from lms.certs.core.sd_jwt import sign_payload, write_payload
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.trust import Role, Trust, TrustedLog, TrustedParty
from lms.certs.core.witness import Witness, review_head
from lms.certs.models import Credential, IssuanceRequest
from lms.certs.services.batches import issue
from lms.certs.services.requests import request_issuance
from lms.certs.services.signing import Signing
from lms.courses.models import Cohort, Course, CourseVersion, Enrolment
from tests.factories.accounts import make_organisation, make_user

NOW = datetime(2026, 11, 21, 14, 2, 5, tzinfo=UTC)
PUBLIC_URL = "https://duri.example"
DIDS = {Role.UNIVERSITY: "did:web:hangang.example", Role.COMPANY: "did:web:nuri.example"}
_count = count(1)


def then() -> datetime:
    """Return the moment at which these tests take place."""
    return NOW


@dataclass
class KeySigner:
    """A signer that signs everything with its key, unless it is told to be down, to refuse or to lie."""

    role: Role
    key: Ed25519PrivateKey = field(default_factory=generate)
    down: bool = False
    refuses: bool = False
    lies: bool = False
    lies_on_heads: bool = False
    asked: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    now: Callable[[], datetime] = then
    operational: Ed25519PrivateKey = field(default_factory=generate)
    own: set[str] = field(default_factory=set)
    witness: Witness = field(default_factory=Witness)

    def sign(self, document: Document, kind: Kind) -> Document:
        self.asked.append(str(kind))
        self.before()
        if self.down:
            raise SignerUnavailable("down")
        if kind in {Kind.TREE_HEAD, Kind.NOTICE}:
            return self._vouch(document, kind)
        if self.refuses and kind is Kind.CREDENTIAL:
            raise SignerRefused(
                "signer.not_approved", "This course is not approved.", "승인되지 않은 과정입니다."
            )
        if kind is Kind.CREDENTIAL:
            self.own.add(sha256_of(document))
        signed = {**document, "name": "다른 내용"} if self.lies and kind is Kind.CREDENTIAL else document
        if kind is Kind.SD_JWT:
            return self._sign_form(document)
        suite = ENDORSEMENT_SUITE if kind is Kind.ENDORSEMENT else SUITES[self.role]
        return create_proof(signed, self.key, self.key_id, suite, self.now())

    def _vouch(self, document: Document, kind: Kind) -> Document:
        """Review as the real signer does, at the time that the document gives."""
        did = DIDS[self.role]
        method = key_id(did, self.operational.public_key())
        try:
            if kind is Kind.NOTICE:
                notice = review_notice(document, did, self.own, read_notice(document).time)
                return sign_notice(notice, self.operational, method)
            at = datetime.strptime(document["head"]["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            head, self.witness = review_head(document, self.witness, self.own, at)
        except CertificateProblem as problem:
            spoken = (sentence(problem.code, problem.params, language) for language in ("en", "ko"))
            raise SignerRefused(problem.code, *spoken) from None
        return sign_head(head, self.key if self.lies_on_heads else self.operational, method)

    def _sign_form(self, document: Document) -> Document:
        """Sign as the real signer does, only for certificates of its own; a liar signs other words."""
        if sha256_of(document["certificate"]) not in self.own:
            raise SignerRefused("signer.form_not_ours", "Not signed here.", "여기서 서명하지 않았어요.")
        payload = write_payload(document)
        return sign_payload(payload + b" " if self.lies else payload, self.key, self.key_id, NOW)

    def sign_many(self, documents: Sequence[Document], kind: Kind) -> list[Answer]:
        answers: list[Answer] = []
        for document in documents:
            try:
                answers.append(self.sign(document, kind))
            except SignerRefused as refused:
                answers.append(refused)
        return answers

    def sign_pdf(self, content: bytes) -> bytes:
        raise SignerUnavailable(f"{len(content)} bytes of PDF, and no key for them")

    @property
    def key_id(self) -> str:
        return key_id(DIDS[self.role], self.key.public_key())

    def party(self) -> TrustedParty:
        did, operational = DIDS[self.role], self.operational.public_key()
        keys = (
            PublicKey(self.key_id, encode_public(self.key.public_key())),
            PublicKey(key_id(did, operational), encode_public(operational), use=KeyUse.OPERATIONAL),
        )
        return TrustedParty(self.role, str(self.role), did, keys)


@dataclass
class LogKey:
    """The key of a log, in memory."""

    key: Ed25519PrivateKey = field(default_factory=generate)
    id: str = f"{PUBLIC_URL}/log"

    @property
    def multibase(self) -> str:
        return encode_public(self.key.public_key())

    def sign(self, head: TreeHead) -> Document:
        return sign_head(head, self.key, log_key_id(self.id, self.multibase))


@dataclass
class Pair:
    """Both signers, and the installation that asks them."""

    university: KeySigner = field(default_factory=lambda: KeySigner(Role.UNIVERSITY))
    company: KeySigner = field(default_factory=lambda: KeySigner(Role.COMPANY))
    log: LogKey = field(default_factory=LogKey)

    @property
    def trust(self) -> Trust:
        return Trust((self.university.party(), self.company.party()))

    @property
    def pinned(self) -> Trust:
        """Trust both, and ask for the log's proof."""
        log = TrustedLog(self.log.id, self.log.multibase, tuple(DIDS.values()))
        return Trust(self.trust.parties, (log,))

    @property
    def signing(self) -> Signing:
        return Signing(
            signers={Role.UNIVERSITY: self.university, Role.COMPANY: self.company},
            trust=self.trust,
            public_url=PUBLIC_URL,
            demo_custody=True,
            log=self.log,
        )


def make_enrolment(session: Session, *, user: User | None = None, name: str | None = "김하늘") -> Enrolment:
    """Enrol somebody in a joint course of its own; `name` is what staff confirmed."""
    number = next(_count)
    course = Course(
        slug=f"deep-learning-{number}",
        university_id=make_organisation(session, kind=OrganisationKind.UNIVERSITY).id,
        company_id=make_organisation(session, kind=OrganisationKind.COMPANY).id,
        created_at=NOW,
    )
    session.add(course)
    session.flush()
    version = CourseVersion(
        course_id=course.id, number=1, digest=f"{number:064x}", outline=outline(course.slug), files={},
        published_at=NOW,
    )  # fmt: skip
    session.add(version)
    session.flush()
    course.current_version_id = version.id
    cohort = Cohort(
        course_id=course.id, slug="one", title={"ko": "1기", "en": "First"},
        starts_at=NOW - timedelta(days=30), ends_at=NOW + timedelta(days=30),
    )  # fmt: skip
    session.add(cohort)
    session.flush()
    enrolment = Enrolment(
        user_id=(user or make_user(session)).id, cohort_id=cohort.id, enrolled_at=NOW,
        requested_name="김하늘", confirmed_name=name,
    )  # fmt: skip
    session.add(enrolment)
    session.flush()
    session.refresh(enrolment)
    return enrolment


def facts(**changes: Any) -> dict[str, Any]:
    labs = [
        {
            "slug": slug,
            "title": {"ko": ko, "en": en},
            "score": "13.5",
            "maximum": "15",
            "assurance": "shared-kernel",
            "submission_sha256": f"{position:064x}",
            "release_digest": "b" * 64,
            "environment_sha256": "c" * 64,
        }
        for position, (slug, ko, en) in enumerate(
            [("softmax", "소프트맥스", "Softmax"), ("vectors", "벡터", "Vectors")], start=1
        )
    ]
    return {"score": "27", "maximum": "30", "assurance": "shared-kernel", "labs": labs} | changes


def make_request(
    session: Session, *, enrolment: Enrolment | None = None, language: str = "ko", **changes: Any
) -> IssuanceRequest:
    """Let somebody meet a course's rule."""
    enrolment = enrolment or make_enrolment(session)
    version = enrolment.cohort.course.current_version
    assert version is not None
    return request_issuance(session, enrolment, version, facts=facts(**changes), language=language, at=NOW)


def make_credential(
    sessions: sessionmaker[Session], pair: Pair, *, user_id: int | None = None, language: str = "ko"
) -> Credential:
    """Issue a certificate through the whole ceremony."""
    with sessions.begin() as session:
        user = session.get_one(User, user_id) if user_id else None
        request = make_request(session, enrolment=make_enrolment(session, user=user), language=language)
    issued = issue(sessions, request.id, pair.signing, NOW)
    assert issued is not None
    return issued


def outline(slug: str) -> dict[str, Any]:
    return {
        "slug": slug,
        "title": {"ko": "딥러닝 첫걸음", "en": "Deep learning: first steps"},
        "summary": {"ko": "손으로 만드는 신경망.", "en": "Networks made by hand."},
        "description": {"ko": "설명", "en": "Description"},
        "languages": ["ko", "en"],
        "organisations": {"university": "hangang-university", "company": "nuri-ai"},
        "level": "beginner",
        "hours": 12,
        "skills": [{"name": {"ko": "배열", "en": "Arrays"}, "url": "https://numpy.org/doc/"}],
        "modules": [
            {
                "slug": "one",
                "title": {"ko": "하나", "en": "One"},
                "items": [{"lab": "softmax"}, {"lab": "vectors"}],
            }
        ],
        "certificate": {
            "title": {"ko": "딥러닝 첫걸음 수료", "en": "Completed Deep learning: first steps"},
            "criteria": {"ko": "30점 가운데 20점 이상.", "en": "At least 20 of 30 points."},
            "minimum_points": 20,
            "required_labs": ["softmax"],
            "required_share": 0.5,
        },
        "lessons": {},
        "labs": {
            lab: {
                "slug": lab,
                "title": {"ko": lab, "en": lab},
                "summary": {"ko": lab, "en": lab},
                "maximum": 15,
                "settings": {"environment": "ml-basics"},
            }
            for lab in ("softmax", "vectors")
        },
    }
