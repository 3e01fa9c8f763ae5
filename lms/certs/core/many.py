"""Many certificates at once: an answer for each, one for all together, and a report to keep."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lms.certs.core.carriers import Item, unpack
from lms.certs.core.joint import Finding
from lms.certs.core.problems import Unreadable
from lms.certs.core.sentences import sentence
from lms.certs.core.times import write_time
from lms.certs.core.verify import Status, Verdict

LookUp = Callable[[str], bytes | None]
"""Find a certificate of this platform by an identifier; nothing is fetched from anywhere else."""

WORST_FIRST = (Status.UNREADABLE, Status.REFUSED, Status.UNDECIDED, Status.VALID)
REPORT_COLUMNS = (
    "name", "status", "holder", "achievement", "score", "maximum", "issued", "university", "company", "id",
    "sha256", "codes", "reasons",
)  # fmt: skip
_STEERS_A_SPREADSHEET = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold the answer about one of many, under the name that its file has."""

    name: str
    verdict: Verdict


def verify_many(
    files: Sequence[tuple[str, bytes]],
    check: Callable[[bytes], Verdict],
    look_up: LookUp | None = None,
) -> Iterator[Outcome]:
    """Yield an answer for every certificate of these files, one at a time, in their order.

    Args:
        files: each with its name: certificates of any form, ZIPs and CSVs of many.
        check: how one is verified.
        look_up: how a row that gives only an identifier is answered; None: such rows are unreadable.
    """
    for item in unpack(files):
        yield Outcome(item.name, _answer(item, check, look_up))


def worst(statuses: Iterable[Status]) -> Status:
    """Return the one answer for all: unreadable over refused over undecided over valid."""
    found = set(statuses)
    return next((status for status in WORST_FIRST if status in found), Status.UNREADABLE)


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return how many have which answer, the worst first."""
    found = [outcome.verdict.status for outcome in outcomes]
    return {str(status): found.count(status) for status in WORST_FIRST}


def tell(verdict: Verdict, languages: Mapping[str, str]) -> dict[str, Any]:
    """Write a verdict for programs; `languages` names the parts that hold a finding's sentence, by part."""
    return {
        "status": str(verdict.status),
        "findings": [_told(finding, languages) for finding in verdict.findings],
        "notices": [_told(finding, languages) for finding in verdict.notices],
        "facts": None if verdict.facts is None else asdict(verdict.facts),
    }


def tell_many(outcomes: Sequence[Outcome], languages: Mapping[str, str]) -> dict[str, Any]:
    """Write many verdicts for programs."""
    return {
        "status": str(worst(outcome.verdict.status for outcome in outcomes)),
        "counts": counts(outcomes),
        "results": [{"name": outcome.name, **tell(outcome.verdict, languages)} for outcome in outcomes],
    }


def write_report(outcomes: Iterable[Outcome], language: str) -> str:
    """Write a table of many verdicts as CSV; what a certificate says stands there only if it is valid."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(REPORT_COLUMNS)
    for outcome in outcomes:
        table.writerow([_cell(value) for value in _row(outcome, language)])
    return written.getvalue()


def _answer(item: Item, check: Callable[[bytes], Verdict], look_up: LookUp | None) -> Verdict:
    if item.problem is not None:
        return _unreadable(item.problem)
    if not item.wanted:
        return check(item.content)
    if look_up is None:
        return _unreadable(Unreadable("csv.needs_platform"))
    content = look_up(item.wanted)
    return _unreadable(Unreadable("csv.unknown_id")) if content is None else check(content)


def _unreadable(problem: Unreadable) -> Verdict:
    return Verdict(Status.UNREADABLE, (Finding(problem.code, problem.params),))


def _told(finding: Finding, languages: Mapping[str, str]) -> dict[str, Any]:
    said = {part: sentence(finding.code, finding.params, language) for part, language in languages.items()}
    return {"code": finding.code, "params": finding.params, **said}


def _row(outcome: Outcome, language: str) -> list[str]:
    verdict = outcome.verdict
    codes = " ".join(finding.code for finding in verdict.findings)
    reasons = " ".join(sentence(finding.code, finding.params, language) for finding in verdict.findings)
    return [outcome.name, str(verdict.status), *_facts(verdict), codes, reasons]


def _facts(verdict: Verdict) -> list[str]:
    if verdict.status is not Status.VALID or verdict.facts is None:
        return [""] * 9
    claim = verdict.facts.claim
    return [
        claim.holder_name,
        claim.achievement.name,
        claim.score,
        claim.maximum,
        write_time(claim.issued_at),
        claim.university.name,
        claim.company.name,
        claim.credential_id,
        verdict.facts.sha256,
    ]


def _cell(text: str) -> str:
    """Keep a stranger's text from becoming a formula where the table is opened."""
    return f"'{text}" if text.startswith(_STEERS_A_SPREADSHEET) else text
