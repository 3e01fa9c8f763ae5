"""The signed grade record as a file, and the public keys that prove it."""

from flask import Response, current_app
from flask_login import current_user

from lms.db import now
from lms.grading import policy
from lms.grading.core.record import KEYS_FORMAT, RecordKeys, written
from lms.grading.queries import records, submissions
from lms.grading.views.labs import attachment, blueprint
from lms.web.guard import public
from lms.web.session import blobs, session


@blueprint.get("/submissions/<int:submission_id>/runs/<int:ordinal>/record")
def download_record(submission_id: int, ordinal: int) -> Response:
    """Hand out the signed grade record of a run."""
    work = submissions.submission(session(), submission_id)
    policy.check_can_see(current_user, work)
    policy.check_can_take_record(current_user, work, now())
    staff = policy.can_see_all(current_user, work.lab.course)
    sha256 = records.record_of(session(), work, ordinal, staff=staff)
    name = f"grade-record-{work.id}-{ordinal}.json"
    return attachment(blobs().get(sha256), name, "application/json")


@blueprint.get("/.well-known/duri-grade-keys.json")
@public
def record_keys() -> Response:
    """Publish the keys that signed grade records, old ones too."""
    keys = RecordKeys(format=KEYS_FORMAT, keys=current_app.extensions["grade_keys"].published())
    response = current_app.response_class(written(keys), mimetype="application/json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = "public, max-age=60"
    return response
