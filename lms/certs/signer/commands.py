"""The command line of one signer."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lms.certs.core.journal import Chain, read_journal
from lms.certs.core.keys import did_web
from lms.certs.core.mandate import (
    Mandate,
    read_mandate,
    write_mandate,
)
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.sentences import sentence
from lms.certs.core.trust import Role
from lms.certs.signer.keeping import approve, create
from lms.certs.signer.serving import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of one signer."""
    options = _parser().parse_args(arguments)
    try:
        _COMMANDS[options.command](options)
    except CertificateProblem as problem:
        return _complain(sentence(problem.code, problem.params, "en"))
    except BlockingIOError:
        return _complain("Another process already runs this signer. End it first.")
    except OSError as problem:
        return _complain(f"{problem.filename or ''}: {problem.strerror}")
    return 0


def _init(options: argparse.Namespace) -> None:
    own = options.did or did_web("localhost", options.port)
    university = own if options.role == Role.UNIVERSITY else options.partner
    company = own if options.role == Role.COMPANY else options.partner
    mandate = Mandate(
        role=Role(options.role),
        name=options.name,
        university=university,
        company=company,
        host="127.0.0.1",
        port=options.port,
        demo_custody=options.demo_custody,
        achievements=tuple(options.achievement),
        courses=tuple(options.course),
        status_lists=tuple(options.status_list),
    )
    create(options.folder, read_mandate(write_mandate(mandate)))


def _approve(options: argparse.Namespace) -> None:
    approve(options.folder, achievement=options.achievement, course=options.course)


def _journal(options: argparse.Namespace) -> None:
    end = Chain()
    with (options.folder / "journal.jsonl").open("rb") as lines:
        for _, chain in read_journal(lines):
            end = chain
    sys.stdout.write(f"{end.length} signatures, head {end.head}\n")


_COMMANDS = {
    "init": _init,
    "run": lambda options: serve(options.folder, options.user),
    "approve": _approve,
    "journal": _journal,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lms-signer", description="Hold one organisation's key and sign for it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="make a folder with a new key")
    init.add_argument("--role", choices=[str(role) for role in Role], required=True)
    init.add_argument("--name", required=True, help="of the organisation")
    init.add_argument("--port", type=int, required=True, help="on the loopback interface")
    init.add_argument("--did", help="own identifier (default: did:web:localhost%%3APORT)")
    init.add_argument("--partner", required=True, help="identifier of the other organisation")
    init.add_argument("--achievement", action="append", default=[], help="approved, by its address")
    init.add_argument("--course", action="append", default=[], help="approved, by the start of its address")
    init.add_argument(
        "--status-list", action="append", default=[], help="signed, by the start of its address"
    )
    init.add_argument("--demo-custody", action="store_true", help="the key is a demonstration's")
    run = commands.add_parser("run", help="serve until ended")
    run.add_argument("--user", type=int, help="number of the OS user to become, when started by root")
    more = commands.add_parser("approve", help="approve one more achievement or course")
    more.add_argument("--achievement")
    more.add_argument("--course")
    commands.add_parser("journal", help="check the journal and show its head")
    for command in commands.choices.values():
        command.add_argument("folder", type=Path)
    return parser


def _complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1
