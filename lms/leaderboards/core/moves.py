"""How ranks move: between the public and the private board, and over time."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Team = TypeVar("Team", bound=Hashable)


def rank_changes(public: Mapping[Team, int], private: Mapping[Team, int]) -> dict[Team, int]:
    """Return public minus private rank of each team on both boards: a positive one rose."""
    return {team: public[team] - rank for team, rank in private.items() if team in public}


def shake_up(public: Mapping[Team, int], private: Mapping[Team, int]) -> float | None:
    """Return the mean distance that teams moved, as a share of the field; None where no team has moved.

    The field is every team that ranks on either board; the mean is over those that rank on both. Whatever
    scores are missing, no team moves farther than the field is long.

    Args:
        public: ranks.
        private: ranks.

    Units: share in [0, 1).

    Source: David Thaler's shakeup, mean(abs(change)) / N.
    """
    changes = rank_changes(public, private)
    if not changes:
        return None
    return sum(map(abs, changes.values())) / len(changes) / _field(public, private)


def shake_up_of_top(
    public: Mapping[Team, int], private: Mapping[Team, int], share: float = 0.1
) -> float | None:
    """Return the mean distance that the top of the private board moved, as a share of the whole field.

    Args:
        public: ranks.
        private: ranks.
        share: of the teams on both boards that counts as the top, rounded down but never nobody.
    """
    changes = rank_changes(public, private)
    if not changes:
        return None
    top = sorted(changes, key=lambda team: private[team])[: max(1, int(len(changes) * share))]
    return sum(abs(changes[team]) for team in top) / len(top) / _field(public, private)


def _field(public: Mapping[Team, int], private: Mapping[Team, int]) -> int:
    return len(public.keys() | private.keys())


def movement(before: Mapping[Team, int], after: Mapping[Team, int]) -> dict[Team, int | None]:
    """Return how many places each team rose since an earlier board; None for a team that is new."""
    return {team: before[team] - rank if team in before else None for team, rank in after.items()}
