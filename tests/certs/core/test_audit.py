"""The audit finds what is planted: unlogged, altered, never signed, rewritten."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from lms.certs.core.audit import GRACE, Journal, audit_entries, audit_heads, read_signed
from lms.certs.core.document import StatusEntry, build_credential
from lms.certs.core.heads import EntryKind, LogEntry, hash_entry, signed_sha256
from lms.certs.core.journal import Chain, JournalProblem
from lms.certs.core.keys import generate
from lms.certs.core.proofs import attach
from lms.certs.core.status import build_status_list, encode_bits
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role
from tests.certs.conftest import CLAIM, COMPANY, NOW, STATUS_URL, UNIVERSITY, Pair, edition
from tests.factories.log import Ledger, issued

LATER = NOW + timedelta(hours=1)
ROLES = list(Role)


@dataclass
class World:
    """Two signers' journals and a log, honest until a test plants something."""

    pair: Pair = field(default_factory=Pair)
    lines: dict[Role, list[Document]] = field(default_factory=lambda: {role: [] for role in Role})
    ledger: Ledger = field(default_factory=lambda: Ledger((UNIVERSITY.did, COMPANY.did), NOW))

    def sign(self, number: int, roles: list[Role] = ROLES) -> Document:
        """Let signers sign a certificate and write it down."""
        claim = replace(
            CLAIM,
            credential_id=f"urn:uuid:{number:08d}-d8ba-41ed-83dd-0b3aef56cc33",
            status=StatusEntry(STATUS_URL, number),
        )
        document = build_credential(claim)
        proofs = {role: {"proofValue": f"z{role}{number}"} for role in Role}
        for role in roles:
            self.lines[role].append(
                {
                    "kind": "credential",
                    "id": claim.credential_id,
                    "place": f"{STATUS_URL}#{number}",
                    "at": write_time(NOW),
                    "sha256": sha256_of(document),
                    "proof": proofs[role],
                }
            )
        return attach(document, proofs[Role.UNIVERSITY], proofs[Role.COMPANY])

    def issue(self, number: int) -> LogEntry:
        self.ledger.entries.append(issued(self.sign(number), NOW))
        return self.ledger.entries[-1]

    def withdraw(self, numbers: list[int], roles: list[Role] = ROLES) -> None:
        document = build_status_list(edition(encoded=encode_bits(numbers)))
        for role in roles:
            self.lines[role].append(
                {
                    "kind": "status-list",
                    "id": STATUS_URL,
                    "document": document,
                    "at": write_time(NOW),
                    "sha256": sha256_of(document),
                    "proof": {},
                }
            )

    def journal(self, role: Role) -> Journal:
        chain, lines = Chain(), []
        for entry in self.lines[role]:
            line, chain = chain.append(entry)
            lines.append(line)
        return read_signed(role, lines)

    def audit(self, **changes: Any) -> list[tuple[str, dict[str, Any]]]:
        journals = [self.journal(role) for role in Role]
        found = audit_entries(self.ledger.entries, *journals, changes.get("at", LATER))
        return [(finding.code, finding.params) for finding in found]


@pytest.fixture
def world() -> World:
    world = World()
    for number in range(6):
        world.issue(number)
    return world


def codes(world: World) -> list[str]:
    return [code for code, _ in world.audit()]


def test_an_honest_log_agrees_with_both_journals(world: World) -> None:
    revoked = replace(world.ledger.entries[2], kind=EntryKind.REVOKED, time=LATER)
    world.ledger.entries.append(revoked)
    world.withdraw([2])
    world.sign(50, [Role.UNIVERSITY])  # the company refused: never issued
    world.lines[Role.COMPANY].append({"kind": "tree-head", "id": "x", "sha256": "y", "proof": {}})
    assert world.audit() == []


def test_an_unlogged_certificate_is_found(world: World) -> None:
    hidden = world.sign(50)
    assert world.audit() == [("audit.not_logged", {"sha256": sha256_of(hidden)})]
    assert world.audit(at=NOW + GRACE) == []  # on its way


