import numpy as np
import pytest

from lms.leaderboards.core.losses import HEAD_BYTES, Losses, losses_of, pack, rows_in


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0], [0.25] * 300])
def test_the_head_alone_says_of_how_many_rows_losses_are(values: list[float]) -> None:
    assert rows_in(pack(losses_of(values))[:HEAD_BYTES]) == len(values)


def test_losses_on_resamples_are_of_no_rows() -> None:
    assert rows_in(pack(Losses(np.zeros(1000), items=40, whole=0.5))[:HEAD_BYTES]) == 0
