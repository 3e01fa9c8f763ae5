"""What looking hidden rows up scores, for all of course_content that has any; run in the lab environment.

    python lookup_program.py FOLDER SEED

Prints, by name: the honest baselines, each look-up, how many hidden rows stand in public data,
and for one kind of data what the same look-ups score where rows were only noised (`control`).
"""

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import Ridge

SIDE = 8


def main(content: Path, seed: int) -> None:
    """Print the figures of all."""
    found = {
        "digits-board": digits_board(content / "deep-learning-first-steps/labs/digits-board", seed),
        "demand-board": demand_board(content / "data-work-that-holds/labs/demand-board", seed),
        "blended-tanks": blended_tanks(content / "blended-tanks", seed),
        "carbon-copies": carbon_copies(content / "carbon-copies", seed),
        "cool-boxes": cool_boxes(content / "cool-boxes", seed),
    }
    sys.stdout.write(json.dumps(found))


def digits_board(folder: Path, seed: int) -> dict[str, Any]:
    """Look composed digits up among the shipped ones: as they are, straightened, bent, in pairs."""
    author = module(folder / "hidden/board.py")
    rows, labels = author.make_hidden(seed)
    honest = {key: accuracy(labels, said) for key, said in author.baselines(rows, seed).items()}
    shipped = load_digits()
    noised = shipped.data + np.random.default_rng(seed).normal(0, 1.2, shipped.data.shape)
    bent = [bend(shipped.images, author, np.random.default_rng([seed, 9, copy])) for copy in range(2)]
    copies = np.concatenate([shipped.data, *bent])
    return {
        "better": "max",
        "honest": honest,
        "lookups": {
            **digit_lookups(rows, labels),
            "among bent copies": accuracy(
                labels, np.tile(shipped.target, 3)[closest(unit(rows), unit(copies))]
            ),
            "nearest pair": accuracy(labels, pair_lookup(rows)),
        },
        "copies": same_rows(rows, shipped.data),
        "control": digit_lookups(noised, shipped.target),
    }


def digit_lookups(rows: Any, labels: Any) -> dict[str, float]:
    """Score the nearest shipped digit by three measures."""
    shipped = load_digits()
    pairs = {
        "nearest": (rows.astype(float), shipped.data),
        "nearest by angle": (unit(rows), unit(shipped.data)),
        "nearest, straightened": (unit(straight(rows)), unit(straight(shipped.data))),
    }
    return {name: accuracy(labels, shipped.target[closest(*each)]) for name, each in pairs.items()}


def pair_lookup(rows: Any) -> Any:
    """Return the class whose two best digits, laid over each other, leave least of each row."""
    shipped = load_digits()
    left = np.empty((len(rows), 10))
    scaled = unit(rows)
    for label in range(10):
        known = unit(shipped.data[shipped.target == label])
        first = known[(scaled @ known.T).argmax(axis=1)]
        rest = scaled - (scaled * first).sum(axis=1, keepdims=True) * first
        second = known[(rest @ known.T).argmax(axis=1)]
        across = unit(second - (second * first).sum(axis=1, keepdims=True) * first)
        left[:, label] = np.linalg.norm(rest - (rest * across).sum(axis=1, keepdims=True) * across, axis=1)
    return left.argmin(axis=1)


