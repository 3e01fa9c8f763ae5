"""Hidden rows and baselines of the demand board.

The rows are a simulation and exist nowhere before publication. Two layers make them:

1. a weather generator *fitted on real days* (`vega_datasets`' Seattle weather, 2012 to 2015): two harmonics for
   the season, AR(1) residuals for the temperature, a two-state chain for rain, resampled rain amounts and winds;
2. a demand process for eight stations: weekday pattern by kind of station, comfort temperature, rain, holidays,
   growth, a slow random walk of each station's popularity, day-to-day noise and Poisson counts.

The training years (2024, 2025) come from a public seed and are given to students; the hidden year (2026) comes
from the seed drawn at publication. Hidden days are every second week, so that no column `trips_last_week` of one
hidden row is the answer of another; and each hidden week is cut from a 2026 of its own, so that the same column
two weeks later does not tell how the week after the asked one went.
"""

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from vega_datasets import local_data

PUBLIC_SEED = 20_240_101
FEATURES = [
    "station", "kind", "date", "holiday", "temp_max_c", "temp_min_c", "rain_mm", "wind_ms", "cars_parked",
    "trips_last_week",
]
# station: kind, trips on an average day
STATIONS = {
    "Hangang Park": ("park", 60.0),
    "Namsan": ("park", 36.0),
    "City Hall": ("office", 110.0),
    "Yeouido": ("office", 84.0),
    "Hangang University": ("campus", 70.0),
    "Nuri Campus": ("campus", 44.0),
    "Central Station": ("transit", 150.0),
    "Airport Rail": ("transit", 96.0),
}
# Monday to Sunday, as a factor on the average
WEEK = {
    "park": (0.70, 0.70, 0.74, 0.80, 1.05, 1.60, 1.50),
    "office": (1.18, 1.22, 1.22, 1.20, 1.12, 0.55, 0.45),
    "campus": (1.15, 1.20, 1.20, 1.15, 1.05, 0.70, 0.60),
    "transit": (0.98, 0.92, 0.92, 0.98, 1.20, 1.05, 0.95),
}
# kind: (best temperature in °C, how much the cold or heat matters, loss on a wet day, factor on a holiday)
TASTE = {
    "park": (23.0, 1.00, 0.55, 1.45),
    "office": (18.0, 0.25, -0.10, 0.45),
    "campus": (19.0, 0.45, 0.15, 0.55),
    "transit": (18.0, 0.20, -0.15, 1.10),
}
HOLIDAYS = {(1, 1), (3, 1), (5, 5), (6, 6), (8, 15), (10, 3), (10, 9), (12, 25)}


class Weather(NamedTuple):
    """What the real days say: seasonal curves, residuals, and the chain of dry and wet days."""

    high: np.ndarray
    spread: np.ndarray
    persistence: float
    noise: float
    wet_after: np.ndarray  # month x (after a dry day, after a wet day)
    rain: dict[int, np.ndarray]  # month -> amounts of wet days
    wind: dict[int, np.ndarray]  # month -> winds


def seasonal(day_of_year: np.ndarray) -> np.ndarray:
    """Columns 1, cos, sin, cos 2, sin 2 of the year's angle."""
    angle = 2 * np.pi * np.asarray(day_of_year, dtype=float) / 365.25
    return np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])


@functools.cache
def fit_weather() -> Weather:
    """Fit the generator on the real table."""
    days = local_data.seattle_weather().sort_values("date").reset_index(drop=True)
    curve = seasonal(days["date"].dt.day_of_year.to_numpy())
    high, *_ = np.linalg.lstsq(curve, days["temp_max"].to_numpy(float), rcond=None)
    spread, *_ = np.linalg.lstsq(curve, (days["temp_max"] - days["temp_min"]).to_numpy(float), rcond=None)
    residual = days["temp_max"].to_numpy(float) - curve @ high
    persistence = float(np.corrcoef(residual[:-1], residual[1:])[0, 1])
    noise = float(residual.std() * np.sqrt(1 - persistence**2))
    wet = (days["precipitation"] > 0).to_numpy()
    month = days["date"].dt.month.to_numpy()
    wet_after = np.empty((12, 2))
    for number in range(12):
        for before in (0, 1):
            chosen = (month[1:] == number + 1) & (wet[:-1] == bool(before))
            wet_after[number, before] = (wet[1:][chosen].sum() + 1) / (chosen.sum() + 2)
    rain = {m: g.loc[g["precipitation"] > 0, "precipitation"].to_numpy() for m, g in days.groupby(month)}
    wind = {m: g["wind"].to_numpy() for m, g in days.groupby(month)}
    return Weather(high, spread, persistence, noise, wet_after, rain, wind)


def simulate_weather(dates: pd.DatetimeIndex, rng: np.random.Generator) -> pd.DataFrame:
    """Draw one possible weather for these consecutive days."""
    fitted = fit_weather()
    curve = seasonal(dates.day_of_year.to_numpy())
    residual, wet, rows = 0.0, 0, []
    for position, date in enumerate(dates):
        wet = int(rng.random() < fitted.wet_after[date.month - 1, wet])
        residual = fitted.persistence * residual + rng.normal(0, fitted.noise)
        high = curve[position] @ fitted.high + residual - 1.0 * wet
        low = high - max(1.0, curve[position] @ fitted.spread * (0.75 if wet else 1.05) + rng.normal(0, 1.2))
        rain = float(rng.choice(fitted.rain[date.month])) * rng.lognormal(0, 0.15) if wet else 0.0
        wind = float(rng.choice(fitted.wind[date.month])) * rng.lognormal(0, 0.10)
        rows.append((round(high, 1), round(low, 1), round(rain, 1), round(wind, 1)))
    return pd.DataFrame(rows, columns=["temp_max_c", "temp_min_c", "rain_mm", "wind_ms"], index=dates)


