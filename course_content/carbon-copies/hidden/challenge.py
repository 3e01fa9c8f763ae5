"""The slips of the challenge: handwritten numbers that exist nowhere before the seed is drawn.

scikit-learn's digits are public, so no box holds one of them. Each digit is two different digits of its class,
bent and laid over each other, then bent again; a digit of another slip shows through the carbon paper; the
pressing, the smudges and the noise are drawn from the seed. The last digit of a number checks the others.
"""

import functools

import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates
from sklearn.datasets import load_digits

TRAIN, SAMPLE, HIDDEN = 1000, 40, 500
BOXES, SIDE, PITCH = 5, 8, 9
HEIGHT, WIDTH = 10, BOXES * PITCH + 1
INK = 99
BRIGHTEST = 16  # of the shipped digits
NOISE = 6.0
WEIGHTS = np.array([3, 1, 3, 1])
PIXELS = [f"r{row}c{column:02d}" for row in range(HEIGHT) for column in range(WIDTH)]


def make(seed):
    """Make the known slips, a sample of unread ones, and the hidden ones that count."""
    known, sample, hidden = _slips(seed)
    return {
        "files": {
            "train.csv": known,
            "test.csv": sample.drop(columns="number"),
            "sample_submission.csv": _blank(sample),
        },
        "hidden": {"test.csv": hidden.drop(columns="number"), "sample_submission.csv": _blank(hidden)},
        "truth": hidden[["id", "number"]],
    }


def baselines(files, seed):
    """Read the hidden slips by the nearest shipped digits, by the nearest known boxes, and with the check digit."""
    known, asked = files["train.csv"], _slips(seed)[2]
    shipped, boxes = load_digits(), _boxes(asked)
    labels = np.array([list(map(int, number)) for number in known["number"]]).ravel()
    # Of each box the place where a digit stands if nothing moved it.
    nearest = _likeness(boxes[:, 1:-1, 1:-1], shipped.images, shipped.target)
    likeness = _likeness(boxes, _boxes(known), labels)
    return {
        key: pd.DataFrame({"id": asked["id"], "number": _written(read)})
        for key, read in (
            ("shipped", nearest.argmax(axis=2)),
            ("known", likeness.argmax(axis=2)),
            ("checked", _best_valid(likeness)),
        )
    }


def _likeness(boxes, known, labels):
    """Return how near, by angle, the nearest known box of each class is.

    Shape:
        boxes (slips * 5, h, w), known (n, h, w) -> (slips, 5, 10)
    """
    rows, others = (_unit(images.reshape(len(images), -1)) for images in (boxes, known))
    near = [(rows @ others[labels == label].T).max(axis=1) for label in range(10)]
    return np.stack(near, axis=1).reshape(-1, BOXES, 10)


def _best_valid(likeness):
    """Return the numbers that look likeliest of those whose last digit is right."""
    numbers = np.arange(1000, 10_000)
    digits = np.column_stack([numbers // 1000, numbers // 100 % 10, numbers // 10 % 10, numbers % 10])
    digits = np.column_stack([digits, digits @ WEIGHTS % 10])
    total = sum(likeness[:, box, digits[:, box]] for box in range(BOXES))
    return digits[total.argmax(axis=1)]


@functools.cache
def _slips(seed):
    streams = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    return [_drawn(*each) for each in zip((TRAIN, SAMPLE, HIDDEN), ("k", "s", "h"), streams, strict=True)]


def _drawn(count, prefix, rng):
    """Write slips; return their pixels and their numbers."""
    numbers = np.column_stack([rng.integers(1, 10, count), rng.integers(0, 10, (count, 3))])
    numbers = np.column_stack([numbers, numbers @ WEIGHTS % 10])
    images = np.zeros((count, HEIGHT, WIDTH))
    slips, lefts = np.repeat(np.arange(count), BOXES), np.tile(np.arange(BOXES) * PITCH, count)
    below = (numbers.ravel() + rng.integers(1, 10, numbers.size)) % 10
    for labels, least, most in ((numbers.ravel(), 0.75, 1.1), (below, 0.1, 0.3)):
        ink = _digits(labels, rng) * rng.uniform(least, most, (len(labels), 1, 1))
        down, right = (rng.choice(3, size=len(labels), p=[0.15, 0.7, 0.15]) for _ in "yx")
        for row in range(SIDE):
            for column in range(SIDE):
                np.add.at(images, (slips, down + row, lefts + right + column), ink[:, row, column])
    pressed = images * rng.uniform(0.8, 1.1, (count, 1, 1)) / BRIGHTEST * INK + rng.normal(0, NOISE, images.shape)
    pixels = np.clip(np.rint(pressed), 0, INK).astype(int).reshape(count, -1)
    frame = pd.DataFrame(pixels, columns=PIXELS)
    frame.insert(0, "id", [f"{prefix}{slip + 1:04d}" for slip in range(count)])
    frame["number"] = _written(numbers)
    return frame


def _digits(labels, rng):
    """Lay two different digits of each class over each other.

    Shape:
        labels (n,) -> ink (n, 8, 8), 0 to 16
    """
    shipped = load_digits()
    members = [np.flatnonzero(shipped.target == label) for label in range(10)]
    pairs = np.array([rng.choice(members[label], size=2, replace=False) for label in labels])
    share = rng.uniform(0.3, 0.7, (len(labels), 1, 1))
    first, second = (_bent(shipped.images[pairs[:, each]], rng, 6.0, 0.06, 0.3) for each in (0, 1))
    return np.clip(_bent(share * first + (1 - share) * second, rng, 12.0, 0.10, 0.3), 0, BRIGHTEST)


def _bent(images, rng, degrees, stretch, shift):
    """Turn, stretch, slant and shift each about its centre by random amounts up to the given ones."""
    count, centre = len(images), (SIDE - 1) / 2
    angle = np.deg2rad(rng.uniform(-degrees, degrees, count))
    slant, tall, wide = rng.uniform(-stretch, stretch, (3, count))
    places = np.indices((SIDE, SIDE)) - centre
    down, right = (places[axis] - rng.uniform(-shift, shift, (count, 1, 1)) for axis in (0, 1))
    down, right = down / (1 + tall)[:, None, None], (right + slant[:, None, None] * down) / (1 + wide)[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    which = np.broadcast_to(np.arange(count)[:, None, None], (count, SIDE, SIDE))
    return map_coordinates(images, [which, cos * down - sin * right + centre, sin * down + cos * right + centre], order=1)


def _boxes(frame):
    """Return the five boxes of each slip, with a border.

    Shape:
        (slips * 5, 10, 10)
    """
    images = frame[PIXELS].to_numpy(dtype=float).reshape(-1, HEIGHT, WIDTH)
    boxes = [images[:, :, box * PITCH : box * PITCH + PITCH + 1] for box in range(BOXES)]
    return np.stack(boxes, axis=1).reshape(-1, HEIGHT, PITCH + 1)


def _unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _written(digits):
    return ["".join(map(str, row)) for row in np.asarray(digits).tolist()]


def _blank(frame):
    return pd.DataFrame({"id": frame["id"], "number": "10003"})
