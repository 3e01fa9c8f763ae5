"""The shape of what people type about courses."""

from typing import Any
from zoneinfo import available_timezones

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import DateTimeLocalField, HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length, Regexp

PLACES = sorted(name for name in available_timezones() if name[0].isupper() and "/" in name)
ZONES: Any = list(dict.fromkeys(["Asia/Seoul", "UTC", *PLACES]))
CLOCK = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_REQUIRED = lazy_gettext("This is needed.")


class NameForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """The name that the certificate will bear."""

    requested_name = StringField(
        lazy_gettext("Name on the certificate"),
        [InputRequired(_REQUIRED), Length(max=120, message=lazy_gettext("Use at most 120 characters."))],
        description=lazy_gettext("As it should be printed. Staff confirm it; from then on it is fixed."),
    )


class ConfirmForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """The name that the confirming person saw."""

    name = HiddenField(validators=[InputRequired(_REQUIRED)])


class CohortForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """A cohort: its name, its dates, its zone."""

    title_ko = StringField(lazy_gettext("Title in Korean"), [InputRequired(_REQUIRED), Length(max=120)])
    title_en = StringField(lazy_gettext("Title in English"), [InputRequired(_REQUIRED), Length(max=120)])
    slug = StringField(
        lazy_gettext("Address"),
        [
            InputRequired(_REQUIRED),
            Length(max=64),
            Regexp(
                r"[a-z0-9]+(-[a-z0-9]+)*\Z",
                message=lazy_gettext("Use lower-case letters, digits and single hyphens."),
            ),
        ],
        description=lazy_gettext("Stands in web addresses, for example 2026-winter."),
    )
    starts_at = DateTimeLocalField(lazy_gettext("Start"), [InputRequired(_REQUIRED)], format=CLOCK)
    ends_at = DateTimeLocalField(lazy_gettext("End"), [InputRequired(_REQUIRED)], format=CLOCK)
    timezone = SelectField(
        lazy_gettext("Time zone"),
        choices=ZONES,
        description=lazy_gettext("Start, end and due dates are counted in it."),
    )
