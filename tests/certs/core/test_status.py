import base64
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.certs.core.problems import StatusProblem
from lms.certs.core.status import (
    LEAST_BITS,
    MOST_BYTES,
    build_status_list,
    contains,
    decode_bits,
    encode_bits,
    is_set,
    read_status_list,
)
from tests.certs.conftest import edition

PLACES = st.sets(st.integers(0, LEAST_BITS - 1), max_size=20)


def encoded(raw: bytes) -> str:
    return "u" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


@settings(max_examples=20)
@given(PLACES, PLACES)
def test_exactly_the_given_places_are_set(some: set[int], others: set[int]) -> None:
    bits = encode_bits(some)
    assert all(is_set(bits, index) for index in some)
    assert {index for index in others if is_set(bits, index)} == some & others
    assert contains(encode_bits(some | others), bits)
    assert contains(bits, encode_bits(others)) == (others <= some)


def test_the_first_place_is_the_leftmost_bit() -> None:
    assert decode_bits(encode_bits([0, 15]))[:2] == b"\x80\x01"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_encoding"),
        ("z" + "1" * 40, "bad_encoding"),
        ("u!!!!", "bad_encoding"),
        (encoded(b"not gzip"), "bad_encoding"),
        (encoded(gzip.compress(bytes(LEAST_BITS // 8), mtime=0)[:-4]), "bad_encoding"),
        (encoded(gzip.compress(bytes(LEAST_BITS // 8), mtime=0) + b"more"), "bad_encoding"),
        (encoded(gzip.compress(bytes(100), mtime=0)), "bad_length"),
        (encoded(gzip.compress(bytes(MOST_BYTES + 1), mtime=0)), "bad_length"),
        (encoded(gzip.compress(bytes(200_000_000), compresslevel=1, mtime=0)), "bad_encoding"),
        ("u" + "A" * 3_000_000, "bad_encoding"),
    ],
)
def test_a_damaged_or_swollen_list_is_refused(text: str, code: str) -> None:
    with pytest.raises(StatusProblem, match=code):
        is_set(text, 0)


def test_a_place_outside_the_list_is_refused() -> None:
    for index in (-1, LEAST_BITS):
        with pytest.raises(StatusProblem, match="index_outside"):
            is_set(encode_bits([]), index)
        with pytest.raises(StatusProblem, match="index_outside"):
            encode_bits([index])
    with pytest.raises(StatusProblem, match="bad_length"):
        encode_bits([], 1024)


def test_an_edition_reads_back() -> None:
    assert read_status_list(build_status_list(edition())) == edition()
    assert read_status_list(build_status_list(edition(demo_custody=False))) == edition(demo_custody=False)


@pytest.mark.parametrize("document", [{}, {"termsOfUse": []}, {"termsOfUse": [{}], "id": 1}])
def test_another_document_is_no_list(document: dict[str, object]) -> None:
    with pytest.raises(StatusProblem, match="shape"):
        read_status_list(document)
