"""A verdict on a certificate together with the bundle that its holder shared."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lms.certs.core.document import Claim
from lms.certs.core.evidence import MISSING, Bundle, check_bundle
from lms.certs.core.joint import Finding
from lms.certs.core.problems import MISSHAPEN, CertificateProblem
from lms.certs.core.strict_json import read_object, sha256_of
from lms.certs.core.verify import Status, Verdict

RECORD = "GradeRecord"
"""The genre of the evidence that grading again starts from."""
NOT_POSSIBLE = "regrade.not_possible"
_SHOWN = ("where", "recorded", "now")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A signed grade record of the bundle, whose hash stands in the certificate.

    `notebook` and `lab` are the files that it names by their hashes; None: not shared.
    """

    name: str
    content: bytes
    notebook: bytes | None = None
    lab: bytes | None = None


def with_evidence(verdict: Verdict, bundle: Bundle) -> Verdict:
    """Add to the verdict on a certificate what its bundle says for or against it."""
    if verdict.facts is None:
        return verdict
    if _sha256(bundle.credential) != verdict.facts.sha256:
        return _add(verdict, [Finding("bundle.other_credential", {})])
    found = check_bundle(verdict.facts.claim, bundle)
    matching = sum(piece is not None for piece in bundle.evidence)
    told = [finding for finding in found if finding.code == MISSING]
    against = [finding for finding in found if finding.code != MISSING]
    if not against:
        told.append(Finding("evidence.checked", {"count": matching}))
    return _add(verdict, against, told)


def with_regrading(verdict: Verdict, findings: Iterable[Finding]) -> Verdict:
    """Add what came of grading again; where that was not possible the answer is open."""
    found = list(findings)
    against = [finding for finding in found if finding.code == "regrade.differs"]
    missing = [finding for finding in found if finding.code == NOT_POSSIBLE]
    told = [finding for finding in found if finding.code == "regrade.same"]
    added = _add(verdict, against, told)
    if not missing:
        return added
    status = Status.UNDECIDED if added.status is Status.VALID else added.status
    return replace(added, status=status, findings=(*added.findings, *missing))


def records_of(claim: Claim, bundle: Bundle) -> list[Recorded]:
    """Return the grade records of a bundle, with the names of their labs; the bundle has been checked."""
    shared = [piece for piece in bundle.evidence if piece is not None]
    by_hash = {hashlib.sha256(piece.content).hexdigest(): piece.content for piece in shared}
    pairs = zip(claim.evidence, bundle.evidence, strict=False)
    return [
        Recorded(item.name, piece.content, *(by_hash.get(sha256) for sha256 in _named(piece.content)))
        for item, piece in pairs
        if piece is not None and item.genre == RECORD
    ]


def grade_again(
    records: Sequence[Recorded],
    missing: Sequence[str],
    rerun: Callable[[Recorded], tuple[bytes, str]],
) -> Iterator[Finding]:
    """Yield what comes of grading each record again.

    Args:
        missing: what would have to be installed first.
        rerun: grades again what a record tells of; returns `lms regrade --json`'s answer, and complaints.
    """
    if not records:
        yield not_possible("–", "no grade record in the bundle")
    for recorded in records:
        if missing:
            reason = f'not installed: {", ".join(missing)}; pip install "duri[server]"'
            yield not_possible(recorded.name, reason)
            continue
        answer, complaint = rerun(recorded)
        if answer.strip():
            yield from compare_points(recorded, answer)
        else:
            yield not_possible(recorded.name, complaint.splitlines()[-1] if complaint else "no answer")


def compare_points(recorded: Recorded, answer: bytes) -> list[Finding]:
    """Say what the answer of `lms regrade --json` means for the tests that students see whole."""
    try:
        told, record = read_object(answer), read_object(recorded.content)
        if told.get("genuine") is False or not told["ran"]:
            reason = told.get("reason") or "; ".join(told["explained"])
            return [not_possible(recorded.name, str(reason))]
        visible = [outcome["grade_id"] for outcome in record["outcomes"] if not outcome["hidden"]]
        differing = list(_differing(told["result"], visible))
    except MISSHAPEN:
        return [not_possible(recorded.name, "unreadable answer")]
    if not visible:
        return [not_possible(recorded.name, "no test that students see whole")]
    name = {"name": recorded.name[:200]}
    if not differing:
        return [Finding("regrade.same", {**name, "count": len(visible)})]
    return [
        Finding("regrade.differs", {**name, **{key: str(each[key])[:80] for key in _SHOWN}})
        for each in differing
    ]


def not_possible(name: str, reason: str) -> Finding:
    """Say that a lab could not be graded again, and why."""
    return Finding(NOT_POSSIBLE, {"name": name[:200], "reason": reason[:300]})


def did_run(answer: bytes) -> bool:
    """Tell whether an answer of `lms regrade --json`, or of `lms grade rerun --json`, is one of points."""
    try:
        return bool(read_object(answer).get("ran"))
    except CertificateProblem:
        return False


def _named(record: bytes) -> tuple[str, str]:
    """Return the hashes by which a record names the hand-in and the lab; empty where it names none."""
    try:
        told = read_object(record)
        return str(told["submission"]["sha256"]), str(told["release"]["student_notebook"])
    except MISSHAPEN:
        return "", ""


def _differing(results: Sequence[dict[str, Any]], visible: Sequence[str]) -> Iterator[dict[str, Any]]:
    places = {f"outcomes[{grade_id}].{part}" for grade_id in visible for part in ("score", "maximum")}
    return (each for each in results if each["where"] in places)


def _add(verdict: Verdict, against: Sequence[Finding], told: Sequence[Finding] = ()) -> Verdict:
    return replace(
        verdict,
        status=Status.REFUSED if against else verdict.status,
        findings=(*verdict.findings, *against),
        notices=(*verdict.notices, *told),
    )


def _sha256(credential: bytes) -> str | None:
    try:
        return sha256_of(read_object(credential))
    except CertificateProblem:
        return None
