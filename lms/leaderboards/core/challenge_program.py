"""The data of a challenge: made, and scored by an author's own scorer, inside a jail of its environment.

This file stands alone: it is handed to jailed interpreters as text, which have the author's packages and
nothing of ours. What goes in and comes out is JSON; nothing is ever unpickled. Three uses:

- `build`: `hidden/challenge.py` makes, from a seed, the files that all get and the truth that nobody gets.
- `score`: the author's `score` compares the truth with predictions, on the public and on the private rows.
- `table`: a Parquet file of predictions becomes plain columns.

An author writes:

    make(seed) -> {"files": {name: DataFrame | str | bytes}, "truth": DataFrame,
                   "hidden": optional, like files, "groups": optional list}
    baselines(files, seed) -> {key: DataFrame}    optional; like a predictions file, or a model's bytes
    score(truth, predictions) -> float            only for `metric: own`; both with the ids as index

Shape:
    truth: the column of ids and the columns of the form. hidden: for a notebook or a model, what stands in
    the place of the files of the same name. groups: one value a row; rows of one group are all
    public or all private.
"""

import base64
import importlib
import importlib.util
import io
import json
import math
import os
import random
import sys
import types
from typing import Any

LEAST_ROWS = 20  # public or private: fewer say nothing
REASON_CHARACTERS = 500
MOST_PARQUET_ROWS = 2_000_000


def build(request: dict[str, Any]) -> dict[str, Any]:
    """Make the files and the truth."""
    for name in request["needs"]:
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"the environment has no {name}")
    module = _author_module(request["script"])
    seed = int(request["seed"])
    made = module.make(seed)
    files, hidden = (_contents(made.get(name) or {}) for name in ("files", "hidden"))
    truth = _columns(made["truth"], request["names"])
    ids = list(map(str, truth.pop(request["names"][0])))
    if len(set(ids)) != len(ids):
        raise ValueError("the truth has an id twice")
    groups = list(made.get("groups") or range(len(ids)))
    public = _public_rows(groups, request["public_share"], seed)
    if min(len(public), len(ids) - len(public)) < LEAST_ROWS:
        raise ValueError(f"{len(ids)} rows are too few: {LEAST_ROWS} must be public and {LEAST_ROWS} private")
    asked = module.baselines(made["files"], seed) if hasattr(module, "baselines") else {}
    return {
        "files": files,
        "hidden": hidden,
        "ids": ids,
        "truth": truth,
        "public": public,
        "baselines": {
            str(key): _predictions(said) for key, said in asked.items() if not isinstance(said, bytes)
        },
        "models": _contents({key: said for key, said in asked.items() if isinstance(said, bytes)}),
    }


def score(request: dict[str, Any]) -> dict[str, Any]:
    """Score predictions by the author's own function, on the public and on the private rows."""
    module = _author_module(request["script"])
    pd = importlib.import_module("pandas")
    truth, said = (pd.DataFrame(request[name], index=request["ids"]) for name in ("truth", "predictions"))
    public = sorted(set(request["public"]))
    private = sorted(set(range(len(truth))) - set(public))
    found = {}
    for name, rows in (("public", public), ("private", private)):
        value = float(module.score(truth.iloc[rows].copy(), said.iloc[rows].copy()))
        if not math.isfinite(value):
            raise ValueError("the scorer's answer is not a finite number")
        found[name] = value
    return found


def table(request: dict[str, Any]) -> dict[str, Any]:
    """Read a Parquet file; its rows are counted before they are unpacked.

    What the file itself is refused for is said by a code, as people read it in their own language.
    """
    parquet = importlib.import_module("pyarrow.parquet")
    file = parquet.ParquetFile(io.BytesIO(base64.b64decode(request["content"])))
    if file.metadata.num_rows > min(MOST_PARQUET_ROWS, request["rows"]):
        return {"refused": "rows", "found": file.metadata.num_rows, "rows": request["rows"]}
    if sorted(file.schema_arrow.names) != sorted(request["names"]):  # each once
        return {"refused": "columns", "names": ", ".join(request["names"])}
    found = file.read(columns=request["names"]).to_pydict()
    columns: dict[str, list[Any]] = {name: [] for name in request["names"]}
    for name, values in found.items():
        for row, value in enumerate(values, 1):
            try:
                columns[name].append(_cell(value))
            except TypeError:
                return {"refused": "values", "name": name, "row": row}
    return {"columns": columns}


def _author_module(script: str) -> Any:
    module = types.ModuleType("challenge")
    exec(compile(script, "hidden/challenge.py", "exec"), module.__dict__)  # noqa: S102  # the author's code, in the jail
    return module


def _contents(files: dict[str, Any]) -> dict[str, str]:
    return {str(name): base64.b64encode(_content(value)).decode() for name, value in files.items()}


def _content(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else value.to_csv(index=False, lineterminator="\n")
    return bytes(text.encode())


def _columns(frame: Any, names: list[str]) -> dict[str, list[Any]]:
    if set(map(str, frame.columns)) != set(names):
        raise ValueError(f"the truth's columns must be {', '.join(names)}")
    return {name: [_plain(value) for value in frame[name].tolist()] for name in names}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if value is not None and not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} is no number or text")
    return value


def _cell(value: Any) -> Any:
    """Return one value of a file; what is no number there is as good as missing."""
    plain = _plain(value)
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _predictions(frame: Any) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _public_rows(groups: list[Any], share: float, seed: int) -> list[int]:
    """Draw whole groups until their rows are the share."""
    names = sorted(set(map(str, groups)))
    random.Random(f"split-{seed}").shuffle(names)
    rows: dict[str, list[int]] = {name: [] for name in names}
    for at, group in enumerate(groups):
        rows[str(group)].append(at)
    public: list[int] = []
    for name in names:
        if len(public) >= round(share * len(groups)):
            break
        public += rows[name]
    return sorted(public)


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    uses = {"build": build, "score": score, "table": table}
    answer_to = sys.stdout
    # What the author's code prints is neither an answer nor for anybody: it may hold the truth.
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # until the end
    try:
        answer = json.dumps(uses[request["use"]](request), allow_nan=False)
    except Exception as error:  # noqa: BLE001  # of the author's code, whatever it is
        kind = type(error).__name__
        answer = json.dumps({"error": f"{kind}: {error}"[:REASON_CHARACTERS], "kind": kind})
    answer_to.write(answer)
    answer_to.flush()


if __name__ == "__main__":
    main()
