"""`lms challenge …`: check and publish challenge folders."""

from pathlib import Path
from typing import Protocol

import click

from lms.commands import LANGUAGE, Publishing
from lms.courses.core.problems import Problem, errors
from lms.leaderboards.core.challenge_file import CheckedChallenge, read_challenge
from lms.leaderboards.core.scoring import ChallengeFailed, Workshop
from lms.leaderboards.services.publishing import publish_folder


class Installation(Publishing, Protocol):
    """What `ctx.obj` offers."""

    @property
    def workshop(self) -> Workshop:
        """Return where authors' programs run."""


@click.group()
def challenge() -> None:
    """Check and publish challenges."""


@challenge.command()
@click.argument("path", type=click.Path(path_type=Path))
@LANGUAGE
@click.pass_obj
def check(installation: Installation, path: Path, language: str) -> None:
    """Report everything that is wrong with the challenge folder PATH.

    One line each: file:line:column: what is wrong, what to do. Exits 1 if there are errors.
    """
    _read(installation, path, language)
    click.echo("문제가 없어요." if language == "ko" else "Nothing stands in the way of publishing.")


@challenge.command()
@click.argument("path", type=click.Path(path_type=Path))
@LANGUAGE
@click.pass_obj
def publish(installation: Installation, path: Path, language: str) -> None:
    """Publish the challenge folder PATH, or its newer texts, dates and limits.

    The first time its data are made in the sandbox, from a seed that is drawn then and never leaves this
    installation; it opens at once.
    """
    checked = _read(installation, path, language)
    try:
        made = publish_folder(installation.sessions, installation.blobs, installation.workshop, checked)
    except ChallengeFailed as failed:
        raise click.ClickException(f"hidden/challenge.py: {failed}") from None
    words = {
        ("ko", True): "데이터를 만들고 공개했어요.",
        ("ko", False): "공개했어요. 데이터는 그대로예요.",
        ("en", True): "published, with its data made.",
        ("en", False): "published; its data stay as they are.",
    }
    click.echo(f"{checked.folder.name}: {words[language, made]}")


def _read(installation: Installation, path: Path, language: str) -> CheckedChallenge:
    environments = sorted(lock.stem for lock in installation.settings.environments.glob("*.txt"))
    checked = read_challenge(path, environments)
    _print(checked.problems, path, language)
    if errors(checked.problems) or checked.challenge is None:
        raise SystemExit(1)
    return checked


def _print(problems: list[Problem], path: Path, language: str) -> None:
    for problem in problems:
        click.echo(problem.render(language, prefix=f"{path}/"))


commands = (challenge,)
