"""The vocabularies that the VC-API knows: the program's, its JSON-LD library's, those of the command line."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from lms.certs.core.data_model import CREDENTIALS_V1
from lms.certs.core.jsonld import Contexts, pinned_contexts
from lms.certs.core.problems import ProofProblem
from lms.certs.core.strict_json import Document, read_object

DATA_INTEGRITY = "https://w3id.org/security/data-integrity/v2"
"""What a credential of the data model 1.1 needs for its proof; no installed package has a copy."""
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
_OF_THE_LIBRARY = {
    CREDENTIALS_V1: "00d7dd6d3ad8b920e3e550dd3a3d9090bffcac84cdbf943da6924b3e0a5c8bb8",
    "https://www.w3.org/ns/did/v1": "62c1054bf404d6dd3a4b26b64f830fd72095f6a26edc4469908c94351352ce5f",
}
_EXAMPLES_CONTEXT: Document = {"@context": {"@vocab": "https://www.w3.org/ns/credentials/examples#"}}


def known_contexts(more: Mapping[str, bytes] | None = None) -> Contexts:
    """Return every vocabulary at hand by address; what the program pins cannot be replaced.

    Raises:
        Unreadable: one of those given is no JSON object.
        ProofProblem: one of those given would stand in another's place, or the library's copy has changed.
    """
    known: dict[str, Document] = {**pinned_contexts(), **_of_the_library(), EXAMPLES: _EXAMPLES_CONTEXT}
    for address, content in (more or {}).items():
        if address in known:
            raise ProofProblem("context.not_pinned", url=address[:200])
        known[address] = read_object(content)
    return known


def _of_the_library() -> dict[str, Document]:
    from pyld.documentloader.frozen import BUNDLED_CONTEXTS  # noqa: PLC0415 - slow to load and seldom needed

    return {
        address: _read(Path(BUNDLED_CONTEXTS[address]), digest) for address, digest in _OF_THE_LIBRARY.items()
    }


def _read(path: Path, digest: str) -> Document:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ProofProblem("context.damaged", file=path.name)
    context: Document = json.loads(content)
    return context
