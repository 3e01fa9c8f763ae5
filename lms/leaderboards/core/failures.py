"""Why an entry has no score: a code with its parameters, said in the reader's language where it is shown.

An entry keeps the code as one line (`write_failure`), so that it says the same in every language, later too.
"""

import json
import re
from collections.abc import Mapping

from lms.errors import N_

FAILURES: Mapping[str, str] = {
    "not_finite": N_("The score is not a finite number. Look at your predictions."),
    "bad_predictions": N_(
        "The predictions for the hidden data could not be taken. What is wrong in them is told to nobody, as "
        "it could carry hidden rows out. Look at the columns, the ids and the values that you write."
    ),
    "notebook_unreadable": N_(
        "This is not a notebook that can be read. Save it in Jupyter and send it again."
    ),
    "cell_failed": N_("Cell %(cell)s stopped with %(error)s. Run the notebook from start to end first."),
    "time": N_("Cell %(cell)s was still running when the %(seconds)s seconds were over."),
    "memory": N_("Cell %(cell)s needed more memory than the challenge allows."),
    "output": N_("Cell %(cell)s printed without end."),
    "died": N_("The kernel ended in cell %(cell)s."),
    "no_output": N_("The notebook ran to its end and left no file %(file)s."),
    "model_unreadable": N_("The model cannot be loaded by onnxruntime %(version)s: %(reason)s"),
    "model_input": N_(
        "The model must take one input of 32-bit numbers of the shape (rows, %(columns)s), "
        "with any number of rows."
    ),
    "model_output": N_("The model must answer %(width)s finite numbers for each row of the sample."),
    "model_output_name": N_('The model has several outputs, none of which is called "%(name)s".'),
    "model_range": N_("The model must answer numbers from 0 to 1."),
    "model_failed": N_("The model stops on the rows of the sample. Try it on them first."),
    "model_time": N_("The model was still at the rows of the sample when the %(seconds)s seconds were over."),
    "model_memory": N_("The model needs more than %(memory)s MiB of memory for the rows of the sample."),
    "model_hidden": N_(
        "The model runs on the rows of the sample, and not on the hidden ones. There it needs more than "
        "%(seconds)s seconds or %(memory)s MiB, or its answer for a row is no number that can be taken."
    ),
    "no_file": N_("This score came without a file, so it could not be compared with the corrected truth."),
    "scorer_failed": N_("The organiser's scorer failed. They have been told; you need not send it again."),
}
LONGEST = 300
SHORTEST = 2  # half of it and a mark are no shorter
LARGEST = 1 << 63
NAME = re.compile(r"%\((\w+)\)")


class EntryFailed(Exception):
    """An entry cannot be scored; `code` stands in `FAILURES`."""

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def names_in(code: str) -> frozenset[str]:
    """Return the names of the parameters that a failure's sentence has."""
    return frozenset(NAME.findall(FAILURES[code]))


def write_failure(failed: EntryFailed) -> str:
    """Return a failure as one line of at most `LONGEST` characters, which any database takes.

    What is long is cut, the longest first; where nothing gets shorter any more it is told without
    parameters.
    """
    params = {_encodable(name): _plain(value) for name, value in failed.params.items()}
    line = _line(failed.code, params)
    while len(line) > LONGEST and params:
        longest = max(params, key=lambda name: len(str(params[name])))
        text = str(params[longest])
        if len(text) > SHORTEST:
            params[longest] = text[: len(text) // 2] + "…"
        else:
            params = {}
        line = _line(failed.code, params)
    return line[:LONGEST]


def _line(code: str, params: Mapping[str, str | int]) -> str:
    return json.dumps([_encodable(code), params], ensure_ascii=False)


def _plain(value: str | int) -> str | int:
    """Return a value that can be written down: whole characters, no number of thousands of digits."""
    if isinstance(value, int):
        return value if abs(value) < LARGEST else "…"
    return _encodable(value)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


SCORER_FAILED = write_failure(EntryFailed("scorer_failed"))
"""The line of an entry that the organiser's scorer could not score."""

NO_PARQUET = N_("Parquet files are not read here. Send a CSV file.")
NOT_BY_ITSELF = frozenset({"no_file", NO_PARQUET})
"""Codes of failures that no other predictions would have spared the entry.

Not that the organiser's scorer failed: predictions can be made for that, and each is a run in the jail.
"""


def is_own(line: str) -> bool:
    """Say whether an entry may have failed by itself, and not by a corrected truth or by us."""
    return code_of(line) not in NOT_BY_ITSELF


def code_of(line: str) -> str:
    """Return the code of a failure as an entry keeps it."""
    try:
        return str(json.loads(line)[0])
    except ValueError:
        return line


def read_failure(line: str) -> tuple[str, Mapping[str, object]]:
    """Return the msgid and the parameters of a failure; what is unknown is shown as it stands."""
    try:
        code, params = json.loads(line)
    except ValueError:
        code, params = line, {}
    return FAILURES.get(code, str(code)), params


def sentences(line: str) -> list[tuple[str, Mapping[str, object]]]:
    """Return the msgids of a failure, each with its parameters: the row first, where it is one's; or none."""
    if not line:
        return []
    message, params = read_failure(line)
    return [*([(N_("Row %(line)s:"), params)] if "line" in params else []), (message, params)]
