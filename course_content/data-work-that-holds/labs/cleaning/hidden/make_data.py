"""Write data/fleet_export.csv again: the real cars table, as two branches of a company would have exported it.

Everything is drawn from one fixed seed, so the file is the same each time.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from vega_datasets import local_data

TARGET = Path(__file__).resolve().parents[1] / "data" / "fleet_export.csv"
SEED = 20_260_105
KM_PER_L = 0.425143707  # one US mile per gallon
KG = 0.45359237  # one pound
MISSING = ("", "-", "?", "n/a", "N/A", "-999")
BRANCHES = {"seoul": ("Seoul", "서울", "seoul ", "SEOUL"), "busan": ("Busan", "부산", " busan", "BUSAN")}


def missing_mark(rng: np.random.Generator) -> str:
    """Return one of the ways in which people write nothing."""
    return str(rng.choice(MISSING))


def written_fuel(mpg: float, branch: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return the number and the unit as the branch writes them: Seoul in mpg, Busan in km/L."""
    unit = str(rng.choice(["mpg", "MPG", "mpg "] if branch == "seoul" else ["km/L", "km/l", " km/l"]))
    if np.isnan(mpg):
        return missing_mark(rng), unit
    return (f"{mpg:.1f}" if branch == "seoul" else f"{mpg * KM_PER_L:.2f}"), unit


def written_weight(pounds: float, branch: str, rng: np.random.Generator) -> str:
    """Return the weight with its unit, with or without a thousands separator."""
    value, unit = (pounds, rng.choice([" lb", "lb", " lbs"])) if branch == "seoul" else (
        pounds * KG, rng.choice([" kg", "kg", " KG"]))
    return (f"{value:,.0f}" if rng.random() < 0.6 else f"{value:.0f}") + str(unit)


def written_power(power: float, rng: np.random.Generator) -> str:
    """Return the power; a few are missing, and a few have slipped by a digit."""
    if np.isnan(power) or rng.random() < 0.03:
        return missing_mark(rng)
    if rng.random() < 0.01:
        return f"{power * 10:,.0f}"
    return f"{power:.0f}" if rng.random() < 0.8 else f" {power:.1f} "


def written_year(year: int, rng: np.random.Generator) -> str:
    """Return the year of registration in one of four habits."""
    return str(rng.choice([f"{year}", f"{year}-01-01", f"01/{year}", f"{year}년"]))


def written_id(number: int, rng: np.random.Generator) -> str:
    """Return the vehicle's number as it was typed."""
    return str(rng.choice([f"MC-{number:04d}"] * 6 + [f"mc-{number:04d}", f" MC-{number:04d}", f"Mc-{number:04d} "]))


def row(number: int, car: pd.Series, moment: pd.Timestamp, rng: np.random.Generator) -> dict[str, str]:
    """Write one vehicle as one line of the export."""
    branch = "seoul" if number % 3 else "busan"
    fuel, unit = written_fuel(car["Miles_per_Gallon"], branch, rng)
    return {
        "vehicle_id": written_id(number, rng),
        "model": car["Name"].title() if rng.random() < 0.3 else car["Name"],
        "branch": str(rng.choice(BRANCHES[branch])),
        "registered": written_year(car["Year"].year, rng),
        "cylinders": str(car["Cylinders"]),
        "fuel_economy": fuel,
        "fuel_unit": unit,
        "weight": written_weight(car["Weight_in_lbs"], branch, rng),
        "power_hp": written_power(car["Horsepower"], rng),
        "exported_at": moment.strftime("%Y-%m-%dT%H:%M"),
    }


def main() -> None:
    """Write the export: every vehicle once, forty sent again later, fourteen lines pasted twice."""
    rng = np.random.default_rng(SEED)
    cars = local_data.cars()
    start = pd.Timestamp("2026-01-05T09:00")
    lines = [row(i, car, start + pd.Timedelta(minutes=i), rng) for i, (_, car) in enumerate(cars.iterrows())]
    for number in sorted(rng.choice(len(cars), 40, replace=False)):
        car = cars.iloc[number].copy()
        car["Weight_in_lbs"] = round(car["Weight_in_lbs"] * rng.uniform(0.97, 1.03))
        lines.append(row(int(number), car, start + pd.Timedelta(days=7, minutes=int(number)), rng))
    lines += [dict(lines[i]) for i in rng.choice(len(lines), 14, replace=False)]
    table = pd.DataFrame(lines).iloc[rng.permutation(len(lines))]
    table.to_csv(TARGET, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
