"""The tables that models are given, as their author wrote them."""

import pytest

from lms.leaderboards.core.challenge_file import ModelPart
from lms.leaderboards.core.model_table import check_inputs
from lms.leaderboards.core.scoring import ChallengeFailed, ModelInputs

ASKED = ModelPart(columns=("weight", "height"))
SAMPLE = b"id,weight,height\ns1,1.5,\n"
HIDDEN = b"height,id,weight,more\n2,h1,3e2,x\n,h2,nan,\n"
WRONG = {
    "a column of another spelling": (
        SAMPLE,
        HIDDEN.replace(b"weight", b"wieght"),
        "of hidden lacks the columns weight",
    ),
    "no ids": (SAMPLE.replace(b"id", b"name"), HIDDEN, "of files lacks the columns id"),
    "a truth for a number": (
        SAMPLE.replace(b"1.5", b"True"),
        HIDDEN,
        "row 1 of test.csv of files has no number in weight: 'True'",
    ),
    "no rows": (b"id,weight,height\n", HIDDEN, "of files has no rows"),
    "nothing": (b"", HIDDEN, "lacks the columns id, weight, height"),
    "no text": (SAMPLE, b"\xff\xfe", "cannot be read as CSV"),
    "another id": (SAMPLE, HIDDEN.replace(b"h2", b"h3"), "each id of the truth once"),
    "an id twice": (SAMPLE, HIDDEN.replace(b"h2", b"h1"), "each id of the truth once"),
    "a row without an id": (SAMPLE, b"weight,height,id\n1,2,h1\n1,2\n", "each id of the truth once"),
}


def check(sample: bytes, hidden: bytes) -> None:
    check_inputs(ASKED, "id", ModelInputs(b"", sample, hidden), ("h1", "h2"))


def test_a_table_that_fits_is_taken_with_columns_in_any_order() -> None:
    check(SAMPLE, HIDDEN)


@pytest.mark.parametrize(("sample", "hidden", "said"), WRONG.values(), ids=WRONG)
def test_a_table_that_no_model_can_be_given_is_the_author_s_fault(
    sample: bytes, hidden: bytes, said: str
) -> None:
    with pytest.raises(ChallengeFailed) as failed:
        check(sample, hidden)
    assert said in str(failed.value)
