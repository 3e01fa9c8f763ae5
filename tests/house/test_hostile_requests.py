"""Requests that nobody's browser sends: whatever comes, the answer is never a fault of ours."""

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule

from tests.factories.grading import notebook
from tests.house.conftest import Visit

TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\x7f\x1b[2J",
    "\r\nSet-Cookie: session=x",
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "/",
    "//evil.example",
    ".",
    "%",
    "%00",
    "%s%n",
    "' OR 1=1 --",
    "{{ 7 * 7 }}",
    "<script>alert(1)</script>",
    "\u202e\u2066gnp.exe",
    "e\u0301" * 50,
    "\U0010ffff\ufffe",
    "한글 이름",
    "𝟙²٣",
    "x" * 20_000,
    "null",
    "[]",
    '{"a": ' * 500,
    "nan",
    "inf",
    "-1e309",
    "1_0",
    "-1",
    "0",
    str(2**31),
    str(2**63),
    str(2**64),
    "9" * 400,
    "9" * 5000,
    "0001-01-01T00:00",
    "9999-12-31T23:59",
    "2026-02-30T25:61",
    "Asia/Seoul",
    "Etc/../../../etc/passwd",
    "\ud800",
]
LIKELY: dict[str, list[str]] = {
    "email": ["person@example.org", "이@example.org"],
    "password": ["a sentence to remember"],
    "current": ["a sentence to remember"],
    "new": ["another sentence to keep"],
    "name": ["김하늘"],
    "requested_name": ["김하늘"],
    "language": ["ko", "en"],
    "timezone": ["Asia/Seoul", "UTC", "Pacific/Kiritimati", "America/Los_Angeles"],
    "name_ko": ["새 대학교"],
    "name_en": ["New University"],
    "title_ko": ["봄"],
    "title_en": ["Spring"],
    "slug": ["spring-2027", "new-university"],
    "kind": ["university", "operator"],
    "website": ["https://example.org/"],
    "role": ["instructor", "assistant"],
    "starts_at": ["2027-01-01T00:00"],
    "ends_at": ["2027-06-01T00:00"],
    "score": ["1", "0.5"],
    "comment": ["good"],
    "reason": ["a mistake"],
    "text": ["{}", '{"@context": [], "proof": []}'],
    "next": ["/courses"],
}
QUERY = ["q", "page", "version", "lab", "cohort", "sort", "c", "lang", "theme", "next", "seen", "language"]
PEOPLE = ["unknown", "student", "instructor", "admin", "site_admin"]
METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"]
BODIES = [
    (b"", "application/x-www-form-urlencoded"),
    (b"%00=%00&a=%ff&&==&" * 50, "application/x-www-form-urlencoded"),
    (b"--x\r\n", "multipart/form-data; boundary=x"),
    (b"\0\xff" * 100, "multipart/form-data"),
    (b"{" * 5000, "application/json"),
    (b"a=b", "text/plain; charset=\x80"),
    (b"a=b", "application/x-www-form-urlencoded; charset=utf-7"),
]

text = st.sampled_from(TEXTS) | st.text(max_size=40)
strange = text | st.integers().map(str)


def fill(draw: Callable[[st.SearchStrategy[Any]], Any], visit: Visit, rule: Rule) -> str:
    """Write an address of a rule: each name is the campus's own or something strange."""
    address = rule.rule
    with visit.app.test_request_context():
        address = visit.address(rule)
    for name in rule.arguments:
        true = visit.campus.names[name]
        true = true[rule.endpoint] if isinstance(true, dict) else true
        if draw(st.booleans()) and draw(st.booleans()):
            junk = quote(draw(strange).encode("utf-8", errors="surrogatepass"), safe="")
            address = address.replace(quote(str(true)), junk, 1)
    return address


