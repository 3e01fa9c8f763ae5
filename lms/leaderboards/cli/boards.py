"""`lms boards …`: the commands of boards, gathered."""

import click

from lms.leaderboards.cli.tables import ladder, rank


@click.group()
def boards() -> None:
    """Rank tables, and look after the boards of this installation."""


for command in (rank, ladder):
    boards.add_command(command)

commands = (boards,)
