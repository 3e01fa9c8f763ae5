"""What stands on the paper, word for word: a page is set from it, and a signer compares a page with it."""

from dataclasses import dataclass
from functools import cached_property

import base58

from lms.certs.core.document import SHARED_KERNEL, Claim
from lms.certs.core.reading import read_claim
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.times import read_time

_LONG_NAME = 14
_LONGEST_NAME = 30
_KEY_END = 12
_WIDE_FROM = 0x1100
_FIRST_HANGUL = "가"
_LAST_HANGUL = "힣"

_SAID = (SHARED_KERNEL, "isolated")  # levels of assurance that have a sentence
WORDS = {
    "ko": {
        "kind": "공동 인증서",
        "done": "두 기관이 함께 운영한 과정을 마쳤음을 증명합니다.",
        "score": "총점 {score} / {maximum}점",
        "labs": "실습 {count}개",
        "one_lab": "실습 1개",
        "issued": "{date:%Y}년 {date.month}월 {date.day}일 발급",
        "university": "대학의 전자 서명",
        "company": "기업의 전자 서명",
        "signed": "{at} 서명",
        "check": "두 서명을 확인하는 곳",
        "field": "이 PDF에 대한 {name}의 서명",
        "seal": "{name}의 서명으로 그린 인장",
        "sealed": "이 PDF에 서명함 · {at}",
        "signed_title": "서명된 이름:",
        "shared-kernel": (
            "채점 보증 수준 shared-kernel: 정답 검사가 학습자의 코드와 같은 커널에서 실행되었습니다."
        ),
        "isolated": (
            "채점 보증 수준 isolated: 정답 검사가 학습자의 코드가 닿을 수 없는 프로세스에서 실행되었습니다."
        ),
        "assurance": "채점 보증 수준: {assurance}.",
        "demo": "시연용 키로 서명된 인증서입니다. 자격의 증명으로 쓸 수 없습니다.",
    },
    "en": {
        "kind": "Joint certificate",
        "done": "A course that both organisations teach together.",
        "score": "{score} of {maximum} points",
        "labs": "{count} labs",
        "one_lab": "1 lab",
        "issued": "issued on {date.day} {date:%B %Y}",
        "university": "Signature of the university",
        "company": "Signature of the company",
        "signed": "signed {at}",
        "check": "Check both signatures",
        "field": "Signature of {name} over this PDF",
        "seal": "Seal drawn from the signature of {name}",
        "sealed": "Signed this PDF · {at}",
        "signed_title": "Name as signed:",
        "shared-kernel": (
            "Grading assurance shared-kernel: the checks ran in the same kernel as the learner’s code."
        ),
        "isolated": (
            "Grading assurance isolated: the checks ran in a process that the learner’s code could not reach."
        ),
        "assurance": "Grading assurance: {assurance}.",
        "demo": "Signed with keys for demonstration; it proves no qualification.",
    },
}


@dataclass(frozen=True, slots=True)
class Seal:
    """What a seal shows of one signature."""

    role: str
    name: str
    signature: bytes
    signed_at: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What stands on the paper, taken from the signed document."""

    document: Document
    language: str
    verify_url: str
    title: str
    claim: Claim

    @property
    def holder(self) -> str:
        """Return the name of the holder."""
        return self.claim.holder_name

    @property
    def name_size(self) -> str:
        """Return how large the name can be set: Hangul is as wide as two Latin letters."""
        width = sum(1 if ord(letter) < _WIDE_FROM else 2 for letter in self.holder)
        if width > 2 * _LONGEST_NAME:
            return "longest"
        return "long" if width > 2 * _LONG_NAME else "usual"

    @property
    def name_face(self) -> str:
        """Return the face of the name: one that has all of its letters, so that no accent stands out."""
        plain = all(letter.isascii() or _FIRST_HANGUL <= letter <= _LAST_HANGUL for letter in self.holder)
        return "usual-face" if plain else "foreign"

    @property
    def signed_title(self) -> str:
        """Return the achievement's name as signed, where the paper shows another language."""
        signed = self.claim.achievement.name
        return "" if signed == self.title else signed

    @property
    def sha256(self) -> str:
        """Return the hash by which the certificate is known, in groups of eight for the eye."""
        whole = sha256_of(self.document)
        return " ".join(whole[start : start + 8] for start in range(0, len(whole), 8))

    @property
    def how(self) -> str:
        """Return the second line: points, labs, date."""
        words = WORDS[self.language]
        count = len(self.claim.labs)
        labs = words["one_lab"] if count == 1 else words["labs"].format(count=count)
        parts = [
            words["score"].format(score=self.claim.score, maximum=self.claim.maximum),
            *([labs] if count else []),
            words["issued"].format(date=self.claim.issued_at),
        ]
        return "  ·  ".join(parts)

    @property
    def assurance(self) -> str:
        """Return the sentence about how the grading was guarded."""
        words = WORDS[self.language]
        if self.claim.assurance in _SAID:
            return words[self.claim.assurance]
        return words["assurance"].format(assurance=self.claim.assurance)

    @property
    def demo(self) -> bool:
        """Say whether the keys are those of a demonstration."""
        return self.claim.demo_custody

    @cached_property
    def seals(self) -> tuple[Seal, Seal]:
        """Return the university's seal, then the company's."""
        first, second = self.document["proof"]
        return (
            _seal("university", self.claim.university.name, first),
            _seal("company", self.claim.company.name, second),
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """Return every line of the page in the order in which it is set."""
        words = WORDS[self.language]
        seals = (
            line
            for seal in self.seals
            for line in (seal.name, words[seal.role], words["signed"].format(at=seal.signed_at), seal.key)
        )
        return (
            *(seal.name for seal in self.seals),
            words["kind"],
            self.holder,
            self.title,
            words["done"],
            self.how,
            *([words["signed_title"], self.signed_title] if self.signed_title else []),
            *seals,
            words["check"],
            "SHA-256",
            self.sha256,
            self.assurance,
            *([words["demo"]] if self.demo else []),
        )


def read_sheet(document: Document, *, language: str, verify_url: str, title: str | None = None) -> Sheet:
    """Read what stands on the paper of a signed credential.

    Raises:
        DocumentProblem: the document has not the form of a certificate.
    """
    claim = read_claim(document)
    return Sheet(
        document=document,
        language=language,
        verify_url=verify_url,
        title=title or claim.achievement.name,
        claim=claim,
    )


def _seal(role: str, name: str, proof: Document) -> Seal:
    signed_at = read_time(proof["created"])
    method = str(proof["verificationMethod"])
    return Seal(
        role=role,
        name=name,
        signature=base58.b58decode(proof["proofValue"][1:]),
        signed_at=f"{signed_at:%Y-%m-%d %H:%M} UTC",
        key=f"{method.partition('#')[0]} …{method[-_KEY_END:]}",
    )
