"""`lms challenge …`: check and publish challenge folders."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import click

from lms.commands import LANGUAGE, Publishing
from lms.courses.core.problems import Problem, errors
from lms.db import now, reading
from lms.leaderboards.core.challenge_file import CheckedChallenge, read_challenge
from lms.leaderboards.core.scoring import ChallengeFailed, Workshop
from lms.leaderboards.queries.boards import board_at
from lms.leaderboards.queries.dates import Move, date_changes
from lms.leaderboards.services.publishing import publish_folder
from lms.leaderboards.tables.dates import DateChangeOrigin

NAMES = {"opens_at": "opens", "freezes_at": "freeze", "ends_at": "ends"}
"""What the file calls a date, where that is not its own name."""


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
    installation; it opens at once. Prints which dates moved, from when to when.
    """
    checked, began = _read(installation, path, language), now()
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
    for line in _moves(installation, checked, began, language):
        click.echo(line)


def _moves(
    installation: Installation, checked: CheckedChallenge, began: datetime, language: str
) -> Iterator[str]:
    """Say how publishing has moved the dates, on the calendar of the challenge's zone."""
    if checked.challenge is None:
        return
    zone = checked.challenge.timezone
    with reading(installation.sessions) as session:
        found = board_at(session, checked.challenge.slug).challenge
        for change in date_changes(session, found) if found is not None else ():
            if change.origin is DateChangeOrigin.PUBLICATION and change.changed_at >= began:
                yield from (f"  {_move(move, zone, language)}" for move in change.moves)


def _move(move: Move, zone: str, language: str) -> str:
    none = "없음" if language == "ko" else "none"

    def shown(at: datetime | None) -> str:
        return none if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"

    return f"{NAMES.get(move.name, move.name)}: {shown(move.before)} → {shown(move.after)} ({zone})"


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
