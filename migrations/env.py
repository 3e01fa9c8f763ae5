"""Run migrations against the installation's database, or against a connection handed in by a test."""

from alembic import context

import lms.certs.models
import lms.leaderboards.models
import lms.leaderboards.tables.changes
import lms.leaderboards.tables.dates
import lms.leaderboards.tables.discussion
import lms.leaderboards.tables.flags
import lms.leaderboards.tables.grades
import lms.leaderboards.tables.honours
import lms.leaderboards.tables.run_logs
import lms.leaderboards.tables.slots
import lms.leaderboards.tables.winners
import lms.leaderboards.tables.writeups  # noqa: F401 - with certs they bring every table in
from lms.config import Settings
from lms.db import Base, make_engine


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        migrate(connection)
        return
    url = context.config.attributes.get("url") or Settings.load().database
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # A table is changed by copying it; with keys enforced, the old one could not be dropped.
                connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
            migrate(connection)
            connection.commit()
    finally:
        engine.dispose()


def migrate(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
