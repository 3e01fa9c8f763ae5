"""Grade records: one canonical form, and a refusal for everything else."""

import json
import math
from dataclasses import fields
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lms.grading.core.contracts import KernelSettings, Limits
from lms.grading.core.record import (
    KEYS_FORMAT,
    EnginePart,
    KernelPart,
    LimitsPart,
    OutcomePart,
    RecordKey,
    RecordKeys,
    TimingsPart,
    TotalPart,
    commitment,
    from_multibase,
    key_id,
    multibase,
    public_bytes,
    written,
)
from lms.grading.core.record_reading import (
    SENTENCES,
    RecordProblem,
    differences,
    is_result,
    read_keys,
    verify,
)
from tests.factories.records import KEY, KEYS, PRIVATE, sign, statement

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden"
RECORD = written(sign(statement()))
POINTS = st.floats(min_value=0, max_value=1000, allow_nan=False)


def reason(content: bytes, keys: tuple[RecordKey, ...] = KEYS) -> str:
    with pytest.raises(RecordProblem) as refused:
        verify(content, keys)
    for language in ("en", "ko"):
        assert refused.value.sentence(language)
    return refused.value.code


def rewritten(**changes: object) -> bytes:
    return rfc8785.dumps(json.loads(RECORD) | changes)


# what holds


def test_a_signed_record_is_what_its_key_signed() -> None:
    record = verify(RECORD, KEYS)
    assert record.total == TotalPart(score=2.6, maximum=5)
    assert record.proof.key == KEY
    assert written(record) == RECORD


@given(st.lists(st.tuples(POINTS, POINTS), min_size=1, max_size=20), st.integers(0, 2**53 - 1))
def test_every_record_survives_its_file_to_the_last_digit(
    points: list[tuple[float, float]], seed: int
) -> None:
    outcomes = tuple(
        OutcomePart(grade_id=f"t{at}", score=score, maximum=most, status="passed", hidden=False)
        for at, (score, most) in enumerate(points)
    )
    total = TotalPart(
        score=math.fsum(one for one, _ in points), maximum=math.fsum(most for _, most in points)
    )
    made = sign(statement(outcomes=outcomes, total=total, seed=seed))
    assert verify(written(made), KEYS) == made


def test_the_example_in_the_documentation_is_the_golden_record() -> None:
    content = (GOLDEN / "grade-record.json").read_bytes()
    page = (ROOT / "docs" / "reference" / "grade-record.md").read_text(encoding="utf-8")
    assert json.loads(page.partition("```json")[2].partition("```")[0]) == json.loads(content)
    keys = read_keys((GOLDEN / "duri-grade-keys.json").read_bytes())
    assert verify(content, keys).submission.attempt == 2
    assert content == RECORD, "the form of records changed: give it a new format number"


def test_the_record_names_every_limit_and_every_setting_of_kernels() -> None:
    assert set(LimitsPart.model_fields) == {one.name for one in fields(Limits)}
    assert set(KernelPart.model_fields) == {one.name for one in fields(KernelSettings)}


# what is refused


@given(st.integers(0, len(RECORD) - 1), st.integers(1, 255))
def test_any_other_byte_anywhere_is_refused(at: int, change: int) -> None:
    changed = bytearray(RECORD)
    changed[at] ^= change
    assert reason(bytes(changed))


@given(st.integers(0, len(RECORD)), st.binary(min_size=1, max_size=3))
def test_any_byte_more_is_refused(at: int, more: bytes) -> None:
    assert reason(RECORD[:at] + more + RECORD[at:])


@given(st.integers(0, len(RECORD) - 1))
def test_a_truncated_record_is_refused(length: int) -> None:
    assert reason(RECORD[:length]) == "record.not-json"


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    assert reason(noise) in {"record.not-json", "record.unknown-format", "record.not-canonical"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[" * 100_000, "record.not-json"),
        (b" " * 1_000_001, "record.too-large"),
        (b'{"a":1,"a":1}', "record.duplicate-key"),
        (b'{"a":NaN}', "record.not-canonical"),
        (b'{"a":1e999}', "record.not-canonical"),
        (b'{"a":9007199254740993}', "record.not-canonical"),
        (b'{"a":"\\ud800"}', "record.not-canonical"),
        (b'{"a":' + b"9" * 5000 + b"}", "record.not-canonical"),
        (b"null", "record.unknown-format"),
        (b"{}", "record.unknown-format"),
        (b"\xff{}", "record.not-json"),
        (RECORD + b"\n", "record.not-canonical"),
        (RECORD.replace(b'"maximum":3,', b'"maximum":3.0,', 1), "record.not-canonical"),
        (json.dumps(json.loads(RECORD)).encode(), "record.not-canonical"),
        (rewritten(format="duri-grade-record/2"), "record.unknown-format"),
        (rewritten(note="trust me"), "record.other-shape"),
        (rewritten(proof=None), "record.other-shape"),
        (rewritten(proof={**json.loads(RECORD)["proof"], "also": 1}), "record.other-shape"),
        (rewritten(seed="7"), "record.other-shape"),
        (rewritten(seed=-1), "record.other-shape"),
        (rewritten(seed=True), "record.other-shape"),
        (rewritten(total={"score": 5, "maximum": 5}), "record.forged"),
    ],
)
def test_what_can_be_read_in_two_ways_or_says_something_else_is_refused(content: bytes, code: str) -> None:
    assert reason(content) == code


