"""Forty distinct submissions of the realistic lab: right in different ways, or wrong as students are."""

import itertools
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

from lms.demo.story import answered

FOLDER = Path(__file__).parent / "course_content" / "grading-speed"
ANSWERS = Path(__file__).parent / "answers.toml"
COUNT = 40


def source(lab: str) -> bytes:
    """Return the lab's source notebook."""
    return (FOLDER / "labs" / lab / f"{lab}.ipynb").read_bytes()


def distinct(template: bytes, lab: str = "realistic", count: int = COUNT) -> list[bytes]:
    """Return that many different submissions; labs but the realistic one have the solution in all."""
    picks = itertools.islice(_choices(), count) if lab == "realistic" else [{}] * count
    return [_numbered(answered(template, source(lab), pick), at) for at, pick in enumerate(picks)]


def _choices() -> Iterator[dict[str, str]]:
    """Change no answer, then one, then two; the reference solution stands in all others."""
    known = {
        cell: [one["code"].strip() for one in answers]
        for cell, answers in tomllib.loads(ANSWERS.read_text()).items()
    }
    yield {}
    yield from ({cell: text} for cell, texts in known.items() for text in texts)
    for (one, firsts), (other, seconds) in itertools.combinations(known.items(), 2):
        yield from ({one: a, other: b} for a, b in zip(firsts, seconds, strict=False))


def _numbered(notebook: bytes, number: int) -> bytes:
    """Make a file of its own, so that nothing can be answered from a cache."""
    document = json.loads(notebook)
    for cell in document["cells"]:
        if cell["cell_type"] == "code" and "nbgrader" not in cell["metadata"]:
            cell["source"] = f"{cell['source']}\n# {number}"
    return json.dumps(document, ensure_ascii=False).encode()
