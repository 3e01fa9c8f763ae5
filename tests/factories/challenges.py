"""Challenges for tests: a folder as an author writes it."""

from pathlib import Path

CHALLENGE = """\
title: {ko: "나뉜 소포", en: "Sorted parcels"}
summary: {ko: "소포가 갈 곳을 맞혀요.", en: "Say where a parcel goes."}
sponsor: nuri-ai
environment: ml-basics
metric: accuracy
also: [f1_macro]
public_share: 0.4
form: {columns: [{name: place, kind: label, labels: [north, south]}]}
dates: {entry_deadline: {after_days: 21}, merge_deadline: {after_days: 21}, ends: {after_days: 28}}
rules_version: "1"
licence: CC-BY-4.0
kind: predictions
baselines: [{key: north, title: {ko: "모두 북쪽", en: "Always north"}}]
"""
SCRIPT = """\
import numpy as np
import pandas as pd


def make(seed):
    print("what an author prints is no answer")
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0, 10, 200)
    place = np.where(weight + rng.normal(0, 1, 200) > 5, "south", "north")
    ids = [f"p{number}" for number in range(200)]
    known = pd.DataFrame({"weight": weight[:100], "place": place[:100]})
    asked = pd.DataFrame({"id": ids[100:], "weight": weight[100:]})
    truth = pd.DataFrame({"id": ids[100:], "place": place[100:]})
    return {"files": {"train.csv": known, "test.csv": asked, "note.txt": "one"}, "truth": truth}


def baselines(files, seed):
    asked = files["test.csv"]
    return {"north": pd.DataFrame({"id": asked["id"], "place": "north"})}


def score(truth, predictions):
    return float((truth["place"] == predictions["place"]).mean())
"""


def write_challenge(folder: Path, *, text: str = CHALLENGE, script: str = SCRIPT) -> Path:
    """Write a challenge's folder; return it."""
    home = folder / "sorted-parcels"
    (home / "hidden").mkdir(parents=True)
    (home / "challenge.yml").write_text(text, encoding="utf-8")
    (home / "hidden" / "challenge.py").write_text(script, encoding="utf-8")
    for name, korean, english in (
        ("description", "소포를 나눠요.\n", "Sort parcels.\n"),
        ("rules", "규칙을 지켜요.\n", "Keep the rules.\n"),
    ):
        (home / f"{name}.md").write_text(korean, encoding="utf-8")
        (home / f"{name}.en.md").write_text(english, encoding="utf-8")
    return home


MODEL_CHALLENGE = CHALLENGE.replace("kind: predictions", "kind: model").replace(
    "environment: ml-basics",
    """\
environment: models
compute: {seconds: 20, memory_mib: 512, processes: 16}
model:
  max_bytes: 100000
  columns: [weight]
  tensors: [{name: slope, shape: [2]}, {name: offset, shape: [2]}]""",
)
MODEL_PROGRAM = """\
def predict(weights, inputs):
    print("what an architecture prints is no answer")
    return inputs * weights["slope"] + weights["offset"]
"""
MODEL_SCRIPT = """\
import json
import struct
import numpy as np
import pandas as pd


def make(seed):
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(2)]
    known, asked = _parcels(streams[0], "k", 40), _parcels(streams[1], "p", 100)
    return {
        "files": {"train.csv": known, "test.csv": known.drop(columns="place").head(10)},
        "hidden": {"test.csv": asked.drop(columns="place")},
        "truth": asked[["id", "place"]],
    }


def baselines(files, seed):
    values = np.array([-1, 1, 5, -5], dtype="<f4").tobytes()
    header = json.dumps({
        "slope": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "offset": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
    }).encode()
    return {"line": struct.pack("<Q", len(header)) + header + values}


def _parcels(rng, prefix, count):
    weight = rng.uniform(0, 10, count).round(3)
    place = np.where(weight + rng.normal(0, 0.3, count) > 5, "south", "north")
    ids = [f"{prefix}{number}" for number in range(count)]
    return pd.DataFrame({"id": ids, "weight": weight, "place": place})
"""


def write_model_challenge(folder: Path, *, text: str = MODEL_CHALLENGE, script: str = MODEL_SCRIPT) -> Path:
    """Write the folder of a challenge that takes models; return it."""
    home = write_challenge(folder, text=text, script=script)
    (home / "data").mkdir()
    (home / "data" / "model.py").write_text(MODEL_PROGRAM, encoding="utf-8")
    return home


NOTEBOOK_CHALLENGE = CHALLENGE.replace("kind: predictions", "kind: notebook").replace(
    "environment: ml-basics",
    "environment: ml-basics\nlogs: true\ncompute: {seconds: 20, memory_mib: 512, processes: 16}",
)
NOTEBOOK_SCRIPT = """\
import numpy as np
import pandas as pd


def make(seed):
    rng = np.random.default_rng(seed)
    sides = ["north", "south"]
    sample = pd.DataFrame({"id": ["sample-1", "sample-2"], "street": ["Sampleroad", "Samplelane"]})
    ids = [f"hidden-{number}" for number in range(100)]
    hidden = pd.DataFrame({"id": ids, "street": [f"Secretway {number}" for number in rng.permutation(100)]})
    truth = pd.DataFrame({"id": ids, "place": rng.choice(sides, 100)})
    blank = sample[["id"]].assign(place="north")
    files = {"train.csv": sample.assign(place=sides), "test.csv": sample, "sample_submission.csv": blank}
    hidden = {"test.csv": hidden, "sample_submission.csv": truth.assign(place="north")}
    return {"files": files, "hidden": hidden, "truth": truth}


def baselines(files, seed):
    return {"north": pd.DataFrame({"id": [f"hidden-{number}" for number in range(100)], "place": "north"})}
"""


def write_notebook_challenge(folder: Path) -> Path:
    """Write the folder of a challenge whose notebooks meet streets that nobody else may see; return it."""
    return write_challenge(folder, text=NOTEBOOK_CHALLENGE, script=NOTEBOOK_SCRIPT)
