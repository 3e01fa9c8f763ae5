"""The wallet, the public certificate, the verify page, and the certificates of a course for its staff."""

from collections.abc import Callable

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response

from lms.accounts.services.limits import count_try
from lms.certs import policy
from lms.certs.core.carriers import MAX_FILE_BYTES, most_bytes
from lms.certs.core.evidence import write_bundle
from lms.certs.core.verify import Status, Verdict
from lms.certs.forms import CorrectForm, SuspendForm, VerifyForm, WithdrawForm
from lms.certs.models import Credential
from lms.certs.queries import certificates
from lms.certs.queries import credentials as queries
from lms.certs.services import requests, suspending
from lms.certs.views.bundling import bundle_of, paper_of, papers_of
from lms.certs.views.showing import show_marks, show_verdict
from lms.db import now
from lms.errors import Invalid
from lms.web.errors import put_beside
from lms.web.guard import public
from lms.web.language import LANGUAGES
from lms.web.session import own_session, session, settings

blueprint = Blueprint(
    "certs",
    __name__,
    template_folder="../templates",
    static_folder="../static",
    static_url_path="/certs/static",
)

UNREADABLE = 422
NOT_YET = 202


@blueprint.get("/certificates")
def wallet() -> str:
    """Show one's own certificates, issued or on their way."""
    mine = certificates.wallet(session(), current_user.id)
    return render_template("certs/wallet.html", certificates=mine, policy=policy)


@blueprint.post("/certificates/<int:request_id>/language")
def choose_language(request_id: int) -> Response:
    """Choose the language of the signed text."""
    requests.choose_language(session(), current_user, request_id, request.form.get("language", ""))
    flash(gettext("The language is chosen."), "success")
    return redirect(url_for("certs.wallet"), 303)


@blueprint.get("/c/<uuid:uuid>")
@public
def show(uuid: object) -> Response:
    """Show a certificate to anyone who has its address, checked at this moment."""
    return _checked(queries.credential(session(), str(uuid)), "certs/certificate.html")


@blueprint.get("/verify/<uuid:uuid>")
@public
def verify_one(uuid: object) -> Response:
    """Answer the QR code: check the certificate that the paper is about."""
    return _checked(queries.credential(session(), str(uuid)), "certs/verified.html")


@blueprint.get("/c/<uuid:uuid>.pdf")
@public
def paper(uuid: object) -> Response | tuple[str, int, dict[str, str]]:
    """Hand out the certificate on paper, in either language."""
    credential = queries.credential(session(), str(uuid))
    chosen = request.args.get("language", "")
    chosen = chosen if chosen in LANGUAGES else credential.request.language
    content = paper_of(credential, chosen)
    if content is None:
        page = render_template("certs/paper_waiting.html", credential=credential)
        return page, NOT_YET, {"Retry-After": "10"}
    response = current_app.response_class(content, mimetype="application/pdf")
    name = f"certificate-{credential.uuid[:8]}-{chosen}.pdf"
    response.headers.set("Content-Disposition", "inline", filename=name)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@blueprint.get("/c/<uuid:uuid>/bundle.zip")
def bundle(uuid: object) -> Response:
    """Hand the holder everything that outlives this site, the files behind the certificate among it."""
    credential = queries.credential(session(), str(uuid))
    policy.check_can_take_bundle(current_user, credential)
    content = write_bundle(bundle_of(credential, now()))
    response = current_app.response_class(content, mimetype="application/zip")
    name = f"certificate-{credential.uuid[:8]}-bundle.zip"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/verify")
@public
def verify() -> str | Response:
    """Offer to check a certificate; an identifier in the address leads to its answer."""
    if request.args.get("c"):
        credential = queries.credential(session(), request.args["c"])
        return redirect(url_for("certs.verify_one", uuid=credential.uuid))
    return render_template("certs/verify.html", form=VerifyForm(), answer=None)


@blueprint.post("/verify")
@public
def verify_file() -> tuple[str, int]:
    """Check a file or a pasted text."""
    _count_verification()
    form = VerifyForm()
    content = _taken(form)
    if not form.validate() or not content:
        if not form.errors:
            form.form_errors.append(gettext("Choose a file or paste the JSON first."))
        return render_template("certs/verify.html", form=form, answer=None), UNREADABLE
    verdict = _examine(content)
    page = render_template("certs/verify.html", form=VerifyForm(formdata=None), answer=show_verdict(verdict))
    return page, UNREADABLE if verdict.status is Status.UNREADABLE else 200


@blueprint.get("/courses/<slug>/certificates")
def of_course(slug: str) -> str:
    """Show staff of both organisations how far the course's certificates are."""
    course = queries.course(session(), slug)
    policy.check_can_watch(current_user, course)
    return render_template(
        "certs/course.html",
        course=course,
        found=certificates.certificates_of_course(
            session(), course.id, request.args.get("page", 1, type=int)
        ),
        policy=policy,
    )


