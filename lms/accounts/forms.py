"""The shape of what people type on the pages of accounts."""

import re
from typing import Any
from zoneinfo import available_timezones

from flask_babel import lazy_gettext
from wtforms import EmailField, HiddenField, PasswordField, SelectField, StringField
from wtforms.validators import URL, DataRequired, Email, Length, Optional, Regexp, ValidationError

from lms.accounts.core.countries import COUNTRIES
from lms.accounts.core.passwords import LONGEST
from lms.accounts.models import OrganisationKind, Role
from lms.web.formats import country_name
from lms.web.forms import Form, choices, strip
from lms.web.language import LANGUAGES

LONGEST_EMAIL = 254
LONGEST_NAME = 120
ROLE_NAMES = {
    Role.STUDENT: lazy_gettext("student"),
    Role.ASSISTANT: lazy_gettext("teaching assistant"),
    Role.INSTRUCTOR: lazy_gettext("instructor"),
    Role.SIGNATORY: lazy_gettext("signatory"),
    Role.ADMIN: lazy_gettext("organisation admin"),
    Role.EMPLOYER: lazy_gettext("employer"),
    Role.SITE_ADMIN: lazy_gettext("site admin"),
}
KIND_NAMES = {
    OrganisationKind.UNIVERSITY: lazy_gettext("university"),
    OrganisationKind.COMPANY: lazy_gettext("company"),
    OrganisationKind.OPERATOR: lazy_gettext("operator"),
}
NO_ADDRESS = lazy_gettext("This is no mail address. It looks like name@example.org.")
needed = DataRequired(lazy_gettext("Fill this in."))
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def zones() -> list[Any]:
    """Return the time zones of the world, the likeliest first."""
    places = {zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/")}
    ordered = ["Asia/Seoul", "UTC", *sorted(places - {"Asia/Seoul"})]
    return choices((zone, zone) for zone in ordered)


def countries() -> list[Any]:
    """Return the countries by their names in the reader's language, after the choice to name none."""
    named = sorted((country_name(code), code) for code in COUNTRIES)
    return choices([("", lazy_gettext("Not given")), *((code, name) for name, code in named)])


def printable(form: Form, field: StringField) -> None:
    """Refuse control characters, which could dress one name up as another."""
    del form
    if UNPRINTABLE.search(field.data or ""):
        raise ValidationError(lazy_gettext("This holds characters that cannot be shown. Type it again."))


def email_field() -> EmailField:
    """Return a field for a mail address."""
    return EmailField(
        lazy_gettext("E-mail"),
        [
            needed,
            Length(max=LONGEST_EMAIL, message=lazy_gettext("This address is too long.")),
            Email(NO_ADDRESS, allow_smtputf8=False),
            Regexp(r"[\x21-\x7e\s]*\Z", message=NO_ADDRESS),
        ],
        filters=[strip],
        render_kw={"autocomplete": "username", "maxlength": LONGEST_EMAIL},
    )


def name_field() -> StringField:
    """Return a field for a person's name."""
    return StringField(
        lazy_gettext("Name"),
        [
            needed,
            printable,
            Length(max=LONGEST_NAME, message=lazy_gettext("Use at most %(max)d characters.")),
        ],
        filters=[strip],
        description=lazy_gettext("How you want to be called. The name on a certificate is confirmed apart."),
        render_kw={"autocomplete": "name", "maxlength": LONGEST_NAME},
    )


def password_field(label: str, *, new: bool) -> PasswordField:
    """Return a field for a password; the service judges how good a new one is."""
    too_long = lazy_gettext("Use at most %(max)d characters.")
    return PasswordField(
        label,
        [needed, Length(max=LONGEST, message=too_long)],
        description=lazy_gettext("At least 10 characters; a short sentence is easy to keep in mind.")
        if new
        else "",
        render_kw={"autocomplete": "new-password" if new else "current-password", "maxlength": LONGEST},
    )


class SignInForm(Form):
    """Address and password, and where to go then."""

    email = email_field()
    password = password_field(lazy_gettext("Password"), new=False)
    next = HiddenField()


class SignUpForm(Form):
    """What a new account needs."""

    name = name_field()
    email = email_field()
    password = password_field(lazy_gettext("Password"), new=True)
    next = HiddenField()


class AddressForm(Form):
    """A mail address alone: to ask for a new password."""

    email = email_field()


class NewPasswordForm(Form):
    """A password to be set by a link."""

    password = password_field(lazy_gettext("New password"), new=True)


class ChangePasswordForm(Form):
    """The present password and the new one."""

    current = password_field(lazy_gettext("Present password"), new=False)
    new = password_field(lazy_gettext("New password"), new=True)


class ProfileForm(Form):
    """How somebody is called, and how pages speak to them."""

    name = name_field()
    language = SelectField(lazy_gettext("Language"), choices=choices(LANGUAGES.items()))
    timezone = SelectField(
        lazy_gettext("Time zone"),
        choices=zones,
        description=lazy_gettext("Times on all pages are shown in it."),
    )
    country = SelectField(
        lazy_gettext("Country (optional)"),
        choices=countries,
        filters=[lambda code: code or ""],  # also where a page from before did not ask
        description=lazy_gettext(
            "Others see it only if you show them your points and medals; boards can be filtered by it then."
        ),
    )


class InviteForm(Form):
    """Whom to invite in which role."""

    email = email_field()
    role = SelectField(lazy_gettext("Role"), coerce=Role)


class OrganisationForm(Form):
    """A new organisation."""

    name_ko = StringField(lazy_gettext("Korean name"), [needed, printable, Length(max=LONGEST_NAME)])
    name_en = StringField(lazy_gettext("English name"), [needed, printable, Length(max=LONGEST_NAME)])
    slug = StringField(
        lazy_gettext("Short name"),
        [
            needed,
            Regexp(
                r"[a-z0-9]+(-[a-z0-9]+)*\Z",
                message=lazy_gettext("Use small letters a to z, digits and single hyphens."),
            ),
            Length(max=64),
        ],
        description=lazy_gettext("Stands in addresses and course files, for example hangang-university."),
    )
    kind = SelectField(lazy_gettext("Kind"), choices=choices(KIND_NAMES.items()), coerce=OrganisationKind)
    website = StringField(lazy_gettext("Website (optional)"), [Optional(), URL(), Length(max=300)])
