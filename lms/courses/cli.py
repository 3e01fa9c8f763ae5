"""`lms course …`: check and publish course folders."""

from pathlib import Path

import click

from lms.commands import LANGUAGE, Publishing
from lms.config import Settings
from lms.courses.core.check import check_folder
from lms.courses.core.problems import Problem, errors
from lms.courses.services import publishing


@click.group()
def course() -> None:
    """Check and publish courses."""


@course.command()
@click.argument("path", type=click.Path(path_type=Path))
@LANGUAGE
@click.pass_obj
def check(installation: Publishing, path: Path, language: str) -> None:
    """Report everything that is wrong with the course folder PATH.

    One line each: file:line:column: what is wrong, what to do. Exits 1 if there are errors.
    """
    problems = check_folder(path, environment_names(installation.settings))
    _print(problems, path, language)
    if errors(problems):
        raise SystemExit(1)
    click.echo("문제가 없어요." if language == "ko" else "Nothing stands in the way of publishing.")


@course.command()
@click.argument("path", type=click.Path(path_type=Path))
@LANGUAGE
@click.pass_obj
def publish(installation: Publishing, path: Path, language: str) -> None:
    """Make an immutable version of the course folder PATH.

    It opens when an instructor of each of its two organisations has approved it. Unchanged files
    make no new version.
    """
    with installation.sessions.begin() as session:
        try:
            version = publishing.publish(
                session, None, path, installation.blobs, environment_names(installation.settings)
            )
        except publishing.Unpublishable as error:
            _print(error.problems, path, language)
            raise SystemExit(1) from None
        words = "판" if language == "ko" else "version"
        click.echo(f"{version.course.slug}: {words} {version.number} ({version.digest})")


commands = (course,)


def environment_names(settings: Settings) -> list[str]:
    """Return the lab environments that this installation has a lock for."""
    return sorted(lock.stem for lock in settings.environments.glob("*.txt"))


def _print(problems: list[Problem], path: Path, language: str) -> None:
    for problem in problems:
        click.echo(problem.render(language, prefix=f"{path}/"))
