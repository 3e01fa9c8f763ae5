"""Pages of a list, in the address."""

from typing import NamedTuple

from flask import request, url_for

from lms.web.shapes import row_number

LONGEST_SEARCH = 120


class Paging(NamedTuple):
    """Which page of how many, and where it begins."""

    number: int
    pages: int
    offset: int

    def address(self, number: int) -> str:
        """Return where another page of the same list is."""
        kept = {"q": searched()} if searched() else {}
        return url_for(request.endpoint or "", **{**(request.view_args or {}), **kept, "page": number})


def paging(count: int, size: int) -> Paging:
    """Return the page that was asked for, of a list of `count`; the last one where there are fewer."""
    pages = max(1, -(-count // size))
    number = min(max(request.args.get("page", 1, type=row_number), 1), pages)
    return Paging(number, pages, (number - 1) * size)


def searched() -> str:
    """Return what the list is searched for."""
    return "".join(filter(str.isprintable, request.args.get("q", ""))).strip()[:LONGEST_SEARCH]
