"""Medals, points that fade, and tiers, by Kaggle's rules.

Source: kaggle.com/progression; blog.kaggle.com of 2015-05-13 for the points; the medal table was reproduced
on the final boards of finished competitions.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MEDALS_FROM = (100, 250, 1000)
"""Fields of fewer teams than the first have medals by share only; each next one changes the cuts."""
FADING = timedelta(days=500)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""To this day all points are taken back or forth, so that they can be added once and for all."""


class Medal(StrEnum):
    """From the best."""

    GOLD = "gold"
    SILVER = "silver"
    BRONZE = "bronze"


def medal_cuts(teams: int) -> tuple[int, int, int]:
    """Return the last rank of gold, silver and bronze in a field of so many teams, baselines left out.

    Shares are rounded down, so a field of four has no medal but bronze.
    """
    small, middle, large = MEDALS_FROM
    if teams < small:
        return teams // 10, teams // 5, teams * 2 // 5
    if teams < middle:
        return 10, teams // 5, teams * 2 // 5
    gold = 10 + teams // 500
    if teams < large:
        return gold, 50, 100
    return gold, teams // 20, teams // 10


def medal(rank: int, teams: int) -> Medal | None:
    """Return the medal of a rank in a field of so many teams, if there is one."""
    return next((name for name, last in zip(Medal, medal_cuts(teams), strict=True) if rank <= last), None)


def points(rank: int, *, team_size: int, teams: int, age: timedelta = timedelta(0)) -> float:
    """Return one member's ranking points for a place.

    Args:
        rank: on the final board.
        team_size: how many people share the place.
        teams: how many took part.
        age: since the end; points fade to a third in 500 days.

    Raises:
        ValueError: there is no such place.
    """
    if not 1 <= rank <= teams or team_size < 1 or age < timedelta(0):
        raise ValueError("a place is one of a finished board's, held by at least one person")
    won = 100_000 / math.sqrt(team_size) * math.pow(rank, -0.75) * math.log10(1 + math.log10(teams))
    return won * math.exp(-(age / FADING))


def weight(won: float, ended_at: datetime) -> float:
    """Return what points won at an end would have been worth at `BEGINNING`.

    All points fade alike, so sums of weights stand in the same order as sums of points, at every time.
    """
    return won * math.exp((ended_at - BEGINNING) / FADING)


def faded(weight: float, at: datetime) -> float:
    """Return how many points a weight, or a sum of weights, is at a moment."""
    return weight * math.exp((BEGINNING - at) / FADING)


class Tier(StrEnum):
    """From the first."""

    NOVICE = "novice"
    CONTRIBUTOR = "contributor"
    EXPERT = "expert"
    MASTER = "master"
    GRANDMASTER = "grandmaster"


class Category(StrEnum):
    """What medals are won in."""

    COMPETITIONS = "competitions"
    DATASETS = "datasets"
    NOTEBOOKS = "notebooks"


@dataclass(frozen=True)
class Medals:
    """What a person has won in one category; `solo_gold` of the gold ones alone."""

    gold: int = 0
    silver: int = 0
    bronze: int = 0
    solo_gold: int = 0

    def reach(self, least: "Medals") -> bool:
        """Say whether these do for a tier; a better medal stands for a worse one."""
        return (
            self.solo_gold >= least.solo_gold
            and self.gold >= least.gold
            and self.gold + self.silver >= least.gold + least.silver
            and self.gold + self.silver + self.bronze >= least.gold + least.silver + least.bronze
        )


LEAST: Mapping[Category, Mapping[Tier, Medals]] = {
    Category.COMPETITIONS: {
        Tier.GRANDMASTER: Medals(gold=5, solo_gold=1),
        Tier.MASTER: Medals(gold=1, silver=2),
        Tier.EXPERT: Medals(bronze=2),
    },
    Category.DATASETS: {
        Tier.GRANDMASTER: Medals(gold=5, silver=5),
        Tier.MASTER: Medals(gold=1, silver=4),
        Tier.EXPERT: Medals(bronze=3),
    },
    Category.NOTEBOOKS: {
        Tier.GRANDMASTER: Medals(gold=15),
        Tier.MASTER: Medals(silver=10),
        Tier.EXPERT: Medals(bronze=5),
    },
}


def tier(category: Category, medals: Medals, *, profile_is_complete: bool) -> Tier:
    """Return the highest tier that a person has reached in a category.

    Medals count only for somebody whose profile is complete.
    """
    if not profile_is_complete:
        return Tier.NOVICE
    reached = (name for name, least in LEAST[category].items() if medals.reach(least))
    return next(reached, Tier.CONTRIBUTOR)


@dataclass(frozen=True)
class Won:
    """One person's part in one place of a finished board."""

    rank: int
    teams: int
    people: int  # who share the place
    points: float  # on the day of the end
    medal: Medal | None
    ended_at: datetime


@dataclass(frozen=True)
class Honour:
    """The sums of a person."""

    weight: float
    medals: Medals
    challenges: int
    best: tuple[int, int] | None
    """The best rank, and of how many: of equal ranks the one in the larger field."""


def honour(won: Collection[Won]) -> Honour:
    """Add up what a person won; the order of the places changes nothing, not even the last bit."""
    counts = {each: sum(one.medal is each for one in won) for each in Medal}
    solo = sum(one.medal is Medal.GOLD and one.people == 1 for one in won)
    return Honour(
        weight=math.fsum(weight(one.points, one.ended_at) for one in won),
        medals=Medals(counts[Medal.GOLD], counts[Medal.SILVER], counts[Medal.BRONZE], solo),
        challenges=len(won),
        best=min(((one.rank, one.teams) for one in won), key=lambda best: (best[0], -best[1]), default=None),
    )