def expected_trips(kind: str, dates: pd.DatetimeIndex, weather: pd.DataFrame, holiday: np.ndarray) -> np.ndarray:
    """Return the factor on a station's average day, before its own ups and downs."""
    best, care, loss, on_holiday = TASTE[kind]
    week = np.array(WEEK[kind])[dates.day_of_week.to_numpy()]
    mild = -care * ((weather["temp_max_c"].to_numpy() - best) / 13.0) ** 2
    wet = -loss * np.tanh(weather["rain_mm"].to_numpy() / 6.0)
    wind = -0.04 * care * np.clip(weather["wind_ms"].to_numpy() - 5.0, 0, None)
    break_ = np.isin(dates.month.to_numpy(), (1, 2, 7, 8)) & (kind == "campus")
    return np.where(holiday, on_holiday, week) * np.exp(mild + wet + wind - 0.45 * break_)


def simulate(first: str, last: str, seed: int | list[int]) -> pd.DataFrame:
    """Simulate all stations for the days from first to last; the first week only feeds `trips_last_week`."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range(first, last, freq="D")
    weather = simulate_weather(dates, rng)
    holiday = np.array([(d.month, d.day) in HOLIDAYS for d in dates])
    growth = 1.0 + 0.08 * (dates - pd.Timestamp("2024-01-01")).days.to_numpy() / 365.25
    frames = []
    for station, (kind, average) in STATIONS.items():
        walk = np.cumsum(rng.normal(0, 0.007, len(dates)))
        mean = average * growth * expected_trips(kind, dates, weather, holiday)
        mean = mean * np.exp(walk + rng.normal(0, 0.05, len(dates)))
        trips = rng.poisson(mean)
        frame = weather.assign(station=station, kind=kind, date=dates.strftime("%Y-%m-%d"),
                               holiday=holiday.astype(int), trips=trips)
        frame["cars_parked"] = np.round(average * 0.5 + rng.normal(0, average * 0.06, len(dates))).astype(int)
        frame["trips_last_week"] = frame["trips"].shift(7)
        frames.append(frame.iloc[7:])
    table = pd.concat(frames, ignore_index=True)
    table["trips_last_week"] = table["trips_last_week"].astype(int)
    return table[[*FEATURES, "trips"]]


def training_frame() -> pd.DataFrame:
    """Return the public years, the same as `data/train.csv`."""
    return simulate("2023-12-25", "2025-12-31", PUBLIC_SEED)


def make_hidden(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw the hidden weeks: every second of 2026, each from a year of its own; stations and days in mixed order."""
    weeks = []
    for start in pd.date_range("2026-01-01", "2026-12-31", freq="14D"):
        end = min(start + pd.Timedelta(days=6), pd.Timestamp("2026-12-31"))
        year = simulate("2025-12-25", end.strftime("%Y-%m-%d"), [seed, 2, start.day_of_year])
        weeks.append(year[year["date"] >= start.strftime("%Y-%m-%d")])
    table = pd.concat(weeks, ignore_index=True)
    order = np.random.default_rng([seed, 1]).permutation(len(table))
    table = table.iloc[order].reset_index(drop=True)
    return table[FEATURES], table["trips"].to_numpy(dtype=float)


def ridge_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the plain columns of the linear baseline."""
    return frame.assign(weekday=pd.to_datetime(frame["date"]).dt.day_of_week.astype(str))


def boosted_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of the boosted baseline."""
    date = pd.to_datetime(frame["date"])
    return pd.DataFrame({
        "station": frame["station"].map({name: number for number, name in enumerate(STATIONS)}),
        "weekday": date.dt.day_of_week,
        "month": date.dt.month,
        "years": (date - pd.Timestamp("2024-01-01")).dt.days / 365.25,
        "before": np.log1p(frame["trips_last_week"]),
        **{name: frame[name] for name in ("holiday", "temp_max_c", "rain_mm", "wind_ms")},
    })


def baselines(features: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """Predict with four simple ways that know the public years and these features only."""
    del seed  # nothing here is random
    train = training_frame()
    numbers = ["temp_max_c", "temp_min_c", "rain_mm", "wind_ms", "holiday", "trips_last_week"]
    model = make_pipeline(
        make_column_transformer(
            (StandardScaler(), numbers),
            (OneHotEncoder(handle_unknown="ignore"), ["station", "weekday"]),
        ),
        Ridge(alpha=1.0),
    )
    model.fit(ridge_columns(train), train["trips"])
    boosted = HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.08, max_leaf_nodes=15, categorical_features=["station"], random_state=0
    )
    boosted.fit(boosted_columns(train), np.log1p(train["trips"]))
    return {
        "mean": np.full(len(features), train["trips"].mean()),
        "last_week": features["trips_last_week"].to_numpy(dtype=float),
        "ridge": np.clip(model.predict(ridge_columns(features)), 0, None),
        "boosted": np.expm1(boosted.predict(boosted_columns(features))),
    }
