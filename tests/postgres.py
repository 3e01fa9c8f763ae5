"""A PostgreSQL server of our own for the tests: unprivileged, on a private socket, thrown away after."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from lms.db import make_engine
from lms.migrate import upgrade

NOBODY = "nobody"


def not_run(reason: str) -> None:
    """Report a test as not run; where everything is required its absence is a failure."""
    if os.environ.get("CI_REQUIRE"):
        pytest.fail(f"required, but {reason}")
    pytest.skip(f"not run: {reason}")


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).parent if program else None


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of an empty database, migrated to the newest schema."""
    folder = programs()
    if folder is None:
        not_run("PostgreSQL is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as scratch:
        home = Path(scratch)
        as_nobody: dict[str, object] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            account = pwd.getpwnam(NOBODY)
            os.chown(home, account.pw_uid, account.pw_gid)
            as_nobody = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

        def call(program: str, *arguments: str) -> None:
            with (home / "log").open("a") as log:
                subprocess.run(
                    [str(folder / program), "-D", str(home / "data"), *arguments],
                    check=True,
                    cwd=home,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                    **as_nobody,  # type: ignore[call-overload]
                )

        call("initdb", "-U", "duri", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
        call("pg_ctl", "-o", options, "-w", "-l", str(home / "server.log"), "start")
        try:
            url = f"postgresql+psycopg://duri@/postgres?host={home}"
            upgrade(url)
            yield url
        finally:
            call("pg_ctl", "-m", "immediate", "-w", "stop")


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    """An engine on the PostgreSQL of the tests, whose tables are emptied afterwards."""
    engine = make_engine(postgres_url)
    yield engine
    with engine.begin() as connection:
        names = connection.exec_driver_sql(
            "SELECT string_agg(quote_ident(tablename), ',') FROM pg_tables "
            "WHERE schemaname='public' AND tablename <> 'alembic_version'"
        ).scalar_one()
        connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    engine.dispose()
