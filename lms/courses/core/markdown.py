"""Markdown to safe HTML: tables, maths as MathML, highlighted code, links and images of the course."""

import hashlib
import html
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import Any
from urllib.parse import unquote

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import table as read_table
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from lms.courses.core.sanitise import sanitise

Resolve = Callable[[str], str | None]
"""From a link or image as written to the address to use; None: do not link."""
LONGEST = 1_000_000
HEAVIEST = 5_000_000
"""The `weight` from which on a text is shown as it was written."""
MOST_CELLS = 10_000
"""Of all tables of a text: a row has as many columns as the table's first, however short it is written."""
_KEPT = 256
_KEPT_CHARACTERS = 16 << 20
_PER_TOKEN = 30  # characters of a tag with its attributes
_PER_FORMULA = 500
_ENDS = {"right": "end", "center": "center"}
_FORMATTER = HtmlFormatter(nowrap=True)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True)
class Heading:
    """A heading within a page."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True)
class Page:
    """A rendered page."""

    html: str
    title: str
    """Text of the `# heading` it began with, which is taken out of `html`; empty: none."""
    headings: tuple[Heading, ...]


def render(text: str, resolve: Resolve, key: str = "", prefix: str = "") -> Page:
    """Render Markdown; raw HTML in it is shown, not used.

    A page is kept by the hash of its text and `key`; `key` has to name whatever `resolve` depends on.
    `prefix` keeps the anchors of several texts on one page apart.
    """
    name = (hashlib.sha256(text.encode()).hexdigest(), f"{key} {prefix}")
    with _lock:
        if name in _pages:
            _pages.move_to_end(name)
            return _pages[name]
    page = _render(text[:LONGEST], resolve, prefix)
    with _lock:
        _pages[name] = page
        kept = sum(len(each.html) for each in _pages.values())
        while kept > _KEPT_CHARACTERS or len(_pages) > _KEPT:
            kept -= len(_pages.popitem(last=False)[1].html)
    return page


_pages: OrderedDict[tuple[str, str], Page] = OrderedDict()
_lock = Lock()


def weight(tokens: Sequence[Token]) -> int:
    """Return about how many characters of HTML tokens become, which can be far more than were written.

    A link by reference writes its address again each time it is used, a formula takes many elements.
    """
    return sum(
        (_PER_FORMULA if token.type.startswith("math") else _PER_TOKEN)
        + (0 if token.children else len(token.content))
        + sum(len(str(value)) for value in token.attrs.values())
        for token, _ in flat(tokens)
    )


def parse(text: str) -> list[Token]:
    """Return the tokens of a text, as `render` sees them."""
    return _parser().parse(text)


def flat(tokens: Sequence[Token]) -> list[tuple[Token, int]]:
    """Return all tokens, inline ones too, each with the line (from 0) of its block."""
    found: list[tuple[Token, int]] = []
    line = 0
    for token in tokens:
        line = token.map[0] if token.map else line
        found.append((token, line))
        found.extend((child, line) for child in token.children or ())
    return found


def mathml(source: str, *, block: bool, named: bool = False) -> str:
    """Return a formula as MathML, made safe on its own so that a broken one cannot swallow the page.

    `named` gives it its source as a name, for places where a formula is all there is.

    Raises:
        ValueError: the formula cannot be read.
    """
    try:
        element = convert(source, display="block" if block else "inline")
    except Exception as error:  # the converter raises a different class for each way of being wrong
        raise ValueError(type(error).__name__) from error
    if named:
        element = element.replace("<math ", f'<math role="math" aria-label="{html.escape(source)}" ', 1)
    if block:  # a long formula scrolls, so the keyboard has to reach it
        element = element.replace("<math ", '<math tabindex="0" class="my-3" ', 1)
    return sanitise(element)


def code(source: str, language: str) -> str:
    """Return code as highlighted HTML; an unknown language stays plain."""
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    body = highlight(source, lexer, _FORMATTER)
    return f'<pre class="highlight" tabindex="0"><code>{body}</code></pre>\n'


def is_elsewhere(link: str) -> bool:
    """Say whether a link names a scheme or a host instead of a path."""
    return bool(_SCHEME.match(link)) or link.startswith("//")


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    return parser.use(dollarmath_plugin, double_inline=True, allow_digits=False)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - as it is called
    """Read a table, as long as the text has few cells; whatever comes after that is no table any more."""
    cells: int = state.env.setdefault("cells", 0)
    if cells > MOST_CELLS or not read_table(state, start, end, True):
        return False
    if silent:
        return True
    rows = 0
    while start + rows < end and not state.isEmpty(start + rows):
        rows += 1
    columns = state.src[state.bMarks[start + 1] : state.eMarks[start + 1]].count("|") + 1
    state.env["cells"] = cells + columns * rows
    return state.env["cells"] <= MOST_CELLS and read_table(state, start, end, False)


def _formula(_renderer: Any, tokens: Sequence[Token], index: int, *_: Any) -> str:
    token = tokens[index]
    block = token.type != "math_inline"
    try:
        element = mathml(token.content.strip(), block=block, named=bool(token.meta.get("named")))
    except ValueError:
        element = f"<code>{html.escape(token.content)}</code>"
    return element + ("\n" if token.type == "math_block" else "")


def _render(text: str, resolve: Resolve, prefix: str) -> Page:
    parser = _parser()
    tokens = parser.parse(text)
    if weight(tokens) > HEAVIEST:
        return Page(sanitise(f"<pre>{html.escape(text)}</pre>"), "", ())
    title = _take_title(tokens)
    headings = _mark_headings(tokens, prefix)
    _name_formulas(tokens)
    for token, _ in flat(tokens):
        _readdress(token, resolve)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("code_block", _fence)
    parser.add_render_rule("table_open", lambda *_: '<table tabindex="0" class="mb-3">\n')
    parser.add_render_rule("image", _image)
    for kind in ("math_inline", "math_inline_double", "math_block"):
        parser.add_render_rule(kind, _formula)
    return Page(sanitise(parser.renderer.render(tokens, parser.options, {})), title, headings)


def _fence(_renderer: Any, tokens: Sequence[Token], index: int, *_: Any) -> str:
    token = tokens[index]
    words = token.info.split()
    return code(token.content, words[0] if words else "")


def _image(_renderer: Any, tokens: Sequence[Token], index: int, *_: Any) -> str:
    token = tokens[index]
    words = html.escape(token.content)
    source = token.attrGet("src")
    return f'<img src="{html.escape(str(source))}" alt="{words}">' if source else f"<em>{words}</em>"


def _take_title(tokens: list[Token]) -> str:
    if not tokens or tokens[0].type != "heading_open" or tokens[0].tag != "h1":
        return ""
    title = _plain(tokens[1])
    del tokens[:3]
    return title


def _mark_headings(tokens: Sequence[Token], prefix: str) -> tuple[Heading, ...]:
    """Give every heading an address; a second `# heading` becomes a `##`, the page's title is the only h1."""
    found: list[Heading] = []
    used: dict[str, int] = {}
    for index, token in enumerate(tokens):
        if token.type not in {"heading_open", "heading_close"}:
            continue
        token.tag = "h2" if token.tag == "h1" else token.tag
        if token.type == "heading_open":
            text = _plain(tokens[index + 1])
            anchor = _anchor(prefix + text, used)
            token.attrSet("id", anchor)
            found.append(Heading(int(token.tag[1]), anchor, text))
    return tuple(found)


