"""A real signer and the form of which a part is shown."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lms.certs.core.document import build_credential
from lms.certs.core.journal import read_journal
from lms.certs.core.keys import KeyUse
from lms.certs.core.mandate import Refusal
from lms.certs.core.protocols import Kind
from lms.certs.core.sd_jwt import ask_for_form, examine_makers, present, read_presentation
from lms.certs.core.strict_json import sha256_of
from lms.certs.core.trust import Role, Trust
from lms.certs.signer.folder import trusted_party
from tests.certs.conftest import CLAIM, NOW
from tests.factories.signers import opened


def test_a_signer_signs_the_form_of_its_own_certificate_with_its_issuing_key(folder: Path) -> None:
    certificate = build_credential(CLAIM)
    request = ask_for_form(certificate)
    with opened(folder) as signer:
        with pytest.raises(Refusal) as refused:
            signer.sign(request, Kind.SD_JWT, NOW)
        assert refused.value.code == "signer.form_not_ours"
        signer.sign(certificate, Kind.CREDENTIAL, NOW)
        signature = signer.sign(request, Kind.SD_JWT, NOW)
        assert signer.sign(request, Kind.SD_JWT, NOW + timedelta(days=1)) == signature
    with opened(folder) as signer:  # after a restart it knows both
        assert signer.sign(request, Kind.SD_JWT, NOW + timedelta(days=2)) == signature
    party = trusted_party(folder)
    presented = read_presentation(present(request, (signature, signature), ("score",)))
    university, company = examine_makers(presented, Trust((party,)), NOW)
    assert university.good
    assert {key.use for key in party.keys if key.id == university.key_id} == {KeyUse.ISSUING}
    assert not company.good
    with (folder / "journal.jsonl").open("rb") as lines:
        entries = [entry for entry, _ in read_journal(lines)]
    assert [entry["kind"] for entry in entries] == ["credential", "sd-jwt"]
    assert entries[1]["sha256"] == sha256_of(request)


def test_a_signer_does_not_sign_another_claim_under_a_form(folder: Path) -> None:
    with opened(folder) as signer:
        signer.sign(build_credential(CLAIM), Kind.CREDENTIAL, NOW)
        better = ask_for_form(build_credential(replace(CLAIM, score="100")))
        with pytest.raises(Refusal) as refused:
            signer.sign(better, Kind.SD_JWT, NOW)
        assert refused.value.code == "signer.form_not_ours"
        request = json.loads(json.dumps(ask_for_form(build_credential(CLAIM))))
        request["disclosures"][0] = better["disclosures"][2]
        with pytest.raises(Refusal) as refused:
            signer.sign(request, Kind.SD_JWT, NOW)
        assert refused.value.code == "signer.sd_jwt"
        assert signer.chain.length == 1
    assert trusted_party(folder).role == Role.UNIVERSITY
