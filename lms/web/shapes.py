"""What no request may hold, for no database can look for it: numbers beyond its integers, zero characters."""

from flask import Flask, abort, request
from werkzeug.routing import IntegerConverter

from lms.errors import N_, Invalid
from lms.web.session import READING

LARGEST = 2**31 - 1
DIGITS = 10
SHOWN_CHARACTERS = 40


class RowNumber(IntegerConverter):
    """A number in an address that can be the id of a row; any other address is not here."""

    regex = rf"[0-9]{{1,{DIGITS}}}"

    def __init__(self, map: object, **options: object) -> None:  # noqa: A002 - werkzeug's own name
        super().__init__(map, max=LARGEST, **options)  # type: ignore[arg-type]


def attach(app: Flask) -> None:
    """Let addresses of `app` take row numbers only, and refuse zero characters in texts."""
    app.url_map.converters["int"] = RowNumber
    app.before_request(_refuse_zero_characters)


def row_number(text: str) -> int:
    """Read a number of the query that can stand in a row: a `type` for `request.args.get`.

    Raises:
        ValueError: it is none; `get` gives its default.
    """
    if len(text) > DIGITS:
        raise ValueError(text[:DIGITS])
    number = int(text)
    if not 0 <= number <= LARGEST:
        raise ValueError(text)
    return number


def asked_row(name: str) -> int | None:
    """Return the number of the one row that the query wants under a name; None: it wants no single one.

    Raises:
        Invalid: it is no number that a row can have.
    """
    text = request.args.get(name)
    try:
        return None if text is None else row_number(text)
    except ValueError:
        raise Invalid(
            N_(
                'There is nothing with the number "%(value)s". Give one that you were told, or leave '
                '"%(name)s" out.'
            ),
            field=name,
            name=name,
            value=(text or "")[:SHOWN_CHARACTERS],
        ) from None


def _refuse_zero_characters() -> None:
    if _holds_zero([request.path, *request.args.keys(), *request.args.values()]):
        abort(404)
    if request.method not in READING and _holds_zero([*request.form.keys(), *request.form.values()]):
        abort(400)


def _holds_zero(texts: list[str]) -> bool:
    return any("\0" in each for each in texts)
