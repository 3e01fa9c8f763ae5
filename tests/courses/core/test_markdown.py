from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.courses.core import markdown
from lms.courses.core.markdown import MOST_CELLS, Page, parse, render, weight
from lms.courses.core.notebooks import Cell, Notebook, read_notebook, render_notebook
from tests.factories.courses import source_notebook

FORBIDDEN_TAGS = {"script", "style", "svg", "iframe", "object", "embed", "form", "input", "base", "meta"}


class Reader(HTMLParser):
    """Lists the tags and attributes that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def assert_harmless(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert not FORBIDDEN_TAGS & set(reader.tags)
    for name, value in reader.attributes:
        assert not name.startswith("on")
        assert name not in {"style", "xlink:href", "formaction", "srcdoc"}
        assert not value.strip().lower().startswith(("javascript:", "vbscript:", "data:text"))


def shown(text: str) -> Page:
    return render(text, lambda link: f"/here/{link}")


HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "<svg onload=alert(1)>",
    '<math><a xlink:href="javascript:alert(1)">x</a></math>',
    '<math><maction actiontype="statusline#http://e.org" xlink:href="javascript:alert(1)">x</maction></math>',
    r"$\href{javascript:alert(1)}{x}$",
    r"$\text{<script>alert(1)</script>}$",
    r"$\text{</math><img src=x onerror=alert(1)>}$",
    "$$\n\\text{<style>*{display:none}</style>}\n$$",
    r"$\class{x}{y} \style{color:red}{z}$",
    '```"><script>alert(1)</script>\nx\n```',
    "```python\n</code></pre><script>alert(1)</script>\n```",
    '[x](https://example.org "\\" onmouseover=\\"alert(1)")',
    '# x" onclick="alert(1)',
    "<https://example.org/\"onclick='x'>",
    '| a |\n|:--" style="x" |\n| b |',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_gets_through(text: str) -> None:
    assert_harmless(shown(f"before\n\n{text}\n\nafter").html)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_hostile_does_not_swallow_the_rest(text: str) -> None:
    page = shown(f"before\n\n{text}\n\n**after**").html
    assert "<strong>after</strong>" in page


@settings(deadline=None)
@given(st.text(alphabet="<>\"'`$\\{}[]()!#|-:= \nabcjsx/&;", max_size=120))
def test_no_text_becomes_something_that_runs(text: str) -> None:
    assert_harmless(shown(text).html)


def test_maths_becomes_mathml_without_scripts() -> None:
    page = shown("Here $a^2$ and\n\n$$\n\\frac{1}{2}\n$$\n").html
    assert "<msup>" in page
    assert 'display="block"' in page
    assert 'tabindex="0"' in page
    assert "<mfrac>" in page


def test_code_is_highlighted_with_classes_only() -> None:
    page = shown("```python\ndef f():\n    return 1\n```").html
    assert '<span class="k">def</span>' in page
    assert "style" not in page


def test_a_code_block_in_an_unknown_language_stays_plain() -> None:
    assert "&lt;x&gt;" in shown("```nonsense\n<x>\n```").html


def test_headings_get_addresses_of_their_own_and_the_first_becomes_the_title() -> None:
    page = shown("# 제목\n\n## 같은 말\n\n## 같은 말\n\n# 또 큰 것\n")
    assert page.title == "제목"
    assert [heading.anchor for heading in page.headings] == ["s-같은-말", "s-같은-말-2", "s-또-큰-것"]
    assert "<h1" not in page.html


WIDE = "|a" * 200 + "\n" + "|-" * 200 + "\n" + "|\n" * 320


@pytest.mark.parametrize("text", [WIDE, f"{WIDE}\n" * 27, "|a\n|-\n" * 6600])
def test_short_rows_of_wide_tables_do_not_become_a_page_without_end(text: str) -> None:
    page = render(text, lambda _: None).html
    assert len(page) < 3 * len(text)
    assert "|" in page, "nothing that was written is lost"


def test_tables_are_tables_until_a_text_has_too_many_cells() -> None:
    table = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 1000 + "\n"
    several = render(table * 10, lambda _: None).html
    assert 1 <= several.count("<table") <= MOST_CELLS // 2000
    assert render(f"words\n{table}", lambda _: None).html.count("<tr") == 1001


def test_an_address_that_is_used_thousands_of_times_is_not_written_thousands_of_times() -> None:
    text = "[a]: https://example.org/" + "x" * 20_000 + "\n\n" + "[a] " * 4900
    assert weight(parse(text)) > 4900 * 20_000
    assert len(render(text, lambda _: None).html) < 2 * len(text)


def test_many_headings_of_one_name_have_addresses_of_their_own() -> None:
    page = render("#\n" * 5000 + "# part 2\n# part", lambda _: None)
    anchors = [heading.anchor for heading in page.headings]
    assert len(set(anchors)) == len(anchors)
    assert anchors[:3] == ["s-part", "s-part-2", "s-part-3"]


def test_large_pages_push_each_other_out_of_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "_KEPT_CHARACTERS", 1000)
    first = render("a" * 400, lambda _: None)
    assert render("a" * 400, lambda _: None) is first
    for letter in "bcd":
        render(letter * 400, lambda _: None)
    assert render("a" * 400, lambda _: None) is not first


def test_links_and_pictures_go_through_the_callback() -> None:
    page = render("[a](02-more.md) ![b](../assets/x.svg) [c](gone.md)", {"02-more.md": "/lesson/2"}.get)
    assert '<a href="/lesson/2"' in page.html
    assert "<img" not in page.html
    assert "<em>b</em>" in page.html
    assert "gone.md" not in page.html


def test_pictures_from_elsewhere_are_left_out() -> None:
    assert "example.org" not in shown("![x](https://example.org/x.png)").html


def test_the_same_text_with_another_key_is_rendered_anew() -> None:
    one = render("[a](x.md)", lambda _: "/one", key="one")
    two = render("[a](x.md)", lambda _: "/two", key="two")
    assert "/one" in one.html
    assert "/two" in two.html


def test_a_notebook_is_shown_with_its_outputs_and_nothing_runs() -> None:
    outputs = (
        {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m <b>"]},
        {"output_type": "display_data", "data": {"image/png": "aGk=\n", "text/plain": "<Figure>"}},
        {"output_type": "display_data", "data": {"image/png": 'x" onerror="alert(1)'}},
        {
            "output_type": "execute_result",
            "data": {"text/html": "<style>x</style><table onclick=x><tr><td>7</td></tr></table><script>"},
        },
        {"output_type": "display_data", "data": {"application/javascript": "alert(1)"}},
        {"output_type": "error", "traceback": ["<script>alert(1)</script>"]},
    )
    notebook = Notebook(
        4,
        {},
        (Cell(1, "markdown", "# Title\n\n## Part", {}, ()), Cell(2, "code", "x = '<script>'", {}, outputs)),
    )
    page = render_notebook(notebook, lambda _: None, language="ko")
    assert_harmless(page.html)
    assert page.title == "Title"
    assert "red &lt;b&gt;" in page.html
    assert 'src="data:image/png;base64,aGk="' in page.html
    assert "<td>7</td>" in page.html
    assert "alert(1)" not in page.html.replace("&lt;script&gt;alert(1)&lt;/script&gt;", "")


def test_a_source_notebook_can_be_read() -> None:
    notebook = read_notebook(source_notebook().encode())
    assert [cell.kind for cell in notebook.cells] == ["code", "code"]
    assert notebook.language == "python"