def test_a_certificate_that_no_signer_knows_is_found(world: World) -> None:
    stranger = attach(build_credential(CLAIM), {"a": 1}, {"b": 2})
    world.ledger.entries.insert(3, issued(stranger, NOW))
    assert world.audit() == [
        ("audit.not_signed", {"index": 3, "role": "university"}),
        ("audit.not_signed", {"index": 3, "role": "company"}),
    ]


def test_a_certificate_that_one_signer_does_not_know_is_found(world: World) -> None:
    world.ledger.entries.append(issued(world.sign(50, [Role.COMPANY]), NOW))
    assert world.audit() == [("audit.not_signed", {"index": 6, "role": "university"})]


@pytest.mark.parametrize("at", [0, 3, 5])
def test_an_altered_certificate_is_found(world: World, at: int) -> None:
    good = world.ledger.entries[at]
    world.ledger.entries[at] = replace(good, document=hashlib.sha256(b"altered").hexdigest())
    assert sorted(set(codes(world))) == ["audit.not_logged", "audit.not_signed"]


def test_other_signatures_over_the_same_document_are_found(world: World) -> None:
    stolen = attach(world.sign(7), {"proofValue": "zother"}, {"proofValue": "zcompany7"})
    world.ledger.entries.append(issued(stolen, NOW))
    assert world.audit() == [("audit.altered", {"index": 6})]


def test_the_whole_is_hashed_as_a_verifier_hashes_it(world: World) -> None:
    signed = world.sign(8)
    assert issued(signed, NOW).signed == signed_sha256(signed)


def test_a_certificate_issued_twice_is_found(world: World) -> None:
    world.ledger.entries.append(world.ledger.entries[1])
    assert world.audit() == [("audit.twice", {"index": 6})]


def test_a_withdrawal_of_what_was_never_issued_is_found(world: World) -> None:
    world.ledger.entries.insert(0, replace(world.ledger.entries[0], kind=EntryKind.SUSPENDED))
    assert world.audit() == [("audit.never_issued", {"index": 0, "kind": "suspended"})]


def test_a_withdrawal_that_the_log_hides_is_found(world: World) -> None:
    world.withdraw([1, 4])
    world.ledger.entries.append(replace(world.ledger.entries[1], kind=EntryKind.REVOKED))
    assert world.audit() == [("audit.withdrawal_not_logged", {"sha256": world.ledger.entries[4].document})]


def test_a_withdrawal_that_only_one_has_signed_is_still_under_way(world: World) -> None:
    world.withdraw([1], [Role.COMPANY])
    assert world.audit() == []


def spoil_root(world: World) -> None:
    world.ledger.entries[0] = replace(world.ledger.entries[0], signed="ff" * 32)


def forget_last(world: World) -> None:
    world.ledger.entries.pop()


def other_key(world: World) -> None:
    world.ledger.cosigning[COMPANY.did] = generate()


@pytest.mark.parametrize(
    ("plant", "code"),
    [(spoil_root, "audit.other_root"), (forget_last, "audit.other_root"), (other_key, "log.not_cosigned")],
)
def test_a_head_that_does_not_belong_to_the_log_is_found(
    world: World, plant: Callable[[World], None], code: str
) -> None:
    head = world.ledger.head()
    signed = (head, world.ledger.signatures(head))

    def audit() -> list[str]:
        trust = world.ledger.trust(world.pair.trust)
        found = audit_heads(world.ledger.entries, [signed], trust.logs[0], trust)
        return [finding.code for finding in found]

    assert audit() == []
    plant(world)
    assert audit() == [code]


def test_a_journal_that_does_not_hold_together_is_not_compared() -> None:
    line, _ = Chain().append({"kind": "credential"})
    with pytest.raises(JournalProblem):
        read_signed(Role.COMPANY, [line])
    with pytest.raises(JournalProblem):
        read_signed(Role.COMPANY, [line.replace(b"previous", b"earlier")])


def test_ledger_and_tree_speak_of_the_same_lines(world: World) -> None:
    assert len({hash_entry(entry) for entry in world.ledger.entries}) == 6
