"""The parent of all forms, and what forms of all domains share."""

from flask_wtf import FlaskForm
from wtforms import Field


class Form(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """A form with a CSRF token; its fields' own complaints are translated by WTForms."""


def text(field: Field) -> str:
    """Return what was typed; the empty string for nothing."""
    return field.data or ""
