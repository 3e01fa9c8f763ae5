"""Commands for operators: organisations, people, roles, and proof of the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts import queries
from lms.accounts.core.chain import START, first_flaw
from lms.accounts.models import OrganisationKind, Role
from lms.accounts.services import organisations, people
from lms.db import now
from lms.errors import DomainError

FLAWS = {
    "changed": "entry {} was changed after it was written",
    "removed": "an entry is missing before entry {}",
    "replaced": "entry {} does not follow from the one before it",
    "cut": "the log ends before the noted head: entries from {} on were cut off",
}


class Tools(Protocol):
    """What the command line gives its commands."""

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Return the factory of sessions."""


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show a domain error as the command's own message."""
    try:
        yield
    except DomainError as error:
        raise click.ClickException(str(error)) from error


@click.group("accounts")
def accounts() -> None:
    """Make organisations and accounts, and give roles."""


@accounts.command("create-organisation")
@click.argument("slug")
@click.option("--kind", type=click.Choice([kind.value for kind in OrganisationKind]), required=True)
@click.option("--name-ko", required=True, help="Korean name.")
@click.option("--name-en", required=True, help="English name.")
@click.pass_obj
def create_organisation(tools: Tools, slug: str, kind: str, name_ko: str, name_en: str) -> None:
    """Found the organisation SLUG."""
    with tools.sessions.begin() as session, _plain_errors():
        organisations.create_organisation(
            session, None, slug=slug, kind=OrganisationKind(kind), name={"ko": name_ko, "en": name_en}
        )
    click.echo(f"{slug} is there.")


@accounts.command("create-user", short_help="Make an account for EMAIL, confirmed.")
@click.argument("email")
@click.option("--name", required=True)
@click.option("--language", type=click.Choice(["ko", "en"]), default="ko", show_default=True)
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.pass_obj
def create_user(tools: Tools, email: str, name: str, language: str, password: str) -> None:
    """Make an account for EMAIL, whose address counts as confirmed."""
    with tools.sessions.begin() as session, _plain_errors():
        people.create_user(
            session,
            None,
            email=email,
            name=name,
            password=password,
            language=language,
            confirmed_at=now(),
        )
    click.echo(f"{email} can sign in.")


@accounts.command("grant")
@click.argument("email")
@click.argument("slug")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.pass_obj
def grant(tools: Tools, email: str, slug: str, role: str) -> None:
    """Give EMAIL the ROLE in the organisation SLUG."""
    with tools.sessions.begin() as session, _plain_errors():
        user = queries.user_by_email(session, email)
        if user is None:
            raise click.ClickException(f"{email} has no account; make one with: lms accounts create-user")
        organisation = queries.organisation_by_slug(session, slug)
        organisations.grant_role(session, None, user=user, organisation=organisation, role=Role(role))
    click.echo(f"{email} is {role} of {slug}.")


@click.group("audit")
def audit() -> None:
    """Prove the audit log."""


@audit.command("verify", short_help="Recompute the whole chain.")
@click.option("--head", help="A hash noted down earlier, which must still be in the log.")
@click.pass_obj
def verify(tools: Tools, head: str | None) -> None:
    """Recompute the whole chain; exit status 1 if something was changed, removed or cut off."""
    with tools.sessions() as session:
        flaw = first_flaw(queries.audit_entries(session), head)
        last = queries.audit_head(session)
    if flaw is not None:
        raise click.ClickException(FLAWS[flaw.kind].format(flaw.number))
    count, found = (last.id, last.hash) if last else (0, START)
    click.echo(f"{count} entries, unbroken. Note down the head: {found}")


commands = (accounts, audit)
