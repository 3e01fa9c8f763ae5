import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.courses.core.search import relevance

TEXTS = ["딥러닝 첫걸음 Deep learning: first steps", "행렬과 확률을 배우는 과정이에요. 한강대학교"]


@pytest.mark.parametrize(
    "query",
    [
        "딥러닝",
        "딥러닝을",
        "과정을",
        "과정은",
        "행렬",
        "확률",
        "deep",
        "DEEP Lear",
        "한강",
        "첫걸음",
        "률",
        "ｄｅｅｐ",
    ],
)
def test_what_is_there_is_found(query: str) -> None:
    assert relevance(query.replace("+", " "), TEXTS) > 0


@pytest.mark.parametrize("query", ["통계", "zebra", "딥러닝 통계", "earning", "물리를"])
def test_what_is_not_there_is_not_found(query: str) -> None:
    assert relevance(query, TEXTS) == 0


def test_a_word_in_the_title_counts_for_more() -> None:
    assert relevance("딥러닝", ["딥러닝", "기초"]) > relevance("딥러닝", ["기초", "딥러닝"])


@settings(deadline=None)
@given(st.text(max_size=200), st.lists(st.text(max_size=50), max_size=4))
def test_relevance_is_a_share(query: str, texts: list[str]) -> None:
    assert 0 <= relevance(query, texts) <= 1
