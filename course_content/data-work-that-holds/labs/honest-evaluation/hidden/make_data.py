"""Write data/readings.csv again: four quarterly fuel readings of each real car, from one fixed seed."""

from pathlib import Path

import numpy as np
import pandas as pd
from vega_datasets import local_data

TARGET = Path(__file__).resolve().parents[1] / "data" / "readings.csv"
SEED = 20_260_303
KM_PER_L = 0.425143707


def main() -> None:
    """Write the file."""
    rng = np.random.default_rng(SEED)
    cars = local_data.cars().dropna(subset=["Miles_per_Gallon", "Horsepower"]).reset_index(drop=True)
    vehicles = pd.DataFrame({
        "vehicle_id": [f"MC-{i:04d}" for i in range(len(cars))],
        "model": cars["Name"],
        "year": cars["Year"].dt.year,
        "origin": cars["Origin"].str.lower(),
        "cylinders": cars["Cylinders"],
        "displacement_l": (cars["Displacement"] * 0.016387064).round(2),
        "power_hp": cars["Horsepower"].astype(int),
        "weight_kg": (cars["Weight_in_lbs"] * 0.45359237).round().astype(int),
        "acceleration_s": cars["Acceleration"],
    })
    economy = cars["Miles_per_Gallon"].to_numpy() * KM_PER_L
    quarters = []
    for quarter in (1, 2, 3, 4):
        reading = economy * rng.normal(1.0, 0.04, len(cars)) * (0.97 if quarter in {1, 4} else 1.02)
        quarters.append(vehicles.assign(quarter=quarter, fuel_km_per_l=reading.round(2)))
    table = pd.concat(quarters, ignore_index=True)
    table.iloc[rng.permutation(len(table))].to_csv(TARGET, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
