"""Grades from a board: a declared rule, what it gives each team and why, in plain words.

A rule is computed in exact fractions from the ranked board alone, so anyone with the board and the rule comes
to the same points. It never gives a better place or score fewer points.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lms.leaderboards.core.digits import LARGE, rounded
from lms.leaderboards.core.rank import Direction

SENTENCES: Mapping[str, Mapping[str, str]] = tomllib.loads(
    Path(__file__).with_name("grade_rule_sentences.toml").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Sentence:
    """Something said in both languages; `language` is "ko" or anything else for English."""

    code: str
    params: Mapping[str, str | int]

    def text(self, language: str) -> str:
        """Return it in one of them."""
        return SENTENCES[self.code]["ko" if language == "ko" else "en"] % self.params


class RuleProblem(Exception):
    """A rule cannot be used; `problems` say where and why."""

    def __init__(self, problems: Sequence[Sentence]) -> None:
        super().__init__("\n".join(one.text("en") for one in problems))
        self.problems = tuple(problems)

    def sentences(self, language: str) -> list[str]:
        """Return what is wrong in Korean or English."""
        return [one.text(language) for one in self.problems]


@dataclass(frozen=True)
class Placed:
    """One team on the final board; without a rank the others are None too."""

    team: str
    rank: int | None
    score: float | None
    tie_group: int | None


@dataclass(frozen=True)
class RankedBoard:
    """All that a rule may look at; scores are compared as they are, and written with `decimals`."""

    teams: Sequence[Placed]
    baselines: Mapping[str, float]
    direction: Direction
    decimals: int

    @cached_property
    def field(self) -> int:
        """Return how many teams have a rank."""
        return sum(team.rank is not None for team in self.teams)

    @cached_property
    def firsts(self) -> Mapping[int | None, int]:
        """Return the best rank of each tie group."""
        firsts: dict[int | None, int] = {}
        for team in self.teams:
            if team.rank is not None:
                firsts[team.tie_group] = min(team.rank, firsts.get(team.tie_group, team.rank))
        return firsts

    def reaches(self, score: Fraction, limit: Fraction) -> bool:
        """Say whether a score equals or beats another."""
        return score >= limit if self.direction == "max" else score <= limit

    def as_shown(self, score: Fraction) -> Fraction:
        """Return a score as the board shows it."""
        return Fraction(rounded(score, self.decimals))


@dataclass(frozen=True)
class Award:
    """What a rule gives one team.

    Units:
        points, maximum: points; `exact` is unrounded.
    """

    team: str
    exact: Fraction
    maximum: Fraction
    why: tuple[Sentence, ...]

    @property
    def points(self) -> Decimal:
        """Return the points with two decimals, halves up."""
        return _rounded(self.exact)


@dataclass(frozen=True)
class Band:
    """Ranks from the first to `top`: a rank, or a share of the ranked teams, rounded up."""

    top: int | Fraction
    points: Fraction

    def last(self, field: int) -> int:
        """Return the last rank of the band in a field of so many."""
        return self.top if isinstance(self.top, int) else math.ceil(self.top * field)


@dataclass(frozen=True)
class Step:
    """A score to reach: a baseline's, better by a margin, or a number of its own."""

    points: Fraction
    baseline: str | None = None
    margin: Fraction = Fraction(0)
    score: Fraction | None = None

    def limit(self, board: RankedBoard) -> Fraction:
        """Return the least score that reaches it.

        Raises:
            RuleProblem: the board has no such baseline.
        """
        if self.score is not None:
            return self.score
        found = board.baselines.get(self.baseline or "")
        if found is None or not math.isfinite(found):
            known = ", ".join(sorted(board.baselines)) or "–"
            raise RuleProblem(
                [Sentence("bad.no_baseline", {"baseline": self.baseline or "", "known": known})]
            )
        # As people read and write it: 0.1 + 0.2 is 0.3 here.
        exact = Fraction(repr(float(found)))
        return exact + self.margin if board.direction == "max" else exact - self.margin


