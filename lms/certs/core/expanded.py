"""An expanded document looked through for what its conversion to RDF would leave out without a word.

The JSON-LD library keeps every statement whose addresses look roughly like addresses, and leaves out the
others; no signature would cover those. So whatever it could leave out is refused before.
"""

import re
from typing import Any

from lms.certs.core.addresses import is_address
from lms.certs.core.problems import ProofProblem

SENTINEL = "x-relative-3f7c1d:"
"""The scheme in which every relative identifier ends up, `../x` and `//host/x` too."""

_BLANK = re.compile(r"_:\S+")
_JSON = "@json"
_SHOWN = 80
_NOT_WITHIN = {"@id", "@type", "@value", "@language"}
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


def check_expanded(expanded: Any, *, directed: bool = False) -> None:
    """Refuse what would be lost: identifiers, types and properties that are no absolute addresses.

    A language is refused that is none: the library writes it into the RDF as it is, line breaks too. So is
    the direction of a text, which the conversion leaves out: the two directions would be signed as one.

    Args:
        directed: a direction may be lost, as whoever asks is to take whatever the data model allows.

    Raises:
        ProofProblem: with the first such part.
    """
    waiting = [expanded]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            _check_node(item)
            if "@direction" in item and not directed:
                raise ProofProblem("jsonld.undefined_term", term="@direction")
            waiting.extend(value for name, value in item.items() if name not in _NOT_WITHIN)


def _check_node(node: dict[str, Any]) -> None:
    for name in node:
        if not name.startswith("@"):
            _check_address(name)
    for part in node.keys() & {"@id", "@type"}:
        for value in _listed(node[part]):
            blank = isinstance(value, str) and _BLANK.fullmatch(value)
            if not blank and not (value == _JSON and "@value" in node):
                _check_address(value)
    if "@language" in node and not _LANGUAGE.fullmatch(str(node["@language"])):
        raise ProofProblem("jsonld.strange_address", address=str(node["@language"])[:_SHOWN])


def _check_address(address: object) -> None:
    if isinstance(address, str) and address.startswith(SENTINEL):
        raise ProofProblem("jsonld.relative_id", id=address.removeprefix(SENTINEL)[:_SHOWN])
    if not is_address(address):
        raise ProofProblem("jsonld.strange_address", address=str(address)[:_SHOWN])


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]
