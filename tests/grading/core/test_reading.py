import json

import pytest

from lms.grading.core.notices import Unreadable
from lms.grading.core.reading import LIMIT_CELLS, read_notebook
from tests.grading.core.making import cell, notebook

GOOD = notebook(cell("1"))
HOSTILE = {
    "empty": b"  ",
    "not-notebook": b"PK\x03\x04 not json",
    "broken-json": GOOD[:-9],
    "too-deep": b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "too-complex": b'{"nbformat": 4, "cells": [' + b"[]," * 1_100_000 + b"[]]}",
    "duplicate-keys": b'{"nbformat": 4, "nbformat": 4, "cells": []}',
    "not-a-number": b'{"nbformat": 4, "cells": [NaN]}',
    "null-bytes": GOOD.replace(b"1", b"\0"),
    "not-utf8": GOOD.replace(b"1", b"\xff\xe9"),
    "old-format": b'{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}',
    "bad-cell": notebook(cell("1"), {"cell_type": "code", "source": 5}),
    "too-many-cells": notebook(*[cell("1")] * (LIMIT_CELLS + 1)),
    "cell-too-large": notebook(cell("x" * (1 << 21))),
}


@pytest.mark.parametrize("code", HOSTILE)
def test_every_broken_file_has_its_own_notice(code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_notebook(HOSTILE[code])
    assert caught.value.notice.code == code


@pytest.mark.parametrize(
    "content", [b"null", b"[]", b"3", b"{}", b'{"nbformat": "4"}', b'{"nbformat": 4, "cells": {}}']
)
def test_json_of_another_shape_is_no_notebook(content: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read_notebook(content)
    assert caught.value.notice.code == "not-notebook"


def test_a_file_beyond_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(Unreadable) as caught:
        read_notebook(b"{" + b"[" * (51 << 20))
    assert caught.value.notice.code == "too-large"


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(Unreadable) as caught:
        read_notebook(b'{"nbformat": ' + b"9" * 10_000 + b"}")
    assert caught.value.notice.code == "not-a-number"


def test_an_endless_string_of_escaped_quotes_costs_one_pass() -> None:
    with pytest.raises(Unreadable):
        read_notebook(b'{"' + b'\\"' * 5_000_000 + b"," * 1_100_000)


@pytest.mark.parametrize("marks", [[], None, 3, "x", {"grade_id": []}, {"grade_id": None, "grade": 1}])
def test_strange_metadata_is_taken_for_none(marks: object) -> None:
    read = read_notebook(notebook(cell("1", metadata={"nbgrader": marks, "tags": "x"})))
    assert read.cells[0].grade_id == ""


def test_sources_may_be_lists_of_lines_and_lose_what_cannot_be_stored() -> None:
    content = notebook({"cell_type": "code", "source": ["a = 1\n", "b\u0000 = '\ud800'"], "metadata": {}})
    read = read_notebook(b"\xef\xbb\xbf" + content)
    assert read.cells[0].source == "a = 1\nb = '?'"
    assert read.zeroed == (1,)


def test_many_commas_in_text_do_not_make_a_notebook_too_complex() -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": "1,2,3," * 400_000}]
    assert json.loads(notebook({**cell("1"), "outputs": outputs}))
    assert len(read_notebook(notebook({**cell("1"), "outputs": outputs})).cells) == 1
