"""Named places in a lower domain's page that upper domains fill; registered in `lms.app` only."""

from collections.abc import Callable

from flask import Flask, current_app
from markupsafe import Markup

Panel = Callable[..., Markup]


def register(app: Flask, slot: str, panel: Panel) -> None:
    """Let `panel` fill `slot`; several panels stand in the order of their registration."""
    app.extensions.setdefault("slots", {}).setdefault(slot, []).append(panel)


def fill(slot: str, **context: object) -> Markup:
    """Render everything that fills `slot`, with the page's `context` as keywords."""
    panels: list[Panel] = current_app.extensions.get("slots", {}).get(slot, [])
    return Markup("").join(panel(**context) for panel in panels)
