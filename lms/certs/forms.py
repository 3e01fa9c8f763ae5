"""The shape of what people send about certificates."""

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, MultipleFileField
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from lms.web.forms import choices

LONGEST_PASTE = 400_000
LONGEST_REASON = 300
LONGEST_NAME = 120


class VerifyForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """A certificate, as a file or pasted."""

    file = FileField(
        _("Certificate file"),
        description=_(
            "credential.json, the PDF, PNG or SVG that carries it, or the holder's bundle (ZIP). Drop it "
            "here or choose it."
        ),
    )
    text = TextAreaField(
        _("Or paste the JSON"),
        [Length(max=LONGEST_PASTE, message=_("This is too long. Choose the file instead."))],
    )


class ManyForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """Many certificates, as files, a ZIP or a CSV."""

    files = MultipleFileField(
        _("Certificates"),
        description=_(
            "JSON, PDF, PNG or SVG files, a ZIP of them, holders' bundles, a transcript, or a CSV; 5,000 "
            "certificates at most."
        ),
    )


def _reason(description: str) -> TextAreaField:
    return TextAreaField(
        _("Reason"),
        [
            InputRequired(message=_("Say why; the holder will read it.")),
            Length(max=LONGEST_REASON, message=_("Say it in at most 300 characters.")),
        ],
        description=description,
    )


class WithdrawForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """Why a certificate is withdrawn: stands in the notices that both organisations sign for everyone."""

    reason = _reason(
        _("The holder gets this by mail, and everyone who checks the certificate reads it: name nobody else.")
    )


class CorrectForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """The name that a corrected certificate will carry."""

    name = StringField(
        _("Name on the certificate"),
        [
            InputRequired(message=_("Give the name that the certificate will carry.")),
            Length(max=LONGEST_NAME, message=_("A name has at most 120 characters.")),
        ],
        description=_("As in an official document that you have seen. Leave it if only the points changed."),
    )


class SuspendForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """Why a certificate is suspended."""

    reason = _reason(_("The holder gets this by mail. It does not appear on the public page."))


class ShareForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """How long a link shows a certificate, and for whom it is."""

    days = SelectField(
        _("How long"),
        choices=choices([("1", _("1 day")), ("7", _("7 days")), ("30", _("30 days")), ("90", _("90 days"))]),
        coerce=int,
        default=30,
    )
    label = StringField(
        _("For whom"),
        [Length(max=80, message=_("Note it in at most 80 characters."))],
        description=_("A note for yourself; nobody else sees it. You may leave it empty."),
    )