def fields(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """Fill in a form that has every field of the site, a few of them strangely."""
    form: dict[str, Any] = {name: draw(st.sampled_from(likely)) for name, likely in LIKELY.items()}
    for name in draw(st.lists(st.sampled_from(sorted(LIKELY)), max_size=3)):
        form[name] = draw(strange)
    form = {name: str(value).encode("utf-8", errors="surrogatepass") for name, value in form.items()}
    if draw(st.booleans()):
        name = draw(text).encode("utf-8", errors="replace").decode() or "x"
        content = draw(st.sampled_from([notebook(), b"", b"{", b"\0", b'{"cells": []}']))
        form["notebook" if draw(st.booleans()) else "file"] = (io.BytesIO(content), name)
    return form


@st.composite
def hostile(draw: Callable[[st.SearchStrategy[Any]], Any], visit: Visit) -> dict[str, Any]:
    rules = [rule for rule in visit.app.url_map.iter_rules() if not rule.endpoint.endswith(".static")]
    rule = draw(st.sampled_from(sorted(rules, key=lambda rule: (rule.rule, sorted(rule.methods or ())))))
    asked: dict[str, Any] = {"path": fill(draw, visit, rule), "method": "GET"}
    names = draw(st.lists(st.sampled_from(QUERY), max_size=3, unique=True))
    pairs = [f"{name}={quote(draw(strange).encode('utf-8', errors='surrogatepass'))}" for name in names]
    asked["query_string"] = "&".join(pairs)
    asked["method"] = draw(st.sampled_from(sorted(rule.methods or ())) | st.sampled_from(METHODS))
    if asked["method"] not in {"GET", "HEAD"}:
        if draw(st.integers(0, 5)):
            asked["data"] = fields(draw)
        else:
            asked["data"], asked["content_type"] = draw(st.sampled_from(BODIES))
    asked["headers"] = draw(
        st.sampled_from(
            [
                {},
                {"Accept": "application/json"},
                {"Accept-Language": "xx-\x80,ko;q=nan"},
                {"HX-Request": "true"},
                {"If-None-Match": 'W/"', "Range": "bytes=9-1,,"},
                {"Cookie": "session=.junk; language=../..; theme=\x80"},
            ]
        )
    )
    return asked


def check(visit: Visit, data: st.DataObject) -> None:
    """Send one request as somebody; the answer may be anything but a fault."""
    user = visit.campus.people.get(data.draw(st.sampled_from(PEOPLE), "who"))
    asked = data.draw(hostile(visit), "request")
    point = visit.connection.begin_nested()
    try:
        with visit.client(user).open(**asked) as answer:
            assert answer.status_code < 500
            assert not answer.headers.get("Set-Cookie", "").startswith("session=x")
    finally:
        point.rollback()


lenient = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)


@given(data=st.data())
@settings(lenient, max_examples=150)
def test_no_request_is_a_fault_of_ours(visit: Visit, data: st.DataObject) -> None:
    check(visit, data)


@pytest.mark.postgres
@given(data=st.data())
@settings(lenient, max_examples=100)
def test_no_request_is_a_fault_of_ours_on_postgresql(postgres_visit: Visit, data: st.DataObject) -> None:
    check(postgres_visit, data)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(data=st.data())
@settings(lenient, max_examples=5000)
def test_no_request_of_many_is_a_fault_of_ours(visit: Visit, data: st.DataObject) -> None:
    check(visit, data)


BEYOND = ("%00", "a%00b", str(2**31), str(2**63), "9" * 5000, "%ED%A0%80", "%D9%A3")


def beyond(visit: Visit) -> list[str]:
    """Every address with each of its names in turn replaced by what no database looks for."""
    found = []
    for rule in visit.app.url_map.iter_rules():
        for name in rule.arguments:
            true = visit.campus.names[name]
            true = str(true[rule.endpoint] if isinstance(true, dict) else true)
            found += [visit.address(rule).replace(quote(true), junk, 1) for junk in BEYOND]
    return found + [f"/courses/{visit.campus.names['slug']}?version={n}" for n in (2**31, 2**64, "9" * 5000)]


def check_beyond(visit: Visit) -> None:
    client = visit.client(visit.campus.instructor)
    faults = {}
    for address in beyond(visit):
        point = visit.connection.begin_nested()
        with client.get(address) as answer:
            if answer.status_code >= 500:
                faults[address[:80]] = answer.status_code
        point.rollback()
    assert faults == {}


def test_no_number_or_character_is_too_strange_for_an_address(visit: Visit) -> None:
    check_beyond(visit)


@pytest.mark.postgres
def test_no_number_or_character_is_too_strange_for_an_address_on_postgresql(postgres_visit: Visit) -> None:
    check_beyond(postgres_visit)


@pytest.mark.postgres
@pytest.mark.parametrize("name", sorted(LIKELY))
def test_a_zero_character_in_a_form_is_refused_before_the_database_sees_it(
    postgres_visit: Visit, name: str
) -> None:
    form = {key: likely[0] for key, likely in LIKELY.items()} | {name: "a\0b"}
    for path in ("/sign-up", "/sign-in", "/profile", "/organisations/new", "/reset"):
        answer = postgres_visit.client(postgres_visit.campus.site_admin).post(path, data=form)
        assert answer.status_code == 400
