"""The files behind a certificate, as its holder takes them along."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.blobs import BlobStore
from lms.certs.core.document import Evidence
from lms.certs.core.evidence import Piece
from lms.certs.core.reading import read_claim
from lms.certs.models import Credential, EvidenceFile


def evidence_pieces(session: Session, found: Credential, blobs: BlobStore) -> list[Piece | None]:
    """Return the files that a certificate's evidence is about, in its order; None for what is not kept here.

    A certificate of the first form carries plain hashes, by which hand-ins are found.
    """
    rows = session.scalars(select(EvidenceFile).where(EvidenceFile.request_id == found.request_id))
    kept = {row.position: _piece(row.path, row.salt, row.blob, blobs) for row in rows}
    return [
        kept.get(position) or _plain_piece(item, position, blobs)
        for position, item in enumerate(read_claim(found.document).evidence)
    ]


def _plain_piece(item: Evidence, position: int, blobs: BlobStore) -> Piece | None:
    if item.salted or item.genre != "Notebook":
        return None
    return _piece(f"evidence/{position}/notebook.ipynb", "", item.sha256, blobs)


def _piece(path: str, salt: str, blob: str, blobs: BlobStore) -> Piece | None:
    try:
        return Piece(path, salt, blobs.get(blob))
    except KeyError:  # deleted since, as its holder may ask
        return None
