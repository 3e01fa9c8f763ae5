"""Rows of boards as they are drawn: each is kept, for pages are asked for more often than rows change."""

from flask import render_template
from markupsafe import Markup

from lms.db import now
from lms.leaderboards.queries.shown import Shown
from lms.web.language import language, zone, zone_name

MOST_KEPT = 5000
_KEPT: dict[tuple[object, ...], Markup] = {}
"""What stands in a row, and in what manner -> its drawing. Nothing else may decide how a row looks."""


def board_rows(shown: Shown) -> Markup:
    """Draw the rows of a part of a board."""
    board, rows = shown.board, shown.table.rows
    manner = (
        language(),
        zone_name(),
        now().astimezone(zone()).year,  # a moment of this year is written without it
        board.decimals,
        board.challenge_id is not None,
        shown.has_moves,
        shown.metrics,
    )
    drawn = []
    for before, row, after, told in zip([None, *rows], rows, [*rows[1:], None], shown.told, strict=False):
        group, medal = shown.group_of(before, row, after), shown.medal_of(row)
        key = (told, group, medal, *manner)
        drawn.append(_KEPT.get(key) or _draw(key, shown=shown, row=row, group=group, medal=medal))
    return Markup().join(drawn)


def _draw(key: tuple[object, ...], **what: object) -> Markup:
    if len(_KEPT) >= MOST_KEPT:
        _KEPT.clear()
    made = Markup(render_template("leaderboards/row.html", **what))  # noqa: S704 - a template escapes
    _KEPT[key] = made
    return made
