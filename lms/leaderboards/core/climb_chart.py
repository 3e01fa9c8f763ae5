"""Where the lines of a chart run that shows how scores got better over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from lms.leaderboards.core.digits import in_digits, rounded

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 14, 34  # margins, for figures and names; the left one at least
SIGN = 6.4  # of a figure, at most
APART = 16  # between two names
TICKS = 4


class Point(NamedTuple):
    """A moment and the score from then on."""

    at: datetime
    score: float


@dataclass(frozen=True)
class Line:
    """How one competitor climbed: a path of steps, and where its end and its name are."""

    path: str
    x: float
    y: float
    label_y: float


@dataclass(frozen=True)
class Tick:
    """A figure beside an axis."""

    at: float
    value: float


@dataclass(frozen=True)
class Chart:
    """All that is drawn; positions are in units of a box of WIDTH by HEIGHT."""

    lines: Sequence[Line]
    scores: Sequence[Tick]
    begins: datetime
    ends: datetime
    left: int = LEFT
    """Where the plot begins: right of its longest figure."""


def chart(climbs: Sequence[Sequence[Point]], until: datetime, decimals: int) -> Chart | None:
    """Lay out steps from the first moment to `until`; None where there is no step.

    Places in a drawing are figures too: they follow the scores as the board shows them.

    Args:
        climbs: of each competitor, the first in rank first; none of them empty.
        until: to which every line goes on.
        decimals: that the board shows.
    """
    climbs = [[Point(at, float(rounded(score, decimals))) for at, score in climb] for climb in climbs]
    points = [point for climb in climbs for point in climb]
    if not points:
        return None
    begins, ends = min(point.at for point in points), max(until, *(point.at for point in points))
    low, high = min(point.score for point in points), max(point.score for point in points)
    plot = _Plot(begins, (ends - begins).total_seconds() or 1.0, low, high, _left(low, high, decimals))
    last = [plot.y(climb[-1].score) for climb in climbs]
    labels = spread(last, APART, TOP, HEIGHT - BOTTOM)
    x = float(WIDTH - RIGHT)
    lines = [
        Line(_path(plot, climb, x), x, round(y, 1), round(label, 1))
        for climb, y, label in zip(climbs, last, labels, strict=True)
    ]
    return Chart(lines, plot.ticks(decimals), begins, ends, plot.left)


def _left(low: float, high: float, decimals: int) -> int:
    """Return a margin with room for every figure from `low` to `high`, with separators of thousands."""
    texts = [in_digits(score, decimals) for score in (low, high)]
    signs = max(len(text) + (len(text.partition(".")[0]) - 1) // 3 for text in texts)
    return max(LEFT, math.ceil(signs * SIGN) + 8)


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Move places apart so that none is nearer to the next than `apart`, and all stay in order and in bounds.

    Where there is too little room for all, they stand as far apart as they can.
    """
    if not wanted:
        return []
    apart = min(apart, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    placed = dict.fromkeys(order, low)
    floor = low
    for number in order:
        placed[number] = max(wanted[number], floor)
        floor = placed[number] + apart
    ceiling = high
    for number in reversed(order):
        placed[number] = min(placed[number], ceiling)
        ceiling = placed[number] - apart
    return [placed[number] for number in range(len(wanted))]


@dataclass(frozen=True)
class _Plot:
    begins: datetime
    seconds: float
    low: float
    high: float
    left: int

    def x(self, at: datetime) -> float:
        return self.left + (WIDTH - self.left - RIGHT) * ((at - self.begins).total_seconds() / self.seconds)

    def y(self, score: float) -> float:
        if self.high == self.low:
            return (TOP + HEIGHT - BOTTOM) / 2
        share = score / 2 - self.low / 2  # half of each: their difference may be too large to hold
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (share / (self.high / 2 - self.low / 2))

    def ticks(self, decimals: int) -> list[Tick]:
        """Return figures that stand where they say, each once; fewer where there are few decimals."""
        steps = [number / TICKS for number in range(TICKS + 1)]
        values = [self.low * (1 - step) + self.high * step for step in steps]
        told = dict.fromkeys(float(rounded(value, decimals)) for value in values)
        return [Tick(round(self.y(value), 1), value) for value in told]


def _path(plot: _Plot, climb: Sequence[Point], end: float) -> str:
    first, *rest = climb
    steps = [f"M{plot.x(first.at):.1f} {plot.y(first.score):.1f}"]
    steps += [f"H{plot.x(point.at):.1f}V{plot.y(point.score):.1f}" for point in rest]
    return "".join([*steps, f"H{end:.1f}"])
