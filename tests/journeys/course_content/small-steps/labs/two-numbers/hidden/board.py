"""Hidden numbers: large ones are those above five."""

import numpy as np


def make_hidden(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the numbers; features (200, 1), labels (200,)."""
    features = np.random.default_rng(seed).uniform(0, 10, size=(200, 1))
    return features, (features[:, 0] > 5).astype(int)


def baselines(features: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Call everything large."""
    del seed
    return {"majority": np.ones(len(features), dtype=int)}
