"""Bring a database to the newest schema, with the migrations that lie beside the package."""

from alembic import command
from alembic.config import Config

from lms.config import ROOT


def configuration(url: str) -> Config:
    """Return alembic's configuration for the database at `url`."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Run every migration up to `revision`."""
    command.upgrade(configuration(url), revision)
