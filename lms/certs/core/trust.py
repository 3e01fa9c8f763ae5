"""The trust file: whose keys count as those of which organisation, as the verifying person decided."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lms.certs.core.keys import KeyUse, PublicKey, decode_p256, decode_public
from lms.certs.core.problems import MISSHAPEN, TrustProblem
from lms.certs.core.strict_json import read_object
from lms.certs.core.times import read_time, write_time

_MOST_PARTIES = 1_000
_MOST_KEYS = 100
_MOST_LOGS = 100
_MOST_COSIGNERS = 10
_MOST_ROOTS = 10
_MOST_PEM = 10_000
_PEM = re.compile(
    r"\s*-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----\s*", re.ASCII
)
_LOG_ID = re.compile(r"https?://[^\s#?]{1,200}", re.ASCII)


class Role(StrEnum):
    """Say which of the two parts an organisation takes."""

    UNIVERSITY = "university"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class TrustedParty:
    """Pin an organisation's identifier, its keys, and the roots (PEM) of its PDF signatures."""

    role: Role
    name: str
    did: str
    keys: tuple[PublicKey, ...]
    pdf_roots: tuple[str, ...] = ()

    def key(self, key_id: str) -> PublicKey | None:
        """Return the pinned key of this identifier."""
        return next((key for key in self.keys if key.id == key_id), None)


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """Pin a transparency log: its address, its key, and who must co-sign its heads (their DIDs).

    A log that changed its key stands in the file twice.
    """

    id: str
    multibase: str
    cosigners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """Hold all pinned organisations and logs."""

    parties: tuple[TrustedParty, ...] = field(default=())
    logs: tuple[TrustedLog, ...] = field(default=())

    def party(self, did: str, role: Role) -> TrustedParty | None:
        """Return the organisation with this identifier in this part."""
        return next((party for party in self.parties if (party.did, party.role) == (did, role)), None)

    def without_logs(self) -> "Trust":
        """Return the same organisations, with no log proof asked for."""
        return Trust(self.parties)

    def logs_of(self, signers: Iterable[str]) -> tuple[TrustedLog, ...]:
        """Return the logs that all these organisations co-sign: one of them must hold what they sign."""
        dids = set(signers)
        return tuple(log for log in self.logs if dids <= set(log.cosigners))


def read_trust(content: bytes) -> Trust:
    """Read a trust file.

    Raises:
        TrustProblem: not a trust file, one with a part unknown here, or one in which a key or identifier
            stands for two.
    """
    try:
        document = _known(read_object(content), {"parties", "logs"})
        parties = tuple(_party(entry) for entry in _listed(document["parties"], _MOST_PARTIES))
        logs = tuple(_log(entry) for entry in _maybe_listed(document.get("logs", []), _MOST_LOGS))
    except TrustProblem:
        raise
    except MISSHAPEN:
        raise TrustProblem("trust.shape") from None
    _check_distinct(parties, logs)
    _check_cosigners(parties, logs)
    return Trust(parties, logs)


