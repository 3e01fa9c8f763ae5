import copy

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lms.certs.core.problems import Unreadable
from lms.certs.core.strict_json import MAX_BYTES, canonical, is_same, read_object, sha256_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "json.broken"),
        (b'{"a": 1', "json.broken"),
        (b"[]", "json.no_object"),
        (b'{"a": 1, "a": 1}', "json.duplicate_key"),
        (b'{"b": [{"a": 1, "\\u0061": 2}]}', "json.duplicate_key"),
        (b'{"a": NaN}', "json.bad_number"),
        (b'{"a": -Infinity}', "json.bad_number"),
        (b'{"a": 1e999}', "json.bad_number"),
        (b'{"a": 9007199254740993}', "json.bad_number"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "json.bad_number"),
        (b'{"a": "\\ud800"}', "json.lone_surrogate"),
        (b'{"\\ud800": 1}', "json.lone_surrogate"),
        (b'{"a": "\xff"}', "json.not_utf8"),
        (b'{"a": ' * 50 + b"1" + b"}" * 50, "json.too_deep"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json.too_deep"),
        (b'{"a": "' + b"x" * MAX_BYTES + b'"}', "file.too_large"),
        (b'{"a": "' + b"x" * 5_000_000 + b'"}', "file.too_large"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_object(content)
    assert caught.value.code == code


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_the_canonical_form_reads_back_as_the_same_value(value: dict[str, object]) -> None:
    assert read_object(canonical(value)) == value
    assert canonical(read_object(canonical(value))) == canonical(value)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=6)
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_the_canonical_form_is_that_of_the_library(value: object) -> None:
    try:
        expected = rfc8785.dumps(value)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(Unreadable):
            canonical(value)
    else:
        assert canonical(value) == expected


NAMED = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


@given(NAMED, NAMED)
def test_two_documents_are_the_same_if_their_canonical_forms_are(
    one: dict[str, object], other: dict[str, object]
) -> None:
    try:
        expected = canonical(one) == canonical(other)
    except Unreadable:
        return
    assert is_same(one, other) is expected
    assert is_same(one, copy.deepcopy(one))


@pytest.mark.parametrize(("value", "alike"), [(True, False), (1.0, True), ("1", False), ([1], False)])
def test_what_python_takes_for_one_is_told_apart(value: object, alike: bool) -> None:  # noqa: FBT001 - a row
    assert is_same({"a": [1, {"b": 1}]}, {"a": [1, {"b": value}]}) is alike


def test_a_document_may_be_forty_deep_and_no_deeper() -> None:
    forty = b'{"a": ' * 40 + b"{}" + b"}" * 40
    with pytest.raises(Unreadable):
        read_object(forty)
    assert read_object(forty.replace(b"{}", b"1", 1).replace(b'{"a": ', b"", 1)[:-1])
    with pytest.raises(Unreadable):
        read_object(forty.replace(b"{}", b"1", 1))


def test_the_hash_of_a_certificate_leaves_its_proofs_out() -> None:
    assert sha256_of({"a": 1, "proof": [1]}) == sha256_of({"a": 1}) != sha256_of({"a": 2})
