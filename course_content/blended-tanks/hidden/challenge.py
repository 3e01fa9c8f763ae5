"""The tanks of the challenge: blends of real wines that exist nowhere before the seed is drawn.

scikit-learn's 178 wines are public, so no row is one of them. Each tank blends three wines of each of three
grapes, in shares drawn from the seed; the blend ages; then two of three laboratories measure it, each with
its own bias and noise. Amounts blend by volume, ratios do not: those are taken apart first and made again.
"""

import functools

import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TRAIN_TANKS, TEST_TANKS = 260, 240
LABS = ("A", "B", "C")
MEASURES = (
    "alcohol", "malic_acid", "ash", "alkalinity_of_ash", "magnesium", "phenols", "flavonoids",
    "other_phenols", "proanthocyanins", "colour", "hue", "od_ratio", "proline",
)
COLOUR, HUE, PHENOLS, OD_RATIO = 9, 10, 5, 11
ASKED = 2  # the grape whose share is asked for
# What a month in the tank does, as a rate: malic acid, phenols, flavonoids, tannins; yellow and red light.
MONTHLY = {1: -0.015, 5: -0.008, 6: -0.016, 8: -0.010}
YELLOW, RED = 0.004, -0.020
BIAS, NOISE, ABSENT = 0.07, 0.035, 0.04


def make(seed):
    """Make the training tanks, the asked ones, and what is in these."""
    biases, *streams = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(4))
    bias = np.exp(biases.normal(0, BIAS, (len(LABS), len(MEASURES))))
    known = _samples(TRAIN_TANKS, "k", bias, streams[0])
    asked = _samples(TEST_TANKS, "t", bias, streams[1])
    tanks = asked["tank"].tolist()
    return {
        "files": {
            "train.csv": known,
            "test.csv": asked.drop(columns="share"),
            "sample_submission.csv": pd.DataFrame({"id": asked["id"], "share": 33.3}),
        },
        "truth": asked[["id", "share"]],
        "groups": tanks,
    }


def baselines(files, seed):
    """Predict the middle, like the nearest known sample, and by a straight line."""
    del seed  # nothing here is random
    known, asked = files["train.csv"], files["test.csv"]
    models = {
        "nearest": KNeighborsRegressor(n_neighbors=1),
        "ridge": Ridge(alpha=3.0),
    }
    said = {"median": np.full(len(asked), known["share"].median())}
    for key, model in models.items():
        whole = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model)
        whole.fit(_columns(known), known["share"])
        said[key] = np.clip(whole.predict(_columns(asked)), 0, 100)
    return {key: pd.DataFrame({"id": asked["id"], "share": values.round(2)}) for key, values in said.items()}


def _columns(frame):
    return frame[[*MEASURES, "months"]].assign(**{lab: (frame["lab"] == lab).astype(float) for lab in LABS})


def _samples(tanks, prefix, bias, rng):
    """Return two samples of each tank, in mixed order."""
    contents, months, shares = _tanks(tanks, rng)
    rows = []
    for tank in range(tanks):
        for lab in rng.choice(len(LABS), size=2, replace=False):
            measured = contents[tank] * bias[lab] * np.exp(rng.normal(0, NOISE, len(MEASURES)))
            measured[rng.random(len(MEASURES)) < ABSENT] = np.nan
            rows.append((f"{prefix}{tank + 1:03d}", LABS[lab], round(months[tank]), *measured, shares[tank]))
    frame = pd.DataFrame(rows, columns=["tank", "lab", "months", *MEASURES, "share"])
    frame = frame.round({name: 2 for name in MEASURES} | {"magnesium": 0, "proline": 0, "share": 1})
    frame = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    frame.insert(0, "id", [f"{prefix}-{number + 1:04d}" for number in range(len(frame))])
    return frame


def _tanks(count, rng):
    """Blend and age tanks.

    Shape:
        contents (count, 13), months (count,), share of the asked grape in percent (count,).
    """
    parts, grapes = _apart()
    share = rng.beta(0.9, 1.5, count)
    rest = rng.uniform(size=count) * (1 - share)
    shares = np.column_stack([rest, 1 - share - rest, share])
    contents = np.zeros((count, len(MEASURES)))
    for tank in range(count):
        for grape, wines in enumerate(grapes):
            weights = rng.dirichlet(np.ones(3)) * shares[tank, grape]
            contents[tank] += weights @ parts[rng.choice(wines, size=3, replace=False)]
    months = rng.uniform(0, 18, count)
    return _together(_aged(contents, months)), months, 100 * share


@functools.cache
def _apart():
    """Return the wines with colour and ratios as amounts, and the wines of each grape."""
    wine = load_wine()
    parts = wine.data.copy()
    red = parts[:, COLOUR] / (1 + parts[:, HUE])  # colour = yellow + red, hue = yellow / red
    parts[:, HUE] = parts[:, COLOUR] - red
    parts[:, COLOUR] = red
    parts[:, OD_RATIO] *= parts[:, PHENOLS]
    return parts, [np.flatnonzero(wine.target == grape) for grape in range(3)]


def _aged(contents, months):
    aged = contents.copy()
    for column, rate in (MONTHLY | {HUE: YELLOW, COLOUR: RED}).items():
        aged[:, column] *= np.exp(rate * months)
    return aged


def _together(contents):
    whole = contents.copy()
    red, yellow = contents[:, COLOUR], contents[:, HUE]
    whole[:, COLOUR], whole[:, HUE] = red + yellow, yellow / red
    whole[:, OD_RATIO] = contents[:, OD_RATIO] / contents[:, PHENOLS]
    return whole