def demand_board(folder: Path, seed: int) -> dict[str, Any]:
    """Look days up in the training years and in the other hidden rows."""
    author = module(folder / "hidden/board.py")
    rows, trips = author.make_hidden(seed)
    honest = {key: distance(trips, said) for key, said in author.baselines(rows, seed).items()}
    known = pd.read_csv(folder / "data/train.csv")
    numbers = ["temp_max_c", "temp_min_c", "rain_mm", "wind_ms", "cars_parked", "trips_last_week"]
    middle, width = known[numbers].mean(), known[numbers].std()

    def placed(frame: Any) -> Any:
        date = pd.to_datetime(frame["date"])
        angle = 2 * np.pi * date.dt.day_of_year / 365.25
        day = np.where(frame["holiday"] == 1, 7, date.dt.day_of_week)
        apart = [
            10.0 * np.equal.outer(values, kinds)
            for values, kinds in (
                (frame["station"].to_numpy(), np.array(list(author.STATIONS))),
                (day, np.arange(8)),
            )
        ]
        return np.column_stack([(frame[numbers] - middle) / width, *apart, np.cos(angle), np.sin(angle)])

    by_day = {
        (station, day): value
        for station, day, value in zip(
            rows["station"], pd.to_datetime(rows["date"]), rows["trips_last_week"], strict=True
        )
    }
    days = [
        (station, day) for station, day in zip(rows["station"], pd.to_datetime(rows["date"]), strict=True)
    ]
    later = [by_day.get((station, day + pd.Timedelta(days=14)), np.nan) for station, day in days]
    weather = ["temp_max_c", "temp_min_c", "rain_mm", "wind_ms"]
    return {
        "better": "min",
        "honest": honest,
        "lookups": {
            "nearest numbers": distance(
                trips,
                known["trips"].to_numpy()[
                    closest(*(((frame[numbers] - middle) / width).to_numpy() for frame in (rows, known)))
                ],
            ),
            "nearest day of the station": distance(
                trips, known["trips"].to_numpy()[closest(placed(rows), placed(known))]
            ),
            "a year before": distance(trips, year_before(rows, known)),
            "weeks before and after": distance(trips, np.nanmean([rows["trips_last_week"], later], axis=0)),
        },
        "copies": same_rows(rows[weather].to_numpy(), known[weather].drop_duplicates().to_numpy())
        + sum((station, day + pd.Timedelta(days=7)) in by_day for station, day in days),
    }


def year_before(rows: Any, known: Any) -> Any:
    """Return the trips 364 days before, the same weekday; last week's where there were none."""
    then = {
        (s, d): trips for s, d, trips in zip(known["station"], known["date"], known["trips"], strict=True)
    }
    dates = (pd.to_datetime(rows["date"]) - pd.Timedelta(days=364)).dt.strftime("%Y-%m-%d")
    lists = zip(rows["station"], dates, rows["trips_last_week"], strict=True)
    return np.array([then.get((station, date), last) for station, date, last in lists], dtype=float)


def blended_tanks(folder: Path, seed: int) -> dict[str, Any]:
    """Look tanks up among the shipped wines, also with age and laboratory taken out."""
    author, made = challenge(folder, seed)
    asked, known = made["files"]["test.csv"], made["files"]["train.csv"]
    share, measures = made["truth"]["share"].to_numpy(), list(author.MEASURES)
    wine = load_wine()
    holds = 100.0 * (wine.target == author.ASKED)
    filled = asked[measures].fillna(asked[measures].median()).to_numpy()
    parts, _ = author._apart()
    undone = young(asked, filled, author)
    near = np.argsort(np.square(alike(undone)[:, None] - alike(np.log(parts))).sum(axis=2), axis=1)[:, :5]
    return {
        "better": "min",
        "honest": {
            key: distance(share, said["share"]) for key, said in author.baselines(made["files"], seed).items()
        },
        "lookups": {
            "nearest wine": distance(
                share, holds[closest((filled - wine.data.mean(0)) / wine.data.std(0), alike(wine.data))]
            ),
            "nearest wine, both normalised": distance(share, holds[closest(alike(filled), alike(wine.data))]),
            "nearest wine, ageing and laboratory undone": distance(share, holds[near[:, 0]]),
            "five nearest wines, undone": distance(share, holds[near].mean(axis=1)),
        },
        "copies": same_rows(asked[measures].to_numpy(), wine.data.round(2))
        + same_rows(asked[measures].to_numpy(), known[measures].to_numpy()),
    }


