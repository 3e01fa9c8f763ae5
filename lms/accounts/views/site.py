"""Pages for the operator of this installation: audit log, and the outbox of a demonstration."""

from flask import Blueprint, render_template, request, url_for
from flask_login import current_user

from lms.accounts import queries
from lms.accounts.policy import check_is_site_admin
from lms.errors import NotFound
from lms.web.guard import public
from lms.web.session import session, settings

blueprint = Blueprint("site", __name__, template_folder="../templates")

PAGE_ROWS = 50


@blueprint.get("/audit")
def audit() -> str:
    """Show who did what when."""
    check_is_site_admin(current_user)
    words = request.args.get("q", "").strip()
    number = max(1, min(request.args.get("page", 1, type=int), 1_000_000))
    rows, count = queries.audit_page(session(), page=number, page_rows=PAGE_ROWS, words=words)

    def address(page: int) -> str:
        return url_for("site.audit", q=words or None, page=page)

    return render_template(
        "accounts/audit.html",
        rows=rows,
        number=number,
        count=-(-count // PAGE_ROWS),
        words=words,
        address=address,
        head=queries.audit_head(session()),
    )


@blueprint.get("/outbox")
@public
def outbox() -> str:
    """Show the mail of a demonstration; elsewhere this page does not exist."""
    if not settings().demo:
        raise NotFound
    return render_template("accounts/outbox.html", mails=queries.recent_mails(session()))
