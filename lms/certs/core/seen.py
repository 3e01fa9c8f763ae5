"""What was examined already: the same bytes lead to the same finding, so a batch looks at them once."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from lms.certs.core.joint import Signature
from lms.certs.core.strict_json import Document, canonical, sha256_of
from lms.certs.core.trust import Role

T = TypeVar("T")


class Seen:
    """Remember what came out, by everything that went in; for one batch, one trust file and one moment.

    Nothing is taken on trust: an answer is found again only under the very bytes that it was given for.
    """

    def __init__(self) -> None:
        self._found: dict[Hashable, Any] = {}
        self._hashes: dict[int, tuple[Document, str]] = {}

    def once(self, about: Hashable, look: Callable[[], T]) -> T:
        """Return what `look` returns; it is called once for all that is `about` the same."""
        if about not in self._found:
            self._found[about] = look()
        found: T = self._found[about]
        return found

    def keep_signature(self, document: Document, proof: Document, signature: Signature) -> None:
        """Remember that a proof over a document is good; the same document comes again with another proof."""
        if signature.good:
            if id(document) not in self._hashes:
                self._hashes[id(document)] = (document, sha256_of(document))
            _, sha256 = self._hashes[id(document)]
            self._found[_signed(sha256, (signature.did, signature.role), [proof])] = signature

    def signature(self, sha256: str, did: str, role: Role, proofs: object) -> Signature | None:
        """Return what was found of an organisation's only proof over the document of this hash.

        None where that is not known, or where the proof was not good.
        """
        if not self._found or not isinstance(proofs, list):
            return None
        mine = [one for one in proofs if _is_by(one, did)]
        found: Signature | None = self._found.get(_signed(sha256, (did, role), mine))
        return found


def _signed(sha256: str, by: tuple[str, Role], proofs: list[Any]) -> Hashable:
    return ("signature", sha256, by, canonical(proofs))


def _is_by(proof: object, did: str) -> bool:
    return isinstance(proof, dict) and str(proof.get("verificationMethod")).partition("#")[0] == did
