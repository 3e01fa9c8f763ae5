"""Commands for operators: who is trusted, what waits for whom, and asking the signers at once."""

from typing import Protocol

import click
from sqlalchemy.orm import Session, sessionmaker

from lms.certs import queries
from lms.certs.core.trust import Trust, write_trust
from lms.certs.services.ceremony import issue
from lms.certs.services.signing import Signing
from lms.certs.services.status import keep_status_lists_fresh
from lms.db import now


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


@click.group("certs")
def certs() -> None:
    """Look after certificates that are on their way."""


@certs.command("trust")
@click.pass_obj
def trust(tools: Tools) -> None:
    """Print the trust file: hand it to whoever wants to verify without this server."""
    if not tools.trust.parties:
        raise click.ClickException("No trust file is set up yet; see docs/reference/settings.md.")
    click.echo(write_trust(tools.trust.parties).decode("utf-8"), nl=False)


@certs.command("waiting")
@click.pass_obj
def waiting(tools: Tools) -> None:
    """List the certificates that are on their way, and what each waits for."""
    with tools.sessions() as session:
        for request in queries.requests_under_way(session):
            course = request.enrolment.cohort.course.slug
            click.echo(f"{request.id}\t{course}\t{request.state}\ttries: {request.tries}")


@certs.command("issue-now")
@click.pass_obj
def issue_now(tools: Tools) -> None:
    """Ask the signers at once for everything that waits, without waiting for the worker."""
    signing = tools.signing
    for missing in keep_status_lists_fresh(tools.sessions, signing, now()):
        click.echo(f"status list: {missing}", err=True)
    with tools.sessions() as session:
        waiting = [request.id for request in queries.requests_under_way(session)]
    issued = [issue(tools.sessions, request_id, signing, now()) for request_id in waiting]
    click.echo(f"{sum(1 for found in issued if found)} of {len(waiting)} issued.")


commands = (certs,)
