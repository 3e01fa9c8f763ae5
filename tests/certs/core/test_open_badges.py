import re
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from lms.certs.core.open_badges import Page, read_page, status_info, write_links
from lms.certs.core.registration import is_return_address, origin_of

numbers = st.integers(0, 250)


@given(limit=st.integers(1, 100), total=numbers)
def test_whoever_follows_next_meets_everything_once(limit: int, total: int) -> None:
    seen: list[int] = []
    offset: int | None = 0
    while offset is not None:
        page = Page(limit, offset)
        seen += range(total)[offset : offset + limit]
        following = re.search(r'offset=(\d+)>; rel="next"', write_links("https://x.example/", page, total))
        assert ("prev" in write_links("", page, total)) is (offset > 0)
        offset = int(following[1]) if following else None
    assert seen == list(range(total))


@given(limit=st.integers(1, 100), offset=st.integers(0, 10**9 - 1), total=numbers)
def test_every_link_leads_to_a_page_that_can_be_read(limit: int, offset: int, total: int) -> None:
    header = write_links("https://x.example/", Page(limit, offset), total)
    for size, start in re.findall(r"limit=(-?\d+)&offset=(-?\d+)", header):
        page = read_page({"limit": size, "offset": start})
        assert page.limit == limit
        assert page.offset == 0 or page.offset < max(total, 1)


def test_a_limit_beyond_what_can_be_had_is_cut() -> None:
    assert read_page({"limit": "5000"}).limit == 100


def test_only_what_is_not_done_here_is_called_unsupported() -> None:
    assert status_info(405, "x")["imsx_codeMajor"] == "unsupported"
    assert status_info(401, "x")["imsx_codeMajor"] == "failure"
    assert (
        status_info(418, "x")["imsx_codeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]
        == "unknown"
    )


@given(st.text(max_size=60).map("https://{}".format) | st.text(max_size=40))
def test_a_return_address_that_is_taken_can_stand_in_a_header(address: str) -> None:
    if is_return_address(address):
        assert re.fullmatch(r"https?://[a-z0-9.\-]+(:\d+)?", origin_of(address), re.ASCII)


def test_the_links_ask_for_the_moment_that_the_first_page_was_asked_for() -> None:
    page = read_page({"since": "2026-03-02T18:00:00.900+09:00", "limit": "1"})
    following = re.search(r'since=([^>]+)>; rel="next"', write_links("", page, 3))
    assert following is not None
    assert read_page({"since": unquote(following[1]), "limit": "1"}).since == page.since
