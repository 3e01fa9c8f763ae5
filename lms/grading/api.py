"""JSON of a submission, for programs."""

from typing import Any

from flask import Blueprint
from flask_login import current_user

from lms.db import now
from lms.grading import policy
from lms.grading.queries.outcomes import Outcome, outcome
from lms.grading.queries.submissions import submission as find
from lms.web.session import session

blueprint = Blueprint("grading_api", __name__, url_prefix="/api")


@blueprint.get("/submissions/<int:submission_id>")
def submission(submission_id: int) -> dict[str, Any]:
    """Answer with a submission's state, and its points once there are any."""
    work = find(session(), submission_id)
    policy.check_can_see(current_user, work)
    staff = policy.can_see_all(current_user, work.lab.course)
    return _document(outcome(session(), work, staff=staff, at=now()))


def _document(shown: Outcome) -> dict[str, Any]:
    work, grade, wait = shown.submission, shown.grade, shown.wait
    return {
        "id": work.id,
        "lab": work.lab.slug,
        "course": work.lab.course.slug,
        "attempt": work.attempt,
        "sha256": work.blob,
        "received_at": work.received_at.isoformat(),
        "late": work.late,
        "state": shown.stage.value,
        "place": wait.place if wait else None,
        "wait_seconds": wait.seconds if wait else None,
        "cells": [cell.value for cell in shown.cells],
        "score": grade.score if grade else None,
        "maximum": grade.maximum if grade else work.release.maximum,
        "provisional": grade.provisional if grade else None,
        "assurance": grade.run.assurance if grade else None,
        "hidden_until": shown.hidden_until.isoformat() if shown.hidden_until else None,
        "checks": [
            {
                "grade_id": row.grade_id,
                "status": row.status.value if row.status else None,
                "score": row.score,
                "maximum": row.maximum,
                "message": row.message,
            }
            for row in shown.rows
        ],
    }
