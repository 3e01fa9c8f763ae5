"""The lab environment and a proven jail for tests that need them; where there is none, the reason."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lms.grading.adapters.runner import JailedRunner
from lms.runtime.environments import describe
from lms.runtime.probe import Isolation, probe

ROOT = Path(__file__).parents[2]


def need(*, there: bool, what: str) -> None:
    """Skip with the reason, or fail where continuous integration requires everything."""
    if there:
        return
    if os.environ.get("CI_REQUIRE") == "1":
        pytest.fail(f"not run: {what}")
    pytest.skip(f"not run: {what}")


@pytest.fixture(scope="session")
def environment() -> Path:
    found = describe(ROOT, "ml-basics")
    need(there=found.python.exists(), what="the lab environment ml-basics is not built")
    return found.path


@pytest.fixture(scope="session")
def isolation(environment: Path) -> Isolation:
    need(there=shutil.which("bwrap") is not None, what="bubblewrap is not installed")
    return probe(environment / "bin" / "python", [ROOT / "pyproject.toml"])


@pytest.fixture(scope="session")
def runner(isolation: Isolation) -> Iterator[JailedRunner]:
    made = JailedRunner(isolation)
    yield made
    made.close()
