"""The errors of the domain, fit to be shown to a person.

    DomainError             something a person asked for cannot be done
    ├── NotKnown      401   nobody knows who asks: a token is missing or not good
    ├── NotFound      404   it is not there, or this person may not know that it is
    ├── NotAllowed    403   it is there, but not for this person
    ├── Conflict      409   it cannot be done now, or not twice
    ├── Invalid       422   the input is understood but wrong; `field` says where
    ├── TooLarge      413   more bytes than we take
    └── TooSoon       429   too many tries; `retry_after_seconds` says when again

A message is an English msgid marked with `N_`; its parameters travel as keywords. `lms.web.errors`
translates and renders both; nothing else turns these errors into responses.
"""

from typing import ClassVar


def N_(message: str) -> str:
    """Mark a message for extraction; it is translated where it is shown."""
    return message


class DomainError(Exception):
    """Something a person asked for cannot be done; the message says why and what to do next."""

    status: ClassVar[int] = 400

    def __init__(self, message: str, /, **params: object) -> None:
        super().__init__(message % params if params else message)
        self.message = message
        self.params = params


class NotKnown(DomainError):
    """Nobody knows who asks: a token is missing or not good."""

    status = 401


class NotFound(DomainError):
    """It is not there, or this person may not know that it is."""

    status = 404

    def __init__(
        self, message: str = N_("This page is not here. Check the address."), /, **params: object
    ) -> None:
        super().__init__(message, **params)


class NotAllowed(DomainError):
    """It is there, but not for this person."""

    status = 403


class Conflict(DomainError):
    """It cannot be done now, or not twice."""

    status = 409


class Invalid(DomainError):
    """The input is understood but wrong; `field` names the form field, if there is one."""

    status = 422

    def __init__(self, message: str, /, field: str | None = None, **params: object) -> None:
        super().__init__(message, **params)
        self.field = field


class TooLarge(DomainError):
    """More bytes than we take."""

    status = 413


class TooSoon(DomainError):
    """Too many tries; `retry_after_seconds` says when again."""

    status = 429

    def __init__(self, message: str, /, retry_after_seconds: int = 60, **params: object) -> None:
        super().__init__(message, **params)
        self.retry_after_seconds = retry_after_seconds
