import math
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.rank import Direction, Place, Scored, places

START = datetime(2026, 3, 2, tzinfo=UTC)


def entry(competitor: int | None, score: float, minute: int = 0, ordinal: int = 0) -> Scored:
    return Scored(competitor, ordinal, score, START + timedelta(minutes=minute))


def order(rows: list[Place]) -> list[tuple[int | None, int | None]]:
    return [(row.rank, row.competitor) for row in rows]


boards = st.lists(
    st.builds(
        Scored,
        competitor=st.one_of(st.none(), st.integers(1, 6)),
        entry=st.integers(0, 10_000),
        score=st.sampled_from([0.1, 0.2, 0.25, 0.25000001, 0.9, math.nan, math.inf, -math.inf]),
        received_at=st.integers(0, 20).map(lambda minute: START + timedelta(minutes=minute)),
    ),
    max_size=25,
    unique_by=lambda scored: scored.entry,
)
directions = st.sampled_from(["max", "min"])


def test_the_better_score_stands_ahead_in_either_direction() -> None:
    rows = [entry(1, 0.4), entry(2, 0.9)]
    assert order(places(rows, "max")) == [(1, 2), (2, 1)]
    assert order(places(rows, "min")) == [(1, 1), (2, 2)]


def test_of_equal_scores_the_earlier_stands_ahead_and_places_are_never_shared() -> None:
    assert order(places([entry(1, 0.9, minute=5), entry(2, 0.9, minute=1)], "max")) == [(1, 2), (2, 1)]


def test_ranking_uses_unrounded_scores() -> None:
    assert order(places([entry(1, 0.90001), entry(2, 0.90002, minute=9)], "max"))[0] == (1, 2)


def test_a_student_stands_once_with_the_best_entry() -> None:
    rows = places([entry(1, 0.4, ordinal=1), entry(1, 0.9, ordinal=2), entry(1, 0.5, ordinal=3)], "max")
    assert [(row.score, row.entries) for row in rows] == [(0.9, 3)]


def test_a_baseline_stands_in_its_place_without_a_rank() -> None:
    rows = places([entry(1, 0.9), entry(None, 0.7), entry(2, 0.5, ordinal=1)], "max")
    assert order(rows) == [(1, 1), (None, None), (2, 2)]


def test_to_equal_a_baseline_is_to_pass_it() -> None:
    assert order(places([entry(None, 0.7), entry(1, 0.7, minute=9)], "max")) == [(1, 1), (None, None)]


@given(boards, directions)
def test_what_is_not_a_number_never_ranks(entries: list[Scored], direction: Direction) -> None:
    assert all(math.isfinite(row.score) for row in places(entries, direction))


@given(boards, directions, st.randoms())
def test_the_order_of_rows_does_not_matter(
    entries: list[Scored], direction: Direction, chance: Random
) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)
    assert places(shuffled, direction) == places(entries, direction)


@given(boards, directions)
def test_places_run_from_one_without_gaps(entries: list[Scored], direction: Direction) -> None:
    ranks = [row.rank for row in places(entries, direction) if row.rank is not None]
    assert ranks == list(range(1, len(ranks) + 1))


@given(boards, directions, st.integers(1, 6))
def test_a_worse_entry_changes_nobodys_place(
    entries: list[Scored], direction: Direction, competitor: int
) -> None:
    before = places(entries, direction)
    if not any(row.competitor == competitor for row in before):
        return
    worst = -1e9 if direction == "max" else 1e9
    after = places([*entries, Scored(competitor, 99_999, worst, START)], direction)
    assert order(after) == order(before)


@given(boards, directions, st.integers(1, 6))
def test_a_better_entry_never_ranks_lower(
    entries: list[Scored], direction: Direction, competitor: int
) -> None:
    rank = {row.competitor: row.rank for row in places(entries, direction)}.get(competitor)
    best = 1e9 if direction == "max" else -1e9
    after = places([*entries, Scored(competitor, 99_999, best, START)], direction)
    assert {row.competitor: row.rank for row in after}[competitor] == 1
    assert rank is None or rank >= 1
