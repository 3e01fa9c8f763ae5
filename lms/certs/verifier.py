"""`lms-verify`: check a certificate offline. Needs neither the server nor a network."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lms.certs.core.joint import Finding, Signature
    from lms.certs.core.verify import Facts, Verdict

EXIT_CODES = {"valid": 0, "refused": 1, "unreadable": 2, "undecided": 3}
_MOST_BYTES = 5_000_001
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 valid, 1 refused, 2 unreadable, 3 undecided."""
    options = _parser().parse_args(arguments)
    try:
        verdict = _verify(options)
    except _CannotReadError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - a command speaks by printing
        return EXIT_CODES["unreadable"]
    lines = [_json(verdict, options.language)] if options.json else _lines(verdict, options.language)
    _say(line if options.json else _printable(line) for line in lines)
    return EXIT_CODES[verdict.status]


def _say(lines: Iterable[str]) -> None:
    """Print; a reader who has seen enough must not turn the exit status into another answer."""
    try:
        for line in lines:
            print(line)  # noqa: T201 - a command speaks by printing
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _CannotReadError(Exception):
    """Say which file cannot be used, and why."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lms-verify",
        description="Check a joint certificate offline.",
        epilog="Exit status: 0 valid, 1 refused, 2 unreadable, 3 undecided (the status list is not at hand).",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="credential.json, or the PDF that carries it")
    parser.add_argument("--trust", type=Path, required=True, help="whose keys count, as JSON")
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        type=_resource,
        metavar="URL=FILE",
        help="a status list or DID document that the certificate names; may be given several times",
    )
    parser.add_argument(
        "--at", type=_time, default=None, metavar="TIME", help="answer for this time (ISO 8601)"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--language", choices=["ko", "en"], default=_language(), help="of the sentences")
    return parser


def _verify(options: argparse.Namespace) -> "Verdict":
    from lms.certs.core.problems import TrustProblem  # noqa: PLC0415 - so that --help needs no libraries
    from lms.certs.core.sentences import sentence  # noqa: PLC0415 - likewise
    from lms.certs.core.trust import read_trust  # noqa: PLC0415 - likewise
    from lms.certs.core.verify import verify  # noqa: PLC0415 - likewise

    try:
        trust = read_trust(_read(options.trust))
    except TrustProblem as problem:
        raise _CannotReadError(sentence(problem.code, problem.params, options.language)) from None
    resources = {url: _read(path) for url, path in options.resource}
    return verify(_read(options.file), trust, resources, options.at or datetime.now(UTC))


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


def _lines(verdict: "Verdict", language: str) -> Iterator[str]:
    column = 1 if language == "ko" else 0
    yield _HEADLINES[verdict.status][column]
    yield from (f"  ✗ {line['sentence']}" for line in _told(verdict.findings, language))
    if verdict.facts is not None:
        for key, value in _shown(verdict.facts):
            yield f"  {_LABELS[key][column]}: {value}"
    yield from (f"  ! {line['sentence']}" for line in _told(verdict.notices, language))


def _shown(facts: "Facts") -> Iterator[tuple[str, str]]:
    claim = facts.claim
    yield "holder", claim.holder_name
    yield "achievement", claim.achievement.name
    yield "points", f"{claim.score} / {claim.maximum}"
    yield "issued", claim.issued_at.isoformat()
    yield "university", _party(facts.university, claim.university.name)
    yield "company", _party(facts.company, claim.company.name)
    yield "id", claim.credential_id
    yield "sha256", facts.sha256


def _printable(text: str) -> str:
    """Keep a stranger's file from steering the terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _party(signature: "Signature", claimed: str) -> str:
    return f"{'✓' if signature.good else '✗'} {signature.name or claimed} ({signature.did})"


def _told(findings: "Iterable[Finding]", language: str) -> list[dict[str, Any]]:
    from lms.certs.core.sentences import sentence  # noqa: PLC0415 - so that --help needs no libraries

    return [
        {
            "code": finding.code,
            "params": finding.params,
            "sentence": sentence(finding.code, finding.params, language),
        }
        for finding in findings
    ]


def _json(verdict: "Verdict", language: str) -> str:
    answer = {
        "status": verdict.status,
        "findings": _told(verdict.findings, language),
        "notices": _told(verdict.notices, language),
        "facts": None if verdict.facts is None else asdict(verdict.facts),
    }
    return json.dumps(answer, ensure_ascii=False, indent=2, default=datetime.isoformat)


if __name__ == "__main__":
    sys.exit(main())
