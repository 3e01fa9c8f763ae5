"""All certificates of a holder in one file."""

from uuid import uuid4

from flask import Blueprint, current_app
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.certs.core.transcript import build_transcript, write_transcript
from lms.certs.queries import connections
from lms.db import now
from lms.errors import N_, NotFound
from lms.web.session import session, settings

blueprint = Blueprint("certs_transcript", __name__)

MAKER = "Duri"


@blueprint.get("/certificates/transcript.json")
def transcript() -> Response:
    """Hand the holder all certificates that were not withdrawn, each as signed, in one record."""
    found = connections.credentials_of(session(), current_user.id, None)
    standing = [one.document for one in found if one.revoked_at is None]
    if not standing:
        raise NotFound(N_("You have no certificate yet. Come back when the first one is issued."))
    record = build_transcript(
        standing, transcript_id=f"urn:uuid:{uuid4()}", maker=(settings().public_url, MAKER), at=now()
    )
    response = current_app.response_class(write_transcript(record), mimetype="application/json")
    response.headers.set("Content-Disposition", "attachment", filename=f"transcript-{now():%Y%m%d}.json")
    response.headers["Cache-Control"] = "no-store"
    return response
