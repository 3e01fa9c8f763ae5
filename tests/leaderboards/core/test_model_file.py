"""Models as they arrive, whole and hostile; nothing of them is ever loaded here."""

import io
import json
import os
import pickle
import random
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.errors import DomainError, Invalid, TooLarge
from lms.leaderboards.core.model_file import ModelForm, ModelFormat, check_model
from lms.leaderboards.core.onnx_file import MOST_PARTS
from tests.factories.models import (
    graph,
    linear,
    message,
    node,
    onnx,
    safetensors,
    tensor,
    value,
    varint,
    with_header,
)

BOTH = ModelForm((ModelFormat.SAFETENSORS, ModelFormat.ONNX), 10 << 20)
ASKED = {"w": (2, None), "b": (2,)}
DECLARED = ModelForm((ModelFormat.SAFETENSORS,), 10 << 20, ASKED)
WHOLE = {"w": ([2, 3], [1.0] * 6), "b": ([2], [0.5] * 2)}


def refusal(content: bytes, form: ModelForm = BOTH) -> str:
    with pytest.raises(Invalid) as refused:
        check_model(content, form)
    assert refused.value.field == "file"
    return str(refused.value)


def test_whole_models_are_taken() -> None:
    assert check_model(safetensors(WHOLE), BOTH) is ModelFormat.SAFETENSORS
    assert check_model(safetensors(WHOLE, metadata={"format": "np"}), DECLARED) is ModelFormat.SAFETENSORS
    padded = with_header(entry() + "   ", EIGHT)  # as writers do, so that numbers lie at multiples of eight
    assert check_model(padded, BOTH) is ModelFormat.SAFETENSORS
    assert check_model(linear([1.0, 2.0], 0.5), BOTH) is ModelFormat.ONNX


