"""What people write, made fit to be kept: never empty, never endless, nothing that cannot be seen."""

import unicodedata
from pathlib import PurePath

from lms.courses.core.markdown import parse, weight
from lms.errors import N_, Invalid

HEAVIEST = 30
"""About how many characters of HTML a text may become for each that it may be long."""
_BREAKS = frozenset("\n\t")
_JOINERS = frozenset("\u200c\u200d")  # Persian, the scripts of India and emoji are written with them
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that show nothing


def line(text: str, longest: int, field: str = "title") -> str:
    """Return one line of text: spaces as one each, without what cannot be seen or turns the writing around.

    Raises:
        Invalid: nothing, or too much, is left.
    """
    seen = "".join(" " if each.isspace() else each for each in unicodedata.normalize("NFC", text))
    clean = " ".join("".join(c for c in seen if not _is_control(c)).split())
    if len(clean) > longest or not _is_visible(clean):
        raise Invalid(N_("Write 1 to %(limit)d characters."), field=field, limit=longest)
    return clean


def words(text: str, longest: int, field: str = "text") -> str:
    """Return a text without the space around it, and without what no database or reader can do anything with.

    Raises:
        Invalid: nothing that can be seen, or too much, is left.
    """
    clean = _clean(text)
    if len(clean) > longest or not _is_visible(clean):
        raise Invalid(N_("Write 1 to %(limit)d characters."), field=field, limit=longest)
    return clean


def prose(text: str, longest: int, field: str = "text") -> str:
    """Return Markdown as `words` does, if a page of it can be shown.

    Raises:
        Invalid: nothing that can be seen, or too much, is left, or it would be shown as far more than was
            written.
    """
    clean = words(text, longest, field)
    if weight(parse(clean)) > HEAVIEST * longest:
        raise Invalid(
            N_("This has too many tables, formulas, headings or links to be shown. Leave some out."),
            field=field,
        )
    return clean


def reason(text: str, longest: int) -> str:
    """Return why somebody decided something.

    Raises:
        Invalid: there is no reason, or too much of it.
    """
    clean = _clean(text)
    if len(clean) > longest or not _is_visible(clean):
        raise Invalid(N_("Say why, in at most %(limit)d characters."), field="reason", limit=longest)
    return clean


def _clean(text: str) -> str:
    breaks = text.replace("\r\n", "\n").replace("\r", "\n")  # as forms send them
    kept = _BREAKS | _JOINERS
    return "".join(c for c in breaks if c in kept or not _is_control(c)).strip()


def _is_control(character: str) -> bool:
    return unicodedata.category(character)[0] == "C"


def _is_visible(text: str) -> bool:
    """Say whether anything of a text is to be seen: a letter, a number, a sign."""
    return any(unicodedata.category(c)[0] in "LNPS" and c not in _BLANKS for c in text)


def file_name(text: str) -> str:
    """Return the last part of a path as somebody's computer wrote it, without what cannot be shown."""
    return "".join(one for one in PurePath(text.replace("\\", "/")).name if one.isprintable())[:200]
