"""Grade records for tests, and the key that signs them."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.blobs import BlobStore
from lms.grading.core.record import (
    FORMAT,
    EnginePart,
    EnvironmentPart,
    GradeRecord,
    KernelPart,
    LimitsPart,
    MachinePart,
    OutcomePart,
    RecordKey,
    ReleasedTest,
    ReleasePart,
    RunPart,
    Statement,
    SubmissionPart,
    TimingsPart,
    TotalPart,
    Witness,
    commitment,
    key_id,
    signed,
    signing_input,
)
from lms.grading.models import GradingRun
from lms.grading.queries.labs import grading_job
from lms.grading.services.recording import Recording

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = key_id(PRIVATE.public_key().public_bytes_raw())
KEYS = (RecordKey(key=KEY, retired_at=None),)


def statement(**changes: object) -> Statement:
    parts: dict[str, object] = {
        "format": FORMAT,
        "installation": "https://duri.example",
        "run": RunPart(ordinal=1, cause="submitted"),
        "submission": SubmissionPart(
            sha256="a" * 64, attempt=2, received_at="2026-09-04T03:00:00Z", student="b" * 64
        ),
        "release": ReleasePart(
            course="first-steps",
            lab="softmax",
            number=3,
            files="c" * 64,
            manifest="d" * 64,
            student_notebook="e" * 64,
            tests=(
                ReleasedTest(grade_id="sums-to-one", hidden=False, hash="1" * 64),
                ReleasedTest(grade_id="large-values", hidden=True, hash="2" * 64),
                ReleasedTest(grade_id="essay", hidden=False, hash="3" * 64),
            ),
        ),
        "files": {"rows.csv": "f" * 64},
        "board": None,
        "environment": EnvironmentPart(
            name="ml-basics",
            lock_sha256="4" * 64,
            python_version="3.11.7",
            interpreter_sha256="5" * 64,
            packages=("numpy==2.3.1", "pandas==2.3.0"),
            packages_sha256="6" * 64,
        ),
        "machine": MachinePart(
            system="Linux", kernel="6.8.0", architecture="x86_64", processor="Example 9000"
        ),
        "engine": EnginePart(version="0.2.0", sha256="7" * 64),
        "seed": 4_294_967_295,
        "limits": LimitsPart(
            cell_seconds=30, total_seconds=120, memory_bytes=2 << 30, processes=64, output_bytes=1_000_000
        ),
        "kernel": KernelPart(libraries=("numpy",), warm=True, announces=False, data_beside=False),
        "assurance": "isolated",
        "isolation": "full",
        "outcomes": (
            OutcomePart(grade_id="sums-to-one", score=2.5, maximum=3, status="partial", hidden=False),
            OutcomePart(grade_id="large-values", score=0.1, maximum=2, status="partial", hidden=True),
            OutcomePart(grade_id="essay", score=None, maximum=5, status="manual", hidden=False),
        ),
        "total": TotalPart(score=2.6, maximum=5),
        "timings": TimingsPart(
            queued_at="2026-09-04T03:00:00Z",
            finished_at="2026-09-04T03:00:02Z",
        ),
    }
    return Statement(**(parts | changes))  # type: ignore[arg-type]


def sign(unsigned: Statement, private: Ed25519PrivateKey = PRIVATE) -> GradeRecord:
    key = key_id(private.public_key().public_bytes_raw())
    return signed(unsigned, key=key, signature=private.sign(signing_input(unsigned, key=key)))


class PlainNotary:
    """Signs with the key above, for a machine and packages that do not exist."""

    installation = "https://duri.example"

    def witness(self, environment: str, lock_sha256: str) -> Witness:
        parts = statement()
        packages = parts.environment.model_copy(update={"name": environment, "lock_sha256": lock_sha256})
        return Witness(environment=packages, machine=parts.machine, engine=parts.engine)

    def commit(self, kind: str, content: str) -> str:
        return commitment(b"secret", kind, content)

    def sign(self, statement: Statement) -> GradeRecord:
        return sign(statement)


def recording(run: GradingRun, blobs: BlobStore) -> Recording:
    """What a worker without a jail would hand over with its report."""
    return Recording(PlainNotary(), grading_job(run, blobs, environment=Path("unused")))
