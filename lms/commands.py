"""What commands of several domains share: the language of their sentences, and what they work on."""

from typing import Protocol

import click
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.config import Settings

LANGUAGE = click.option(
    "--language",
    type=click.Choice(["ko", "en"]),
    default="en",
    show_default=True,
    help="Language of the sentences.",
)


class Database(Protocol):
    """What a command needs that reads or writes nothing but rows."""

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Return the factory of sessions."""


class Publishing(Database, Protocol):
    """What a command needs that publishes a folder."""

    @property
    def settings(self) -> Settings:
        """Return the settings."""

    @property
    def blobs(self) -> BlobStore:
        """Return the store of files."""
