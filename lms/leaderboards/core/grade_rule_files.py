"""Reading a grade rule from plain names and values, as YAML or JSON give them; every fault with its place.

kind: order | tie_group
maximum: 100
bands: [{top: 10%, points: 100}, {top: 30%, points: 90}]     # or a rank: {top: 3, points: 100}
otherwise: 70           # other ranked teams; 0 if not given
unranked: 0             # teams without a rank; 0 if not given

kind: threshold
maximum: 100
steps: [{baseline: majority, points: 60}, {baseline: forest, margin: 0.01, points: 90}, {score: 0.95, …}]

kind: blended
maximum: 100
parts: [{weight: 60, rule: {…}}, {weight: 40, rule: {…}}]
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeVar

from lms.leaderboards.core.grade_rules import (
    Band,
    Blended,
    ByRank,
    Part,
    Rule,
    RuleProblem,
    Sentence,
    Step,
    Threshold,
    shown,
)

KINDS = ("order", "tie_group", "threshold", "blended")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
_MOST_ENTRIES = 100
_MOST_DIGITS, _MOST_EXPONENT = 20, 15  # of a number: more is no grade
_SHOWN = 60
_ZERO, _ENDLESS = Fraction(0), 10**_MOST_EXPONENT
Entry = TypeVar("Entry")


def read_rule(value: object) -> Rule:
    """Read a rule.

    Raises:
        RuleProblem: something is wrong with it; every fault is told at once.
    """
    reader = _Reader()
    rule = reader.rule(value, "rule")
    if reader.problems or rule is None:
        raise RuleProblem(reader.problems)
    return rule


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Sentence] = []

    def rule(self, value: object, where: str, *, inner: bool = False) -> Rule | None:
        """Read a rule; None, with a problem, if it is none."""
        if not isinstance(value, Mapping):
            self._wrong("no_mapping", where)
            return None
        kind = value.get("kind")
        if kind not in KINDS:
            self._wrong("kind", where, value=_cut(kind), known=", ".join(KINDS))
            return None
        if kind == "blended" and inner:
            self._wrong("nested", where)
            return None
        if kind == "blended":
            return self._blended(value, where)
        return self._threshold(value, where) if kind == "threshold" else self._by_rank(value, where)

    def _by_rank(self, value: Mapping[str, Any], where: str) -> ByRank:
        self._keys(value, where, {"kind", "maximum", "bands"}, {"otherwise", "unranked"})
        maximum = self._maximum(value, where)
        bands = self._entries(value, "bands", where, lambda one, at: self._band(one, at, maximum))
        otherwise = self._points(value, "otherwise", where, maximum)
        self._falling(bands, otherwise, where)
        unranked = self._points(value, "unranked", where, maximum)
        return ByRank(value["kind"], maximum, bands, otherwise, unranked)

    def _threshold(self, value: Mapping[str, Any], where: str) -> Threshold:
        self._keys(value, where, {"kind", "maximum", "steps"}, {"otherwise", "unranked"})
        maximum = self._maximum(value, where)
        steps = self._entries(value, "steps", where, lambda one, at: self._step(one, at, maximum))
        otherwise = self._points(value, "otherwise", where, maximum)
        return Threshold(maximum, steps, otherwise, self._points(value, "unranked", where, maximum))

    def _blended(self, value: Mapping[str, Any], where: str) -> Blended:
        self._keys(value, where, {"kind", "maximum", "parts"}, set())
        return Blended(self._maximum(value, where), self._entries(value, "parts", where, self._part))

    def _band(self, value: Mapping[str, Any], where: str, maximum: Fraction) -> Band | None:
        self._keys(value, where, {"top", "points"}, set())
        top = self._top(value.get("top"), f"{where}.top") if "top" in value else None
        points = self._points(value, "points", where, maximum)
        return None if top is None else Band(top, points)

    def _top(self, value: object, where: str) -> int | Fraction | None:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        share = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
        if share and 0 < Fraction(share[1]) <= 100:  # noqa: PLR2004  # per cent
            return Fraction(share[1]) / 100
        self._wrong("top", where, value=_cut(value))
        return None

    def _step(self, value: Mapping[str, Any], where: str, maximum: Fraction) -> Step | None:
        self._keys(value, where, {"points"}, {"baseline", "margin", "score"})
        points = self._points(value, "points", where, maximum)
        if ("baseline" in value) == ("score" in value) or ("score" in value and "margin" in value):
            self._wrong("step", where)
            return None
        if "score" in value:
            return Step(points, score=self._number(value["score"], f"{where}.score"))
        baseline = value["baseline"]
        if not isinstance(baseline, str) or not baseline.strip():
            self._wrong("text", f"{where}.baseline")
            return None
        margin = self._number(value.get("margin", 0), f"{where}.margin", least=_ZERO)
        return Step(points, baseline, margin)

    def _part(self, value: Mapping[str, Any], where: str) -> Part | None:
        self._keys(value, where, {"weight", "rule"}, set())
        weight = self._positive(value, "weight", where)
        rule = self.rule(value.get("rule"), f"{where}.rule", inner=True) if "rule" in value else None
        return Part(weight, rule) if isinstance(rule, ByRank | Threshold) else None

    def _falling(self, bands: Sequence[Band], otherwise: Fraction, where: str) -> None:
        """Complain where a worse place would get more points."""
        for number, (before, band) in enumerate(pairwise(bands), start=1):
            if band.points > before.points:
                self._wrong("rising", f"{where}.bands[{number}].points", value=shown(band.points))
            if type(band.top) is type(before.top) and band.top <= before.top:
                self._wrong("order", f"{where}.bands[{number}].top")
        if bands and otherwise > bands[-1].points:
            self._wrong("rising", f"{where}.otherwise", value=shown(otherwise))

    def _entries(
        self,
        value: Mapping[str, Any],
        key: str,
        where: str,
        read: Callable[[Mapping[str, Any], str], Entry | None],
    ) -> tuple[Entry, ...]:
        given = value.get(key)
        if key not in value:
            return ()
        if not isinstance(given, Sequence) or isinstance(given, str) or not 0 < len(given) <= _MOST_ENTRIES:
            self._wrong("list", f"{where}.{key}")
            return ()
        found = []
        for number, one in enumerate(given):
            at = f"{where}.{key}[{number}]"
            if not isinstance(one, Mapping):
                self._wrong("no_mapping", at)
            elif (entry := read(one, at)) is not None:
                found.append(entry)
        return tuple(found)

    def _keys(self, value: Mapping[str, Any], where: str, needed: set[str], also: set[str]) -> None:
        known = sorted(needed | also)
        for key in sorted(needed - value.keys()):
            self._wrong("missing", where, key=key)
        for key in value:
            if key not in known:
                self._wrong("unknown", where, key=_cut(key), known=", ".join(known))

    def _maximum(self, value: Mapping[str, Any], where: str) -> Fraction:
        """Return a maximum that can be given: points have two decimals, and are never more than it."""
        maximum = self._positive(value, "maximum", where)
        if (maximum * 100).denominator != 1:
            self._wrong("cents", f"{where}.maximum", value=shown(maximum))
        return maximum

    def _positive(self, value: Mapping[str, Any], key: str, where: str) -> Fraction:
        """Return a number above 0; where it is wrong, one that nothing else is measured against."""
        known = len(self.problems)
        number = self._number(value.get(key, _ENDLESS), f"{where}.{key}", least=_ZERO)
        if number == 0:
            self._wrong("zero", f"{where}.{key}", value="0")
        return number if len(self.problems) == known else Fraction(_ENDLESS)

    def _points(self, value: Mapping[str, Any], key: str, where: str, maximum: Fraction) -> Fraction:
        points = self._number(value.get(key, 0), f"{where}.{key}", least=_ZERO)
        if points > maximum:
            self._wrong("over", f"{where}.{key}", value=shown(points), maximum=shown(maximum))
        return points

    def _number(self, value: object, where: str, least: Fraction | None = None) -> Fraction:
        """Return a number as it is written: 0.1 is a tenth; 1, with a problem, if it is none."""
        written = _decimal(value)
        if written is None:
            self._wrong("number", where, value=_cut(value))
            return Fraction(1)
        if least is not None and written < least:
            self._wrong("negative", where, value=_cut(value))
        return Fraction(written)

    def _wrong(self, code: str, where: str, **params: str) -> None:
        self.problems.append(Sentence(f"bad.{code}", {"where": where, **params}))


def _decimal(value: object) -> Decimal | None:
    """Return a number of a size that grades and scores have, as it is written."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        written = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):  # a whole number of thousands of digits has no text
        return None
    small = written.is_finite() and abs(written.adjusted()) <= _MOST_EXPONENT
    return written if small and len(written.as_tuple().digits) <= _MOST_DIGITS else None


def _cut(value: object) -> str:
    try:
        text = str(value)
    except ValueError:  # a whole number of thousands of digits
        text = "…"
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[:_SHOWN])
