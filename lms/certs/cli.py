"""Commands for operators: who is trusted, what waits for whom, asking the signers at once, and the log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import click
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.audit import audit_entries, audit_heads, read_signed
from lms.certs.core.heads import HeadSigner
from lms.certs.core.joint import Finding
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.sentences import sentence
from lms.certs.core.trust import Role, Trust, TrustedLog, write_trust
from lms.certs.queries import credentials as queries
from lms.certs.queries import log_lines, signed_papers
from lms.certs.services.batches import issue_many
from lms.certs.services.erasing import erase
from lms.certs.services.papers import Press, make_next, renew_papers
from lms.certs.services.signing import Signing
from lms.certs.services.status import keep_status_lists_fresh
from lms.certs.vcapi.command import vc_api
from lms.db import now, reading
from lms.errors import DomainError

JOURNAL = click.Path(path_type=Path, exists=True, dir_okay=False)
ALL = 10**9
_SHOWN_EVERY = 50


class Tools(Protocol):
    """What the command line gives its commands."""

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Return the factory of sessions."""

    @property
    def signing(self) -> Signing:
        """Return the signers of this installation."""

    @property
    def trust(self) -> Trust:
        """Return whose keys count."""

    @property
    def press(self) -> Press:
        """Return what sets certificates on paper."""


@click.group("certs")
def certs() -> None:
    """Look after certificates that are on their way."""


@certs.command("trust")
@click.pass_obj
def trust(tools: Tools) -> None:
    """Print the trust file: hand it to whoever wants to verify without this server."""
    if not tools.trust.parties:
        raise click.ClickException("No trust file is set up yet; see docs/reference/settings.md.")
    click.echo(write_trust(tools.trust.parties, tools.trust.logs).decode("utf-8"), nl=False)


@certs.command("waiting")
@click.pass_obj
def waiting(tools: Tools) -> None:
    """List the certificates that are on their way, and what each waits for."""
    with reading(tools.sessions) as session:
        for request in queries.requests_under_way(session):
            course = request.enrolment.cohort.course.slug
            click.echo(f"{request.id}\t{course}\t{request.state}\ttries: {request.tries}")


@certs.command("erase")
@click.argument("uuid")
@click.confirmation_option(prompt="Everything that names the holder is deleted for good. Go on?")
@click.pass_obj
def erase_one(tools: Tools, uuid: str) -> None:
    """Forget whom the withdrawn certificate UUID was for; its place in the status list stays set."""
    try:
        with tools.sessions.begin() as session:
            found = erase(session, uuid, at=now())
    except DomainError as problem:
        raise click.ClickException(str(problem)) from None
    for file in found.files:
        tools.press.blobs.forget(file)
    click.echo(f"Only the hash {found.sha256} and its line in the log are left.")


@certs.command("render")
@click.option("--all", "everything", is_flag=True, help="Also those whose template has not changed.")
@click.option("--here", is_flag=True, help="Sign them in this process too, and show how far it is.")
@click.pass_obj
def render(tools: Tools, *, everything: bool, here: bool) -> None:
    """Have papers made and signed anew after a change of their template; certificates stay as they are."""
    press, signing = tools.press, tools.signing
    with tools.sessions.begin() as session:
        due = renew_papers(session, press.template, also_unchanged=everything)
    click.echo(f"{due} papers are to be made anew.")
    done = 0
    while here and (made := make_next(tools.sessions, signing, press, now())) is not None:
        done += made
        if done % _SHOWN_EVERY == 0 or not made:
            _show_papers(tools)
    _show_papers(tools)


@certs.command("papers")
@click.pass_obj
def papers(tools: Tools) -> None:
    """Show how many papers are signed, how many are to be made, and what signers refused."""
    _show_papers(tools)
    with reading(tools.sessions) as session:
        for paper in signed_papers.refusals(session):
            reason = paper.refusal.partition("\n")[0]
            click.echo(f"{paper.credential.uuid}\t{paper.language}\ttries: {paper.tries}\t{reason}")


def _show_papers(tools: Tools) -> None:
    with reading(tools.sessions) as session:
        found = signed_papers.paper_progress(session)
    click.echo(f"{found.made} of {found.made + found.due} papers are signed; {found.stuck} were refused.")


@certs.command("issue-now")
@click.pass_obj
def issue_now(tools: Tools) -> None:
    """Ask the signers at once for everything that waits, without waiting for the worker."""
    signing = tools.signing
    for missing in keep_status_lists_fresh(tools.sessions, signing, now()):
        click.echo(f"status list: {missing}", err=True)
    with reading(tools.sessions) as session:
        waiting = [request.id for request in queries.requests_under_way(session)]
    issued = issue_many(tools.sessions, waiting, signing, now)
    click.echo(f"{len(issued)} of {len(waiting)} issued.")


@certs.group("log")
def log() -> None:
    """Look into the transparency log, or compare it with what the signers wrote down."""


@log.command("show")
@click.pass_obj
def show(tools: Tools) -> None:
    """Print how far the log is co-signed, and the entry by which a trust file asks for its proofs."""
    signing = tools.signing
    with reading(tools.sessions) as session:
        newest, size = log_lines.newest_head(session), log_lines.log_size(session)
        refusal = log_lines.refusal_of_log(session)
    signed = "nothing" if newest is None else f"{newest.size} lines, at {newest.made_at.isoformat()}"
    click.echo(f"{size} lines; co-signed: {signed}")
    if refusal:
        click.echo(f"Not co-signed: {refusal.splitlines()[0]}", err=True)
    if signing.log is not None:
        pinned = _own_log(signing.log, signing)
        entry = {"id": pinned.id, "publicKeyMultibase": pinned.multibase, "cosigners": pinned.cosigners}
        click.echo(json.dumps(entry, indent=2))


@log.command("audit")
@click.option("--university", type=JOURNAL, required=True, help="The university's journal.jsonl.")
@click.option("--company", type=JOURNAL, required=True, help="The company's journal.jsonl.")
@click.pass_obj
def audit(tools: Tools, university: Path, company: Path) -> None:
    """Compare the whole log with both signers' journals; end with status 1 where they differ."""
    try:
        findings = list(_differences(tools, university, company))
    except CertificateProblem as problem:
        raise click.ClickException(sentence(problem.code, problem.params, "en")) from None
    for finding in findings:
        click.echo(f"{finding.code}\t{sentence(finding.code, finding.params, 'en')}")
    if findings:
        raise click.ClickException(f"{len(findings)} differences.")
    click.echo("The log and both journals agree.")


def _differences(tools: Tools, university: Path, company: Path) -> Iterator[Finding]:
    with university.open("rb") as one, company.open("rb") as other:
        journals = read_signed(Role.UNIVERSITY, one), read_signed(Role.COMPANY, other)
    signing = tools.signing
    with reading(tools.sessions) as session:
        entries = log_lines.log_entries(session, 0, log_lines.log_size(session))
        heads = [
            (
                log_lines.shown_head(head, log_lines.log_id(signing.public_url)),
                log_lines.signatures_of(head),
            )
            for head in log_lines.signed_heads(session, 0, ALL)
        ]
    yield from audit_entries(entries, *journals, now())
    if signing.log is not None:
        yield from audit_heads(entries, heads, _own_log(signing.log, signing), signing.trust)


def _own_log(key: HeadSigner, signing: Signing) -> TrustedLog:
    return TrustedLog(key.id, key.multibase, tuple(signing.did(role) for role in Role))


certs.add_command(vc_api)

commands = (certs,)
