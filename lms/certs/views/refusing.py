"""Refusals to programs, in one JSON shape whoever refuses; and counted, so that guessing ends."""

from collections.abc import Callable
from http import HTTPStatus

from flask import request
from werkzeug.wrappers import Response

from lms.accounts.services.limits import check_tries, count_try
from lms.certs import policy
from lms.errors import TooSoon
from lms.web.errors import translated
from lms.web.session import own_session

REFUSED = 400
GUESSES = frozenset({400, 401})


def check_guesses() -> None:
    """Refuse an address from which too much was refused lately, before anything that it shows is looked at.

    Raises:
        TooSoon: also to one that would be right this time.
    """
    with own_session() as own:
        check_tries(own, policy.FAILED_PER_ADDRESS, request.remote_addr or "")


def refused_as(response: Response, write: Callable[[int, str], Response]) -> Response:
    """Return a response, a refusal in the shape that `write` gives it."""
    if response.status_code < REFUSED or (written := _refusal_of(response)) is None:
        return response
    status, sentence, seconds = written
    told = write(status, sentence)
    wait = response.headers.get("Retry-After") if seconds is None else str(seconds)
    if wait is not None:
        told.headers["Retry-After"] = wait
    return told


def _refusal_of(response: Response) -> tuple[int, str, int | None] | None:
    """Return status, sentence and seconds to wait of a refusal that has to be written anew.

    None for one that has its shape already.
    """
    if response.status_code in GUESSES and (too_many := _count()) is not None:
        return too_many.status, translated(too_many), too_many.retry_after_seconds
    if response.mimetype == "application/json":
        return None
    told = response.get_json(silent=True) if response.mimetype == "application/problem+json" else None
    sentence = (told or {}).get("detail") or HTTPStatus(response.status_code).phrase
    return response.status_code, sentence, None


def _count() -> TooSoon | None:
    with own_session() as own:
        try:
            count_try(own, policy.FAILED_PER_ADDRESS, request.remote_addr or "")
        except TooSoon as too_many:
            return too_many
        finally:
            own.commit()
    return None
