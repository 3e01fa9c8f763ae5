"""The hidden set of a leaderboard: made, asked for and scored inside jails of the lab's environment.

This file stands alone: it is handed to jailed interpreters as text, which have numpy, the author's
packages and nothing of ours. Three uses:

- `build`: `hidden/board.py` makes features and labels from the seed; they become an archive.
- `predict`: in the student's kernel, after the notebook; gets features, never labels.
- `score`: in a jail of its own, from the archive and the predictions as plain JSON.

What goes in and comes out is JSON; nothing is ever unpickled.
"""

import base64
import csv
import importlib
import io
import json
import math
import random
import sys
import types
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES = "/run/desk/features.json"
PREDICTIONS = "/run/desk/predictions.json"
REASON_CHARACTERS = 1_000


class Refused(Exception):
    """There is no score; `code` and `params` make a notice."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def encode(features: Any) -> dict[str, Any]:
    """Return a table or an array as plain values."""
    if hasattr(features, "columns"):
        columns = [
            {"name": str(name), "dtype": str(features[name].dtype), "values": features[name].tolist()}
            for name in features.columns
        ]
        return {"kind": "frame", "columns": columns}
    np = importlib.import_module("numpy")

    array = np.ascontiguousarray(features)
    if array.dtype.kind not in "biuf":
        raise TypeError("features must be numbers, or a table of plain columns")
    content = base64.b64encode(array.tobytes()).decode()
    return {"kind": "array", "dtype": str(array.dtype), "shape": list(array.shape), "values": content}


def decode(plain: dict[str, Any]) -> Any:
    """Return what `encode` was given."""
    if plain["kind"] == "frame":
        pd = importlib.import_module("pandas")

        columns = {one["name"]: pd.Series(one["values"]) for one in plain["columns"]}
        kinds = {one["name"]: one["dtype"] for one in plain["columns"]}
        return pd.DataFrame(columns).astype(kinds)
    np = importlib.import_module("numpy")

    array = np.frombuffer(base64.b64decode(plain["values"]), dtype=plain["dtype"])
    return array.reshape(plain["shape"]).copy()


def predict(namespace: dict[str, Any], name: str) -> None:
    """Ask the student's function for predictions and leave them on the desk as JSON."""
    with open(FEATURES, encoding="utf-8") as file:  # noqa: PTH123  # runs in the student's kernel
        features = decode(json.load(file))
    answer = namespace[name](features)
    values = answer.tolist() if hasattr(answer, "tolist") else list(answer)
    with open(PREDICTIONS, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(values, file, default=lambda number: number.item())


def build(request: dict[str, Any]) -> dict[str, Any]:
    """Make the hidden set and score the baselines on it."""
    module = _author_module(request["script"])
    seed = int(request["seed"])
    features, labels = module.make_hidden(seed)
    plain_labels = [_plain(label) for label in labels]
    rows = len(plain_labels)
    order = list(range(rows))
    random.Random(f"split-{seed}").shuffle(order)
    count = min(max(round(rows * request["public_share"]), 1), rows - 1)
    hidden = {"labels": plain_labels, "public": sorted(order[:count]), "metric": request["metric"]}
    encoded = encode(features)
    if len(features) != rows or rows < 2:  # noqa: PLR2004  # one row for each side at least
        raise ValueError(
            f"{len(features)} rows of features, {rows} labels: they must be equal and at least 2"
        )
    made = module.baselines(decode(encoded), seed) if hasattr(module, "baselines") else {}
    files = {"features.json": json.dumps(encoded), "features.csv": _table(features),
             "hidden.json": json.dumps(hidden), "board.py": request["script"]}  # fmt: skip
    scores = {str(key): _scores(module, hidden, _plain_list(values)) for key, values in made.items()}
    return {"archive": base64.b64encode(_zip(files)).decode(), "baselines": scores, "rows": rows}


def score(request: dict[str, Any]) -> dict[str, Any]:
    """Score predictions on the public and on the private rows."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(request["archive"]))) as archive:
        hidden = json.loads(archive.read("hidden.json"))
        module = _author_module(archive.read("board.py").decode())
    content = base64.b64decode(request["predictions"])
    predictions = _from_table(content) if request["table"] else _from_json(content)
    return _scores(module, hidden, predictions)


def _author_module(script: str) -> Any:
    module = types.ModuleType("board")
    exec(compile(script, "hidden/board.py", "exec"), module.__dict__)  # noqa: S102  # the author's code, in the jail
    return module


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} is no number or text")
    return value


def _plain_list(values: Any) -> list[Any]:
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    return [list(map(_plain, one)) if isinstance(one, list) else _plain(one) for one in found]


def _zip(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _table(features: Any) -> str:
    names = list(map(str, features.columns)) if hasattr(features, "columns") else None
    rows = features.to_numpy().tolist() if names else [list(row) for row in features]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names or [f"x{number}" for number in range(len(rows[0]))])
    writer.writerows(rows)
    return text.getvalue()


def _from_json(content: bytes) -> list[Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Refused("board-bad-predictions") from None
    rows = found if isinstance(found, list) else None
    if rows is None or not all(_scalar(one) or _scalars(one) for one in rows):
        raise Refused("board-bad-predictions")
    return rows


def _from_table(content: bytes) -> list[Any]:
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        return [_number_or_text(row["prediction"]) for row in rows]
    except (UnicodeDecodeError, csv.Error, KeyError):
        raise Refused("board-bad-predictions") from None


def _number_or_text(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return str(text)


def _scalar(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _scalars(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, int | float) for one in value)


def _finite(value: Any) -> bool:
    return (
        all(map(_finite, value))
        if isinstance(value, list)
        else isinstance(value, str) or math.isfinite(value)
    )


def _scores(module: Any, hidden: dict[str, Any], predictions: list[Any]) -> dict[str, Any]:
    labels = hidden["labels"]
    if len(predictions) != len(labels):
        raise Refused("board-wrong-length", count=len(predictions), expected=len(labels))
    if not all(map(_finite, predictions)):
        raise Refused("board-not-finite")
    public = set(hidden["public"])
    found = {}
    for name, chosen in (("public", True), ("private", False)):
        rows = [at for at in range(len(labels)) if (at in public) is chosen]
        pair = [labels[at] for at in rows], [predictions[at] for at in rows]
        try:
            value = float(_metric(module, hidden, *pair))
        except (TypeError, ValueError):
            raise Refused("board-bad-predictions") from None
        if not math.isfinite(value):
            raise Refused("board-not-finite")
        found[name] = value
    return found


def _metric(module: Any, hidden: dict[str, Any], labels: list[Any], predictions: list[Any]) -> Any:
    if hidden["metric"] == "own":
        np = importlib.import_module("numpy")
        return module.score(np.asarray(labels), np.asarray(predictions))
    metrics = importlib.import_module("sklearn.metrics")
    classes = sorted(set(hidden["labels"])) if hidden["metric"] == "log_loss" else []
    known: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: metrics.accuracy_score(labels, predictions),
        "f1_macro": lambda: metrics.f1_score(labels, predictions, average="macro", zero_division=0),
        "log_loss": lambda: metrics.log_loss(labels, predictions, labels=classes),
        "mae": lambda: metrics.mean_absolute_error(labels, predictions),
        "rmse": lambda: math.sqrt(metrics.mean_squared_error(labels, predictions)),
        "r2": lambda: metrics.r2_score(labels, predictions),
    }
    return known[hidden["metric"]]()


def main() -> None:
    """Answer the request on standard input; whatever else is printed is dropped."""
    answer, sys.stdout = sys.stdout, io.StringIO()
    request = json.load(sys.stdin)
    try:
        result = {"build": build, "score": score}[request["use"]](request)
    except Refused as refused:
        result = {"code": refused.code, "params": refused.params}
    except Exception as error:  # noqa: BLE001  # the author's code may raise anything; staff read it
        result = {"error": f"{type(error).__name__}: {error}"[:REASON_CHARACTERS]}
    json.dump(result, answer)


if __name__ == "__main__":
    main()
