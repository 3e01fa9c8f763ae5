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
_KEPT = 256
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
        if len(_pages) > _KEPT:
            _pages.popitem(last=False)
    return page


_pages: OrderedDict[tuple[str, str], Page] = OrderedDict()
_lock = Lock()


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
    return parser.use(dollarmath_plugin, double_inline=True, allow_digits=False)


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
    used: set[str] = set()
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


def _anchor(text: str, used: set[str]) -> str:
    words = re.sub(r"[^\w]+", "-", text.casefold()).strip("-")[:60] or "part"
    anchor, count = f"s-{words}", 2
    while anchor in used:
        anchor, count = f"s-{words}-{count}", count + 1
    used.add(anchor)
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
        token.attrSet(attribute, "#" + _anchor(unquote(written[1:]), set()))
        return
    if is_elsewhere(written) and attribute == "href":
        return
    address = None if is_elsewhere(written) else resolve(written)
    if address is None:
        token.attrs.pop(attribute, None)
    else:
        token.attrSet(attribute, address)
