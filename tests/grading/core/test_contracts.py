import pytest

from lms.grading.core.contracts import weakest


@pytest.mark.parametrize(
    ("levels", "together"),
    [
        (["isolated"], "isolated"),
        (["isolated", "isolated"], "isolated"),
        (["isolated", "shared-kernel"], "shared-kernel"),
        (["shared-kernel"], "shared-kernel"),
        (["isolated", "something of a later release"], "shared-kernel"),
        ([], "shared-kernel"),
    ],
)
def test_one_grade_that_can_be_faked_makes_the_sum_so(levels: list[str], together: str) -> None:
    assert weakest(levels) == together
