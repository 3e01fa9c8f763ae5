"""What the Open Badges API says in the words of its standard: scopes, pages, profile, statuses, description.

Source: Open Badges 3.0, §6 (API), §7 (security) and §B.2 to §B.4 (data models).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from lms.certs.core.jsonld import OPEN_BADGES
from lms.certs.core.strict_json import Document
from lms.certs.core.times import write_time

ROOT = "/ims/ob/v3p0"
_SCOPES = "https://purl.imsglobal.org/spec/ob/v3p0/scope"
CREDENTIALS = f"{_SCOPES}/credential.readonly"
PROFILE = f"{_SCOPES}/profile.readonly"
OFFLINE = "offline_access"
"""Asked for beside the others: access without the holder, until the holder ends it."""
READING: Mapping[str, str] = {
    CREDENTIALS: "Read the certificates of the person who agreed.",
    PROFILE: "Read the name of the person who agreed.",
}
"""What can be asked for. Nothing is taken in here, so the standard's two writing scopes are not offered."""
OFFERED = (*READING, OFFLINE)

MOST_ON_A_PAGE = 100
_USUAL_ON_A_PAGE = 50
_LONGEST_NUMBER = 9
_MINOR = {
    400: "invalid_query_parameter",
    401: "unauthorizedrequest",
    403: "forbidden",
    404: "not_found",
    405: "not_allowed",
    406: "not_acceptable",
    421: "misdirected_request",
    422: "invalid_data",
    429: "server_busy",
    500: "internal_server_error",
    503: "server_busy",
}


@dataclass(frozen=True, slots=True)
class Page:
    """Say which part of somebody's certificates is asked for."""

    limit: int = _USUAL_ON_A_PAGE
    offset: int = 0
    since: datetime | None = None


def read_page(asked: Mapping[str, str]) -> Page:
    """Read `limit`, `offset` and `since`; a larger limit than can be had is cut to what can.

    Raises:
        ValueError: one of them cannot be read; says which, and how it is written.
    """
    limit = _number(asked, "limit", _USUAL_ON_A_PAGE)
    if limit == 0:
        raise ValueError("limit is a whole number from 1.")
    return Page(min(limit, MOST_ON_A_PAGE), _number(asked, "offset", 0), _since(asked.get("since")))


def write_links(address: str, page: Page, total: int) -> str:
    """Write the `Link` header of a page: first and last always, next and prev where there is such a page."""
    last = max(total - 1, 0) // page.limit * page.limit
    offsets = {"first": 0, "last": last}
    if page.offset + page.limit < total:
        offsets["next"] = page.offset + page.limit
    if page.offset:
        offsets["prev"] = max(0, min(page.offset, last + page.limit) - page.limit)
    return ", ".join(_link(address, page, relation, offset) for relation, offset in offsets.items())


def status_info(status: int, description: str) -> Document:
    """Write what became of a request that did not succeed."""
    value = _MINOR.get(status, "unknown")
    return {
        "imsx_codeMajor": "unsupported" if status == 405 else "failure",  # noqa: PLR2004 - the HTTP status
        "imsx_severity": "error",
        "imsx_description": description,
        "imsx_codeMinor": {
            "imsx_codeMinorField": [
                {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": value}
            ]
        },
    }


def write_profile(subject: str, name: str) -> Document:
    """Write what an application is told of the holder: a name, and an identifier that only it gets."""
    return {"@context": [OPEN_BADGES], "id": f"urn:uuid:{subject}", "type": ["Profile"], "name": name}


def describe_service(public_url: str, addresses: Mapping[str, str]) -> Document:
    """Write the service description document.

    Args:
        public_url: of this installation.
        addresses: of `register`, `authorize`, `token` and `terms`, whole.
    """
    flow = {
        "authorizationUrl": addresses["authorize"],
        "tokenUrl": addresses["token"],
        "refreshUrl": addresses["token"],
        "scopes": {**READING, OFFLINE: "Keep access until the person ends it."},
    }
    return {
        "openapi": "3.0.1",
        "info": {
            "title": "Duri",
            "version": "3.0",
            "description": "A provider: certificates can be read, and none can be put in.",
            "termsOfService": addresses["terms"],
            "x-imssf-privacyPolicyUrl": addresses["terms"],
        },
        "servers": [{"url": f"{public_url}{ROOT}"}],
        "paths": dict(_paths()),
        "components": {
            "securitySchemes": {
                "OAuth2ACG": {
                    "type": "oauth2",
                    "description": "OAuth 2.0 authorization code grant with PKCE (S256)",
                    "x-imssf-name": "Duri",
                    "x-imssf-registrationUrl": addresses["register"],
                    "x-imssf-termsOfServiceUrl": addresses["terms"],
                    "x-imssf-privacyPolicyUrl": addresses["terms"],
                    "flows": {"authorizationCode": flow},
                }
            },
            "schemas": {},
        },
    }


def _paths() -> Iterator[tuple[str, Document]]:
    integer, text = {"type": "integer", "format": "int32"}, {"type": "string", "format": "date-time"}
    query = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in (("limit", integer), ("offset", integer), ("since", text))
    ]
    answers: Document = {
        "200": {"description": "As asked for."},
        "default": {"description": "An Imsx_StatusInfo that says why not."},
    }
    for path, operation, scope in (
        ("/credentials", "getCredentials", CREDENTIALS),
        ("/profile", "getProfile", PROFILE),
        ("/discovery", "getServiceDescription", None),
    ):
        told: Document = {"operationId": operation, "responses": answers}
        told |= {"security": [{"OAuth2ACG": [scope]}]} if scope else {}
        told |= {"parameters": query} if scope == CREDENTIALS else {}
        yield path, {"get": told}


def _number(asked: Mapping[str, str], name: str, usual: int) -> int:
    text = asked.get(name)
    if text is None:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise ValueError(f"{name} is a whole number.")
    return int(text)


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a + that nobody encoded arrives as a space
        zoned = None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        zoned = None
    if zoned is None:
        raise ValueError("since is a time with its zone, such as 2026-03-02T09:00:00Z.")
    return zoned.replace(microsecond=0)  # as the links say it: with each page the same


def _link(address: str, page: Page, relation: str, offset: int) -> str:
    query = {"limit": page.limit, "offset": offset}
    since = {} if page.since is None else {"since": write_time(page.since)}
    return f'<{address}?{urlencode(query | since)}>; rel="{relation}"'
