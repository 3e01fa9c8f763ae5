from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.honours import Category, Medals, Tier, medal, medal_cuts, points, tier


@pytest.mark.parametrize(
    ("teams", "cuts"),
    [
        (1, (0, 0, 0)),
        (4, (0, 0, 1)),
        (9, (0, 1, 3)),
        (26, (2, 5, 10)),
        (99, (9, 19, 39)),
        (100, (10, 20, 40)),
        (249, (10, 49, 99)),
        (250, (10, 50, 100)),
        (499, (10, 50, 100)),
        (500, (11, 50, 100)),
        (999, (11, 50, 100)),
        (1000, (12, 50, 100)),
        (1975, (13, 98, 197)),  # the cuts of a finished two-stage competition
        (10_246, (30, 512, 1024)),
    ],
)
def test_the_medals_of_a_field(teams: int, cuts: tuple[int, int, int]) -> None:
    assert medal_cuts(teams) == cuts


def test_a_band_includes_its_last_rank_and_not_the_next() -> None:
    won = [medal(rank, 26) for rank in range(1, 27)]
    assert won == ["gold"] * 2 + ["silver"] * 3 + ["bronze"] * 5 + [None] * 16


@given(st.integers(1, 20_000))
def test_better_medals_come_first(teams: int) -> None:
    gold, silver, bronze = medal_cuts(teams)
    assert 0 <= gold <= silver <= bronze <= teams


@pytest.mark.parametrize(
    ("rank", "team_size", "teams", "days", "expected"),
    [(1, 1, 1000, 0, 60205.9991), (10, 3, 2000, 180, 4538.2630), (2, 1, 394, 0, 33045.6181)],
)
def test_points_as_they_are_published(
    rank: int, team_size: int, teams: int, days: int, expected: float
) -> None:
    won = points(rank, team_size=team_size, teams=teams, age=timedelta(days=days))
    assert won == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("rank", "team_size", "teams", "days"), [(0, 1, 9, 0), (10, 1, 9, 0), (1, 0, 9, 0), (1, 1, 9, -1)]
)
def test_points_of_no_place_are_refused(rank: int, team_size: int, teams: int, days: int) -> None:
    with pytest.raises(ValueError, match="finished board"):
        points(rank, team_size=team_size, teams=teams, age=timedelta(days=days))


@pytest.mark.parametrize(
    ("category", "medals", "expected"),
    [
        (Category.COMPETITIONS, Medals(), Tier.CONTRIBUTOR),
        (Category.COMPETITIONS, Medals(bronze=1), Tier.CONTRIBUTOR),
        (Category.COMPETITIONS, Medals(bronze=2), Tier.EXPERT),
        (Category.COMPETITIONS, Medals(gold=1, silver=1), Tier.EXPERT),
        (Category.COMPETITIONS, Medals(gold=1, silver=2), Tier.MASTER),
        (Category.COMPETITIONS, Medals(gold=3), Tier.MASTER),
        (Category.COMPETITIONS, Medals(silver=9), Tier.EXPERT),
        (Category.COMPETITIONS, Medals(gold=5), Tier.MASTER),
        (Category.COMPETITIONS, Medals(gold=5, solo_gold=1), Tier.GRANDMASTER),
        (Category.DATASETS, Medals(bronze=3), Tier.EXPERT),
        (Category.DATASETS, Medals(gold=1, silver=4), Tier.MASTER),
        (Category.DATASETS, Medals(gold=5, silver=5), Tier.GRANDMASTER),
        (Category.NOTEBOOKS, Medals(bronze=5), Tier.EXPERT),
        (Category.NOTEBOOKS, Medals(silver=10), Tier.MASTER),
        (Category.NOTEBOOKS, Medals(gold=14, silver=90), Tier.MASTER),
        (Category.NOTEBOOKS, Medals(gold=15), Tier.GRANDMASTER),
    ],
)
def test_the_tier_that_medals_make(category: Category, medals: Medals, expected: Tier) -> None:
    assert tier(category, medals, profile_is_complete=True) is expected


def test_without_a_profile_everyone_is_a_novice() -> None:
    assert tier(Category.NOTEBOOKS, Medals(gold=20), profile_is_complete=False) is Tier.NOVICE
