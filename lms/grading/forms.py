"""Shapes of what people send: a notebook, a mark, a yes."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import FloatField, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length

from lms.grading.models import RetryReason
from lms.web.forms import choices

REASONS = {
    RetryReason.MACHINE.value: lazy_gettext("The machine or the worker was at fault"),
    RetryReason.ENVIRONMENT.value: lazy_gettext("The packages were put right"),
    RetryReason.LAB.value: lazy_gettext("The lab was put right"),
    RetryReason.ASKED.value: lazy_gettext("Somebody asked for it"),
    RetryReason.MISTAKE.value: lazy_gettext("It should not have been cancelled"),
}


class UploadForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """One notebook."""

    notebook = FileField(
        lazy_gettext("Your notebook"),
        description=lazy_gettext("The .ipynb file, up to 50 MB. Outputs may stay in it; they are not used."),
        validators=[FileRequired(lazy_gettext("Choose the .ipynb file first."))],
    )


class MarkForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """Points and a comment for one written answer."""

    score = FloatField(
        lazy_gettext("Points"), validators=[InputRequired(lazy_gettext("Give the points as a number."))]
    )
    comment = TextAreaField(
        lazy_gettext("Comment"),
        description=lazy_gettext("The student reads this beside the points."),
        validators=[Length(max=5000)],
    )


class ConfirmForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """Nothing but the button."""


class RetryForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """Which runs to try again, and why."""

    reason = SelectField(
        lazy_gettext("Why"),
        choices=choices(REASONS.items()),
        validators=[InputRequired(lazy_gettext("Choose a reason."))],
    )