class Bomb:
    """Would leave a trace if anybody loaded it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("/tmp/duri-a-pickle-was-loaded",)  # noqa: S108 - it must not come to be


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_any_protocol_is_refused_and_never_loaded(protocol: int) -> None:
    for held in (Bomb(), {"w": [0.5] * 5000}, list(range(100_000))):
        said = refusal(pickle.dumps(held, protocol=protocol))
        assert said.startswith("This is a pickle")
        assert said.endswith("Send the weights alone: safetensors, ONNX.")
    assert not Path("/tmp/duri-a-pickle-was-loaded").exists()  # noqa: S108


def test_a_pickle_whose_start_looks_like_a_safetensors_length_is_refused() -> None:
    assert "broken" in refusal(b"\x80\x02\x00\x00\x00\x00\x00\x00{" + b"}" * 700)


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("model/data.pkl", pickle.dumps(Bomb()))
    return made.getvalue()


def arrays() -> bytes:
    made = io.BytesIO()
    np.save(made, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return made.getvalue()


FOREIGN = {
    "torch.save": (archive(), "This is a ZIP archive"),
    "an object array": (arrays(), "This is a NumPy file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "This is an HDF5 file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "This file is compressed"),
    "predictions": (b"id,share\nt-1,0.5\n", "This is no model"),
    "nothing": (b"", "This is no model"),
    "JSON": (b'{"layers": []}', "This is no model"),
    "noise": (random.Random(3).randbytes(5000), "This is no model"),
    "a notebook": (b'{"cells": [], "nbformat": 4}', "This is no model"),
}


@pytest.mark.parametrize(("content", "expected"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_model_is_named_and_what_to_send_is_said(content: bytes, expected: str) -> None:
    said = refusal(content)
    assert said.startswith(expected)
    assert "safetensors, ONNX" in said


def test_a_file_too_large_or_of_the_other_format_is_refused() -> None:
    with pytest.raises(TooLarge, match="may have 100 bytes here, and this one has 101"):
        check_model(bytes(101), ModelForm(BOTH.formats, 100))
    assert refusal(linear([1.0], 0.0), DECLARED) == "This is ONNX, and this challenge takes only safetensors."


def entry(**changes: Any) -> str:
    plain = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}
    return json.dumps({"w": {name: value for name, value in plain.items() if value is not None}})


EIGHT = bytes(8)
TWO = {"dtype": "F32", "shape": [1]}
BROKEN = {
    "a length beyond the file": (1 << 20).to_bytes(8, "little") + b"{}",
    "a length beyond everything": b"\xff\xff\xff\xff\x00\x00\x00\x00{}",
    "a header of one byte": (1).to_bytes(8, "little") + b"{}",
    "no object": with_header("[]"),
    "blanks first": with_header(" {}"),
    "cut off": with_header('{"w": {"dtype"'),
    "no UTF-8": (4).to_bytes(8, "little") + b'{"\xff}',
    "a name twice": with_header(
        '{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "w": '
        '{"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
        EIGHT,
    ),
    "nested": with_header('{"a":' * 100_000),
    "a number of many digits": with_header(entry(shape=[1]).replace("[1]", f"[{'9' * 5000}]"), EIGHT),
    "no number": with_header(entry().replace("[2]", "[NaN]"), EIGHT),
    "a truth for a size": with_header(entry().replace("[2]", "[true, 2]"), EIGHT),
    "a fraction for a size": with_header(entry(shape=[2.0]), EIGHT),
    "a size beyond 63 bits": with_header(entry(shape=[0, 10**4000], data_offsets=[0, 0])),
    "a size below zero": with_header(entry(shape=[-2]), EIGHT),
    "many dimensions": with_header(entry(shape=[2, *[1] * 8]), EIGHT),
    "offsets the other way": with_header(entry(data_offsets=[8, 0]), EIGHT),
    "one offset": with_header(entry(data_offsets=[8]), EIGHT),
    "a size that is not its bytes": with_header(entry(shape=[3]), EIGHT),
    "bytes after the last tensor": with_header(entry(), EIGHT + b"x"),
    "bytes before the first tensor": with_header(entry(data_offsets=[4, 12]), bytes(12)),
    "tensors over each other": with_header(
        json.dumps({"a": {**TWO, "data_offsets": [0, 4]}, "b": {**TWO, "data_offsets": [0, 4]}}), bytes(4)
    ),
    "a gap": with_header(
        json.dumps({"a": {**TWO, "data_offsets": [0, 4]}, "b": {**TWO, "data_offsets": [8, 12]}}), bytes(12)
    ),
    "beyond the end": with_header(entry(data_offsets=[1 << 60, (1 << 60) + 8]), EIGHT),
    "no type": with_header(entry(dtype=None), EIGHT),
    "more keys": with_header(entry(code="import os"), EIGHT),
    "metadata that are no text": with_header('{"__metadata__": {"a": 1}}'),
    "no name": with_header(entry().replace('"w"', '""'), EIGHT),
    "a long name": with_header(entry().replace('"w"', f'"{"w" * 201}"'), EIGHT),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_safetensors_file_is_refused(content: bytes) -> None:
    said = refusal(content)
    assert "safetensors" in said
    assert "broken" in said or said.startswith("This is no model")


def test_a_type_that_is_not_taken_is_named_harmlessly() -> None:
    said = refusal(with_header(entry(dtype="F8_E5M2\u202e", shape=[8]), EIGHT))
    assert "has the type F8_E5M2�, which is not taken. Use one of: BOOL," in said


OTHER = {
    "missing": ({"w": WHOLE["w"]}, 'The tensor "b" is missing.'),
    "another shape": (
        {**WHOLE, "w": ([3, 2], [1.0] * 6)},
        'The tensor "w" has the shape (3, 2), and (2, ?) is asked for.',
    ),
    "fewer dimensions": (
        {**WHOLE, "w": ([6], [1.0] * 6)},
        'The tensor "w" has the shape (6), and (2, ?) is asked for.',
    ),
    "more": (
        {**WHOLE, "<b>c": ([1], [1.0])},
        'The tensor "<b>c" is not asked for. Leave it out.',
    ),
}


@pytest.mark.parametrize(("tensors", "expected"), OTHER.values(), ids=OTHER)
def test_tensors_of_another_architecture_are_refused(tensors: Any, expected: str) -> None:
    assert refusal(safetensors(tensors), DECLARED) == expected
    check_model(safetensors(tensors), BOTH)


def test_a_model_without_tensors_or_with_too_many_is_refused() -> None:
    assert refusal(with_header("{}")) == "A model has 1 to 1000 tensors."
    many = {f"t{number}": ([0], []) for number in range(1001)}
    assert refusal(safetensors(many)) == "A model has 1 to 1000 tensors."


ONE = node("Relu", ["inputs"], ["output"])
NEEDED = ((11, value("inputs", "rows", 1)), (12, value("output", "rows", 1)))
EXTERNAL = message((1, "location"), (2, "/etc/passwd"))


def whole(*fields: tuple[int, int | str | bytes]) -> bytes:
    return onnx(graph((1, ONE), *NEEDED, *fields))


def held(inner: bytes) -> bytes:
    """Return a graph that lies in a branch of another."""
    branch = message((1, "then_branch"), (6, graph((1, inner))), (20, 5))
    return whole((1, node("If", ["c"], ["output"], (5, branch))))


def deep(levels: int) -> bytes:
    inside = graph((1, ONE))
    for _ in range(levels):
        inside = graph((1, node("If", ["c"], ["o"], (5, message((1, "a"), (6, inside))))))
    return onnx(inside)


CUSTOM = (7, "com.microsoft")
HOSTILE = {
    "external data": (whole((5, tensor("w", [1], [], (13, EXTERNAL), (14, 1)))), "data in other files"),
    "external data, location only": (whole((5, tensor("w", [1], [1.0], (14, 1)))), "data in other files"),
    "external data, a wide number": (
        whole((5, tensor("w", [1], [1.0], (14, (1 << 32) + 1)))),
        "data in other files",
    ),
    "external data, names only": (whole((5, tensor("w", [1], [1.0], (13, EXTERNAL)))), "data in other files"),
    "external data in a constant": (
        held(node("Constant", [], ["c"], (5, message((1, "value"), (5, tensor("c", [1], [], (14, 1))))))),
        "data in other files",
    ),
    "external data in a sparse weight": (
        whole((15, message((1, tensor("w", [1], [], (14, 1)))))),
        "data in other files",
    ),
    "a custom operator": (
        whole((1, node("EPContext", ["inputs"], ["output"], CUSTOM))),
        'operators of "com.microsoft"',
    ),
    "a custom operator in a branch": (held(node("X", [], [], CUSTOM)), 'operators of "com.microsoft"'),
    "a domain that is asked for only": (
        onnx(graph((1, ONE)), (8, message((1, "my.ops"), (2, 1)))),
        'operators of "my.ops"',
    ),
    "two graphs, the second custom": (
        onnx(graph((1, ONE)), (7, graph((1, node("X", [], [], CUSTOM))))),
        'operators of "com.microsoft"',
    ),
    "functions": (onnx(graph((1, ONE)), (25, message((1, "f")))), "functions of its own"),
    "training": (onnx(graph((1, ONE)), (20, b"")), "training steps"),
    "random numbers": (whole((1, node("RandomNormal", [], ["r"]))), "RandomNormal draws at random"),
    "dropout while training": (
        whole((1, node("Dropout", ["inputs", "", "t"], ["output"]))),
        "Dropout draws at random",
    ),
    "deep": (deep(40), "too deeply"),
    "many parts": (whole(*[(16, "")] * MOST_PARTS), "more than 200000 parts"),
    "an unknown field": (whole((99, "x")), "a field that is not read here (graph, field 99)"),
    "devices": (onnx(graph((1, ONE)), (26, b"")), "a field that is not read here (model, field 26)"),
    "a number where bytes belong": (whole((5, 7)), "cannot be read"),
    "an unknown field in a weight": (whole((5, tensor("w", [1], [1.0], (90, 1)))), "(tensor, field 90)"),
    "a long operator": (whole((1, node("R" * 300, [], []))), "cannot be read"),
    "a length beyond its part": (onnx(graph((1, b"\x0a\x7f"))), "cannot be read"),
    "a number without end": (onnx(graph((1, b"\x08" + b"\xff" * 20))), "cannot be read"),
    "segments": (whole((5, tensor("w", [1], [1.0], (3, message((1, 0), (2, 1)))))), "cannot be read"),
}


@pytest.mark.parametrize(("content", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_an_onnx_file_that_needs_more_than_itself_is_refused(content: bytes, expected: str) -> None:
    begun = time.process_time()
    assert expected in refusal(content)
    assert time.process_time() - begun < 5


def test_dropout_for_inference_and_operators_of_trees_are_taken() -> None:
    trees = node("TreeEnsembleRegressor", ["inputs"], ["output"], (7, "ai.onnx.ml"))
    content = onnx(
        graph((1, node("Dropout", ["inputs", ""], ["output"])), (1, trees)),
        (8, message((1, "ai.onnx.ml"), (2, 3))),
    )
    assert check_model(content, BOTH) is ModelFormat.ONNX


def attribute(*fields: bytes) -> bytes:
    """Return a model whose one node has an attribute of these fields."""
    return whole((1, node("TreeEnsembleRegressor", ["inputs"], ["o"], (5, b"".join(fields)), CLASSICAL)))


FLOAT, INTEGER = b"\x3d" + struct.pack("<f", 0.5), b"\x40" + varint(70_000)
WORD = b"\x4a\x0aBRANCH_LEQ"
CLASSICAL = (7, "ai.onnx.ml")


def test_forests_whose_numbers_are_not_packed_are_taken_whole() -> None:
    """An exporter writes about ten numbers and a word for each node of a tree."""
    large = attribute(FLOAT * 300_000, INTEGER * 600_000, WORD * 150_000)
    assert len(large) < BOTH.max_bytes
    begun = time.process_time()
    assert check_model(large, BOTH) is ModelFormat.ONNX
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([FLOAT * 5000, FLOAT[:-1]], "cannot be read"),
        ([INTEGER * 5000, b"\x40\xff"], "cannot be read"),
        ([b"\x40" + b"\xff" * 10 + b"\x01"], "cannot be read"),
        ([WORD * 5000, WORD[:-1]], "cannot be read"),
        ([FLOAT * 5000, b"\x10\x01"], "cannot be read"),
        ([INTEGER * 5000, message((90, 1))], "(attribute, field 90)"),
        ([WORD * 5000, message((6, graph((1, node("X", [], [], CUSTOM)))))], 'operators of "com.microsoft"'),
        (
            [message((9, "w" * 5000)), message((6, graph((1, node("X", [], [], CUSTOM)))))],
            'of "com.microsoft"',
        ),
    ],
)
def test_what_follows_a_run_of_numbers_is_looked_at(fields: list[bytes], expected: str) -> None:
    assert expected in refusal(attribute(*fields))


@given(st.lists(st.sampled_from([FLOAT, INTEGER, WORD, message((9, "")), message((1, "name"))])))
def test_runs_of_any_order_are_taken(fields: list[bytes]) -> None:
    assert check_model(attribute(*fields), BOTH) is ModelFormat.ONNX


@pytest.mark.parametrize("whole_file", [safetensors(WHOLE), linear([1.0, 2.0], 0.5)])
def test_a_file_that_was_cut_off_is_refused(whole_file: bytes) -> None:
    for length in range(len(whole_file)):
        assert refusal(whole_file[:length])


@given(st.binary(max_size=300))
def test_no_bytes_are_a_crash(content: bytes) -> None:
    for start in (b"", (40).to_bytes(8, "little") + b"{", message((1, 8), (8, b""), (7, b"")), b"\x80", b"("):
        try:
            check_model(start + content, BOTH)
        except DomainError as refused:
            assert str(refused)  # noqa: PT017 - either is good, a crash is not


@given(st.integers(0, len(linear([1.0, 2.0], 0.5)) - 1), st.integers(0, 255))
def test_no_changed_byte_is_a_crash(place: int, byte: int) -> None:
    content = bytearray(linear([1.0, 2.0], 0.5))
    content[place] = byte
    try:
        check_model(bytes(content), BOTH)
    except Invalid as refused:
        assert str(refused)  # noqa: PT017


def test_weights_are_stepped_over() -> None:
    large = message((1, 2_000_000), (2, 1), (8, "w"), (9, struct.pack("<2000000f", *[0.0] * 2_000_000)))
    begun = time.process_time()
    assert check_model(whole((5, large)), BOTH) is ModelFormat.ONNX
    assert time.process_time() - begun < 1
    assert varint(300) == b"\xac\x02"
