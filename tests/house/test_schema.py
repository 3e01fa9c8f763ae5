from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

import lms.certs.models
import lms.leaderboards.models
import lms.leaderboards.tables.changes
import lms.leaderboards.tables.dates
import lms.leaderboards.tables.discussion
import lms.leaderboards.tables.flags
import lms.leaderboards.tables.grades
import lms.leaderboards.tables.honours
import lms.leaderboards.tables.run_logs
import lms.leaderboards.tables.winners
import lms.leaderboards.tables.writeups  # noqa: F401 - with certs they bring every table in
from lms.db import Base, make_engine
from lms.migrate import configuration


def test_there_is_one_line_of_migrations() -> None:
    assert len(ScriptDirectory.from_config(configuration("")).get_heads()) == 1


def test_every_migration_goes_up_down_and_up_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'steps.db'}"
    config = configuration(url)
    steps = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    for revision in reversed(steps):
        command.upgrade(config, revision)
        command.downgrade(config, "-1")
        command.upgrade(config, revision)


def test_the_models_equal_the_migrated_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'schema.db'}"
    command.upgrade(configuration(url), "head")
    engine = make_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


@pytest.mark.postgres
def test_the_models_equal_the_schema_on_postgresql_too(postgres_engine: Engine) -> None:
    with postgres_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
