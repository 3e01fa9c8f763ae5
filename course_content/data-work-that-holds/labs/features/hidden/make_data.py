"""Write data/vehicles.csv and data/columns.csv again, from the real cars table and one fixed seed."""

from pathlib import Path

import numpy as np
import pandas as pd
from vega_datasets import local_data

DATA = Path(__file__).resolve().parents[1] / "data"
SEED = 20_260_202
KM_PER_L = 0.425143707
COLUMNS = [
    ("vehicle_id", "key", "registration", "차량 번호", "number of the vehicle"),
    ("model", "feature", "registration", "제조사와 모델 이름", "maker and name of the model"),
    ("year", "feature", "registration", "연식", "model year"),
    ("origin", "feature", "registration", "만든 곳", "where it was made"),
    ("cylinders", "feature", "registration", "실린더 수", "number of cylinders"),
    ("displacement_l", "feature", "registration", "배기량 (L)", "displacement (litres)"),
    ("power_hp", "feature", "registration", "출력 (마력), 빈칸 있음", "power (hp), some missing"),
    ("weight_kg", "feature", "registration", "무게 (kg)", "weight (kg)"),
    ("acceleration_s", "feature", "registration", "0–60 mph 시간 (초)", "0 to 60 mph (seconds)"),
    ("fuel_cost_1000_krw", "feature", "first_year_end", "첫해 연료비 (천 원)", "fuel cost of the first year (1,000 won)"),
    ("economy_grade", "feature", "first_year_end", "첫해 주행으로 매긴 연비 등급 (1–5)", "economy grade given after the first year (1 to 5)"),
    ("fuel_km_per_l", "target", "first_year_end", "첫해에 잰 연비 (km/L)", "fuel economy measured in the first year (km/L)"),
]


def main() -> None:
    """Write both files."""
    rng = np.random.default_rng(SEED)
    cars = local_data.cars().dropna(subset=["Miles_per_Gallon"]).reset_index(drop=True)
    economy = cars["Miles_per_Gallon"] * KM_PER_L
    table = pd.DataFrame({
        "vehicle_id": [f"MC-{i:04d}" for i in range(len(cars))],
        "model": cars["Name"],
        "year": cars["Year"].dt.year,
        "origin": cars["Origin"].str.lower(),
        "cylinders": cars["Cylinders"],
        "displacement_l": (cars["Displacement"] * 0.016387064).round(2),
        "power_hp": cars["Horsepower"],
        "weight_kg": (cars["Weight_in_lbs"] * 0.45359237).round().astype(int),
        "acceleration_s": cars["Acceleration"],
        "fuel_cost_1000_krw": (1_700 * 12_000 / economy / 1_000 * rng.normal(1, 0.02, len(cars))).round().astype(int),
        "economy_grade": pd.cut(economy, [0, 7, 9, 11.5, 14, 99], labels=[5, 4, 3, 2, 1]).astype(int),
        "fuel_km_per_l": economy.round(2),
    })
    table.iloc[rng.permutation(len(table))].to_csv(DATA / "vehicles.csv", index=False, lineterminator="\n")
    pd.DataFrame(COLUMNS, columns=["column", "role", "known_at", "meaning_ko", "meaning_en"]).to_csv(
        DATA / "columns.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
