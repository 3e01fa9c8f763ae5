"""`lms-verify`: check certificates offline. Needs neither the server nor a network."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lms.certs.core.carriers import Kind, kind_of
from lms.certs.core.joint import Finding, Signature
from lms.certs.core.log_proofs import proof_address, read_log_proof
from lms.certs.core.many import Outcome, counts, tell, tell_many, verify_many, worst
from lms.certs.core.problems import LogProblem, TrustProblem
from lms.certs.core.sentences import sentence
from lms.certs.core.trust import Trust, read_trust
from lms.certs.core.verify import Facts, Verdict, verify

if TYPE_CHECKING:
    from lms.certs.core.bundled import Recorded
    from lms.certs.core.evidence import Bundle

EXIT_CODES = {"valid": 0, "refused": 1, "unreadable": 2, "undecided": 3}
_SERVER = ("flask", "sqlalchemy", "nbformat")
"""What of the server grading again needs."""
_REGRADE_SECONDS = 3600
# Not from the folder that lms-verify is called in: what lies beside a stranger's file must not run.
_LMS = (sys.executable, "-P", "-c", "from lms.cli import main; main()")
_MOST_BYTES = 50_000_001
_ONE_CERTIFICATE = "--evidence is about one certificate: name the one FILE that carries it, or none"
_HEADLINES = {
    "valid": ("Valid: signed by both organisations.", "유효함: 두 기관이 서명했습니다."),
    "refused": ("Refused: do not rely on this certificate.", "거부함: 이 인증서를 믿지 마세요."),
    "unreadable": ("Unreadable: this is no certificate.", "읽을 수 없음: 인증서가 아닙니다."),
    "undecided": ("Undecided: something is missing.", "판단할 수 없음: 빠진 것이 있습니다."),
}
_LABELS = {
    "holder": ("Holder", "보유자"),
    "achievement": ("Achievement", "성취"),
    "points": ("Points", "점수"),
    "issued": ("Issued", "발급"),
    "university": ("University", "대학"),
    "company": ("Company", "기업"),
    "id": ("Identifier", "식별자"),
    "sha256": ("SHA-256", "SHA-256"),
}
_WORDS = {
    "valid": ("valid", "유효함"),
    "refused": ("refused", "거부함"),
    "unreadable": ("unreadable", "읽을 수 없음"),
    "undecided": ("undecided", "판단할 수 없음"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 valid, 1 refused, 2 unreadable, 3 undecided.

    Of many certificates the worst answer counts: 2 over 1 over 3 over 0.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _take_bundle(options)
        _check_options(parser, options)
        desk = _lay_out(options)
        lines = _one(desk, options) if desk.is_one else _many(desk, options)
    except _CannotReadError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - a command speaks by printing
        return EXIT_CODES["unreadable"]
    _say(lines)
    return EXIT_CODES[desk.status]


@dataclass
class _Desk:
    """All that lies before the verifier, and the answer so far."""

    files: list[tuple[str, bytes]]
    trust: Trust
    resources: Mapping[str, bytes]
    at: datetime
    log_proofs: Sequence[bytes] = ()
    status: str = "unreadable"
    bundle: "Bundle | None" = None

    @property
    def is_one(self) -> bool:
        """Say whether there is a single file that carries a single certificate."""
        name, content = self.files[0]
        return len(self.files) == 1 and _carries_one(name, content)

    def check(self, content: bytes) -> Verdict:
        """Verify one certificate with what is at hand."""
        only = self.log_proofs[0] if self.is_one and len(self.log_proofs) == 1 else None
        return verify(content, self.trust, self.resources, self.at, log_proof=only)


class _CannotReadError(Exception):
    """Say which file cannot be used, and why."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lms-verify",
        description="Check joint certificates offline.",
        epilog="Exit status: 0 valid, 1 refused, 2 unreadable, 3 undecided (something needed is not "
        "at hand). Of many certificates the worst answer counts: 2 over 1 over 3 over 0.",
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="credential.json, a PDF, PNG, SVG or the holder's bundle that carries it, a ZIP of such files, "
        "or a CSV of them",
    )
    parser.add_argument("--trust", type=Path, required=True, help="whose keys count, as JSON")
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        type=_resource,
        metavar="URL=FILE",
        help="a status list or DID document that a certificate names; may be given several times",
    )
    parser.add_argument(
        "--log-proof",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="shows that the log holds a certificate, where its file does not; may be given several times",
    )
    parser.add_argument(
        "--at", type=_time, default=None, metavar="TIME", help="answer for this time (ISO 8601)"
    )
    parser.add_argument(
        "--evidence",
        type=Path,
        metavar="BUNDLE",
        help="check the files of the holder's bundle too; without FILE, the certificate in it. "
        "A single FILE that is a bundle needs no --evidence",
    )
    parser.add_argument(
        "--regrade",
        action="store_true",
        help="with --evidence: grade the hand-ins again, where the server is installed, and compare",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--language", choices=["ko", "en"], default=_language(), help="of the sentences")
    return parser


def _take_bundle(options: argparse.Namespace) -> None:
    """Take a single file that is a holder's bundle for one: all that it holds is checked."""
    if len(options.files) == 1 and options.evidence is None and _is_bundle(_read(options.files[0])):
        options.evidence = options.files.pop()


def _is_bundle(content: bytes) -> bool:
    if kind_of(content) is not Kind.ZIP:
        return False
    from lms.certs.core.evidence import is_bundle  # noqa: PLC0415 - for ZIPs only

    return is_bundle(content)


def _carries_one(name: str, content: bytes) -> bool:
    return kind_of(content, name) not in {Kind.ZIP, Kind.CSV, Kind.TRANSCRIPT} or _is_bundle(content)


def _check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not options.files and options.evidence is None:
        parser.error("name a FILE, or a bundle with --evidence")
    if len(options.files) > 1 and options.evidence is not None:
        parser.error(_ONE_CERTIFICATE)
    if options.regrade and options.evidence is None:
        parser.error("--regrade needs the holder's bundle, where the hand-ins lie: give it with --evidence")


def _lay_out(options: argparse.Namespace) -> _Desk:
    try:
        trust = read_trust(_read(options.trust))
    except TrustProblem as problem:
        raise _CannotReadError(sentence(problem.code, problem.params, options.language)) from None
    proofs = [_read(path) for path in options.log_proof]
    resources = {**_addressed(proofs), **{url: _read(path) for url, path in options.resource}}
    desk = _Desk(
        files=[(path.name, _read(path)) for path in options.files],
        trust=trust,
        resources=resources,
        at=options.at or datetime.now(UTC),
        log_proofs=proofs,
    )
    return desk if options.evidence is None else _open_bundle(desk, options)


def _addressed(proofs: Iterable[bytes]) -> dict[str, bytes]:
    """Put log proofs under their addresses; one that cannot be read is one that is not at hand."""
    found = {}
    for content in proofs:
        with suppress(LogProblem):
            proof = read_log_proof(content)
            found[proof_address(proof.head.log, proof.entry.document)] = content
    return found


def _open_bundle(desk: _Desk, options: argparse.Namespace) -> _Desk:
    """Add what the holder's bundle holds; what was named besides counts before it."""
    from lms.certs.core.evidence import BundleProblem, read_bundle  # noqa: PLC0415 - only where asked for

    try:
        bundle = read_bundle(_read(options.evidence))
    except BundleProblem as problem:
        raise _CannotReadError(sentence(problem.code, problem.params, options.language)) from None
    if not all(_carries_one(name, content) for name, content in desk.files):
        raise _CannotReadError(_ONE_CERTIFICATE)
    proofs = desk.log_proofs or ([bundle.log_proof] if bundle.log_proof else [])
    return replace(
        desk,
        files=desk.files or [("credential.json", bundle.credential)],
        resources={**bundle.resources, **_addressed(proofs), **desk.resources},
        log_proofs=proofs,
        bundle=bundle,
    )


def _with_bundle(verdict: Verdict, desk: _Desk, options: argparse.Namespace) -> Verdict:
    if desk.bundle is None:
        return verdict
    from lms.certs.core import bundled  # noqa: PLC0415 - likewise

    verdict = bundled.with_evidence(verdict, desk.bundle)
    if not options.regrade or verdict.facts is None or verdict.status == "refused":
        return verdict
    records = bundled.records_of(verdict.facts.claim, desk.bundle)
    missing = [library for library in _SERVER if importlib.util.find_spec(library) is None]
    found = bundled.grade_again(records, missing, lambda recorded: _rerun(recorded, options.language))
    return bundled.with_regrading(verdict, found)


def _rerun(recorded: "Recorded", language: str) -> tuple[bytes, str]:
    """Have the grading server grade again what a record tells of; return its answer, and its complaints.

    From the bundle's own files; where those do not suffice, from what the server itself kept.
    """
    from lms.certs.core.bundled import did_run  # noqa: PLC0415 - only where asked for

    files = {"record.json": recorded.content, "notebook.ipynb": recorded.notebook, "lab.ipynb": recorded.lab}
    with tempfile.TemporaryDirectory(prefix="lms-verify-") as folder:
        for name, content in files.items():
            if content is not None:
                Path(folder, name).write_bytes(content)
        record, notebook, lab = (str(Path(folder, name)) for name in files)
        commands = [["grade", "rerun", record]]
        if None not in files.values():
            commands.insert(0, ["regrade", record, "--notebook", notebook, "--lab", lab])
        answers = []
        for command in commands:
            answers.append(_answer_of([*_LMS, *command, "--json", "--language", language]))
            if did_run(answers[-1][0]):
                return answers[-1]
    return answers[0]


def _answer_of(command: list[str]) -> tuple[bytes, str]:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_REGRADE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return b"", f"no answer within {_REGRADE_SECONDS} seconds"
    return done.stdout, done.stderr.decode("utf-8", errors="replace").strip()


def _one(desk: _Desk, options: argparse.Namespace) -> Iterator[str]:
    verdict = _with_bundle(desk.check(desk.files[0][1]), desk, options)
    desk.status = str(verdict.status)
    if options.json:
        yield _json(tell(verdict, {"sentence": options.language}))
    else:
        yield from map(_printable, _lines(verdict, options.language))


def _many(desk: _Desk, options: argparse.Namespace) -> Iterator[str]:
    """Answer one after the other, so that a long list shows how far it is."""
    outcomes: list[Outcome] = []
    for outcome in verify_many(desk.files, desk.check):
        outcomes.append(outcome)
        if not options.json:
            yield f"{_printable(outcome.name)}:"
            yield from (f"  {_printable(line)}" for line in _lines(outcome.verdict, options.language))
    desk.status = str(worst(outcome.verdict.status for outcome in outcomes))
    if options.json:
        yield _json(tell_many(outcomes, {"sentence": options.language}))
    else:
        column = _column(options.language)
        yield ", ".join(f"{count} {_WORDS[name][column]}" for name, count in counts(outcomes).items())


def _say(lines: Iterable[str]) -> None:
    """Print; a reader who has seen enough must not turn the exit status into another answer."""
    for line in lines:
        try:
            print(line)  # noqa: T201 - a command speaks by printing
        except BrokenPipeError:
            _hush()  # the rest is still verified: the exit status is about all
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _hush()


def _hush() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as problem:
        raise _CannotReadError(f"{path}: {problem.strerror}. Check the path.") from None


def _resource(text: str) -> tuple[str, Path]:
    url, separator, path = text.rpartition("=")
    if not separator or not url or not path:
        raise argparse.ArgumentTypeError(f"write URL=FILE, not “{text}”")
    return url, Path(path)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"write a time such as 2026-01-31T09:00:00Z, not “{text}”") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _language() -> str:
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ko" if chosen.lower().startswith("ko") else "en"