def _name_formulas(tokens: Sequence[Token]) -> None:
    """Name the columns that are headed by a formula alone; not every reader finds words in MathML."""
    for head, inline in pairwise(tokens):
        children = inline.children or ()
        if head.type == "th_open" and children and all(child.type == "math_inline" for child in children):
            for child in children:
                child.meta["named"] = True


def _anchor(text: str, used: dict[str, int]) -> str:
    """Return an address that no heading has yet; `used` says how often each was asked for."""
    words = re.sub(r"[^\w]+", "-", text.casefold()).strip("-")[:60] or "part"
    first = anchor = f"s-{words}"
    while anchor in used:
        used[first] += 1
        anchor = f"{first}-{used[first]}"
    used[anchor] = 1
    return anchor


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or () if child.type != "softbreak").strip()


def _readdress(token: Token, resolve: Resolve) -> None:
    attribute = {"link_open": "href", "image": "src"}.get(token.type)
    if attribute is None:
        if style := token.attrs.pop("style", None):  # column alignment comes as a style
            token.attrSet("class", f"text-{_ENDS.get(str(style).rpartition(':')[2], 'start')}")
        return
    written = str(token.attrGet(attribute) or "")
    if written.startswith("#") and attribute == "href":
        token.attrSet(attribute, "#" + _anchor(unquote(written[1:]), {}))
        return
    if is_elsewhere(written) and attribute == "href":
        return
    address = None if is_elsewhere(written) else resolve(written)
    if address is None:
        token.attrs.pop(attribute, None)
    else:
        token.attrSet(attribute, address)
