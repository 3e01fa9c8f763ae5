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
    kept = {row.position: Piece(row.path, row.salt, blobs.get(row.blob)) for row in rows}
    return [
        kept.get(position) or _plain_piece(item, position, blobs)
        for position, item in enumerate(read_claim(found.document).evidence)
    ]


def _plain_piece(item: Evidence, position: int, blobs: BlobStore) -> Piece | None:
    if item.salted or item.genre != "Notebook":
        return None
    try:
        return Piece(f"evidence/{position}/notebook.ipynb", "", blobs.get(item.sha256))
    except KeyError:
        return None
