"""The command line `lms`: the domains' commands gathered, and what runs the installation itself."""

import errno
import json
import os
import sys
from pathlib import Path

import click
from sqlalchemy.exc import OperationalError

import lms.accounts.cli
import lms.certs.cli
import lms.certs.signer.commands
import lms.courses.cli
import lms.grading.cli.grade
import lms.grading.cli.lab
import lms.grading.cli.regrade
import lms.leaderboards.cli.boards
import lms.leaderboards.cli.challenges
from lms import migrate, reference
from lms.config import ROOT, Settings
from lms.demo import play as demo
from lms.errors import DomainError
from lms.grading.core.contracts import RunnerUnavailable
from lms.grading.models import Resource
from lms.installation import Installation


class Commands(click.Group):
    """A group whose domain errors are sentences, not tracebacks."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; say what is wrong and end with status 1 where it cannot be done."""
        try:
            return super().invoke(ctx)
        except DomainError as error:
            raise click.ClickException(str(error)) from None
        except OperationalError as error:
            raise click.ClickException(
                f"The database refused ({error.orig}). Nothing was changed; try again in a minute."
            ) from None
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise click.ClickException(
                "There is no room left on the disk. Nothing was changed; free some and run the command again."
            ) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.pass_context
def main(context: click.Context) -> None:
    """Teach, grade, rank and certify together.

    Settings come from the environment (DURI_…); docs/reference/settings.md lists them.
    """
    if context.obj is None:
        try:
            context.obj = Installation(Settings.load())
        except ValueError as problem:
            raise click.ClickException(str(problem)) from None


for domain in (
    lms.accounts.cli,
    lms.courses.cli,
    lms.grading.cli.grade,
    lms.grading.cli.regrade,
    lms.grading.cli.lab,
    lms.leaderboards.cli.boards,
    lms.leaderboards.cli.challenges,
    lms.certs.cli,
):
    for command in domain.commands:
        main.add_command(command)


@main.command(short_help="Run everything here, with demonstration accounts.")
@click.option("--port", default=8000, show_default=True, help="Of the web server on this machine.")
def run(port: int) -> None:
    """Run everything on this machine, with demonstration organisations and accounts."""
    raise SystemExit(demo.run(port))


@main.command("demo", short_help="Play the whole story and throw it away.")
@click.option("--json", "as_json", is_flag=True, help="Print the steps as one JSON document.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave every artefact there.")
def play(keep: Path | None, *, as_json: bool) -> None:
    """Play the whole story in a throw-away installation; status 0 only if every step happened."""
    steps = []
    for step in demo.play(keep):
        steps.append(step)
        if not as_json:
            click.echo(step.line())
    if as_json:
        click.echo(json.dumps({"steps": [step.to_dict() for step in steps]}, ensure_ascii=False, indent=2))
    sys.exit(0 if steps and all(step.ok for step in steps) else 1)


@main.command(short_help="Grade, sign and send mail, until ended.")
@click.option("--concurrency", type=click.IntRange(1, 256), help="Grading processes; as many as processors.")
@click.option(
    "--resources",
    default=",".join(Resource),
    show_default=True,
    callback=lambda _context, _option, text: _resources(text),
    help="Kinds of work that this machine takes, separated by commas.",
)
@click.pass_obj
def worker(installation: Installation, concurrency: int | None, resources: tuple[Resource, ...]) -> None:
    """Build labs, grade, settle, have certificates signed and send mail, until ended.

    Starts a pool of processes and starts again what dies. With DURI_QUEUE_URL they are woken through that
    broker, otherwise by the web server of the same machine.
    """
    try:
        ready = installation.pool(concurrency or len(os.sched_getaffinity(0)), resources)
    except RunnerUnavailable as reason:
        raise click.ClickException(
            f"The sandbox of this machine is not good enough ({reason}). Install what is missing; "
            "DURI_ISOLATION=reduced accepts a sandbox without its second walls."
        ) from None
    ready.run()


def _resources(text: str) -> tuple[Resource, ...]:
    try:
        return tuple(Resource(name.strip()) for name in text.split(","))
    except ValueError:
        raise click.BadParameter(f"choose from {', '.join(Resource)}") from None


@main.command(
    short_help="Hold one organisation's key and sign for it.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def signer(arguments: tuple[str, ...]) -> None:
    """Hold one organisation's key and sign for it (`lms signer --help`)."""
    raise SystemExit(lms.certs.signer.commands.main(arguments))


@main.command()
@click.pass_obj
def upgrade(installation: Installation) -> None:
    """Bring the database to the newest schema."""
    installation.settings.make_instance()
    migrate.upgrade(installation.settings.database)


@main.command()
def docs() -> None:
    """Make the generated pages of docs/reference anew."""
    for path, text in reference.pages(main, ROOT).items():
        path.write_text(text, encoding="utf-8")
        click.echo(str(path.relative_to(ROOT)))
