"""The signed grade record: what one grading run was made of and what came of it, in one canonical form.

A record may be shown to anybody. It names nobody, and of what students do not have (hidden tests, hidden
rows, the solution) it holds *commitments* only: hashes under a secret of the installation. A plain hash of
a short hidden test would tell whoever guesses it that the guess is right.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Protocol

import base58
import rfc8785
from pydantic import BaseModel, ConfigDict, Field

FORMAT: Final = "duri-grade-record/1"
KEYS_FORMAT: Final = "duri-grade-keys/1"
MAX_BYTES = 1_000_000
_DOMAIN = b"duri-grade-record/1\n"
_ED25519 = b"\xed\x01"
_LARGEST = 2**53 - 1

Sha256Text = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Multibase = Annotated[str, Field(pattern=r"^z[1-9A-HJ-NP-Za-km-z]{1,120}$")]
Text = Annotated[str, Field(max_length=500)]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Figure = Annotated[float, Field(ge=0, le=_LARGEST, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunPart(_Part):
    """Which of a submission's grading runs this is."""

    ordinal: Annotated[int, Field(ge=1, le=_LARGEST)]
    cause: Text


class SubmissionPart(_Part):
    """The file that was handed in; `student` is a pseudonym."""

    sha256: Sha256Text
    attempt: Annotated[int, Field(ge=1, le=_LARGEST)]
    received_at: Moment
    student: Sha256Text


class ReleasedTest(_Part):
    """One graded cell of the release; `hash` is a commitment where the cell holds hidden tests."""

    grade_id: Text
    hidden: bool
    hash: Sha256Text


class ReleasePart(_Part):
    """The version of the lab; `files` and `manifest` are commitments."""

    course: Text
    lab: Text
    number: Annotated[int, Field(ge=1, le=_LARGEST)]
    files: Sha256Text
    manifest: Sha256Text
    student_notebook: Sha256Text
    tests: tuple[ReleasedTest, ...]


class EnvironmentPart(_Part):
    """The packages that the notebook ran with, as found installed."""

    name: Text
    lock_sha256: Sha256Text
    python_version: Text
    interpreter_sha256: Sha256Text
    packages: tuple[Text, ...]
    packages_sha256: Sha256Text


class MachinePart(_Part):
    """Where it ran."""

    system: Text
    kernel: Text
    architecture: Text
    processor: Text


class EnginePart(_Part):
    """The grader itself: its version, and the hash of the source of everything that grades."""

    version: Text
    sha256: Sha256Text


class LimitsPart(_Part):
    """What the run might use. Units: seconds; bytes."""

    cell_seconds: Figure
    total_seconds: Figure
    memory_bytes: Count
    processes: Count
    output_bytes: Count


class KernelPart(_Part):
    """How the run's kernels came to be."""

    libraries: tuple[Text, ...]
    warm: bool
    announces: bool
    data_beside: bool


class OutcomePart(_Part):
    """The outcome of one graded cell. Units: points; `score` is null where a person grades."""

    grade_id: Text
    score: Figure | None
    maximum: Figure
    status: Text
    hidden: bool


class TotalPart(_Part):
    """The points of all outcomes that have a score. Units: points."""

    score: Figure
    maximum: Figure


class TimingsPart(_Part):
    """When; no run repeats these. How long it ran is left out: it could tell what hidden tests were."""

    queued_at: Moment
    finished_at: Moment


class ProofPart(_Part):
    """Who says so: the key's multibase form and its signature over all the rest."""

    type: Literal["Ed25519"]
    key: Multibase
    signature: Multibase


class Statement(_Part):
    """A record before it is signed."""

    format: Literal["duri-grade-record/1"]
    installation: Text
    run: RunPart
    submission: SubmissionPart
    release: ReleasePart
    files: dict[Text, Sha256Text]
    board: Sha256Text | None
    environment: EnvironmentPart
    machine: MachinePart
    engine: EnginePart
    seed: Count
    limits: LimitsPart
    kernel: KernelPart
    assurance: Text
    isolation: Text
    outcomes: tuple[OutcomePart, ...]
    total: TotalPart
    timings: TimingsPart


class GradeRecord(Statement):
    """A signed record."""

    proof: ProofPart


class RecordKey(_Part):
    """One public key of an installation; `retired_at` ends its use for new records."""

    key: Multibase
    retired_at: Moment | None


class RecordKeys(_Part):
    """All public keys of an installation, the newest last."""

    format: Literal["duri-grade-keys/1"]
    keys: tuple[RecordKey, ...]


class Witness(_Part):
    """What a run ran on, as its machine finds it."""

    environment: EnvironmentPart
    machine: MachinePart
    engine: EnginePart


class Notary(Protocol):
    """Signs for the installation, keeps its secret, and knows the machine."""

    @property
    def installation(self) -> str:
        """Return the address under which the installation's keys are published."""

    def witness(self, environment: str, lock_sha256: str) -> Witness:
        """Return what a run in this environment runs on here."""

    def commit(self, kind: str, content: str) -> str:
        """Return the commitment to `content`; see `commitment`."""

    def sign(self, statement: Statement) -> GradeRecord:
        """Return the statement, signed with the newest key."""


def canonical(value: Any) -> bytes:
    """Write a JSON value in its one canonical form.

    Raises:
        ValueError: the value has none.

    Source: RFC 8785.
    """
    return rfc8785.dumps(value)


def written(record: BaseModel) -> bytes:
    """Return a record, or a list of keys, as the bytes of its file."""
    return canonical(record.model_dump(mode="json"))


def signing_input(record: Statement, *, key: str) -> bytes:
    """Return what a signature covers: the domain, then the canonical record without the signature."""
    document = record.model_dump(mode="json", exclude={"proof"})
    return _DOMAIN + canonical({**document, "proof": {"type": "Ed25519", "key": key}})


def signed(statement: Statement, *, key: str, signature: bytes) -> GradeRecord:
    """Join a statement and the signature over its `signing_input`."""
    proof = ProofPart(type="Ed25519", key=key, signature=multibase(signature))
    return GradeRecord(**{name: getattr(statement, name) for name in Statement.model_fields}, proof=proof)


def key_id(public_bytes: bytes) -> str:
    """Return the name of an Ed25519 public key: itself.

    Source: W3C Controlled Identifiers 1.0, Multikey.
    """
    return multibase(_ED25519 + public_bytes)


def public_bytes(key: str) -> bytes | None:
    """Return the 32 bytes of a key's name, or None where it names no Ed25519 key."""
    raw = from_multibase(key)
    wanted = len(_ED25519) + 32
    return raw[len(_ED25519) :] if raw and len(raw) == wanted and raw.startswith(_ED25519) else None


def multibase(raw: bytes) -> str:
    """Write bytes as `z` and base58."""
    return "z" + base58.b58encode(raw).decode("ascii")


def from_multibase(text: str) -> bytes | None:
    """Read `z` and base58; None where it is not the one spelling of any bytes."""
    try:
        raw: bytes = base58.b58decode(text[1:])
    except ValueError:
        return None
    return raw if multibase(raw) == text else None


def commitment(secret: bytes, kind: str, content: str) -> str:
    """Return the keyed hash that stands for content which the reader does not have.

    Whoever holds the secret can show what it stands for; nobody else can try guesses.

    Source: HMAC-SHA256, RFC 2104.
    """
    return hmac.new(secret, f"{kind}\n{content}".encode(), hashlib.sha256).hexdigest()


def moment(at: datetime) -> str:
    """Write a moment in UTC, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
