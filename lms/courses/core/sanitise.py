"""Let through the HTML that a lesson needs and nothing that could run, load or pose as ours."""

import re

import nh3
from pygments.token import STANDARD_TYPES

_TEXT = """
    a b blockquote br code dd del div dl dt em figcaption figure h2 h3 h4 h5 h6 hr i img kbd li ol p pre s
    span strong sub sup table tbody td tfoot th thead tr ul
"""
_MATHS = """
    math mrow mi mn mo mtext mspace ms msup msub msubsup mfrac msqrt mroot munder mover munderover mtable mtr
    mtd mstyle mpadded mphantom menclose merror mmultiscripts mprescripts none
"""
_MATHS_WORDS = """
    mathvariant display displaystyle scriptlevel stretchy form fence separator lspace rspace minsize maxsize
    accent accentunder columnalign rowalign columnspacing rowspacing columnlines rowlines linethickness width
    height depth voffset largeop movablelimits symmetric notation
"""
_TEXT_TAGS = frozenset(_TEXT.split())
_MATHS_TAGS = frozenset(_MATHS.split())
_MATHS_ATTRIBUTES = frozenset(_MATHS_WORDS.split())
_ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "pre": {"tabindex"},
    "table": {"tabindex"},
    **{tag: {"id"} for tag in ("h2", "h3", "h4", "h5", "h6")},
    **{tag: set(_MATHS_ATTRIBUTES) for tag in _MATHS_TAGS},
    "math": {*_MATHS_ATTRIBUTES, "tabindex", "role", "aria-label"},
}
_DATA_IMAGE = re.compile(r"data:image/(png|jpeg|svg\+xml);base64,[A-Za-z0-9+/=]+\Z")
_CLASSES = frozenset(STANDARD_TYPES.values()) | {
    "highlight",
    "text-start",
    "text-end",
    "text-center",
    "mb-3",
    "my-3",
}
_HEADING = re.compile(r"s-[\w-]{1,80}\Z")
_NOT_SHOWN = {"script", "style", "iframe", "object", "embed", "template", "noscript", "title", "textarea"}


def sanitise(html: str) -> str:
    """Return `html` with only known tags and attributes; scripts and styles go with all they hold."""
    return nh3.clean(
        html,
        tags=set(_TEXT_TAGS | _MATHS_TAGS),
        clean_content_tags=_NOT_SHOWN,
        attributes={**_ATTRIBUTES, "*": {"class"}},
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )


def sanitise_table(html: str) -> str:
    """Return only the table of a notebook's HTML output; links, images, ids and classes are dropped.

    The keyboard can reach the table, since a wide one scrolls.
    """
    tags = {
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "p",
        "b",
        "i",
        "em",
        "strong",
        "br",
        "caption",
    }
    table = nh3.clean(
        html,
        tags=tags,
        clean_content_tags=_NOT_SHOWN,
        attributes={"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
        url_schemes=set(),
    )
    return table.replace("<table>", '<table tabindex="0" class="mb-3">')


def _attribute(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        return " ".join(name for name in value.split() if name in _CLASSES) or None
    if attribute == "id":
        return value if _HEADING.match(value) else None
    if attribute in {"tabindex", "role"}:
        return {"tabindex": "0", "role": "math"}[attribute]
    if value.lstrip().lower().startswith("data:"):
        return value if (tag, attribute) == ("img", "src") and _DATA_IMAGE.match(value) else None
    return value
