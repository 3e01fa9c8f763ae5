import pytest

from lms.leaderboards.core.challenge_file import Challenge, Compute, read_challenge
from tests.factories.challenges import write_challenge
from tests.runtime.jails import environment, isolation

__all__ = ["environment", "isolation"]


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Challenge:
    """A challenge whose notebooks have little time and memory."""
    found = read_challenge(write_challenge(tmp_path_factory.mktemp("content")), ["ml-basics"]).challenge
    assert found is not None
    return found.model_copy(update={"compute": Compute(seconds=20, memory_mib=256, processes=16)})
