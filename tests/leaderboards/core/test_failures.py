from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.failures import FAILURES, LONGEST, EntryFailed, read_failure, write_failure


@given(
    st.sampled_from(sorted(FAILURES)),
    st.dictionaries(st.sampled_from(["cell", "error"]), st.text() | st.integers()),
)
def test_a_failure_fits_in_one_line_and_comes_back(code: str, params: dict[str, str | int]) -> None:
    line = write_failure(EntryFailed(code, **params))
    message, found = read_failure(line)
    assert len(line) <= LONGEST
    assert message == FAILURES[code]
    assert set(found) == set(params)


def test_what_is_long_is_cut_and_the_rest_is_kept() -> None:
    line = write_failure(EntryFailed("cell_failed", cell=3, error="x" * 5000))
    _, found = read_failure(line)
    assert found["cell"] == 3
    assert str(found["error"]).endswith("…")


def test_a_line_of_an_older_release_is_shown_as_it_stands() -> None:
    assert read_failure("not_finite") == (FAILURES["not_finite"], {})
    assert read_failure("something else") == ("something else", {})
