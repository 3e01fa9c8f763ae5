"""The trust file: whose keys count as those of which organisation, as the verifying person decided."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lms.certs.core.keys import PublicKey, decode_public
from lms.certs.core.problems import CertificateProblem, TrustProblem
from lms.certs.core.strict_json import read_object
from lms.certs.core.times import read_time, write_time

_MOST_PARTIES = 1_000
_MOST_KEYS = 100


class Role(StrEnum):
    """Say which of the two parts an organisation takes."""

    UNIVERSITY = "university"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class TrustedParty:
    """Pin an organisation's identifier and keys."""

    role: Role
    name: str
    did: str
    keys: tuple[PublicKey, ...]

    def key(self, key_id: str) -> PublicKey | None:
        """Return the pinned key of this identifier."""
        return next((key for key in self.keys if key.id == key_id), None)


@dataclass(frozen=True, slots=True)
class Trust:
    """Hold all pinned organisations."""

    parties: tuple[TrustedParty, ...] = field(default=())

    def party(self, did: str, role: Role) -> TrustedParty | None:
        """Return the organisation with this identifier in this part."""
        return next((party for party in self.parties if (party.did, party.role) == (did, role)), None)


def read_trust(content: bytes) -> Trust:
    """Read a trust file.

    Raises:
        TrustProblem: not a trust file, or one in which a key or identifier stands for two organisations.
    """
    try:
        document = read_object(content)
        parties = tuple(_party(entry) for entry in _listed(document["parties"], _MOST_PARTIES))
    except TrustProblem:
        raise
    except (CertificateProblem, KeyError, TypeError, ValueError, AttributeError):
        raise TrustProblem("trust.shape") from None
    if document.get("logs", []) != []:
        raise TrustProblem("trust.needs_newer")
    _check_distinct(parties)
    return Trust(parties)


def write_trust(parties: Iterable[TrustedParty]) -> bytes:
    """Write a trust file."""
    entries = [
        {
            "role": str(party.role),
            "name": party.name,
            "did": party.did,
            "keys": [_write_key(key) for key in party.keys],
        }
        for party in parties
    ]
    return json.dumps({"parties": entries, "logs": []}, ensure_ascii=False, indent=2).encode("utf-8") + b"\n"


def _party(entry: dict[str, Any]) -> TrustedParty:
    did, name, keys = entry["did"], entry["name"], entry["keys"]
    if not all(isinstance(text, str) and text for text in (did, name)) or not did.startswith("did:"):
        raise TrustProblem("trust.shape")
    pinned = tuple(_key(key, did) for key in _listed(keys, _MOST_KEYS))
    return TrustedParty(Role(entry["role"]), name, did, pinned)


def _listed(value: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise TrustProblem("trust.shape")
    return value


def _key(entry: dict[str, Any], did: str) -> PublicKey:
    retired = None if entry.get("retiredAt") is None else read_time(entry["retiredAt"])
    if not entry["id"].startswith(f"{did}#"):
        raise TrustProblem("trust.shape")
    decode_public(entry["publicKeyMultibase"])
    return PublicKey(entry["id"], entry["publicKeyMultibase"], retired)


def _write_key(key: PublicKey) -> dict[str, str | None]:
    retired = None if key.retired_at is None else write_time(key.retired_at)
    return {"id": key.id, "publicKeyMultibase": key.multibase, "retiredAt": retired}


def _check_distinct(parties: tuple[TrustedParty, ...]) -> None:
    dids = [party.did for party in parties]
    ids = [key.id for party in parties for key in party.keys]
    keys = [key.multibase for party in parties for key in party.keys]
    for values in (dids, ids, keys):
        if len(set(values)) != len(values):
            raise TrustProblem("trust.not_distinct")
    if {party.role for party in parties} != set(Role):
        raise TrustProblem("trust.one_sided")
