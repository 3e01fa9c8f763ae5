from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.checker.pairs import Nursery, PlainPair


@pytest.fixture(scope="session")
def nursery(environment: Path) -> Iterator[Nursery]:
    nursery = Nursery(environment / "bin" / "python")
    yield nursery
    nursery.close()


@pytest.fixture
def pair(nursery: Nursery) -> Iterator[PlainPair]:
    with nursery.pair() as pair:
        yield pair
