"""`lms boards …`: the commands of boards, gathered."""

import click

from lms.leaderboards.cli.grades import grades
from lms.leaderboards.cli.remote import points, standings, submit
from lms.leaderboards.cli.tables import ladder, rank
from lms.leaderboards.cli.upkeep import diff, import_entries, recompute


@click.group()
def boards() -> None:
    """Enter and read boards of a server, rank tables, and look after the boards of this installation."""


for command in (submit, standings, points, rank, ladder, diff, recompute, import_entries, grades):
    boards.add_command(command)

commands = (boards,)
