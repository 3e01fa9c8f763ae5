"""A thief has the platform whole: its folder, its environment, its certificates; the signers live on."""

import http.client
import json
import os
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lms.certs.adapters.signers import HttpSigner
from lms.certs.core.document import Claim, Party, StatusEntry, build_credential, hash_email
from lms.certs.core.joint import SUITES
from lms.certs.core.keys import KeyUse, generate
from lms.certs.core.mandate import Mandate
from lms.certs.core.proofs import attach, create_proof
from lms.certs.core.protocols import Kind, SignerRefused, SignerUnavailable, SignerWaits
from lms.certs.core.status import SUSPENSION, build_status_list, encode_bits
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, Trust, write_trust
from lms.certs.core.verify import Status, verify
from lms.certs.signer.folder import create, trusted_party
from lms.certs.signer.roster import add_entries, make_entry
from lms.config import Settings
from tests.certs.conftest import CLAIM, COMPANY, UNIVERSITY, edition
from tests.factories.signers import credentials, served

LISTED = "https://duri.example/status/1"
HANEUL = "haneul@example.org"


@dataclass
class Loot:
    """What the thief has: the platform's folder and how to reach the signers; never a signer's folder."""

    instance: Path
    ports: dict[Role, int]
    trust: Trust
    genuine: Document = field(default_factory=dict)
    proofs: dict[Role, Document] = field(default_factory=dict)

    def signer(self, role: Role) -> HttpSigner:
        return HttpSigner(
            f"https://127.0.0.1:{self.ports[role]}",
            self.instance / "clients" / role.value,
            timeout_seconds=20,
        )

    def ask(self, role: Role, document: Document, kind: Kind = Kind.CREDENTIAL) -> Document:
        asked = self.signer(role)
        try:
            return asked.sign(document, kind)
        finally:
            asked.close()

    def call(self, role: Role, path: str, body: bytes | None = None) -> int:
        own = self.instance / "clients" / role.value
        context = ssl.create_default_context(cafile=own / "ca.pem")
        context.load_cert_chain(own / "client.pem", own / "client.key")
        line = http.client.HTTPSConnection("127.0.0.1", self.ports[role], timeout=20, context=context)
        with closing(line):
            line.request("GET" if body is None else "POST", path, body)
            return line.getresponse().status


@pytest.fixture(scope="module")
def loot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loot]:
    """Two signers with one learner on their rosters, and the installation that may ask them."""
    there = tmp_path_factory.mktemp("theft")
    instance = there / "instance"
    (instance / "clients").mkdir(parents=True)
    for role in Role:
        mandate = Mandate(
            role=role,
            name=str(role),
            university=UNIVERSITY.did,
            company=COMPANY.did,
            host="127.0.0.1",
            port=1,
            demo_custody=False,
            courses=("https://duri.example/courses/",),
            status_lists=("https://duri.example/status/",),
            daily_quota=3,
        )
        create(there / role, mandate, datetime.now(UTC))
        add_entries(there / role, [make_entry(HANEUL, CLAIM.achievement.id, "김하늘", "91.4")])
        shutil.copytree(credentials(there / role), instance / "clients" / role)
    trust = Trust(tuple(trusted_party(there / role) for role in Role))
    (instance / "trust.json").write_bytes(write_trust(trust.parties))
    with ExitStack() as stack:
        found = Loot(instance, {role: stack.enter_context(served(there / role)) for role in Role}, trust)
        found.genuine = build_credential(claim(2))
        found.proofs = {role: found.ask(role, found.genuine) for role in Role}
        yield found


def claim(number: int = 1, **changes: object) -> Claim:
    return replace(
        CLAIM,
        credential_id=f"urn:uuid:0000000{number}-d8ba-41ed-83dd-0b3aef56cc33",
        issued_at=datetime.now(UTC).replace(microsecond=0),
        status=StatusEntry(LISTED, number),
        demo_custody=False,
        **changes,
    )


FORGERIES: dict[str, dict[str, object]] = {
    "somebody the organisations do not know": {"email_hash": hash_email("thief@example.org", "c2FsdA")},
    "a hash that fits nobody": {"email_hash": "sha256$" + "0" * 64},
    "another salt": {"email_salt": "AAAA"},
    "a listed learner's address under the thief's name": {"holder_name": "도둑"},
    "more points than the roster says": {"score": "100"},
    "another course": {
        "achievement": replace(CLAIM.achievement, id="https://duri.example/courses/other/versions/1")
    },
    "an achievement elsewhere": {
        "achievement": replace(CLAIM.achievement, id="https://evil.example/courses/a")
    },
    "another partner": {"company": Party("did:web:evil.example", "Evil", "https://evil.example/")},
    "a list that the thief keeps": {"status": StatusEntry("https://evil.example/status/1", 1)},
    "a date of last year": {"issued_at": datetime.now(UTC).replace(microsecond=0) - timedelta(days=400)},
    "the mark of a demonstration": {"demo_custody": True},
}


