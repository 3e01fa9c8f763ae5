"""The labs of a course: what each is, what to download, where to hand in."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, Response, flash, g, redirect, render_template, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from lms.courses.models import Enrolment
from lms.db import now
from lms.errors import N_, Conflict, DomainError, NotFound
from lms.grading import policy
from lms.grading.core.contracts import Notice
from lms.grading.core.notices import sentence
from lms.grading.forms import UploadForm
from lms.grading.models import Lab, LabRelease
from lms.grading.queries import labs as lab_queries
from lms.grading.queries.gradebook import COLUMNS, Column, Given
from lms.grading.queries.overview import LabState, lab_state, labs_for, running_enrolments
from lms.grading.queries.submissions import enrolment_for
from lms.grading.services import submitting
from lms.web.errors import put_beside, translated
from lms.web.language import language
from lms.web.session import blobs, reads_first, session, settings, write
from lms.web.slots import gather

blueprint = Blueprint("grading", __name__, template_folder="../templates")

ZIP_MOMENT = (2000, 1, 1, 0, 0, 0)  # the same data make the same file


@blueprint.app_template_filter("spoken")
def spoken(notice: Notice) -> str:
    """Say a notice in the reader's language."""
    return sentence(notice, language())


@blueprint.app_template_filter("own_half")
def own_half(message: str) -> str:
    """Pick the reader's half of an author's message, written `한국어 | English`."""
    korean, bar, english = message.partition(" | ")
    return message if not bar else (korean if language() == "ko" else english)


@blueprint.get("/labs")
def labs() -> str:
    """Show the open labs of all courses that the person takes, and what boards gave them."""
    enrolments = running_enrolments(session(), current_user.id, now())
    courses = [(each, labs_for(session(), each), _given(each)) for each in enrolments]
    return render_template("grading/labs.html", courses=courses)


def _given(enrolment: Enrolment) -> list[tuple[Column, Given]]:
    """Return what boards gave one person, as higher domains tell it."""
    columns: list[Column] = gather(COLUMNS, cohort=enrolment.cohort, person=enrolment.user)
    return [(each, each.given[enrolment.user_id]) for each in columns if enrolment.user_id in each.given]


@blueprint.get("/courses/<course>/labs/<lab>")
def lab(course: str, lab: str) -> str:
    """Show one lab."""
    return _page(*_opened(course, lab), UploadForm())


@blueprint.post("/courses/<course>/labs/<lab>")
@reads_first
def submit(course: str, lab: str) -> Answer | tuple[str, int]:
    """Take a notebook in."""
    opened, enrolment = _opened(course, lab, g.received_at)
    if enrolment is None:
        raise Conflict(N_("Enrol in this course to hand in work."))
    form = UploadForm()
    if not form.validate_on_submit():
        return _page(opened, enrolment, form), 422
    try:
        accepted = submitting.accept(
            session(),
            enrolment,
            opened,
            filename=form.notebook.data.filename or "",
            content=form.notebook.data.read(settings().upload_limit_bytes + 1),
            received_at=g.received_at,
            blobs=blobs(),
            limit_bytes=settings().upload_limit_bytes,
        )
    except submitting.NotThisLab as refusal:
        put_beside(form, refusal)
        return _page(opened, enrolment, form, refusal.notices), 422
    work = submitting.keep(write(), accepted)
    flash(_said(refused=work.refused, late=work.late), "warning" if work.late else "success")
    return redirect(url_for("grading.submission", submission_id=work.id), 303)


def _said(*, refused: bool, late: bool) -> str:
    if refused:
        said = gettext("The deadline has passed. Your file is kept, but it is not graded.")
    elif late:
        said = gettext("Your notebook has arrived, after the deadline. It is graded and marked late.")
    else:
        said = gettext("Your notebook has arrived. It is graded in a moment.")
    return str(said)


def _opened(course: str, lab: str, at: datetime | None = None) -> tuple[Lab, Enrolment | None]:
    """Return a lab that the person may open, and the enrolment under which they take it at a moment."""
    found = lab_queries.lab(session(), course, lab)
    enrolment = enrolment_for(session(), current_user.id, found.course, at or now())
    policy.check_can_open(current_user, found.course, enrolment)
    return found, enrolment


def _page(lab: Lab, enrolment: Enrolment | None, form: UploadForm, notices: Sequence[Notice] = ()) -> str:
    state = lab_state(session(), lab, enrolment)
    return render_template(
        "grading/lab.html",
        lab=lab,
        state=state,
        form=form,
        notices=notices,
        closed=_closed(state),
        opens_at=state.opens_at if state and state.opens_at and state.opens_at > now() else None,
        data=sorted(lab_queries.data_files(state.release)) if state else (),
        staff=policy.can_see_all(current_user, lab.course),
        teacher=policy.can_regrade(current_user, lab.course),
    )


def _closed(state: LabState | None) -> str:
    """Say why nothing can be handed in now; empty: it can."""
    if state is None or state.enrolment is None:
        return str(gettext("Enrol in this course to hand in work."))
    try:
        policy.check_can_submit(state.enrolment, state.lab, now())
        policy.check_attempts_left(state.release, state.used)
    except DomainError as reason:
        return translated(reason)
    return ""


def _release(course: str, lab: str) -> LabRelease:
    release = _opened(course, lab)[0].current_release
    if release is None:
        raise NotFound
    return release


@blueprint.get("/courses/<course>/labs/<lab>/notebook")
def download_notebook(course: str, lab: str) -> Response:
    """Hand out the student version."""
    release = _release(course, lab)
    return attachment(blobs().get(release.student_blob or ""), f"{lab}.ipynb", "application/x-ipynb+json")


@blueprint.get("/courses/<course>/labs/<lab>/data")
def download_data(course: str, lab: str) -> Response:
    """Hand out the data: one file as it is, several as a zip, laid out as the notebook looks for them."""
    release = _release(course, lab)
    files = lab_queries.data_files(release)
    if not files:
        raise NotFound
    if len(files) == 1:
        ((path, sha256),) = files.items()
        return attachment(blobs().get(sha256), path.rsplit("/", 1)[-1], "application/octet-stream")
    home = "" if policy.rules_of(release).data == "beside" else "data/"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, sha256 in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(f"{home}{path}", ZIP_MOMENT), blobs().get(sha256))
    return attachment(packed.getvalue(), f"{lab}-data.zip", "application/zip")


@blueprint.get("/courses/<course>/labs/<lab>/environment")
def download_environment(course: str, lab: str) -> Response:
    """Hand out the lock of the packages that the lab is graded with."""
    release = _release(course, lab)
    path = settings().environments / f"{release.environment_name}.txt"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != release.environment_sha256:
        raise Conflict(N_("The packages of this lab are being renewed. Try again in a few minutes."))
    return attachment(content, f"{release.environment_name}.txt", "text/plain")


def attachment(content: bytes, name: str, kind: str) -> Response:
    """Answer with a file to be saved, never to be shown in the browser."""
    response = Response(content, content_type=kind)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
