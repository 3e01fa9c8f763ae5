"""Hidden rows of the shipped content cannot be looked up in what anyone may download."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.jails import ROOT

PROGRAM = Path(__file__).with_name("lookup_program.py")
NAMES = ("digits-board", "demand-board", "blended-tanks", "carbon-copies", "cool-boxes")


def figures(environment: Path, seed: int) -> dict[str, Any]:
    """Return what honest baselines and look-ups score, by content."""
    command = [
        str(environment / "bin" / "python"),
        "-B",
        str(PROGRAM),
        str(ROOT / "course_content"),
        str(seed),
    ]
    # More threads than cores would spin on a busy machine.
    one = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, env=one)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def found(environment: Path) -> dict[str, Any]:
    return figures(environment, 101)


def best(of: dict[str, float], better: str) -> float:
    return max(of.values()) if better == "max" else min(of.values())


def check(one: dict[str, Any]) -> None:
    honest, lookup = (best(one[kind], one["better"]) for kind in ("honest", "lookups"))
    assert one["copies"] == 0
    assert lookup < honest if one["better"] == "max" else lookup > honest, one


@pytest.mark.parametrize("name", NAMES)
def test_looking_rows_up_gains_nothing_over_an_honest_baseline(found: dict[str, Any], name: str) -> None:
    check(found[name])


def test_the_look_up_finds_rows_that_are_only_noised(found: dict[str, Any]) -> None:
    assert min(found["digits-board"]["control"].values()) > 0.99


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("digits-board", ["majority", "nearest", "learnt"]),
        ("demand-board", ["mean", "last_week", "ridge", "boosted"]),
        ("blended-tanks", ["median", "nearest", "ridge"]),
        ("carbon-copies", ["shipped", "known", "checked"]),
        ("cool-boxes", ["recent", "line", "network"]),
    ],
)
def test_each_baseline_is_better_than_the_one_before(
    found: dict[str, Any], name: str, order: list[str]
) -> None:
    scores = [found[name]["honest"][key] for key in order]
    assert set(found[name]["honest"]) == set(order)
    assert scores == sorted(scores, reverse=found[name]["better"] == "min")


@pytest.mark.long
@pytest.mark.parametrize("seed", [2**62 + 7, 303])
def test_looking_up_gains_nothing_with_other_seeds(environment: Path, seed: int) -> None:
    for one in figures(environment, seed).values():
        check(one)
