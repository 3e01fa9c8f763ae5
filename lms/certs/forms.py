"""The shape of what people send about certificates."""

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

LONGEST_PASTE = 400_000
LONGEST_REASON = 300


class VerifyForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """A certificate, as a file or pasted."""

    file = FileField(
        _("Certificate file"), description=_("credential.json, or the PDF. Drop it here or choose it.")
    )
    text = TextAreaField(
        _("Or paste the JSON"),
        [Length(max=LONGEST_PASTE, message=_("This is too long. Choose the file instead."))],
    )


class WithdrawForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """Why a certificate is withdrawn."""

    reason = TextAreaField(
        _("Reason"),
        [
            InputRequired(message=_("Say why; the holder will read it.")),
            Length(max=LONGEST_REASON, message=_("Say it in at most 300 characters.")),
        ],
        description=_("The holder gets this by mail. It does not appear on the public page."),
    )
