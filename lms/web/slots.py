"""Named places in a lower domain's page that upper domains fill; panels are registered in `lms.app` only."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask, current_app
from markupsafe import Markup

Panel = Callable[..., Markup]
Source = Callable[..., Sequence[Any]]


def register(app: Flask, slot: str, panel: Panel) -> None:
    """Let `panel` fill `slot`; several panels stand in the order of their registration."""
    app.extensions.setdefault("slots", {}).setdefault(slot, []).append(panel)


def fill(slot: str, **context: object) -> Markup:
    """Render everything that fills `slot`, with the page's `context` as keywords."""
    panels: list[Panel] = current_app.extensions.get("slots", {}).get(slot, [])
    return Markup("").join(panel(**context) for panel in panels)


def offer(app: Flask, slot: str, source: Source) -> None:
    """Let `source` give values for `slot`, where a page has to sort them or write them into a file."""
    app.extensions.setdefault("sources", {}).setdefault(slot, []).append(source)


def gather(slot: str, **context: object) -> list[Any]:
    """Return what everything that was offered for `slot` gives, with the page's `context` as keywords."""
    sources: list[Source] = current_app.extensions.get("sources", {}).get(slot, [])
    return [each for source in sources for each in source(**context)]
