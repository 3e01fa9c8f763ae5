"""The joint rule: two proofs, by exactly the two organisations that the document itself requires."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lms.certs.core.document import JOINT_ISSUANCE_POLICY, REQUIRED_SIGNER
from lms.certs.core.keys import KeyUse, PublicKey, decode_public
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.proofs import Suite, check_form, verify_proof
from lms.certs.core.strict_json import Document
from lms.certs.core.times import read_time, write_time
from lms.certs.core.trust import Role, Trust, TrustedParty

CLOCK_SKEW = timedelta(minutes=5)
SUITES = {Role.UNIVERSITY: Suite.RDFC, Role.COMPANY: Suite.JCS}
OPEN = frozenset({"proof.unproven_time"})
"""What a log proof that is not at hand could still put right."""
_LIST = "BitstringStatusListCredential"


@dataclass(frozen=True, slots=True)
class Finding:
    """Say one thing about a certificate, as a code of `sentences.py` with its values."""

    code: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """Say how one organisation's proof fared."""

    role: Role
    did: str
    name: str
    good: bool
    suite: str | None = None
    created: str | None = None
    key_id: str | None = None
    findings: tuple[Finding, ...] = ()
    notices: tuple[Finding, ...] = ()


def required_signers(document: Document) -> list[str] | None:
    """Return the identifiers that the document's own policy names; None where it has no such policy."""
    terms = document.get("termsOfUse")
    if not isinstance(terms, list):
        return None
    policies = [t for t in terms if isinstance(t, dict) and t.get("type") == JOINT_ISSUANCE_POLICY]
    if len(policies) != 1 or not isinstance(policies[0].get(REQUIRED_SIGNER), list):
        return None
    signers = policies[0][REQUIRED_SIGNER]
    return [str(signer.get("id")) if isinstance(signer, dict) else "" for signer in signers]


def check_policy(document: Document, university: str, company: str) -> tuple[Finding, ...]:
    """Compare the document's own policy with the two organisations it names, in their order."""
    signers = required_signers(document)
    if signers is None:
        return (Finding("policy.missing", {}),)
    if signers != [university, company]:
        return (Finding("policy.other_signers", {"signers": ", ".join(signers)[:200]}),)
    return ()


def check_proof_set(document: Document, university: str, company: str) -> tuple[Finding, ...]:
    """Refuse any set of proofs but one by each organisation, the university's first."""
    proofs = document.get("proof")
    if not isinstance(proofs, list) or not all(isinstance(proof, dict) for proof in proofs):
        return (Finding("proofs.no_list", {}),)
    found = [_controller(proof) for proof in proofs]
    findings = [
        Finding("proof.stranger", {"did": did[:120]}) for did in found if did not in {university, company}
    ]
    if len(found) != len({university, company}):
        findings.append(Finding("proofs.count", {"count": len(found)}))
    if found == [company, university]:
        findings.append(Finding("proofs.order", {}))
    return tuple(findings)


def allowed_uses(document: Document) -> frozenset[KeyUse]:
    """Return whose keys may sign such a document: status lists were signed by issuing keys at first."""
    kinds = document.get("type")
    listed = isinstance(kinds, list) and _LIST in kinds
    return frozenset({KeyUse.ISSUING, KeyUse.OPERATIONAL} if listed else {KeyUse.ISSUING})


def examine_signature(
    document: Document,
    did: str,
    role: Role,
    trust: Trust,
    at: datetime,
    *,
    proven: datetime | None = None,
) -> Signature:
    """Check one organisation's proof alone, with its pinned key.

    Args:
        proven: when the document was signed at the latest, as a log shows; its proof's own time is a claim.
    """
    party = trust.party(did, role)
    if party is None:
        return Signature(role, did, "", good=False, findings=(_about("party.not_trusted", role, did=did),))
    mine = [proof for proof in _proofs(document) if _controller(proof) == did]
    if len(mine) != 1:
        code = "proof.twice" if mine else "proof.missing"
        return Signature(role, did, party.name, good=False, findings=(_about(code, role, name=party.name),))
    findings = tuple(_problems(document, mine[0], party, trust, (at, proven)))
    return Signature(
        role,
        did,
        party.name,
        good=not findings,
        suite=_text(mine[0].get("cryptosuite")),
        created=_text(mine[0].get("created")),
        key_id=_text(mine[0].get("verificationMethod")),
        findings=findings,
        notices=tuple(_notices(mine[0], party, proven)) if not findings else (),
    )


