"""A participant's model, run in a jail of the challenge's environment on rows that it is given.

This file stands alone: it is handed to jailed interpreters as text, which have the author's packages and
nothing of ours. What a safetensors file means says the challenge's own `model.py`:

    predict(weights, inputs) -> array

Shape:
    weights: name -> array, of 32-bit numbers where the file has 16-bit ones. inputs: (rows, columns), 32-bit
    numbers, NaN where the table has no value. The answer: (rows,) or (rows, width).
"""

import csv
import importlib
import json
import math
import os
import sys
import types
from pathlib import Path
from typing import Any

LENGTH_BYTES = 8
REASON_CHARACTERS = 160
KINDS = {
    "BOOL": "?",
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "BF16": "<u2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}
FLOATS = {"tensor(float)": "<f4", "tensor(double)": "<f8"}


class Told(Exception):
    """The model is at fault; a code with its parameters says how."""

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(code)
        self.code, self.params = code, params


class Unfit(Exception):
    """The challenge's own table is at fault, and no model."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Return the predictions for all rows, by column."""
    np = importlib.import_module("numpy")
    folder = Path(request["folder"])
    ids, inputs = read_rows(np, folder / "rows.csv", request)
    content = (folder / "model").read_bytes()
    if request["format"] == "onnx":
        answer = run_onnx(content, inputs, request)
    else:
        program = (folder / "model.py").read_text(encoding="utf-8")
        answer = run_weights(np, program, content, inputs)
    return {request["id"]: ids, **columns(np, answer, len(ids), request)}


def read_rows(np: Any, path: Path, request: dict[str, Any]) -> tuple[list[str], Any]:
    """Return the ids and the numbers of a table; an empty cell is NaN.

    Raises:
        Unfit: it is not the table that the challenge says.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        numbers = [[float(row[name] or "nan") for name in request["columns"]] for row in rows]
    except (KeyError, ValueError):
        raise Unfit("the table lacks a column, or holds something that is no number") from None
    inputs = np.array(numbers, dtype=np.float32).reshape(len(rows), len(request["columns"]))
    return [row[request["id"]] for row in rows], inputs


def run_onnx(content: bytes, inputs: Any, request: dict[str, Any]) -> Any:
    """Ask a model by onnxruntime, on one thread."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:REASON_CHARACTERS]
        raise Told("model_unreadable", reason=reason, version=runtime.__version__) from None
    taken = session.get_inputs()
    if not (len(taken) == 1 and taken[0].type in FLOATS and fits(taken[0].shape, inputs.shape[1])):
        raise Told("model_input", columns=inputs.shape[1])
    names = [one.name for one in session.get_outputs()]
    name = request["output"] if request["output"] in names else names[0]
    if len(names) > 1 and name != request["output"]:
        raise Told("model_output_name", name=request["output"])
    return session.run([name], {taken[0].name: inputs.astype(FLOATS[taken[0].type])})[0]


def fits(shape: list[Any], width: int) -> bool:
    """Say whether any number of rows of a width may come in; sizes that are no numbers are free."""
    if len(shape) != 2 or isinstance(shape[0], int):  # noqa: PLR2004 - rows and columns
        return False
    return shape[1] == width or not isinstance(shape[1], int)


def run_weights(np: Any, program: str, content: bytes, inputs: Any) -> Any:
    """Ask the challenge's architecture with a participant's weights."""
    module = types.ModuleType("model")
    exec(compile(program, "model.py", "exec"), module.__dict__)  # noqa: S102  # the author's code, in the jail
    return module.predict(read_weights(np, content), inputs)


def read_weights(np: Any, content: bytes) -> dict[str, Any]:
    """Return the tensors of a safetensors file, whose header was checked when it came."""
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + length])
    header.pop("__metadata__", None)
    weights = {}
    for name, found in header.items():
        start = LENGTH_BYTES + length + found["data_offsets"][0]
        size = math.prod(found["shape"])
        values = np.frombuffer(content, KINDS[found["dtype"]], size, start).reshape(found["shape"])
        if found["dtype"] == "BF16":  # the upper half of a 32-bit number
            values = (values.astype("<u4") << 16).view("<f4")
        weights[name] = values.astype("<f4") if found["dtype"] == "F16" else values.copy()
    return weights


def columns(np: Any, answer: Any, rows: int, request: dict[str, Any]) -> dict[str, list[Any]]:
    """Turn a model's numbers into the columns of the form: labels are those with the largest number."""
    labels, names = request["labels"], request["names"]
    width = len(labels) or len(names)
    try:
        values = np.asarray(answer)
    except ValueError:  # lists of different lengths
        raise Told("model_output", width=width) from None
    if values.ndim == 1 and width == 1:
        values = values[:, None]
    if values.shape != (rows, width) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise Told("model_output", width=width)
    if labels:
        return {names[0]: [labels[at] for at in values.argmax(axis=1).tolist()]}
    bounded = [at for at, kind in enumerate(request["kinds"]) if kind == "probability"]
    if bounded and not ((values[:, bounded] >= 0) & (values[:, bounded] <= 1)).all():
        raise Told("model_range")
    return {name: values[:, at].astype("<f8").tolist() for at, name in enumerate(names)}


def is_out_of_memory(error: Exception) -> bool:
    """Say whether memory ran out; onnxruntime has no exception of its own for that."""
    return isinstance(error, MemoryError) or any(
        word in str(error) for word in ("bad_alloc", "Failed to allocate memory")
    )


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer_to = sys.stdout
    # Nobody reads what the architecture or the runtime prints: it may hold rows.
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # until the end
    answer: dict[str, Any]
    try:
        answer = {"predictions": run(request)}
    except Told as told:
        answer = {"code": told.code, "params": told.params}
    except Unfit as unfit:
        answer = {"error": str(unfit)}
    except ModuleNotFoundError as error:
        answer = {"error": f"the environment has no {error.name}"}
    except Exception as error:  # noqa: BLE001  # of the model or the architecture, whatever it is
        answer = {"code": "model_memory" if is_out_of_memory(error) else "model_failed", "params": {}}
    json.dump(answer, answer_to, allow_nan=False)


if __name__ == "__main__":
    main()