def test_a_signature_of_somebody_else_is_refused() -> None:
    other = Ed25519PrivateKey.generate()
    assert reason(written(sign(statement(), other))) == "record.unknown-key"
    theirs = written(sign(statement(), other)).replace(
        key_id(other.public_key().public_bytes_raw()).encode(), KEY.encode()
    )
    assert reason(theirs) == "record.forged"


def test_a_signature_for_another_purpose_is_refused() -> None:
    """The same bytes signed without the domain are no record."""
    document = json.loads(RECORD)
    document["proof"].pop("signature")
    bare = multibase(PRIVATE.sign(rfc8785.dumps(document)))
    assert reason(rewritten(proof={**document["proof"], "signature": bare})) == "record.forged"


def test_a_retired_key_stands_for_what_it_signed_before() -> None:
    retired = (RecordKey(key=KEY, retired_at="2026-09-04T03:00:02Z"),)
    assert verify(RECORD, retired)
    assert (
        reason(RECORD, (RecordKey(key=KEY, retired_at="2026-09-04T03:00:01Z"),)) == "record.after-retirement"
    )


def test_a_total_that_does_not_add_up_is_refused_even_if_it_was_signed() -> None:
    assert reason(written(sign(statement(total=TotalPart(score=5, maximum=5))))) == "record.wrong-total"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_points_that_are_no_points_cannot_be_recorded(bad: float) -> None:
    with pytest.raises(ValidationError):
        OutcomePart(grade_id="t", score=bad, maximum=1, status="passed", hidden=False)


@pytest.mark.parametrize(
    "at", ["2026-09-04T03:00:00+00:00", "2026-09-04T03:00:00.123Z", "now", "2026-09-04T03:00:00Z\n"]
)
def test_times_have_one_spelling(at: str) -> None:
    with pytest.raises(ValidationError):
        TimingsPart(queued_at=at, finished_at=at)


# keys


def test_a_list_of_keys_is_read_in_any_spelling_but_only_with_keys_in_it() -> None:
    keys = written(RecordKeys(format=KEYS_FORMAT, keys=KEYS))
    assert read_keys(json.dumps(json.loads(keys), indent=2).encode()) == KEYS
    for broken in (b"", b"[]", keys.replace(b"keys/1", b"keys/2"), keys.replace(KEY.encode(), b"z6Mk")):
        with pytest.raises(RecordProblem) as refused:
            read_keys(broken)
        assert refused.value.code == "keys.broken"


@given(st.binary(max_size=70))
def test_bytes_have_one_multibase_spelling(raw: bytes) -> None:
    assert from_multibase(multibase(raw)) == raw


def test_only_ed25519_keys_have_a_name() -> None:
    assert public_bytes(KEY) is not None
    assert public_bytes(multibase(b"\xed\x01" + b"x" * 31)) is None
    assert public_bytes(multibase(b"\x12\x00" + b"x" * 32)) is None
    assert from_multibase("z0OIl") is None


def test_a_commitment_depends_on_the_secret_the_kind_and_the_content() -> None:
    made = {
        commitment(secret, kind, content)
        for secret in (b"1", b"2")
        for kind in ("test", "student")
        for content in ("a", "b")
    }
    assert len(made) == 8
    assert commitment(b"1", "test", "a") in made


# differences


def test_the_same_things_differ_in_nothing_whenever_and_by_whomever_they_were_run() -> None:
    later = TimingsPart(
        queued_at="2027-01-01T00:00:00Z",
        finished_at="2027-01-01T00:00:09Z",
    )
    assert differences(statement(), statement(timings=later, installation="https://other.example")) == []


def test_a_difference_says_where_and_whether_it_is_one_of_the_result() -> None:
    base = statement()
    other = base.model_copy(
        update={
            "engine": EnginePart(version="0.3.0", sha256="7" * 64),
            "environment": base.environment.model_copy(update={"packages": ("numpy==2.4.0",)}),
            "outcomes": (base.outcomes[0].model_copy(update={"score": 3.0}), *base.outcomes[1:]),
        }
    )
    found = {one.where: (one.recorded, one.now, is_result(one)) for one in differences(base, other)}
    assert found == {
        "engine.version": ("0.2.0", "0.3.0", False),
        "environment.packages[numpy]": ("numpy==2.3.1", "numpy==2.4.0", False),
        "environment.packages[pandas]": ("pandas==2.3.0", None, False),
        "outcomes[sums-to-one].score": (2.5, 3.0, True),
    }


def test_every_reason_is_said_in_both_languages() -> None:
    assert all(set(texts) == {"en", "ko"} for texts in SENTENCES.values())
