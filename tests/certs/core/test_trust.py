import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lms.certs.core.problems import TrustProblem
from lms.certs.core.trust import Role, read_trust, write_trust
from tests.certs.conftest import NOW, Case


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
