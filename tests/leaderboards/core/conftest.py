import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_boards() -> Path:
    """Return the folder of real standings and the published attack, which is not part of the project."""
    beside = Path(__file__).parents[4] / "shared" / "data" / "leaderboards"
    folder = Path(os.environ.get("DURI_LEADERBOARDS", beside))
    if not folder.is_dir():
        pytest.skip("not run: data not at hand")
    return folder
