"""A database of the first release, with a row in every table, is brought to the newest schema and back."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import JSON, Column, Engine, MetaData, Table, create_engine, inspect, select, text
from sqlalchemy.pool import NullPool

from lms.migrate import configuration

FIRST = "0001"
AT = datetime(2026, 9, 1, tzinfo=UTC)
ODD_VALUES: dict[str, object] = {
    "baseline": None,
    "ends_at": AT.replace(year=2027),
    "blob": "b" * 64,
    "feedback_blob": "f" * 64,
    "attempt": 1,
    "score": 1.0,
    "maximum": 5.0,
}
GONE = {  # where it went is looked at apart
    ("grading_runs", "feedback_blob"),
    ("entries", "enrolment_id"),
    ("entries", "private_score"),
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    server = create_engine(request.getfixturevalue("postgres_url"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE old"))
        yield server.url.set(database="old").render_as_string(hide_password=False)
        connection.execute(text("DROP DATABASE old WITH (FORCE)"))
    server.dispose()


def fill(engine: Engine) -> None:
    """Put one row into every table; each points at the first row of the others."""
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # rows may point at each other in a circle
            connection.execute(text("SET session_replication_role = replica"))
        for table in metadata.tables.values():
            if table.name != "alembic_version":
                choices = _choices(engine, table.name)
                connection.execute(table.insert().values(_row(table, choices)))


def _choices(engine: Engine, table: str) -> dict[str, str]:
    """Return the first allowed value of every column that has a list of them."""
    found = {}
    for check in inspect(engine).get_check_constraints(table):
        match = re.match(r"\W*(\w+)\W.*?(?:IN|ANY).*?'([^']+)'", check["sqltext"], re.DOTALL | re.IGNORECASE)
        if match:
            found[match[1]] = match[2]
    return found


def _row(table: Table, choices: dict[str, str]) -> dict[str, Any]:
    return {column.name: _value(column, choices) for column in table.columns}


def _value(column: Column[Any], choices: dict[str, str]) -> object:
    if column.name in choices:
        return choices[column.name]
    if column.name in ODD_VALUES:
        return ODD_VALUES[column.name]
    if isinstance(column.type, JSON):
        return {"a": [1]}
    return {int: 1, float: 1.0, bool: True, datetime: AT}.get(column.type.python_type, "x")


def everything(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.tables.values()
            if table.name != "alembic_version"
        }


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


def test_a_filled_database_of_the_first_release_keeps_everything(url: str, engine: Engine) -> None:
    config = configuration(url)
    command.upgrade(config, FIRST)
    fill(engine)
    before = everything(engine)
    assert all(len(rows) == 1 for rows in before.values())
    command.upgrade(config, "head")
    after = everything(engine)
    for table, (old,) in before.items():
        (new,) = after[table]
        kept = {name: value for name, value in old.items() if (table, name) not in GONE}
        assert {name: new[name] for name in kept} == kept, table
    (view,) = after["view_runs"]
    assert (view["run_id"], view["state"], view["feedback_blob"]) == (1, "done", "f" * 64)
    (run,) = after["grading_runs"]
    assert (run["priority"], run["resource"], run["seed"], run["record_blob"]) == (30, "cpu", 0, None)
    (member,), (standing, other) = (
        after["team_members"],
        sorted(after["standings"], key=lambda row: row["share"]),
    )
    assert (member["user_id"], member["team_id"]) == (1, after["entries"][0]["team_id"])
    assert [(row["entry_id"], row["score"], row["entries"]) for row in (standing, other)] == [(1, 1.0, 1)] * 2
    assert [row["score"] for row in after["private_scores"]] == [1.0]
    command.downgrade(config, FIRST)
    assert everything(engine) == before


def test_a_second_edition_of_a_certificate_is_not_lost_by_going_back(url: str, engine: Engine) -> None:
    config = configuration(url)
    command.upgrade(config, "0005")
    fill(engine)
    with engine.begin() as connection:
        metadata = MetaData()
        metadata.reflect(engine, only=["issuance_requests"])
        requests = metadata.tables["issuance_requests"]
        first = dict(connection.execute(select(requests)).mappings().one())
        connection.execute(requests.insert().values(first | {"id": 2, "edition": 2}))
    before = everything(engine)
    with pytest.raises(CommandError, match="and 1 have a corrected one"):
        command.downgrade(config, "0004")
    assert everything(engine) == before
    command.upgrade(config, "head")
    with pytest.raises(CommandError, match="left alone"):
        command.downgrade(config, FIRST)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) >= "0005"
        assert connection.scalar(text("SELECT count(*) FROM issuance_requests")) == 2
        connection.execute(text("DELETE FROM issuance_requests WHERE id = 2"))
    command.downgrade(config, "0004")
    assert len(everything(engine)["issuance_requests"]) == 1