def _column(language: str) -> int:
    return 1 if language == "ko" else 0


def _lines(verdict: Verdict, language: str) -> Iterator[str]:
    column = _column(language)
    yield _HEADLINES[verdict.status][column]
    yield from (f"  ✗ {line}" for line in _sentences(verdict.findings, language))
    if verdict.facts is not None:
        for key, value in _shown(verdict.facts):
            if value:
                yield f"  {_LABELS[key][column]}: {value}"
    yield from (f"  ! {line}" for line in _sentences(verdict.notices, language))


def _shown(facts: Facts) -> Iterator[tuple[str, str]]:
    claim = facts.claim
    yield "holder", claim.holder_name
    yield "achievement", claim.achievement.name
    yield "points", f"{claim.score} / {claim.maximum}" if claim.score else ""
    yield "issued", claim.issued_at.isoformat()
    yield "university", _party(facts.university, claim.university.name)
    yield "company", _party(facts.company, claim.company.name)
    yield "id", claim.credential_id
    yield "sha256", facts.sha256


def _printable(text: str) -> str:
    """Keep a stranger's file from steering the terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _party(signature: Signature, claimed: str) -> str:
    return f"{'✓' if signature.good else '✗'} {signature.name or claimed} ({signature.did})"


def _sentences(findings: Iterable[Finding], language: str) -> list[str]:
    return [sentence(finding.code, finding.params, language) for finding in findings]


def _json(answer: object) -> str:
    return json.dumps(answer, ensure_ascii=False, indent=2, default=datetime.isoformat)


if __name__ == "__main__":
    sys.exit(main())
