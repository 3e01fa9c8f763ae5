"""RDF canonical form of JSON-LD in safe mode, with the contexts at hand and no network."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lms.certs.core.expanded import SENTINEL, check_expanded
from lms.certs.core.nquads import short_way
from lms.certs.core.problems import ProofProblem
from lms.certs.core.strict_json import Document

CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
OPEN_BADGES_EXTENSIONS = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"

_FOLDER = Path(__file__).with_name("contexts")
_PINNED = {
    CREDENTIALS_V2: (
        "credentials-v2.json",
        "8a9f494a89ecc51db093e90e84713e07e84d6d9204364a9b3c7868b21751236f",
    ),
    OPEN_BADGES: (
        "open-badges-3.0.3.json",
        "ef2fa9c7846dce233cc166b43639027278be4ee44f00bb1d45c75de2dd0cd761",
    ),
    OPEN_BADGES_EXTENSIONS: (
        "open-badges-extensions.json",
        "2d013f981d1f4516081a6a04e55468ba2b071d4153b794f19a79715c45a89a5e",
    ),
}
# The JSON-LD library keeps module-wide caches that threads may not share.
_ONE_AT_A_TIME = threading.Lock()
# Pinned contexts once resolved: a third of the time. Inline contexts of strange documents land here too.
_resolved: dict[str, Any] = {}
_MOST_RESOLVED = 50

Contexts = Mapping[str, Document]


@cache
def pinned_contexts() -> Contexts:
    """Return the contexts by address, each checked against its pinned hash."""
    return {url: _read_pinned(name, digest) for url, (name, digest) in _PINNED.items()}


def to_nquads(document: Document, contexts: Contexts | None = None, *, directed: bool = False) -> bytes:
    """Return the canonical N-Quads of a document, refusing whatever the conversion would lose.

    Other contexts than the pinned ones are for the vectors of standards only; `directed` is as in
    `check_expanded`.

    Raises:
        ProofProblem: a term that no context defines, an identifier that is no absolute address, or a document
            that is no JSON-LD.

    Source: RDF Dataset Canonicalization 1.0 (URDNA2015); JSON-LD 1.1 "safe mode".
    """
    found = short_way(document, pinned_contexts) if contexts is None else None
    return long_way(document, contexts, directed=directed) if found is None else found


def long_way(document: Document, contexts: Contexts | None = None, *, directed: bool = False) -> bytes:
    """Return what `to_nquads` does, by a library that knows all of JSON-LD and takes ten times as long.

    Raises:
        ProofProblem: likewise.
    """
    from pyld.jsonld import JsonLdError, JsonLdProcessor  # noqa: PLC0415 - slow to load and seldom needed

    try:
        with _ONE_AT_A_TIME:
            options = _options(contexts)
            expanded = JsonLdProcessor(on_property_dropped=_refuse_dropped).expand(document, dict(options))
            check_expanded(expanded, directed=directed)
            nquads = JsonLdProcessor().normalize(
                expanded,
                {**options, "algorithm": "URDNA2015", "format": "application/n-quads"},
            )
    except (JsonLdError, RecursionError, TypeError, ValueError, AttributeError, KeyError):
        raise ProofProblem("jsonld.broken") from None
    return str(nquads).encode("utf-8")


def _read_pinned(name: str, digest: str) -> Document:
    content = (_FOLDER / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ProofProblem("context.damaged", file=name)
    context: Document = json.loads(content)
    return context


def _options(contexts: Contexts | None) -> dict[str, Any]:
    from pyld.context_resolver import ContextResolver  # noqa: PLC0415 - slow to load and seldom needed

    if len(_resolved) > _MOST_RESOLVED:
        _resolved.clear()
    loader = _loader(pinned_contexts() if contexts is None else contexts)
    return {
        "base": f"{SENTINEL}//host/folder/",
        "documentLoader": loader,
        "contextResolver": ContextResolver(_resolved if contexts is None else {}, loader),
        "processingMode": "json-ld-1.1",
    }


def _loader(contexts: Contexts) -> Callable[[str, object], Document]:
    def load(url: str, _options: object) -> Document:
        if url not in contexts:
            raise ProofProblem("context.unknown", url=url[:200])
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": url,
            "document": contexts[url],
            "tag": "static",
        }

    return load


def _refuse_dropped(term: object) -> None:
    raise ProofProblem("jsonld.undefined_term", term=str(term)[:80])
