"""Whose key may sign what, and until when: key uses, retirement, theft."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lms.certs.core.joint import Signature, examine_signature
from lms.certs.core.keys import KeyUse, encode_public, generate
from lms.certs.core.proofs import attach
from lms.certs.core.status import build_status_list
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, Trust, TrustedLog
from tests.certs.conftest import COMPANY, NOW, UNIVERSITY, Case, edition

LATER = NOW + timedelta(hours=1)
HOUR = timedelta(hours=1)


LOG = TrustedLog(
    "https://duri.example/log", encode_public(generate().public_key()), (UNIVERSITY.did, COMPANY.did)
)


def trust(case: Case, *logs: TrustedLog, **changes: Any) -> Trust:
    return Trust((case.pair.party(Role.UNIVERSITY), case.pair.party(Role.COMPANY, **changes)), logs)


def examine(
    document: Document, trust: Trust, proven: datetime | None = None, role: Role = Role.COMPANY
) -> Signature:
    did = COMPANY.did if role is Role.COMPANY else UNIVERSITY.did
    return examine_signature(document, did, role, trust, LATER, proven=proven)


def codes(signature: Signature) -> list[str]:
    assert signature.good is (not signature.findings)
    return [finding.code for finding in signature.findings]


@pytest.mark.parametrize("use", [KeyUse.OPERATIONAL, KeyUse.PDF])
def test_a_certificate_is_signed_by_an_issuing_key_only(case: Case, use: KeyUse) -> None:
    assert codes(examine(case.credential, trust(case, use=use))) == ["proof.key_of_other_use"]
    assert "proof.key_of_other_use" in {
        finding.code for finding in case.verify(trust=trust(case, use=use)).findings
    }


@pytest.mark.parametrize(
    ("use", "found"),
    [(KeyUse.ISSUING, []), (KeyUse.OPERATIONAL, []), (KeyUse.PDF, ["proof.key_of_other_use"])],
)
def test_a_status_list_is_signed_by_an_operational_key_or_as_at_first_an_issuing_one(
    case: Case, use: KeyUse, found: list[str]
) -> None:
    listed = case.pair.sign(build_status_list(edition()))
    assert codes(examine(listed, trust(case, use=use))) == found


def test_a_certificate_does_not_become_a_list_by_calling_itself_one(case: Case) -> None:
    named = {**case.credential, "type": [*case.credential["type"], "BitstringStatusListCredential"]}
    signed = case.pair.sign({key: value for key, value in named.items() if key != "proof"})
    assert case.verify(signed, trust=trust(case, use=KeyUse.OPERATIONAL)).status == "refused"


@pytest.mark.parametrize(
    ("since", "proven", "found"),
    [
        (NOW - HOUR, None, ["proof.compromised_key"]),
        (NOW, None, ["proof.compromised_key"]),
        (NOW + HOUR, None, ["proof.unproven_time"]),
        (NOW + HOUR, NOW + timedelta(minutes=1), []),
        (NOW + HOUR, NOW + HOUR, ["proof.compromised_key"]),
        (NOW + HOUR, NOW + 2 * HOUR, ["proof.compromised_key"]),
        (NOW - HOUR, NOW - 2 * HOUR, ["proof.compromised_key"]),
    ],
)
def test_of_a_stolen_key_only_what_the_log_shows_to_be_older_counts(
    case: Case, since: datetime, proven: datetime | None, found: list[str]
) -> None:
    signature = examine(case.credential, trust(case, LOG, compromised_at=since), proven)
    assert codes(signature) == found
    assert [notice.code for notice in signature.notices] == ([] if found else ["key.compromised_since"])


def test_a_thief_who_writes_an_old_time_gains_nothing(case: Case) -> None:
    old = case.pair.proof(case.credential, Role.COMPANY, created=NOW - timedelta(days=900))
    signed = attach(case.credential, case.credential["proof"][0], old)
    assert codes(examine(signed, trust(case, LOG, compromised_at=NOW))) == ["proof.unproven_time"]
    assert case.verify(signed, trust=trust(case, LOG, compromised_at=NOW)).status != "valid"


def test_without_any_log_nothing_could_ever_show_it(case: Case) -> None:
    stolen = trust(case, compromised_at=NOW + HOUR)
    assert codes(examine(case.credential, stolen)) == ["proof.compromised_key"]
    assert case.verify(trust=stolen).status == "refused"
    other = TrustedLog(LOG.id, LOG.multibase, (UNIVERSITY.did,))
    assert codes(examine(case.credential, trust(case, other, compromised_at=NOW + HOUR))) == [
        "proof.compromised_key"
    ]


def test_the_theft_of_one_key_says_nothing_about_the_other(case: Case) -> None:
    stolen = trust(case, compromised_at=NOW - HOUR)
    assert examine(case.credential, stolen, role=Role.UNIVERSITY).good


@pytest.mark.parametrize(
    ("proven", "notice"),
    [
        (None, "key.retired_since"),
        (NOW + timedelta(minutes=1), "key.retired_proven"),
        (NOW + 2 * HOUR, "key.retired_since"),
    ],
)
def test_rotation_keeps_every_old_certificate_valid(case: Case, proven: datetime | None, notice: str) -> None:
    fresh = Trust(case.pair.trust.parties)
    signature = examine(case.credential, trust(case, retired_at=NOW + HOUR), proven)
    assert (codes(signature), [one.code for one in signature.notices]) == ([], [notice])
    rotated = trust(case, retired_at=NOW + HOUR)
    more = replace(fresh.parties[1].keys[0], id=f"{COMPANY.did}#next")
    both = replace(rotated.parties[1], keys=(*rotated.parties[1].keys, more))
    assert case.verify(trust=Trust((fresh.parties[0], both))).status == "valid"
