"""An issuer for tests: a key that was made at its start and is forgotten at its end, and one status list."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.certs.core.chains import AUTHENTICATION, Wish, add_proof
from lms.certs.core.data_model import CREDENTIALS_V1, STATUS_ENTRY, check_credential, read_stamp
from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.keys import encode_public, generate
from lms.certs.core.presentations import Surroundings
from lms.certs.core.problems import CertificateProblem, DocumentProblem, StatusProblem
from lms.certs.core.proofs import Suite
from lms.certs.core.related import check_related
from lms.certs.core.status import LEAST_BITS, REVOCATION, encode_bits, is_set
from lms.certs.core.strict_json import Document
from lms.certs.core.times import write_time
from lms.certs.vcapi.contexts import DATA_INTEGRITY, known_contexts

_LIST_HOURS = 1
_MOST_ENTRIES = 10_000
_INDEX = re.compile(r"[0-9]{1,16}", re.ASCII)


@dataclass
class Desk:
    """Issue and keep the status of whatever is asked for; its signatures are worth nothing to anybody.

    `address` is where it answers, `contexts` and `resources` are further files by their addresses.
    """

    address: str
    contexts: Mapping[str, bytes] = field(default_factory=dict)
    resources: Mapping[str, bytes] = field(default_factory=dict)
    _key: Ed25519PrivateKey = field(default_factory=generate)

    def __post_init__(self) -> None:
        multibase = encode_public(self._key.public_key())
        self.did = f"did:key:{multibase}"
        self._signer = (self._key, f"{self.did}#{multibase}")
        self.around = Surroundings(
            contexts=known_contexts(self.contexts), resources=self.resources, status_of=self._status_of
        )
        self._given: set[int] = set()
        self._set: set[int] = set()

    @property
    def list_address(self) -> str:
        """Return where the status list is."""
        return f"{self.address}/status/{REVOCATION}"

    def issue(self, document: Document, options: Document, suite: Suite, now: datetime) -> Document:
        """Return the credential with a proof; with `previousProof` in the options it is one of a chain.

        Raises:
            CertificateProblem: the credential does not follow the data model, or the options are strange.
        """
        credential = _with_vocabulary(document)
        check_credential(credential)
        check_related(credential, self.resources)
        return add_proof(credential, self._signer, suite, _wish(options, suite, now), self.around.contexts)

    def with_status(self, document: Document) -> Document:
        """Return the credential with a place in the status list, after any that it has.

        Raises:
            CertificateProblem: the list is full.
        """
        if len(self._given) >= _MOST_ENTRIES:
            raise StatusProblem("vc.no_room")
        index = secrets.randbelow(LEAST_BITS)
        while index in self._given:
            index = secrets.randbelow(LEAST_BITS)
        self._given.add(index)
        entry = {
            "id": f"{self.list_address}#{index}",
            "type": STATUS_ENTRY,
            "statusPurpose": REVOCATION,
            "statusListIndex": str(index),
            "statusListCredential": self.list_address,
        }
        existing = document.get("credentialStatus", [])
        listed = existing if isinstance(existing, list) else [existing]
        return {**document, "credentialStatus": [*listed, entry] if listed else entry}

    def set_status(self, entry: object, *, value: bool) -> None:
        """Set or clear the place of a credential that was issued here.

        Raises:
            DocumentProblem: no such place was given away.
        """
        index = self._index(entry) if isinstance(entry, dict) else None
        if index is None or index not in self._given:
            raise DocumentProblem("vc.bad_request", part="credentialStatus")
        (self._set.add if value else self._set.discard)(index)

    def status_list(self, now: datetime) -> Document:
        """Return the list as a signed credential.

        Source: W3C Bitstring Status List 1.0, section 2.2.
        """
        document: Document = {
            "@context": [CREDENTIALS_V2],
            "id": self.list_address,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": self.did,
            "validFrom": write_time(now),
            "validUntil": write_time(now + timedelta(hours=_LIST_HOURS)),
            "credentialSubject": {
                "id": f"{self.list_address}#list",
                "type": "BitstringStatusList",
                "statusPurpose": REVOCATION,
                "encodedList": encode_bits(self._set),
            },
        }
        return self.issue(document, {}, Suite.RDFC, now)

    def present(self, document: Document, options: Document, now: datetime) -> Document:
        """Return a presentation with a proof of authentication, for trying things out."""
        wish = _wish({**options, "proofPurpose": AUTHENTICATION}, Suite.RDFC, now)
        return add_proof(document, self._signer, Suite.RDFC, wish, self.around.contexts)

    def _status_of(self, entry: Document) -> bool | None:
        index = self._index(entry)
        if index is None:
            return None
        return is_set(encode_bits(self._set), index)

    def _index(self, entry: Document) -> int | None:
        mine = (
            entry.get("statusListCredential") == self.list_address
            and entry.get("statusPurpose") == REVOCATION
        )
        text = entry.get("statusListIndex")
        return int(text) if mine and isinstance(text, str) and _INDEX.fullmatch(text) else None


def _with_vocabulary(document: Document) -> Document:
    """Add to a credential of the data model 1.1 the vocabulary of its proof; 2.0 has it already."""
    contexts = document.get("@context")
    if isinstance(contexts, list) and contexts[:1] == [CREDENTIALS_V1] and DATA_INTEGRITY not in contexts:
        return {**document, "@context": [*contexts, DATA_INTEGRITY]}
    return document


def _wish(options: Document, suite: Suite, now: datetime) -> Wish:
    asked = {"type": "DataIntegrityProof", "cryptosuite": str(suite)}
    for name, value in asked.items():
        if options.get(name, value) != value:
            raise DocumentProblem("vc.bad_request", part=f"options.{name}")
    named = ("domain", "challenge", "expires")
    more: Document = {name: options[name] for name in named if name in options}
    previous = options.get("previousProof", [])
    listed = previous if isinstance(previous, list) else [previous]
    if not all(isinstance(name, str) for name in listed):
        raise DocumentProblem("vc.bad_request", part="options.previousProof")
    return Wish(
        created=_created(options, now),
        purpose=str(options.get("proofPurpose", "assertionMethod")),
        previous=tuple(listed),
        more={"id": f"urn:uuid:{uuid4()}", **more},
    )


def _created(options: Mapping[str, Any], now: datetime) -> datetime:
    if "created" not in options:
        return now
    try:
        return read_stamp(options["created"], "created").astimezone(UTC)
    except CertificateProblem:
        raise DocumentProblem("vc.bad_request", part="options.created") from None
