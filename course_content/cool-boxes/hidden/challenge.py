"""The cool boxes of the challenge: eighteen hours of each, which no thermometer saw before the seed is drawn.

The weather is composed of real hours: two days of a year of hourly temperatures are blended, stretched and
shifted. In it stands a simulated box: walls that leak, a cooler with a thermostat that is weaker in the heat, and
people who open the door. Participants see twelve hours as a cheap sensor tells them; asked is what comes after.
"""

import functools
import json
import struct

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from vega_datasets import local_data

TRAIN, SAMPLE, HIDDEN = 2400, 40, 600
SEEN, AHEAD, BEFORE = 12, 6, 8  # hours; BEFORE: for the box to settle, seen by nobody
STEPS = 12  # an hour
UNITS = 12
SETTINGS = (2.0, 4.0, 6.0)
INPUTS = [
    *(f"in_{hour:02d}" for hour in range(1, SEEN + 1)),
    *(f"out_{hour:02d}" for hour in range(1, SEEN + 1)),
    *(f"door_{hour:02d}" for hour in range(1, SEEN + 1)),
    "hour",
    "setting",
]
RECENT = INPUTS[SEEN - AHEAD : SEEN]


def make(seed):
    """Make the known boxes, a sample of asked ones, and the hidden ones that count."""
    known, sample, hidden = _boxes(seed)
    return {
        "files": {
            "train.csv": known,
            "test.csv": sample.drop(columns="peak"),
            "line.safetensors": _line(known),
        },
        "hidden": {"test.csv": hidden.drop(columns="peak")},
        "truth": hidden[["id", "peak"]],
    }


def baselines(files, seed):
    """Say the highest of the last hours again; a straight line; a small network. The last two are models."""
    known, asked = files["train.csv"], _boxes(seed)[2]
    return {
        "recent": pd.DataFrame({"id": asked["id"], "peak": asked[RECENT].max(axis=1)}),
        "line": _line(known),
        "network": _network(known),
    }


def _line(known):
    """Return a straight line as weights for model.py."""
    mean, scale, rows = _scaled(known)
    fitted = Ridge(alpha=10.0).fit(rows, known["peak"])
    return _safetensors(
        {
            "mean": mean,
            "scale": scale,
            "line.weight": fitted.coef_.reshape(1, -1),
            "hidden.weight": np.zeros((0, len(INPUTS))),
            "hidden.bias": np.zeros(0),
            "out.weight": np.zeros((1, 0)),
            "out.bias": np.array([fitted.intercept_]),
        }
    )


def _network(known):
    """Return a small network as weights for model.py."""
    mean, scale, rows = _scaled(known)
    fitted = MLPRegressor(hidden_layer_sizes=(UNITS,), alpha=0.3, learning_rate_init=0.01, max_iter=150, random_state=0)
    fitted.fit(rows, known["peak"])
    (first, last), (bias, offset) = fitted.coefs_, fitted.intercepts_
    return _safetensors(
        {
            "mean": mean,
            "scale": scale,
            "line.weight": np.zeros((1, len(INPUTS))),
            "hidden.weight": first.T,
            "hidden.bias": bias,
            "out.weight": last.T,
            "out.bias": offset,
        }
    )


def _scaled(known):
    rows = known[INPUTS].to_numpy(dtype=float)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    return mean, scale, (rows - mean) / scale


def _safetensors(weights):
    """Return a safetensors file of 32-bit numbers: the header's length, the header, the numbers."""
    header, data = {}, b""
    for name, values in weights.items():
        packed = np.asarray(values, dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(np.shape(values)),
            "data_offsets": [len(data), len(data) + len(packed)],
        }
        data += packed
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + data


@functools.cache
def _boxes(seed):
    streams = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    return [_seen(*each) for each in zip((TRAIN, SAMPLE, HIDDEN), ("k", "s", "h"), streams, strict=True)]


def _seen(count, prefix, rng):
    """Return what the sensor tells of each box, and the peak of the hours after."""
    hours = BEFORE + SEEN + AHEAD
    start = rng.integers(0, 24, count)  # of the day
    outside = _weather(count, hours, start, rng)
    setting = rng.choice(SETTINGS, count)
    inside, door = _simulated(outside, start, setting, rng)
    ends = (BEFORE + np.arange(1, SEEN + 1)) * STEPS - 1
    told = inside[:, ends] + rng.normal(0, 0.15, (count, SEEN))
    rows = np.column_stack(
        [
            told.round(1),
            (outside[:, ends] + rng.normal(0, 0.3, (count, SEEN))).round(1),
            door[:, BEFORE : BEFORE + SEEN],
            (start + BEFORE + SEEN) % 24,
            setting,
        ]
    )
    frame = pd.DataFrame(rows, columns=INPUTS)
    frame = frame.astype({name: int for name in INPUTS if name.startswith("door") or name == "hour"})
    frame["peak"] = inside[:, (BEFORE + SEEN) * STEPS :].max(axis=1).round(2)
    frame.insert(0, "id", [f"{prefix}{number + 1:04d}" for number in range(count)])
    return frame


def _weather(count, hours, start, rng):
    """Blend, stretch and shift two real stretches of hours that begin at the same hour of the day.

    Shape:
        (count, hours * STEPS), in °C
    """
    year = (_year() - 32) / 1.8
    days = rng.integers(0, len(year) // 24 - 3, (2, count))
    first, second = (year[(day * 24 + start)[:, None] + np.arange(hours + 1)] for day in days)
    share = rng.uniform(0.3, 0.7, (count, 1))
    blend = share * first + (1 - share) * second
    swing = blend - blend.mean(axis=1, keepdims=True)
    level = rng.normal(17, 7, (count, 1))
    walk = np.cumsum(rng.normal(0, 0.25, (count, hours + 1)), axis=1)
    hourly = level + rng.uniform(0.8, 2.2, (count, 1)) * swing + walk
    places = np.arange(hours * STEPS) / STEPS
    below = places.astype(int)
    part = places - below
    return hourly[:, below] * (1 - part) + hourly[:, below + 1] * part


@functools.cache
def _year():
    return local_data.sf_temps()["temp"].to_numpy(dtype=float)


def _simulated(outside, start, setting, rng):
    """Let each box stand in its weather.

    Shape:
        outside (count, steps) -> inside (count, steps) in °C; minutes with the door open (count, hours)
    """
    count, steps = outside.shape
    leak = 1 / rng.uniform(2.5, 10, count)  # of the difference, an hour
    power = rng.uniform(3, 12, count)  # °C an hour
    busy = rng.gamma(1.2, 1.6, count)  # minutes an hour, in the middle of the day
    hour = (start[:, None] + np.arange(steps // STEPS)) % 24
    profile = np.exp(-(((hour - 13) / 5.0) ** 2)) + 0.05
    door = np.minimum(rng.poisson(busy[:, None] * profile) * rng.integers(1, 4, (count, 1)), 40)
    inside, is_on = np.empty((count, steps)), np.zeros(count, dtype=bool)
    now = setting + rng.normal(0, 1, count)
    for step in range(steps):
        is_on = (now > setting + 1) | (is_on & (now > setting - 1))
        weaker = np.clip(1 - 0.025 * (outside[:, step] - 20), 0.3, 1.1)
        warmer = (outside[:, step] - now) * (leak + door[:, step // STEPS] / 60 * 1.5)
        now = now + (warmer - is_on * power * weaker) / STEPS
        inside[:, step] = now
    return inside, door
