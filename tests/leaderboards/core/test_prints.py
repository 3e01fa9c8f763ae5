from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.predictions import Column, Form, Kind, Table, read_predictions
from lms.leaderboards.core.prints import digest_of, hide_address, mistakes_of, print_of
from lms.leaderboards.core.scoring import Truth

FORM = Form("id", (Column("value", Kind.NUMBER),), {"a": 0, "b": 1, "c": 2})


@given(st.permutations(["a,0.50", "b,-0", "c,1e1"]))
def test_a_digest_is_of_what_was_read_and_not_of_the_file(lines: list[str]) -> None:
    csv = read_predictions(("id,value\n" + "\r\n".join(lines)).encode(), FORM)
    json = read_predictions(b'{"value": [10, 0.0, 0.5], "id": ["c", "b", "a"]}', FORM)
    assert digest_of(csv) == digest_of(json) is not None


def test_other_predictions_have_another_digest_and_constant_ones_none() -> None:
    tables: list[Table] = [{"p": ["a", "bc"]}, {"p": ["ab", "c"]}, {"q": ["a", "bc"]}, {"p": ["0.5", "1.0"]}]
    assert len({digest_of(table) for table in tables}) == 4
    assert digest_of({"p": ["north"] * 9}) is None


def test_mistakes_are_of_labels_or_of_numbers() -> None:
    assert mistakes_of([0, "b", "c"], ["0", "b", "x"]).values.tolist() == [0, 0, 1]
    assert mistakes_of([0.5, 2], [1.0, 1.0]).values.tolist() == [0.5, 1]
    truth = Truth(("a", "b"), {"p": ["x", "y"]}, (0,))
    assert print_of(truth, {"p": ["x", "z"]}, keep_mistakes=False).mistakes is None


def test_a_hash_of_an_address_needs_the_key_and_is_another_on_each_board() -> None:
    one = hide_address("192.0.2.7", "1", "key")
    assert one == hide_address("::ffff:192.0.2.7", "1", "key")
    others = [("192.0.2.8", "1", "key"), ("192.0.2.7", "2", "key"), ("192.0.2.7", "1", "other")]
    assert one not in {hide_address(*other) for other in others}
    assert hide_address("2001:db8::1", "1", "key") == hide_address("2001:db8::ffff:1", "1", "key")
    assert hide_address("2001:db8:0:1::1", "1", "key") != hide_address("2001:db8::1", "1", "key")
    assert hide_address("not an address", "1", "key")
    assert hide_address(None, "1", "key") == hide_address("", "1", "key") == ""
