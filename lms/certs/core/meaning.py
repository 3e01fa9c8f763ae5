"""Canonical RDF of documents by any issuer, with nothing lost on the way.

`jsonld.py` refuses words that no vocabulary defines. More can be lost in documents of strangers: the JSON-LD
library leaves out every statement in which an address is misspelt, so that no signature would cover it.
"""

import threading
from typing import Any

from lms.certs.core.data_model import is_url
from lms.certs.core.jsonld import Contexts, long_way, pinned_contexts
from lms.certs.core.nquads import short_way
from lms.certs.core.problems import ProofProblem
from lms.certs.core.strict_json import Document

_SENTINEL = "x-relative-9d02e4:"
_ONE_AT_A_TIME = threading.Lock()


def meaning(document: Document, contexts: Contexts) -> bytes:
    """Return the canonical N-Quads of a document whose vocabularies are all at hand.

    Raises:
        ProofProblem: a vocabulary that is not at hand, what `to_nquads` refuses, or an address that is none.
    """
    plain = _check_vocabularies(document, contexts)
    found = short_way(document, pinned_contexts) if plain else None
    if found is not None:
        return found
    expanded = _expanded(document, contexts)
    _check_addresses(expanded)
    return long_way({"@graph": expanded}, {})


def _check_vocabularies(document: Document, contexts: Contexts) -> bool:
    """Refuse vocabularies that are not at hand; tell whether only those that certificates use are named."""
    plain, waiting = True, [document]
    while waiting:
        item: Any = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
            named = item.get("@context", [])
            for context in named if isinstance(named, list) else [named]:
                if isinstance(context, str) and context not in contexts:
                    raise ProofProblem("vc.unknown_context", url=context[:200])
                plain = plain and isinstance(context, str) and context in pinned_contexts()
        elif isinstance(item, list):
            waiting.extend(item)
    return plain


def _expanded(document: Document, contexts: Contexts) -> Any:
    from pyld.context_resolver import ContextResolver  # noqa: PLC0415 - slow to load and seldom needed
    from pyld.jsonld import JsonLdError, JsonLdProcessor  # noqa: PLC0415 - likewise

    def load(url: str, _options: object) -> Document:
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": url,
            "document": contexts[url],
            "tag": "static",
        }

    options = {
        "documentLoader": load,
        "contextResolver": ContextResolver({}, load),
        "base": f"{_SENTINEL}//host/folder/",
        "processingMode": "json-ld-1.1",
    }
    try:
        with _ONE_AT_A_TIME:
            return JsonLdProcessor(on_property_dropped=_refuse_dropped).expand(document, options)
    except (JsonLdError, RecursionError, TypeError, ValueError, AttributeError, KeyError):
        raise ProofProblem("jsonld.broken") from None


def _refuse_dropped(term: object) -> None:
    raise ProofProblem("jsonld.undefined_term", term=str(term)[:80])


def _check_addresses(expanded: Any) -> None:
    waiting = [expanded]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            names = [name for name in item if not name.startswith("@")]
            for address in (*names, *_listed(item.get("@id")), *_listed(item.get("@type"))):
                _check_address(address)
            waiting.extend(value for name, value in item.items() if name not in {"@id", "@type", "@value"})


def _check_address(address: object) -> None:
    if isinstance(address, str) and address.startswith(_SENTINEL):
        raise ProofProblem("jsonld.relative_id", id=address.removeprefix(_SENTINEL)[:80])
    known = isinstance(address, str) and address.startswith(("_:", "@"))
    if not known and not is_url(address):
        raise ProofProblem("vc.strange_address", address=str(address)[:80])


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