@blueprint.post("/certificates/<int:request_id>/retry")
def retry(request_id: int) -> Response:
    """Ask the signers again at once."""
    found = requests.retry(session(), current_user, request_id, at=now())
    flash(gettext("Both signers are asked again."), "success")
    return redirect(url_for("certs.of_course", slug=found.enrolment.cohort.course.slug), 303)


@blueprint.route("/c/<uuid:uuid>/withdraw", methods=["GET", "POST"])
def withdraw(uuid: object) -> str | Response | tuple[str, int]:
    """Withdraw a certificate in the name of one of its two organisations."""
    credential = queries.credential(session(), str(uuid))
    policy.check_can_revoke(current_user, credential)
    form = WithdrawForm()
    return _decide(
        "certs/withdraw.html",
        form,
        credential,
        lambda: requests.revoke(session(), current_user, str(uuid), form.reason.data or "", at=now()),
        gettext("The certificate is withdrawn; the status list is being signed anew."),
    )


@blueprint.route("/c/<uuid:uuid>/suspend", methods=["GET", "POST"])
def suspend(uuid: object) -> str | Response | tuple[str, int]:
    """Suspend a certificate in the name of one of its two organisations."""
    credential = queries.credential(session(), str(uuid))
    policy.check_can_suspend(current_user, credential)
    form = SuspendForm()
    return _decide(
        "certs/suspend.html",
        form,
        credential,
        lambda: suspending.suspend(session(), current_user, str(uuid), form.reason.data or "", at=now()),
        gettext("The certificate is suspended; the status list is being signed anew."),
    )


@blueprint.route("/c/<uuid:uuid>/correct", methods=["GET", "POST"])
def correct(uuid: object) -> str | Response | tuple[str, int]:
    """Have a certificate made anew, with a corrected name or the points as they are by now."""
    credential = queries.credential(session(), str(uuid))
    newest = queries.is_newest(session(), credential.request)
    policy.check_can_correct(current_user, credential, is_newest=newest)
    form = CorrectForm(name=credential.enrolment.confirmed_name)
    return _decide(
        "certs/correct.html",
        form,
        credential,
        lambda: requests.correct(session(), current_user, str(uuid), form.name.data or "", at=now()),
        gettext("Both signers are asked for the corrected certificate."),
    )


@blueprint.post("/c/<uuid:uuid>/lift")
def lift(uuid: object) -> Response:
    """Agree, for one's organisation, to end a suspension."""
    credential = suspending.lift(session(), current_user, str(uuid), at=now())
    if credential.suspended_at is None:
        flash(gettext("Both organisations agreed: the status list is being signed anew."), "success")
    else:
        flash(gettext("Noted. The suspension ends once the other organisation agrees too."), "success")
    return redirect(url_for("certs.of_course", slug=credential.enrolment.cohort.course.slug), 303)


def _decide(
    template: str, form: FlaskForm, credential: Credential, decision: Callable[[], object], done: str
) -> str | Response | tuple[str, int]:
    """Show staff a form about a certificate; carry out what was decided, or show what is wrong with it."""
    if form.validate_on_submit():
        try:
            decision()
        except Invalid as error:
            put_beside(form, error)
        else:
            flash(done, "success")
            return redirect(url_for("certs.of_course", slug=credential.enrolment.cohort.course.slug), 303)
    page = render_template(template, form=form, credential=credential)
    return (page, UNREADABLE) if form.errors else page


def _checked(credential: Credential, template: str) -> Response:
    verdict = _examine(queries.content_of(credential))
    page = render_template(
        template,
        credential=credential,
        answer=show_verdict(verdict),
        marks=show_marks(credential),
        successor=queries.credential_after(session(), credential.request),
        logged=queries.log_proof(session(), credential.sha256) is not None,
        papers=papers_of(credential),
        mine=current_user.is_authenticated and credential.enrolment.user_id == current_user.id,
    )
    response = current_app.make_response(page)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _examine(content: bytes) -> Verdict:
    """Verify with a reader's session: checking a stranger's file must not hold the database's write lock."""
    with own_session() as reading:
        return queries.verdict_on(
            reading, content, queries.pinned_trust(settings().trust), settings().public_url, now()
        )


def _taken(form: VerifyForm) -> bytes:
    """Return what was sent; the file is closed at once, for a large one lies on disk."""
    if not form.file.data:
        return (form.text.data or "").strip().encode("utf-8", errors="replace")
    with form.file.data.stream as stream:
        start: bytes = stream.read(MAX_FILE_BYTES + 1)
        rest: bytes = stream.read(most_bytes(start) + 1 - len(start)) if len(start) > MAX_FILE_BYTES else b""
    return start + rest


def _count_verification() -> None:
    with own_session() as own:
        count_try(own, policy.VERIFY_PER_ADDRESS, request.remote_addr or "")
        own.commit()