@dataclass(frozen=True)
class _Try:
    """A team's score beside a step: as they are, and as they are written."""

    step: Step
    written: Fraction  # the limit: as declared, or rounded where it follows from a baseline's score
    reached: bool
    misleads: bool  # what is written looks as if it were the other way round

    @classmethod
    def of(cls, step: Step, limit: Fraction, score: Fraction, board: RankedBoard) -> "_Try":
        written = limit if step.score is not None else board.as_shown(limit)
        reached = board.reaches(score, limit)
        return cls(step, written, reached, reached != board.reaches(board.as_shown(score), written))

    @property
    def code(self) -> str:
        return "why.step_score" if self.step.baseline is None else "why.step_baseline"

    @property
    def said(self) -> dict[str, str]:
        return {"limit": shown(self.written), "baseline": self.step.baseline or ""}


@dataclass(frozen=True)
class ByRank:
    """Points by order, or by tie group: then a team counts as ranked where its group begins."""

    kind: Literal["order", "tie_group"]
    maximum: Fraction
    bands: tuple[Band, ...]
    otherwise: Fraction = Fraction(0)
    unranked: Fraction = Fraction(0)

    def award(self, team: Placed, board: RankedBoard) -> Award:
        """Return what a team gets: the points of the first band that it is in."""
        if team.rank is None:
            return _award(self, team, self.unranked, "why.unranked")
        first = board.firsts[team.tie_group] if self.kind == "tie_group" else team.rank
        said: dict[str, str | int] = {"rank": team.rank, "field": board.field, "first": first}
        for band in self.bands:
            last = band.last(board.field)
            if first <= last:
                code = "why.band" if self.kind == "order" else "why.group_band"
                return _award(self, team, band.points, code, **said, last=last)
        return _award(self, team, self.otherwise, "why.otherwise", **said)

    def sentences(self) -> Iterator[Sentence]:
        """Return the rule in words."""
        yield Sentence(f"rule.{self.kind}", {})
        for band in self.bands:
            if isinstance(band.top, Fraction):
                yield _points("rule.band_share", band.points, self, top=shown(band.top * 100))
            else:
                yield _points("rule.band_count", band.points, self, top=band.top)
        yield _points("rule.otherwise", self.otherwise, self)
        yield _points("rule.unranked", self.unranked, self)

    def to_dict(self) -> dict[str, Any]:
        """Return what the rule can be read from again."""
        bands = [
            {
                "top": f"{shown(band.top * 100)}%" if isinstance(band.top, Fraction) else band.top,
                "points": shown(band.points),
            }
            for band in self.bands
        ]
        return {**_head(self), "bands": bands, "otherwise": shown(self.otherwise)}


@dataclass(frozen=True)
class Threshold:
    """Points by score, against baselines or numbers."""

    maximum: Fraction
    steps: tuple[Step, ...]
    otherwise: Fraction = Fraction(0)
    unranked: Fraction = Fraction(0)
    kind: Literal["threshold"] = "threshold"

    def award(self, team: Placed, board: RankedBoard) -> Award:
        """Return what a team gets: the most of the steps that it reaches.

        Raises:
            RuleProblem: the board has not the baselines that the rule names.
        """
        limits = [(step, step.limit(board)) for step in self.steps]
        if team.rank is None or team.score is None:
            return _award(self, team, self.unranked, "why.unranked")
        # More digits than the board shows would tell of hidden labels one by one, so none of them is written.
        exact = Fraction(repr(float(team.score)))
        score = shown(board.as_shown(exact))
        tries = [_Try.of(step, limit, exact, board) for step, limit in limits]
        most = max((each for each in tries if each.reached), key=lambda one: one.step.points, default=None)
        if most is None or most.step.points < self.otherwise:
            most, award = None, _award(self, team, self.otherwise, "why.below", score=score)
        else:
            award = _award(self, team, most.step.points, most.code, **most.said, score=score)
        if not any(each.misleads for each in tries if each is most or each.step.points > award.exact):
            return award
        return replace(award, why=(*award.why, Sentence("why.rounded", {"decimals": board.decimals})))

    def sentences(self) -> Iterator[Sentence]:
        """Return the rule in words."""
        yield Sentence("rule.threshold", {})
        for step in self.steps:
            if step.score is not None:
                yield _points("rule.step_score", step.points, self, score=shown(step.score))
            else:
                code = "rule.step_margin" if step.margin else "rule.step_baseline"
                said = {"baseline": step.baseline or "", "margin": shown(step.margin)}
                yield _points(code, step.points, self, **said)
        yield _points("rule.below", self.otherwise, self)
        yield _points("rule.unranked", self.unranked, self)

    def to_dict(self) -> dict[str, Any]:
        """Return what the rule can be read from again."""
        steps = [
            {"score": shown(step.score), "points": shown(step.points)}
            if step.score is not None
            else {"baseline": step.baseline, "margin": shown(step.margin), "points": shown(step.points)}
            for step in self.steps
        ]
        return {**_head(self), "steps": steps, "otherwise": shown(self.otherwise)}


