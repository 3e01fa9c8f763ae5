"""The hidden digits of the board, and its baselines.

The digits that scikit-learn ships are public, so no hidden row is one of them: each lays two different
digits of one class over each other, bends them, and adds noise, all drawn from the seed.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits
from sklearn.svm import SVC

ROWS = 2000
PRACTICE = 3000  # rows that the learnt baseline composes for itself
SIDE = 8
BRIGHTEST = 16


def make_hidden(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Compose the hidden rows.

    Shape:
        features (2000, 64), whole numbers 0 to 16, as in the shipped digits; labels (2000,).
    """
    return _rows(ROWS, np.random.default_rng(seed))


def baselines(features: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Predict by the most frequent class, by the nearest of the shipped digits, and by a learnt model.

    The model knows what every student knows: the shipped digits and how hidden rows are composed. Its practice
    rows are drawn apart from the hidden ones.
    """
    digits = load_digits()
    rows = np.asarray(features, dtype=float)
    most_frequent = int(np.bincount(digits.target).argmax())
    practice, labels = _rows(PRACTICE, np.random.default_rng([seed, 1]))
    learnt = SVC(C=5.0, gamma=0.0015).fit(practice, labels)
    return {
        "majority": np.full(len(rows), most_frequent),
        "nearest": digits.target[_nearest(rows, digits.data)],
        "learnt": learnt.predict(rows),
    }


def _rows(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    classes = np.arange(10)
    members = [np.flatnonzero(digits.target == label) for label in classes]
    labels = rng.integers(0, len(classes), size=count)
    features = np.empty((count, SIDE * SIDE), dtype=np.int64)
    for row, label in enumerate(labels):
        first, second = rng.choice(members[label], size=2, replace=False)
        features[row] = _compose(digits.images[first], digits.images[second], rng)
    return features, labels


def _compose(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = rng.uniform(0.3, 0.7)
    mixed = share * _bend(first, rng, 8.0, 0.08, 0.35) + (1 - share) * _bend(second, rng, 8.0, 0.08, 0.35)
    bent = _bend(mixed, rng, 20.0, 0.14, 0.8) * rng.uniform(0.75, 1.25)
    noisy = bent + rng.normal(0.0, 1.2, size=(SIDE, SIDE))
    return np.clip(np.rint(noisy), 0, BRIGHTEST).astype(np.int64).ravel()


def _bend(
    image: np.ndarray, rng: np.random.Generator, degrees: float, stretch: float, shift: float
) -> np.ndarray:
    """Turn, stretch, slant and shift about the centre by random amounts up to the given ones."""
    angle = np.deg2rad(rng.uniform(-degrees, degrees))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    slant = np.array([[1.0, rng.uniform(-stretch, stretch)], [0.0, 1.0]])
    matrix = turn @ slant @ np.diag(1 / rng.uniform(1 - stretch, 1 + stretch, size=2))
    centre = np.full(2, (SIDE - 1) / 2)
    offset = centre - matrix @ (centre + rng.uniform(-shift, shift, size=2))
    return affine_transform(image, matrix, offset, order=1)


def _nearest(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    squares = (known**2).sum(axis=1)[None, :] - 2 * rows @ known.T
    return squares.argmin(axis=1)
