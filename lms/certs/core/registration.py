"""What an application says of itself when it registers, taken only where it can be used safely.

Source: RFC 7591 (client registration), RFC 8252 §7.3 (loopback addresses), RFC 9700 §4.1 (exact addresses).
"""

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qsl, urlsplit

from lms.certs.core.open_badges import OFFERED, READING
from lms.certs.core.strict_json import Document

MOST_BYTES = 16_000
LONGEST_NAME = 80
LONGEST_ADDRESS = 400
MOST_ADDRESSES = 5
AUTHENTICATION = "client_secret_basic"
"""The one way in which the standard has applications prove who they are."""
GRANTS = ("authorization_code", "refresh_token")

_ADDRESSES = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
_TEXTS = ("software_id", "software_version")
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_SAFE = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]+")
_OURS = frozenset({"code", "state", "error", "error_description", "error_uri", "iss", "scope"})


class RegistrationProblem(Exception):
    """Carry one of the two codes of RFC 7591 §3.2.2, and what to do, in plain ASCII."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.code = code
        self.said = said


def read_registration(asked: Document) -> Document:
    """Return what is registered of what an application says of itself; the rest is left out.

    Raises:
        RegistrationProblem: something is missing or cannot be used.
    """
    grants = _chosen(asked, "grant_types", GRANTS, GRANTS[:1])
    if GRANTS[0] not in grants:
        raise _wrong("grant_types must have authorization_code.")
    _chosen(asked, "response_types", ("code",), ("code",))
    if asked.get("token_endpoint_auth_method", AUTHENTICATION) != AUTHENTICATION:
        raise _wrong(f"token_endpoint_auth_method must be {AUTHENTICATION}.")
    registered: Document = {
        "client_name": _name(asked.get("client_name")),
        "redirect_uris": _redirects(asked.get("redirect_uris")),
        "token_endpoint_auth_method": AUTHENTICATION,
        "grant_types": grants,
        "response_types": ["code"],
        "scope": _scope(asked.get("scope"), grants),
    }
    registered |= {name: _page(asked[name], name) for name in _ADDRESSES if name in asked}
    return registered | {name: _text(asked[name], name) for name in _TEXTS if name in asked}


def is_return_address(address: object) -> bool:
    """Say whether a holder can be sent back there: https, or this very machine; nothing left to interpret."""
    parts = _one_place(address)
    if parts is None:
        return False
    asked = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return not _OURS & asked


def origin_of(address: str) -> str:
    """Return the part of a return address that says who gets what is sent there."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def split_scope(scope: str) -> list[str]:
    """Return the single scopes of a list of them."""
    return scope.split()


def _name(name: object) -> str:
    tidy = " ".join(name.split()) if isinstance(name, str) else ""
    tidy = unicodedata.normalize("NFC", tidy)
    if not tidy or len(tidy) > LONGEST_NAME or not tidy.isprintable():
        raise _wrong(f"client_name must be readable, with {LONGEST_NAME} characters at most.")
    return tidy


def _redirects(addresses: object) -> list[str]:
    if (
        not isinstance(addresses, list)
        or not 0 < len(addresses) <= MOST_ADDRESSES
        or not all(map(is_return_address, addresses))
    ):
        raise RegistrationProblem(
            "invalid_redirect_uri",
            f"redirect_uris must be 1 to {MOST_ADDRESSES} https addresses, or http ones of the loopback "
            "interface, without fragment, user or parameters of OAuth.",
        )
    return list(addresses)


def _chosen(asked: Document, name: str, known: Iterable[str], usual: Iterable[str]) -> list[str]:
    chosen = asked.get(name, list(usual))
    if not isinstance(chosen, list) or not chosen or not all(one in tuple(known) for one in chosen):
        raise _wrong(f"{name} must be of: {', '.join(known)}.")
    return [one for one in known if one in chosen]


def _scope(scope: object, grants: list[str]) -> str:
    """Return what of the asked scopes can be had; the answer to the registration says so."""
    if scope is None:
        return " ".join(READING)
    if not isinstance(scope, str) or not set(split_scope(scope)) & READING.keys():
        raise _wrong(f"scope must have one of: {', '.join(READING)}.")
    offered = OFFERED if GRANTS[1] in grants else tuple(READING)
    return " ".join(one for one in offered if one in split_scope(scope))


def _page(address: object, name: str) -> str:
    parts = _one_place(address)
    if parts is None or parts.scheme != "https":
        raise _wrong(f"{name} must be an https address, without fragment or user.")
    return str(address)


def _one_place(address: object) -> SplitResult | None:
    """Return the parts of an address that can mean one place only: https, or http on this very machine."""
    if not isinstance(address, str) or len(address) > LONGEST_ADDRESS or not _SAFE.fullmatch(address):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc if port is None else parts.netloc.removesuffix(f":{port}")
    near = host in _LOOPBACK and parts.scheme in {"http", "https"}
    far = parts.scheme == "https" and _HOST.fullmatch(host) is not None
    return parts if near or far else None


def _text(text: object, name: str) -> str:
    if not isinstance(text, str) or len(text) > LONGEST_NAME or not text.isprintable():
        raise _wrong(f"{name} must be readable, with {LONGEST_NAME} characters at most.")
    return text


def _wrong(said: str) -> RegistrationProblem:
    return RegistrationProblem("invalid_client_metadata", said)