@dataclass(frozen=True)
class Part:
    """A rule and its weight among others."""

    weight: Fraction
    rule: ByRank | Threshold


@dataclass(frozen=True)
class Blended:
    """The weighted sum of other rules, each as a share of its own maximum."""

    maximum: Fraction
    parts: tuple[Part, ...]
    kind: Literal["blended"] = "blended"

    def award(self, team: Placed, board: RankedBoard) -> Award:
        """Return what a team gets.

        Raises:
            RuleProblem: a part cannot be computed from this board.
        """
        awards = [part.rule.award(team, board) for part in self.parts]
        whole = sum((part.weight for part in self.parts), Fraction(0))
        share = sum(
            (
                part.weight * award.exact / award.maximum
                for part, award in zip(self.parts, awards, strict=True)
            ),
            Fraction(0),
        )
        together = _award(self, team, share / whole * self.maximum, "why.blended")
        whys = [why for award in awards for why in award.why]
        rounded = [why for why in whys if why.code == "why.rounded"]
        whys = [why for why in whys if why not in rounded] + rounded[:1]  # it need not be said of each part
        return Award(team.team, together.exact, self.maximum, (*whys, *together.why))

    def sentences(self) -> Iterator[Sentence]:
        """Return the rule in words."""
        whole = sum((part.weight for part in self.parts), Fraction(0))
        yield Sentence("rule.blended", {"count": len(self.parts)})
        for number, part in enumerate(self.parts, start=1):
            yield Sentence("rule.part", {"number": number, "weight": shown(part.weight / whole * 100)})
            yield from part.rule.sentences()

    def to_dict(self) -> dict[str, Any]:
        """Return what the rule can be read from again."""
        parts = [{"weight": shown(part.weight), "rule": part.rule.to_dict()} for part in self.parts]
        return {"kind": self.kind, "maximum": shown(self.maximum), "parts": parts}


Rule = ByRank | Threshold | Blended


def awards(rule: Rule, board: RankedBoard) -> list[Award]:
    """Return what a rule gives each team of a board, in the order of the board.

    Raises:
        RuleProblem: the board has not what the rule names.
    """
    return [rule.award(team, board) for team in board.teams]


def written_out(rule: Rule, language: str) -> list[str]:
    """Return a rule in plain Korean or English sentences, for students to read before the deadline."""
    said = [*rule.sentences(), Sentence("rule.rounding", {}), Sentence("rule.person", {})]
    return [sentence.text(language) for sentence in said]


def shown(number: Fraction) -> str:
    """Return a number as people write it: as a decimal, and with four decimals where it has no end.

    One from `LARGE` on is written in scientific notation, as boards do.
    """
    whole = number.denominator
    while whole % 2 == 0:
        whole //= 2
    while whole % 5 == 0:
        whole //= 5
    exact = Decimal(number.numerator) / Decimal(number.denominator)
    if abs(exact) >= LARGE:
        return f"{exact.normalize():e}"
    text = f"{exact:f}" if whole == 1 else f"{exact:.4f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _head(rule: ByRank | Threshold) -> dict[str, Any]:
    return {"kind": rule.kind, "maximum": shown(rule.maximum), "unranked": shown(rule.unranked)}


def _award(rule: Rule, team: Placed, points: Fraction, code: str, **said: str | int) -> Award:
    return Award(team.team, points, rule.maximum, (_points(code, points, rule, **said),))


def _points(code: str, points: Fraction, rule: Rule, **said: str | int) -> Sentence:
    numbers = {"points": shown(Fraction(_rounded(points))), "maximum": shown(rule.maximum)}
    return Sentence(code, {**said, **numbers})


def _rounded(points: Fraction) -> Decimal:
    cents = math.floor(points * 100 + Fraction(1, 2))
    return Decimal(cents).scaleb(-2)
