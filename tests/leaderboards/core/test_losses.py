import numpy as np
import pytest

from lms.leaderboards.core.losses import HEAD_BYTES, Extent, Losses, extent_of, losses_of, pack, unpack


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0], [0.25] * 300])
def test_the_head_alone_says_of_how_many_rows_losses_are(values: list[float]) -> None:
    extent = extent_of(pack(losses_of(values))[:HEAD_BYTES])
    assert extent == Extent(len(values), len(values), resampled=False) == losses_of(values).extent
    assert extent.rows == len(values)


def test_losses_on_resamples_are_of_no_rows() -> None:
    losses = Losses(np.zeros(1000), items=40, whole=0.5)
    packed = pack(losses)
    assert extent_of(packed[:HEAD_BYTES]) == Extent(40, 1000, resampled=True) == losses.extent
    assert extent_of(packed[:HEAD_BYTES]).rows == 0
    assert (unpack(packed).loss, unpack(packed).extent) == (0.5, losses.extent)


def test_losses_stay_what_they_are() -> None:
    losses = Losses(np.zeros(1000), items=40, whole=0.5)
    assert losses_of(losses) is losses


def test_a_broken_head_is_of_no_rows() -> None:
    assert extent_of(b"x") == Extent(0, 0, resampled=False)
