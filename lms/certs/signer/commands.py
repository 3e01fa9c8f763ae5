"""The command line of one signer."""

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lms.certs.core.journal import Chain, read_journal
from lms.certs.core.keys import KeyUse, did_web
from lms.certs.core.mandate import DAILY_QUOTA, Mandate, read_mandate, write_mandate
from lms.certs.core.problems import CertificateProblem, KeyProblem
from lms.certs.core.sentences import sentence
from lms.certs.core.trust import Role, write_trust
from lms.certs.signer.approvals import Desk, add_approver, approvers, remove_approver
from lms.certs.signer.enrolment import begin_enrolment
from lms.certs.signer.folder import approve, create, lift, trusted_party, unlock
from lms.certs.signer.keeping import JOURNAL, Signer
from lms.certs.signer.keyring import is_in_browser, rotate, rotate_into_token
from lms.certs.signer.roster import add_entries, make_entry, parse_entries, read_roster, remove_entries
from lms.certs.signer.tls import admit_client, dismiss_client

FILE, BROWSER = "file", "browser"
_TO_FILE = (
    "{count} certificates waited for a signature in the browser. The new key signs them as soon as they are\n"
    "asked for again, without asking anybody. What was declined stays declined.\n"
)
_TO_APPROVAL = (
    "{count} certificates waited for a signature in the browser. The new key signs them once a person has\n"
    "approved them. What was declined stays declined.\n"
)
_TO_BROWSER = (
    "{count} certificates wait. Once the browser's key is registered they are signed there, also those that\n"
    "a person approved before. What was declined stays declined.\n"
)
ROTATED = (KeyUse.ISSUING, KeyUse.OPERATIONAL, KeyUse.PDF)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of one signer."""
    options = _parser().parse_args(arguments)
    try:
        options.work(options)
    except CertificateProblem as problem:
        return _complain(sentence(problem.code, problem.params, "en"))
    except BlockingIOError:
        return _complain("Another process already runs this signer. End it first.")
    except OSError as problem:
        return _complain(f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem))
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
        host=options.host,
        port=options.port,
        demo_custody=options.demo_custody,
        achievements=tuple(options.achievement),
        courses=tuple(options.course),
        status_lists=tuple(options.status_list),
        names=tuple(options.address),
        open_roster=options.open_roster,
        daily_quota=options.daily_quota,
        approval=options.approval,
        timestamps=options.timestamps,
    )
    browser = options.keys == BROWSER
    create(options.folder, read_mandate(write_mandate(mandate)), _now(), browser=browser)
    _show_keys(options)
    if browser:
        _begin_enrolment(options.folder, mandate)


def _run(options: argparse.Namespace) -> None:
    # The server is loaded for this command only: the others do without it.
    from lms.certs.signer.own_user import become  # noqa: PLC0415
    from lms.certs.signer.serving import serve  # noqa: PLC0415

    os.chdir(options.folder)  # from here on relative: the way to the folder may be closed to the user
    signer = Signer.open(Path(), _now())
    serve(signer, None if options.user is None else partial(become, options.user, signer))


def _client(options: argparse.Namespace) -> None:
    if options.dismiss:
        dismiss_client(options.folder, options.name)
    elif options.out is None:
        _say(*(path.stem for path in sorted((options.folder / "clients").glob("*.pem"))))
    else:
        admit_client(options.folder, options.name, options.out, _now())
        _say(f"Copy {options.out} to the platform and name it in its settings; the key is nowhere else.")


def _approve(options: argparse.Namespace) -> None:
    approve(options.folder, achievement=options.achievement, course=options.course)


def _rotate(options: argparse.Namespace) -> None:
    use = KeyUse(options.use)
    mandate = read_mandate((options.folder / "signer.json").read_bytes())
    if options.keys == BROWSER:
        if use is not KeyUse.ISSUING or options.module is not None:
            raise KeyProblem("key.browser_issues")
        _begin_enrolment(options.folder, mandate)
        _tell_of_waiting(options.folder, _TO_BROWSER)
        return
    from_browser = use is KeyUse.ISSUING and is_in_browser(options.folder)
    if options.module is not None:
        place = {"module": options.module, "token": options.token, "label": options.label}
        rotate_into_token(options.folder, use, place, _now())
    else:
        rotate(options.folder, unlock(options.folder), use, name=mandate.name, now=_now())
    _show_keys(options)
    if from_browser:
        _tell_of_waiting(options.folder, _TO_APPROVAL if mandate.approval else _TO_FILE)


def _tell_of_waiting(folder: Path, said: str) -> None:
    """Say what becomes of the documents that wait for a person when another key takes over."""
    if count := len(Desk(folder).to_sign()):
        sys.stderr.write(said.format(count=count))


def _begin_enrolment(folder: Path, mandate: Mandate) -> None:
    """Print the code, alone on standard output; what to do with it goes beside it."""
    _say(begin_enrolment(folder, mandate.role, _now()))
    sys.stderr.write(
        "This code is good once, for 24 hours. The signatory (lms-signer approver FOLDER add NAME) signs in\n"
        "at /approve/signing on the signer's address and registers the browser's key with it.\n"
        "Then give everybody what lms-signer keys FOLDER prints.\n"
    )


def _show_keys(options: argparse.Namespace) -> None:
    sys.stdout.write(write_trust([trusted_party(options.folder)]).decode("utf-8"))


def _list_roster(options: argparse.Namespace) -> None:
    for entry in read_roster(options.folder).entries.values():
        _say(f"{entry.email}\t{entry.achievement}\t{entry.name}\t{entry.score}")


def _import_roster(options: argparse.Namespace) -> None:
    total = add_entries(options.folder, parse_entries(options.file.read_bytes()))
    _say(f"{total} entries on the roster")


def _add_to_roster(options: argparse.Namespace) -> None:
    entry = make_entry(options.email, options.achievement, options.name, options.score)
    _say(f"{add_entries(options.folder, [entry])} entries on the roster")


def _remove_from_roster(options: argparse.Namespace) -> None:
    _say(f"{remove_entries(options.folder, options.email, options.achievement)} entries removed")


def _list_approvers(options: argparse.Namespace) -> None:
    _say(*approvers(options.folder))


def _add_approver(options: argparse.Namespace) -> None:
    add_approver(options.folder, options.name, getpass.getpass(f"Passphrase of {options.name}: "))


def _remove_approver(options: argparse.Namespace) -> None:
    if not remove_approver(options.folder, options.name):
        _say(f"There is no approver {options.name}.")


def _lift(options: argparse.Namespace) -> None:
    lift(options.folder, options.place)


def _forget_log(options: argparse.Namespace) -> None:
    signer = Signer.open(options.folder, _now())
    with closing(signer.journal):
        signer.forget_log(_now())
    _say("The next state of the log is looked at from its first line on.")


def _journal(options: argparse.Namespace) -> None:
    end = Chain()
    with (options.folder / JOURNAL).open("rb") as lines:
        for _, chain in read_journal(lines):
            end = chain
    _say(f"{end.length} signatures, head {end.head}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lms-signer", description="Hold one organisation's keys and sign for it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_init(commands.add_parser("init", help="make a folder with new keys"))
    run = commands.add_parser("run", help="serve until ended")
    run.add_argument("--user", type=int, help="number of the OS user to become, when started by root")
    client = commands.add_parser("client", help="let a platform ask; without options: who may")
    client.add_argument("--out", type=Path, help="new folder for what the platform needs")
    client.add_argument("--name", default="platform", help="of the client (default: platform)")
    client.add_argument("--dismiss", action="store_true", help="let the client of this name ask no more")
    more = commands.add_parser("approve", help="approve one more achievement or course")
    more.add_argument("--achievement")
    more.add_argument("--course")
    fresh = commands.add_parser("rotate", help="make a new key; the one before is retired")
    fresh.add_argument("--use", choices=[str(use) for use in ROTATED], default=str(KeyUse.ISSUING))
    fresh.add_argument("--keys", choices=[FILE, BROWSER], default=FILE, help=_KEYS)
    fresh.add_argument("--module", help="PKCS #11 library of the token that holds the new key")
    fresh.add_argument("--token", default="duri", help="label of the token (default: duri)")
    fresh.add_argument("--label", default="issuing", help="label of the key in the token (default: issuing)")
    commands.add_parser("keys", help="print the entry for trust files")
    ended = commands.add_parser("lift", help="let the suspension at a place of a list end")
    commands.add_parser("journal", help="check the journal and show its head")
    commands.add_parser("forget-log", help="after the loss of the platform's database: co-sign its log anew")
    for name, command in commands.choices.items():
        command.add_argument("folder", type=Path)
        command.set_defaults(work=_COMMANDS[name])
    ended.add_argument("place", metavar="ADDRESS#NUMBER")
    _add_roster(commands.add_parser("roster", help="say who may be certified"))
    _add_approvers(commands.add_parser("approver", help="say who approves, with --approval"))
    return parser


_COMMANDS = {
    "init": _init,
    "run": _run,
    "client": _client,
    "approve": _approve,
    "rotate": _rotate,
    "keys": _show_keys,
    "lift": _lift,
    "journal": _journal,
    "forget-log": _forget_log,
}


_KEYS = "where the issuing key lies; browser: in the signatory's (default: file)"


def _add_init(init: argparse.ArgumentParser) -> None:
    init.add_argument("--role", choices=[str(role) for role in Role], required=True)
    init.add_argument("--name", required=True, help="of the organisation")
    init.add_argument("--host", default="127.0.0.1", help="IP address to listen on (default: 127.0.0.1)")
    init.add_argument("--port", type=int, required=True)
    init.add_argument("--address", action="append", default=[], help="host name under which it is reached")
    init.add_argument("--did", help="own identifier (default: did:web:localhost%%3APORT)")
    init.add_argument("--partner", required=True, help="identifier of the other organisation")
    init.add_argument("--achievement", action="append", default=[], help="approved, by its address")
    init.add_argument("--course", action="append", default=[], help="approved, by the start of its address")
    init.add_argument(
        "--status-list", action="append", default=[], help="signed, by the start of its address"
    )
    init.add_argument("--daily-quota", type=int, default=DAILY_QUOTA, help="certificates within 24 hours")
    init.add_argument("--keys", choices=[FILE, BROWSER], default=FILE, help=_KEYS)
    init.add_argument("--approval", action="store_true", help="a person approves each certificate")
    init.add_argument("--timestamps", default="", help="of a time-stamping authority, for PDF signatures")
    init.add_argument("--demo-custody", action="store_true", help="the keys are a demonstration's")
    init.add_argument("--open-roster", action="store_true", help="everybody; under demo custody only")


def _add_roster(roster: argparse.ArgumentParser) -> None:
    roster.add_argument("folder", type=Path)
    actions = roster.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="print all entries").set_defaults(work=_list_roster)
    bulk = actions.add_parser("import", help="add the entries of a CSV")
    bulk.add_argument("file", type=Path, metavar="CSV")
    bulk.set_defaults(work=_import_roster)
    one = actions.add_parser("add", help="add one person for one achievement")
    one.add_argument("email")
    one.add_argument("achievement")
    one.add_argument("--name", default="", help="binding, where given")
    one.add_argument("--score", default="", help="points at most, where given")
    one.set_defaults(work=_add_to_roster)
    gone = actions.add_parser("remove", help="withdraw a person; what is signed stays signed")
    gone.add_argument("email")
    gone.add_argument("achievement", nargs="?", help="only this one")
    gone.set_defaults(work=_remove_from_roster)


def _add_approvers(approver: argparse.ArgumentParser) -> None:
    approver.add_argument("folder", type=Path)
    actions = approver.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="print all names").set_defaults(work=_list_approvers)
    for name, work in (("add", _add_approver), ("remove", _remove_approver)):
        action = actions.add_parser(name)
        action.add_argument("name")
        action.set_defaults(work=work)


def _now() -> datetime:
    return datetime.now(UTC)


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1
