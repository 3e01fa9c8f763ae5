"""What people write, made fit to be kept: never empty, never endless, nothing that cannot be seen."""

import unicodedata
from pathlib import PurePath

from lms.errors import N_, Invalid


def line(text: str, longest: int, field: str = "title") -> str:
    """Return one line of text: spaces as one each, without what cannot be seen or turns the writing around.

    Raises:
        Invalid: nothing, or too much, is left.
    """
    seen = "".join(" " if each.isspace() else each for each in unicodedata.normalize("NFC", text))
    clean = " ".join("".join(c for c in seen if unicodedata.category(c)[0] != "C").split())
    if not 1 <= len(clean) <= longest:
        raise Invalid(N_("Write 1 to %(limit)d characters."), field=field, limit=longest)
    return clean


def words(text: str, longest: int, field: str = "text") -> str:
    """Return a text without the space around it.

    Raises:
        Invalid: nothing, or too much, is left.
    """
    clean = text.strip()
    if not 1 <= len(clean) <= longest:
        raise Invalid(N_("Write 1 to %(limit)d characters."), field=field, limit=longest)
    return clean


def reason(text: str, longest: int) -> str:
    """Return why somebody decided something.

    Raises:
        Invalid: there is no reason, or too much of it.
    """
    clean = text.strip()
    if not 1 <= len(clean) <= longest:
        raise Invalid(N_("Say why, in at most %(limit)d characters."), field="reason", limit=longest)
    return clean


def file_name(text: str) -> str:
    """Return the last part of a path as somebody's computer wrote it, without what cannot be shown."""
    return "".join(one for one in PurePath(text.replace("\\", "/")).name if one.isprintable())[:200]
