"""Publishing a whole challenge folder: its texts and dates, and the first time its data."""

import secrets

from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.db import now
from lms.errors import N_, Invalid
from lms.leaderboards.core.challenge_file import CheckedChallenge
from lms.leaderboards.core.scoring import Workshop
from lms.leaderboards.services.challenges import publish_challenge
from lms.leaderboards.services.data import has_data, keep_data, make_data

SEED_BITS = 62


def publish_folder(
    sessions: sessionmaker[Session], blobs: BlobStore, workshop: Workshop, checked: CheckedChallenge
) -> bool:
    """Publish a checked folder; say whether its data were made now. No transaction is held meanwhile.

    Raises:
        ChallengeFailed: the author's program failed; nothing was published.
        DomainError: it cannot be published; nothing was.
    """
    found = checked.challenge
    if found is None:
        raise Invalid(N_('The challenge folder has errors. Run "lms challenge check" and put them right.'))
    with sessions() as session:  # a rehearsal: whatever would be refused is refused before data are made
        known = publish_challenge(session, None, found.to_dict(), at=now())
        wanted = not has_data(session, known)
        session.rollback()
    kept = (
        make_data(found, checked.folder.files, secrets.randbits(SEED_BITS), blobs, workshop)
        if wanted
        else None
    )
    with sessions.begin() as session:
        opened = publish_challenge(session, None, found.to_dict(), at=now())
        if kept is not None and not has_data(session, opened):
            keep_data(session, opened, kept, at=now())
    return wanted
