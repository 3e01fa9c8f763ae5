"""Canonical RDF of documents by any issuer, whose vocabularies are all at hand."""

from typing import Any

from lms.certs.core.jsonld import Contexts, pinned_contexts, to_nquads
from lms.certs.core.problems import ProofProblem
from lms.certs.core.strict_json import Document


def meaning(document: Document, contexts: Contexts) -> bytes:
    """Return the canonical N-Quads of a document, with nothing lost on the way but the directions of texts.

    RDF has no such directions, and the data model allows them (VC Data Model 2.0, section 11.1): a signature
    over RDF covers them nowhere. Here it is not refused for them; no certificate of ours has any.

    Raises:
        ProofProblem: a vocabulary that is not at hand, or what `to_nquads` refuses.
    """
    plain = _check_vocabularies(document, contexts)
    return to_nquads(document, None if plain else contexts, directed=True)


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
