"""The parent of all forms, and what forms of all domains share."""

from collections.abc import Iterable
from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs


class Form(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """A form with a CSRF token; its fields' own complaints are translated by WTForms."""


def text(field: Field) -> str:
    """Return what was typed; the empty string for nothing."""
    return field.data or ""


def choices(pairs: Iterable[tuple[str, Any]]) -> list[Any]:
    """Return (value, label) pairs as the choices of a `SelectField`; a label may be lazy."""
    return [SelectChoice(value, label) for value, label in pairs]


def strip(text: str | None) -> str | None:
    """Drop the space around what was typed: a filter for fields."""
    return text.strip() if text else text
