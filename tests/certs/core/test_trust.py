import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lms.certs.core.keys import KeyUse, PublicKey, decode_p256, did_document, encode_public, generate
from lms.certs.core.problems import KeyProblem, TrustProblem
from lms.certs.core.trust import Role, TrustedLog, TrustedParty, read_trust, write_trust
from tests.certs.conftest import COMPANY, NOW, UNIVERSITY, Case


def spoil(change: Callable[[Any], None]) -> Callable[[Case], bytes]:
    def spoilt(case: Case) -> bytes:
        document = json.loads(write_trust(case.pair.trust.parties))
        change(document)
        return json.dumps(document).encode()

    return spoilt


def test_a_trust_file_reads_back(case: Case) -> None:
    retired = case.pair.party(Role.COMPANY, retired_at=NOW + timedelta(days=1))
    parties = (case.pair.party(Role.UNIVERSITY), retired)
    assert read_trust(write_trust(parties)).parties == parties


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d.pop("parties"), "shape"),
        (lambda d: d.update(parties=[]), "shape"),
        (lambda d: d.update(parties={}), "shape"),
        (lambda d: d.update(parties=[1]), "shape"),
        (lambda d: d["parties"][0].update(role="operator"), "shape"),
        (lambda d: d["parties"][0].update(did="hangang-university.example"), "shape"),
        (lambda d: d["parties"][0].update(keys=[]), "shape"),
        (lambda d: d["parties"][0]["keys"][0].update(id="did:web:other.example#one"), "shape"),
        (lambda d: d["parties"][0]["keys"][0].update(publicKeyMultibase="z6Mk"), "shape"),
        (lambda d: d["parties"][0]["keys"][0].update(retiredAt="yesterday"), "shape"),
        (lambda d: d.update(logs=[{"url": "https://log.example"}]), "needs_newer"),
        (lambda d: d["parties"].pop(), "one_sided"),
        (lambda d: d["parties"].append(d["parties"][0]), "not_distinct"),
        (lambda d: d["parties"][0]["keys"].append(d["parties"][0]["keys"][0]), "not_distinct"),
    ],
)
def test_a_doubtful_trust_file_is_refused(case: Case, change: Callable[[Any], None], code: str) -> None:
    with pytest.raises(TrustProblem, match=code):
        read_trust(spoil(change)(case))


def test_one_key_for_two_organisations_is_refused(case: Case) -> None:
    university, company = case.pair.trust.parties
    shared = replace(company.keys[0], multibase=university.keys[0].multibase)
    with pytest.raises(TrustProblem, match="not_distinct"):
        read_trust(write_trust([university, replace(company, keys=(shared,))]))