def young(asked: Any, filled: Any, author: Any) -> Any:
    """Return the logarithms of a tank's amounts with its months and its laboratory's level taken out."""
    amounts = filled.copy()
    red = filled[:, author.COLOUR] / (1 + filled[:, author.HUE])
    amounts[:, author.HUE], amounts[:, author.COLOUR] = filled[:, author.COLOUR] - red, red
    amounts[:, author.OD_RATIO] *= filled[:, author.PHENOLS]
    rates = author.MONTHLY | {author.HUE: author.YELLOW, author.COLOUR: author.RED}
    logs = np.log(amounts)
    for column, rate in rates.items():
        logs[:, column] -= rate * asked["months"].to_numpy()
    for lab in author.LABS:
        logs[asked["lab"] == lab] -= logs[asked["lab"] == lab].mean(axis=0)
    return logs


def carbon_copies(folder: Path, seed: int) -> dict[str, Any]:
    """Look boxes up among the shipped digits, also straightened, moved, and with the check digit."""
    author, made = challenge(folder, seed)
    numbers, hidden = made["truth"]["number"].to_numpy(), made["hidden"]["test.csv"]
    boxes, shipped = author._boxes(hidden), load_digits()
    inner = boxes[:, 1:-1, 1:-1]
    moved = [placed_at(shipped.images, down, right) for down in range(3) for right in range(3)]
    ways = {
        "in place": (inner, [shipped.images]),
        "in place, straightened": (
            straight(inner).reshape(inner.shape),
            [straight(shipped.data).reshape(-1, SIDE, SIDE)],
        ),
        "moved about, shadow cut off": (np.clip(boxes - 25, 0, None), moved),
    }
    lookups = {}
    for name, (rows, known) in ways.items():
        likeness = np.max([author._likeness(rows, images, shipped.target) for images in known], axis=0)
        lookups[name] = accuracy(numbers, author._written(likeness.argmax(axis=2)))
        lookups[f"{name}, check digit"] = accuracy(numbers, author._written(author._best_valid(likeness)))
    known = made["files"]["train.csv"][author.PIXELS].to_numpy()
    return {
        "better": "max",
        "honest": {
            key: accuracy(numbers, said["number"])
            for key, said in author.baselines(made["files"], seed).items()
        },
        "lookups": lookups,
        "copies": same_rows(hidden[author.PIXELS].to_numpy(), known)
        + same_rows(np.rint(inner / author.INK * 16).reshape(len(inner), -1), shipped.data),
    }


def cool_boxes(folder: Path, seed: int) -> dict[str, Any]:
    """Look notes up among the known boxes, and their weather in the shipped year."""
    author, made = challenge(folder, seed)
    known, asked = made["files"]["train.csv"], author._boxes(seed)[2]
    peak, inputs = asked["peak"].to_numpy(), author.INPUTS
    middle, width = known[inputs].mean(), known[inputs].std()
    rows, others = (((frame[inputs] - middle) / width).to_numpy() for frame in (asked, known))
    recent = author.RECENT
    year = (author._year() - 32) / 1.8
    outside = [name for name in inputs if name.startswith("out")]
    hours = asked[outside].to_numpy()
    program = module(folder / "data/model.py")
    weights = module(Path(__file__).parents[2] / "lms/leaderboards/core/model_program.py").read_weights
    given = asked[inputs].to_numpy(dtype=np.float32)
    ahead = [weather_after(frame, outside, year) for frame in (known, asked)]
    informed = Ridge(alpha=10.0).fit(np.column_stack([others, ahead[0]]), known["peak"])
    return {
        "better": "min",
        "honest": {
            key: distance(
                peak,
                program.predict(weights(np, said), given)[:, 0] if isinstance(said, bytes) else said["peak"],
            )
            for key, said in author.baselines(made["files"], seed).items()
        },
        "lookups": {
            "nearest notes": distance(peak, known["peak"].to_numpy()[closest(rows, others)]),
            "nearest recent hours": distance(
                peak, known["peak"].to_numpy()[closest(asked[recent].to_numpy(), known[recent].to_numpy())]
            ),
            "straight line that knows the nearest weather": distance(
                peak, informed.predict(np.column_stack([rows, ahead[1]]))
            ),
        },
        "copies": same_rows(hours, stretches(year, len(outside)).round(1))
        + same_rows(asked[inputs].to_numpy(), known[inputs].to_numpy()),
    }


