import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.keys import key
from lms.leaderboards.core.rank import UNTIMED, Direction, Place, Scored, places

START = datetime(2026, 3, 2, tzinfo=UTC)


def entry(competitor: int | None, score: float, minute: int = 0, ordinal: int = 0) -> Scored:
    return Scored(competitor, ordinal, score, START + timedelta(minutes=minute))


def order(rows: list[Place]) -> list[tuple[int | None, int | None]]:
    return [(row.rank, row.competitor) for row in rows]


def ranks(rows: list[Place]) -> dict[int, int]:
    return {row.competitor: row.rank for row in rows if row.competitor is not None and row.rank is not None}


boards = st.lists(
    st.builds(
        Scored,
        competitor=st.one_of(st.none(), st.integers(1, 6)),
        entry=st.integers(0, 10_000),
        score=st.sampled_from([0.1, 0.2, 0.25, 0.25000001, 0.9, math.nan, math.inf, -math.inf]),
        received_at=st.integers(0, 20).map(lambda minute: START + timedelta(minutes=minute)),
    ),
    max_size=10,
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


@given(boards, directions, st.integers(1, 6), st.sampled_from([0.15, 0.25, 0.9, 1e9, -1e9]))
def test_one_more_entry_never_ranks_its_team_lower(
    entries: list[Scored], direction: Direction, competitor: int, score: float
) -> None:
    before = ranks(places(entries, direction)).get(competitor, math.inf)
    after = ranks(places([*entries, Scored(competitor, 99_999, score, START)], direction))
    assert after[competitor] <= before
    assert after[competitor] == 1 or abs(score) != 1e9 or (score > 0) != (direction == "max")


@given(boards, directions)
def test_who_has_the_better_score_ranks_ahead(entries: list[Scored], direction: Direction) -> None:
    scores = [row.score for row in places(entries, direction)]
    assert scores == sorted(scores, reverse=direction == "max")


@given(boards, st.randoms())
def test_a_board_turned_round_is_in_reverse(entries: list[Scored], chance: Random) -> None:
    """Among different scores: of equal ones the earlier stands ahead either way."""
    single = {entry.competitor: entry for entry in entries if entry.competitor is not None}
    different = list({entry.score: entry for entry in single.values()}.values())
    chance.shuffle(different)
    upright = [row.competitor for row in places(different, "max")]
    assert [row.competitor for row in places(different, "min")] == upright[::-1]


@given(boards, directions)
def test_a_board_of_scores_with_the_sign_changed_is_the_same(
    entries: list[Scored], direction: Direction
) -> None:
    changed = [replace(entry, score=-entry.score) for entry in entries]
    assert order(places(changed, "min" if direction == "max" else "max")) == order(places(entries, direction))


@given(boards, directions, st.integers(1, 6))
def test_removal_restores_the_board_as_if_the_team_had_never_come(
    entries: list[Scored], direction: Direction, gone: int
) -> None:
    before = places(entries, direction)
    rank = ranks(before).get(gone, math.inf)
    moved = [
        (row.rank and row.rank - (row.rank > rank), row.entry) for row in before if row.competitor != gone
    ]
    after = places([entry for entry in entries if entry.competitor != gone], direction)
    assert [(row.rank, row.entry) for row in after] == moved


@given(boards, directions)
def test_teams_that_merge_stand_where_the_better_one_stood(
    entries: list[Scored], direction: Direction
) -> None:
    before = ranks(places(entries, direction))
    merged = [replace(entry, competitor=1) if entry.competitor == 2 else entry for entry in entries]
    stood = [before[team] for team in (1, 2) if team in before]
    assert ranks(places(merged, direction)).get(1) == min(stood, default=None)


@given(boards, directions)
def test_the_places_of_a_board_are_the_order_of_its_keys(entries: list[Scored], direction: Direction) -> None:
    """What the database sorts by: one key a team, and a rank is the count of smaller ones plus one."""
    untimed = [replace(entry, received_at=UNTIMED) for entry in entries if entry.competitor is not None]
    keys: dict[int, bytes] = {}
    for entry in untimed:
        if entry.competitor is not None and math.isfinite(entry.score):
            mine = key(entry.score, entry.entry, direction)
            keys[entry.competitor] = min(mine, keys.get(entry.competitor, mine))
    counted = {team: 1 + sum(other < mine for other in keys.values()) for team, mine in keys.items()}
    assert ranks(places(untimed, direction)) == counted