P256 = (
    "z"
    + base58.b58encode(
        b"\x80\x24"
        + ec.derive_private_key(7, ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    ).decode()
)
LOG = {"id": "https://duri.example/log", "cosigners": [UNIVERSITY.did, COMPANY.did]}
PEM = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"


def with_additions(case: Case) -> tuple[list[TrustedParty], list[TrustedLog]]:
    university, company = case.pair.trust.parties
    more = (
        replace(university.keys[0], compromised_at=NOW, retired_at=NOW),
        PublicKey(f"{university.did}#two", encode_public(generate().public_key()), use=KeyUse.OPERATIONAL),
        PublicKey(f"{university.did}#paper", P256, use=KeyUse.PDF),
    )
    log = TrustedLog(LOG["id"], encode_public(generate().public_key()), (university.did, company.did))
    return [replace(university, keys=more, pdf_roots=(PEM,)), company], [log]


def test_the_additions_read_back(case: Case) -> None:
    parties, logs = with_additions(case)
    trust = read_trust(write_trust(parties, logs))
    assert (list(trust.parties), list(trust.logs)) == (parties, logs)
    assert trust.logs_of([UNIVERSITY.did, COMPANY.did]) == tuple(logs)
    assert trust.logs_of([UNIVERSITY.did, "did:web:other.example"]) == ()


def test_a_file_of_the_first_form_reads_and_is_written_as_it_was(case: Case) -> None:
    entries = [
        {
            "role": str(party.role),
            "name": party.name,
            "did": party.did,
            "keys": [
                {"id": key.id, "publicKeyMultibase": key.multibase, "retiredAt": None} for key in party.keys
            ],
        }
        for party in case.pair.trust.parties
    ]
    first = json.dumps({"parties": entries, "logs": []}, ensure_ascii=False, indent=2).encode() + b"\n"
    trust = read_trust(first)
    assert trust == case.pair.trust
    assert {key.use for party in trust.parties for key in party.keys} == {KeyUse.ISSUING}
    assert write_trust(trust.parties) == first


def test_a_directory_names_no_paper_key_for_credentials() -> None:
    keys = [PublicKey("did:web:x.example#a", P256, use=KeyUse.PDF)]
    shown = did_document("did:web:x.example", keys)
    assert (len(shown["verificationMethod"]), shown["assertionMethod"]) == (1, [])


def test_a_paper_key_must_be_a_point_of_its_curve() -> None:
    assert decode_p256(P256).curve.name == "secp256r1"
    off = "z" + base58.b58encode(b"\x80\x24\x02" + b"\xff" * 32).decode()
    for wrong in (off, encode_public(generate().public_key()), "z", P256[:-1]):
        with pytest.raises(KeyProblem):
            decode_p256(wrong)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d.update(comment="ours"), "needs_newer"),
        (lambda d: d["parties"][0].update(weight=2), "needs_newer"),
        (lambda d: d["parties"][0]["keys"][0].update(revokedAt="x"), "needs_newer"),
        (lambda d: d["parties"][0]["keys"][0].update(use="everything"), "needs_newer"),
        (lambda d: d["parties"][0]["keys"][0].update(use=[]), "needs_newer"),
        (lambda d: d["parties"][0]["keys"][0].update(use="pdf"), "shape"),
        (lambda d: d["parties"][0]["keys"][2].update(use="issuing"), "shape"),
        (lambda d: d["parties"][0]["keys"][0].update(compromisedAt="2026"), "shape"),
        (lambda d: d["parties"][0].update(pdfRoots=["MIIB"]), "shape"),
        (lambda d: d["parties"][0].update(pdfRoots=[1]), "shape"),
        (lambda d: d["parties"][1].update(pdfRoots=[PEM.replace("\n", "\r\n")]), "not_distinct"),
        (lambda d: d.update(logs={}), "shape"),
        (lambda d: d.update(logs=["https://duri.example/log"]), "shape"),
        (lambda d: d["logs"][0].update(urls=[]), "needs_newer"),
        (lambda d: d["logs"][0].update(id="log"), "shape"),
        (lambda d: d["logs"][0].update(id=7), "shape"),
        (lambda d: d["logs"][0].update(publicKeyMultibase=P256), "shape"),
        (lambda d: d["logs"][0].update(cosigners=[]), "shape"),
        (lambda d: d["logs"][0].update(cosigners=[1]), "shape"),
        (lambda d: d["logs"][0].update(cosigners=[[]]), "shape"),
        (lambda d: d["logs"][0].update(cosigners=[COMPANY.did] * 2), "shape"),
        (lambda d: d["logs"][0].update(cosigners=["did:web:x.example"]), "unknown_cosigner"),
        (lambda d: d["logs"].append(d["logs"][0]), "not_distinct"),
        (
            lambda d: d["logs"][0].update(
                publicKeyMultibase=d["parties"][0]["keys"][1]["publicKeyMultibase"]
            ),
            "not_distinct",
        ),
    ],
)
def test_a_doubtful_addition_is_refused(case: Case, change: Callable[[Any], None], code: str) -> None:
    document = json.loads(write_trust(*with_additions(case)))
    change(document)
    with pytest.raises(TrustProblem, match=code):
        read_trust(json.dumps(document).encode())