def same_key(signatures: tuple[Signature, Signature], trust: Trust) -> bool:
    """Tell whether both proofs were made with one key under two names."""
    used = [
        key.multibase
        for signature in signatures
        for party in trust.parties
        for key in party.keys
        if key.id == signature.key_id
    ]
    return len(set(used)) != len(used)


def _problems(
    document: Document,
    proof: Document,
    party: TrustedParty,
    trust: Trust,
    times: tuple[datetime, datetime | None],
) -> Iterator[Finding]:
    at, proven = times
    try:
        check_form(proof)
        yield from _suite_and_time(proof, party, at)
        key = party.key(proof["verificationMethod"])
        if key is None:
            yield _about(
                "proof.unknown_key", party.role, name=party.name, key=proof["verificationMethod"][:160]
            )
            return
        if key.use not in allowed_uses(document):
            yield _about("proof.key_of_other_use", party.role, name=party.name, use=str(key.use))
            return
        logged = bool(trust.logs_of(required_signers(document) or [""]))
        yield from _age_of_key(proof, key, party, proven, logged=logged)
        verify_proof(document, proof, decode_public(key.multibase))
    except CertificateProblem as problem:
        yield _about(problem.code, party.role, name=party.name, **problem.params)


def _suite_and_time(proof: Document, party: TrustedParty, at: datetime) -> Iterator[Finding]:
    if proof["cryptosuite"] != SUITES[party.role]:
        yield _about("proof.wrong_suite", party.role, name=party.name, suite=proof["cryptosuite"])
    if read_time(proof["created"]) > at + CLOCK_SKEW:
        yield _about("proof.from_the_future", party.role, name=party.name, created=proof["created"])


def _age_of_key(
    proof: Document, key: PublicKey, party: TrustedParty, proven: datetime | None, *, logged: bool
) -> Iterator[Finding]:
    """Compare a signature with the end of its key.

    Who retires a key in good order destroys it, so the time in the proof is believed. Who holds a stolen
    one writes any time: there only the log's counts, and `logged` says that one must hold the document.
    """
    created = read_time(proof["created"])
    if key.retired_at is not None and created >= key.retired_at:
        yield _about("proof.retired_key", party.role, name=party.name, created=proof["created"])
    if key.compromised_at is None:
        return
    since = write_time(key.compromised_at)
    if proven is None and logged and created < key.compromised_at:
        yield _about("proof.unproven_time", party.role, name=party.name, since=since)
    elif proven is None or max(created, proven) >= key.compromised_at:
        yield _about("proof.compromised_key", party.role, name=party.name, since=since)


def _notices(proof: Document, party: TrustedParty, proven: datetime | None) -> Iterator[Finding]:
    key = party.key(proof["verificationMethod"])
    if key is None:
        return
    if key.retired_at is not None and proven is not None and proven < key.retired_at:
        yield _about("key.retired_proven", party.role, name=party.name)
    elif key.retired_at is not None:
        yield _about("key.retired_since", party.role, name=party.name)
    if key.compromised_at is not None:
        since = write_time(key.compromised_at)
        yield _about("key.compromised_since", party.role, name=party.name, since=since)


def _about(code: str, role: Role, **params: Any) -> Finding:
    return Finding(code, {"role": str(role), **params})


def _proofs(document: Document) -> list[Document]:
    proofs = document.get("proof")
    return [proof for proof in proofs if isinstance(proof, dict)] if isinstance(proofs, list) else []


def _controller(proof: Document) -> str:
    return str(proof.get("verificationMethod")).partition("#")[0]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