def write_trust(parties: Iterable[TrustedParty], logs: Iterable[TrustedLog] = ()) -> bytes:
    """Write a trust file."""
    document = {
        "parties": [_write_party(party) for party in parties],
        "logs": [
            {"id": log.id, "publicKeyMultibase": log.multibase, "cosigners": list(log.cosigners)}
            for log in logs
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8") + b"\n"


def _party(entry: dict[str, Any]) -> TrustedParty:
    _known(entry, {"role", "name", "did", "keys", "pdfRoots"})
    did, name, keys = entry["did"], entry["name"], entry["keys"]
    if not all(isinstance(text, str) and text for text in (did, name)) or not did.startswith("did:"):
        raise TrustProblem("trust.shape")
    pinned = tuple(_key(key, did) for key in _listed(keys, _MOST_KEYS))
    roots = tuple(_root(pem) for pem in _maybe_listed(entry.get("pdfRoots", []), _MOST_ROOTS))
    return TrustedParty(Role(entry["role"]), name, did, pinned, roots)


def _known(entry: Any, names: set[str]) -> dict[str, Any]:
    """Return an object that has no other parts: one that is not understood may be what matters."""
    if not isinstance(entry, dict):
        raise TrustProblem("trust.shape")
    for part in sorted(entry.keys() - names):
        raise TrustProblem("trust.needs_newer", part=part[:40])
    return entry


def _listed(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise TrustProblem("trust.shape")
    return value


def _maybe_listed(value: Any, most: int) -> list[Any]:
    return [] if value == [] else _listed(value, most)


def _key(entry: dict[str, Any], did: str) -> PublicKey:
    _known(entry, {"id", "publicKeyMultibase", "retiredAt", "use", "compromisedAt"})
    if not entry["id"].startswith(f"{did}#"):
        raise TrustProblem("trust.shape")
    use = entry.get("use", KeyUse.ISSUING)
    if use not in list(KeyUse):
        raise TrustProblem("trust.needs_newer", part="use")
    if use == KeyUse.PDF:
        decode_p256(entry["publicKeyMultibase"])
    else:
        decode_public(entry["publicKeyMultibase"])
    return PublicKey(
        entry["id"],
        entry["publicKeyMultibase"],
        retired_at=_maybe_time(entry.get("retiredAt")),
        use=KeyUse(use),
        compromised_at=_maybe_time(entry.get("compromisedAt")),
    )


def _root(pem: Any) -> str:
    if not isinstance(pem, str) or len(pem) > _MOST_PEM or not _PEM.fullmatch(pem):
        raise TrustProblem("trust.shape")
    return pem


def _log(entry: dict[str, Any]) -> TrustedLog:
    _known(entry, {"id", "publicKeyMultibase", "cosigners"})
    cosigners = tuple(_listed(entry["cosigners"], _MOST_COSIGNERS))
    named = len(set(cosigners)) == len(cosigners) and all(isinstance(did, str) for did in cosigners)
    if not named or not _LOG_ID.fullmatch(entry["id"]):
        raise TrustProblem("trust.shape")
    decode_public(entry["publicKeyMultibase"])
    return TrustedLog(entry["id"], entry["publicKeyMultibase"], cosigners)


def _maybe_time(value: Any) -> datetime | None:
    return None if value is None else read_time(value)


def _write_party(party: TrustedParty) -> dict[str, Any]:
    entry = {
        "role": str(party.role),
        "name": party.name,
        "did": party.did,
        "keys": [_write_key(key) for key in party.keys],
    }
    return {**entry, "pdfRoots": list(party.pdf_roots)} if party.pdf_roots else entry


def _write_key(key: PublicKey) -> dict[str, str | None]:
    """Write a key; what is as it was in the first form of the file is left out."""
    retired = None if key.retired_at is None else write_time(key.retired_at)
    entry = {"id": key.id, "publicKeyMultibase": key.multibase, "retiredAt": retired}
    if key.use is not KeyUse.ISSUING:
        entry["use"] = str(key.use)
    if key.compromised_at is not None:
        entry["compromisedAt"] = write_time(key.compromised_at)
    return entry


def _check_distinct(parties: tuple[TrustedParty, ...], logs: tuple[TrustedLog, ...]) -> None:
    own = [key for party in parties for key in party.keys]
    dids = [party.did for party in parties]
    ids = [key.id for key in own]
    keys = [*(key.multibase for key in own), *(log.multibase for log in logs)]
    roots = ["".join(root.split()) for party in parties for root in party.pdf_roots]
    for values in (dids, ids, keys, roots):
        if len(set(values)) != len(values):
            raise TrustProblem("trust.not_distinct")
    if {party.role for party in parties} != set(Role):
        raise TrustProblem("trust.one_sided")


def _check_cosigners(parties: tuple[TrustedParty, ...], logs: tuple[TrustedLog, ...]) -> None:
    strangers = {did for log in logs for did in log.cosigners} - {party.did for party in parties}
    for did in sorted(strangers):
        raise TrustProblem("trust.unknown_cosigner", did=did[:120])