def weather_after(frame: Any, outside: list[str], year: Any) -> Any:
    """Return the six hours after the real stretch that looks most like each one's, stretched as that is."""
    hours, real = frame[outside].to_numpy(), stretches(year, len(outside) + 6)
    seen = real[:, : len(outside)]
    near = closest(*(unit(each - each.mean(axis=1, keepdims=True)) for each in (hours, seen)))
    tall = hours.std(axis=1) / np.maximum(seen[near].std(axis=1), 1e-9)
    moved = real[near] - seen[near].mean(axis=1, keepdims=True)
    return hours.mean(axis=1, keepdims=True) + moved[:, len(outside) :] * tall[:, None]


def stretches(year: Any, length: int) -> Any:
    """Return every run of so many hours."""
    return np.lib.stride_tricks.sliding_window_view(year, length)


def placed_at(images: Any, down: int, right: int) -> Any:
    """Return the digits somewhere in boxes of 10 × 10."""
    boxes = np.zeros((len(images), SIDE + 2, SIDE + 2))
    boxes[:, down : down + SIDE, right : right + SIDE] = images
    return boxes


def straight(rows: Any) -> Any:
    """Move each digit's weight to the middle and take its slant out, after cutting noise off."""
    made, places = [], np.indices((SIDE, SIDE))
    for image in np.clip(np.asarray(rows, dtype=float).reshape(-1, SIDE, SIDE) - 1.5, 0, None):
        centre = (places * image).sum(axis=(1, 2)) / max(image.sum(), 1e-9)
        down, right = places - centre[:, None, None]
        slant = (down * right * image).sum() / max((down**2 * image).sum(), 1e-9)
        back = np.array([[1.0, 0.0], [slant, 1.0]])
        made.append(
            affine_transform(image, back, centre - back @ np.full(2, (SIDE - 1) / 2), order=1).ravel()
        )
    return np.array(made)


def bend(images: Any, author: Any, rng: Any) -> Any:
    """Return one bent copy of each digit."""
    return np.array([author._bend(image, rng, 20.0, 0.14, 0.8).ravel() for image in images])


def challenge(folder: Path, seed: int) -> tuple[Any, dict[str, Any]]:
    """Return a challenge's module and what it makes."""
    author = module(folder / "hidden/challenge.py")
    return author, author.make(seed)


def module(path: Path) -> Any:
    """Return an author's module, as the jail reads it."""
    made = types.ModuleType("author")
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), made.__dict__)  # noqa: S102  # ours
    return made


def alike(rows: Any) -> Any:
    """Return each column with mean 0 and deviation 1."""
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def unit(rows: Any) -> Any:
    """Return each row with length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def closest(rows: Any, known: Any) -> Any:
    """Return the number of the nearest known row for each row."""
    return (np.square(known).sum(axis=1) - 2 * rows @ known.T).argmin(axis=1)


def same_rows(rows: Any, known: Any) -> int:
    """Return how many rows stand among the known ones, value for value."""
    there = {tuple(row) for row in np.asarray(known, dtype=float).tolist()}
    return sum(tuple(row) in there for row in np.asarray(rows, dtype=float).tolist())


def accuracy(truth: Any, said: Any) -> float:
    """Return the share that is right."""
    return float((np.asarray(truth) == np.asarray(said)).mean())


def distance(truth: Any, said: Any) -> float:
    """Return the mean absolute error."""
    return float(np.abs(np.asarray(truth) - np.asarray(said)).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