@pytest.mark.parametrize("what", FORGERIES)
def test_nothing_off_the_roster_is_signed_by_either(loot: Loot, what: str) -> None:
    forged = build_credential(replace(claim(), **FORGERIES[what]))  # type: ignore[arg-type]
    for role in Role:
        with pytest.raises((SignerRefused, SignerWaits)):
            loot.ask(role, forged)


def test_the_thief_s_own_keys_and_half_a_signature_convince_nobody(loot: Loot) -> None:
    listed = build_status_list(
        edition(
            url=LISTED,
            valid_from=datetime.now(UTC),
            valid_until=datetime.now(UTC) + timedelta(hours=24),
            demo_custody=False,
        )
    )
    signed = attach(listed, *(loot.ask(role, listed, Kind.STATUS_LIST) for role in Role))
    lists = {LISTED: json.dumps(signed).encode()}
    proofs = loot.proofs
    good = attach(loot.genuine, *(proofs[role] for role in Role))
    now = datetime.now(UTC)
    assert verify(json.dumps(good).encode(), loot.trust, lists, now).status is Status.VALID
    forged = build_credential(claim(2, holder_name="도둑"))
    for role in Role:
        party = next(party for party in loot.trust.parties if party.role is role)
        issuing = next(key.id for key in party.keys if key.use is KeyUse.ISSUING)
        made = create_proof(forged, generate(), issuing, SUITES[role], now)
        for pair in ({**proofs, role: made}, dict.fromkeys(Role, made)):
            spoilt = attach(forged, *(pair[each] for each in Role))
            assert verify(json.dumps(spoilt).encode(), loot.trust, lists, now).status is Status.REFUSED


def test_an_operational_signature_is_no_certificate(loot: Loot) -> None:
    """Lists are signed without a roster; a certificate dressed as one is refused."""
    forged = build_credential(claim(3, holder_name="도둑"))
    for kind in (Kind.STATUS_LIST, Kind.TREE_HEAD, Kind.NOTICE, Kind.ENDORSEMENT):
        for role in Role:
            with pytest.raises(SignerRefused):
                loot.ask(role, forged, kind)


def test_a_suspension_does_not_end_on_the_platform_s_word(loot: Loot) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    whole = edition(
        url="https://duri.example/status/9", purpose=SUSPENSION, encoded=encode_bits([5]), valid_from=now,
        valid_until=now + timedelta(hours=2), demo_custody=False,
    )  # fmt: skip
    ended = replace(whole, encoded=encode_bits([]))
    for role in Role:
        assert loot.ask(role, build_status_list(whole), Kind.STATUS_LIST)
        with pytest.raises(SignerRefused, match="not_lifted"):
            loot.ask(role, build_status_list(ended), Kind.STATUS_LIST)


def test_no_address_of_a_signer_gives_its_keys_or_takes_orders(loot: Loot) -> None:
    for role in Role:
        for path in (
            "/keys.json", "/passphrase", "/roster.csv", "/journal.jsonl", "/../passphrase",
            "/%2e%2e/passphrase",
            "/approve/../keys.json", "/clients/platform.pem", "/tls/ca.key", "/roster", "/rotate",
        ):  # fmt: skip
            assert loot.call(role, path) in {404, 405}
        for path in ("/roster", "/approve/decide", "/approve/sign-in", "/clients"):
            assert loot.call(role, path, b"decision=all&name=x&passphrase=y") in {403, 404, 405}


def test_one_organisation_s_client_is_nobody_at_the_other(loot: Loot) -> None:
    for role, other in ((Role.UNIVERSITY, Role.COMPANY), (Role.COMPANY, Role.UNIVERSITY)):
        own = loot.instance / "clients" / role.value
        crossed = HttpSigner(f"https://127.0.0.1:{loot.ports[other]}", own, timeout_seconds=20)
        with pytest.raises(SignerUnavailable):
            crossed.sign(build_credential(claim(4)), Kind.CREDENTIAL)


def test_what_the_platform_holds_is_no_key_of_an_organisation(
    loot: Loot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURI_UNIVERSITY_SIGNER_CREDENTIALS", str(loot.instance / "clients" / "university"))
    environment = json.dumps(Settings.load().to_environment() | dict(os.environ))
    held = [path for path in loot.instance.rglob("*") if path.is_file()]
    assert {path.name for path in held} == {"ca.pem", "client.pem", "client.key", "trust.json"}
    for path in held:
        assert b"ciphertext" not in path.read_bytes()
        assert "PRIVATE KEY" not in path.read_text() or path.name == "client.key"
    assert "PRIVATE KEY" not in environment


def test_the_day_s_quota_bounds_what_even_the_listed_learner_gets(loot: Loot) -> None:
    asked = loot.signer(Role.UNIVERSITY)
    with closing(asked):
        documents = [build_credential(claim(number)) for number in range(4, 9)]
        answers = asked.sign_many(documents, Kind.CREDENTIAL)
    waiting = [answer.code for answer in answers if isinstance(answer, SignerWaits)]
    assert waiting == ["signer.quota"] * 3
