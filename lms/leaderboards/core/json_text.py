"""JSON of strangers: an object that says one name twice is known; Python would keep the last alone."""

import json
from collections import Counter
from typing import Any


class SaidTwice(dict[str, Any]):
    """An object that says a name twice."""

    name = ""


def read_json(text: str) -> Any:
    """Read JSON; what is no number there is text, and an object with a name twice a `SaidTwice`.

    Raises:
        ValueError, RecursionError: it is no JSON (`json.JSONDecodeError`), or none that can be read.
    """
    return json.loads(text, parse_constant=str, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = SaidTwice(found)
    twice.name = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return twice
