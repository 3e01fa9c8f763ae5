"""How the teams of the demonstration's warm-up round predict: a program that stands alone, with numpy only.

    python solution.py TRAIN.csv TEST.csv FOLDER RECIPE...

It writes FOLDER/RECIPE.csv for each recipe, and prints as JSON how far each is off on tanks of the training
data that it was not fitted to. The team that is asked to prove its place hands in this very file.
"""

import csv
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MEASURES = (
    "alcohol", "malic_acid", "ash", "alkalinity_of_ash", "magnesium", "phenols", "flavonoids",
    "other_phenols", "proanthocyanins", "colour", "hue", "od_ratio", "proline",
)  # fmt: skip
PHENOLS, COLOUR, HUE, OD_RATIO = (MEASURES.index(name) for name in ("phenols", "colour", "hue", "od_ratio"))
LABS = ("A", "B", "C")
FOLDS = 5
NEIGHBOURS = 9
STIFFNESS = 3.0  # of the ridge
SMOOTHNESS, WIDTH = 0.1, 4.0  # of the curved surface; the width for each column
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Samples as they were measured; `shares` is empty where they are asked for."""

    ids: tuple[str, ...]
    tanks: Values
    """Of each sample the number of its tank."""
    measured: Values
    """Shape: samples x (measures, months, laboratories); NaN where nothing was measured."""
    shares: Values

    def at(self, chosen: NDArray[np.bool_]) -> "Samples":
        """Return some of the samples."""
        ids = tuple(name for name, taken in zip(self.ids, chosen, strict=True) if taken)
        shares = self.shares[chosen] if self.shares.size else self.shares
        return Samples(ids, self.tanks[chosen], self.measured[chosen], shares)


Recipe = Callable[[Samples, Samples], Values]
"""From known and asked samples to the shares of the asked ones, in percent."""


def read(path: Path) -> Samples:
    """Read `train.csv` or `test.csv` of the challenge."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = {name: number for number, name in enumerate(sorted({row["tank"] for row in rows}))}
    measured = [
        [
            *(float(row[name] or "nan") for name in (*MEASURES, "months")),
            *(float(row["lab"] == lab) for lab in LABS),
        ]
        for row in rows
    ]
    shares = [float(row["share"]) for row in rows if "share" in row]
    tanks = np.array([numbers[row["tank"]] for row in rows], dtype=float)
    return Samples(tuple(row["id"] for row in rows), tanks, np.array(measured), np.array(shares))


def amounts(measured: Values) -> Values:
    """Return the columns with the ratios as amounts, which blend by volume as the others do."""
    found = measured.copy()
    red = found[:, COLOUR] / (1 + found[:, HUE])  # colour is yellow and red light, hue is yellow over red
    found[:, HUE] = found[:, COLOUR] - red
    found[:, COLOUR] = red
    found[:, OD_RATIO] *= found[:, PHENOLS]
    return found


def with_amounts(measured: Values) -> Values:
    """Return the columns as they are, and beside them those that `amounts` changes."""
    return np.hstack([measured, amounts(measured)[:, [COLOUR, HUE, OD_RATIO]]])


def even(known: Values, asked: Values) -> tuple[Values, Values]:
    """Fill what was not measured with the middle, and bring all columns to one scale."""
    middle = np.nanmedian(known, axis=0)
    known, asked = (np.where(np.isnan(each), middle, each) for each in (known, asked))
    mean, spread = known.mean(axis=0), known.std(axis=0)
    spread[spread == 0] = 1
    return (known - mean) / spread, (asked - mean) / spread


def median(known: Samples, asked: Samples) -> Values:
    """Always say the middle."""
    return np.full(len(asked.ids), np.median(known.shares))


def neighbours(known: Samples, asked: Samples) -> Values:
    """Say the mean of the nearest known samples."""
    old, new = even(known.measured, asked.measured)
    nearest = np.argsort(distances(new, old), axis=1, kind="stable")[:, :NEIGHBOURS]
    found: Values = known.shares[nearest].mean(axis=1)
    return found


def ridge(known: Samples, asked: Samples) -> Values:
    """Fit a stiff plane to the columns as they are."""
    return plane(*even(known.measured, asked.measured), known.shares)


def volumes(known: Samples, asked: Samples) -> Values:
    """Fit a stiff plane to amounts in place of the ratios."""
    return plane(*even(amounts(known.measured), amounts(asked.measured)), known.shares)


def amended(known: Samples, asked: Samples) -> Values:
    """Fit a stiff plane to the columns as they are, with the amounts behind the ratios beside them."""
    return plane(*even(with_amounts(known.measured), with_amounts(asked.measured)), known.shares)


def averaged(known: Samples, asked: Samples) -> Values:
    """Say for both samples of a tank the mean of what `amended` says of each."""
    said = amended(known, asked)
    _, tank = np.unique(asked.tanks, return_inverse=True)
    found: Values = (np.bincount(tank, said) / np.bincount(tank))[tank]
    return found


def curve(known: Samples, asked: Samples) -> Values:
    """Fit a smooth curved surface to the columns as they are."""
    old, new = even(known.measured, asked.measured)
    near, far = (np.exp(-distances(each, old) / (WIDTH * old.shape[1])) for each in (old, new))
    mean = known.shares.mean()
    weights = np.linalg.solve(near + SMOOTHNESS * np.eye(len(old)), known.shares - mean)
    found: Values = mean + far @ weights
    return found


def blend(known: Samples, asked: Samples) -> Values:
    """Say the mean of the plane and the curved surface."""
    return (ridge(known, asked) + curve(known, asked)) / 2


RECIPES: Mapping[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (median, neighbours, ridge, volumes, amended, averaged, curve, blend)
}


def plane(old: Values, new: Values, shares: Values) -> Values:
    """Fit by ridge regression; the mean share is no coefficient."""
    mean = shares.mean()
    weights = np.linalg.solve(old.T @ old + STIFFNESS * np.eye(old.shape[1]), old.T @ (shares - mean))
    found: Values = mean + new @ weights
    return found


def distances(one: Values, other: Values) -> Values:
    """Return the squared distances between all rows of two tables."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    found: Values = np.maximum(squares, 0)
    return found


def error(recipe: Recipe, known: Samples) -> float:
    """Return the mean absolute error of a recipe on tanks that were left out, a fifth of them at a time."""
    missed = np.empty(len(known.ids))
    for fold in range(FOLDS):
        left_out = known.tanks % FOLDS == fold
        said = np.clip(recipe(known.at(~left_out), known.at(left_out)), 0, 100)
        missed[left_out] = np.abs(said - known.shares[left_out])
    return float(missed.mean())


def write(path: Path, asked: Samples, said: Values) -> None:
    """Write what the challenge takes: an id and a share a line."""
    lines = [f"{name},{share:.2f}\n" for name, share in zip(asked.ids, np.clip(said, 0, 100), strict=True)]
    path.write_text("id,share\n" + "".join(lines), encoding="utf-8")


def main(train: str, test: str, folder: str, *recipes: str) -> None:
    """Predict by each of the recipes, and say how far they are off."""
    known, asked = read(Path(train)), read(Path(test))
    for name in recipes:
        write(Path(folder) / f"{name}.csv", asked, RECIPES[name](known, asked))
    sys.stdout.write(json.dumps({name: round(error(RECIPES[name], known), 2) for name in recipes}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
