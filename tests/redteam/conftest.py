from collections.abc import Iterator
from pathlib import Path

import pytest

from lms.grading.adapters.runner import JailedRunner
from tests.redteam.arena import SECRET_VARIABLES, Arena, Canaries
from tests.redteam.lab import Release, write_lab
from tests.runtime.jails import environment, isolation, runner

__all__ = ["environment", "isolation", "runner"]


@pytest.fixture(scope="session")
def release(runner: JailedRunner, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The lab, built and proved once by the real builder."""

    source = write_lab(tmp_path_factory.mktemp("labs") / "small", environment)
    built = runner.build(source)
    assert built.errors == ()
    assert (built.solution_score, built.template_score) == (built.maximum, 0)
    return Release(source, built)


@pytest.fixture(scope="session")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    planted = Canaries(tmp_path_factory.mktemp("installation") / "instance")
    planted.plant()
    yield planted
    planted.listener.close()


@pytest.fixture
def arena(
    runner: JailedRunner, release: Release, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> Arena:
    for name, value in SECRET_VARIABLES.items():
        monkeypatch.setenv(name, value)  # what a worker may have in its own environment
    return Arena(runner, release, canaries)
