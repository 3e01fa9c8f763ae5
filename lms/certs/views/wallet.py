"""What a holder takes out of the wallet: a file that shows some parts of a certificate, the rest hidden."""

import json
from collections.abc import Iterator

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.certs import policy
from lms.certs.core.shown import CERTIFICATE, DETAILS, EMAIL, HOLDER, LAB, SCORE, parts
from lms.certs.core.strict_json import Document
from lms.certs.models import Credential
from lms.certs.queries import credentials as queries
from lms.certs.services import presenting
from lms.db import now
from lms.errors import Invalid
from lms.web.errors import translated
from lms.web.session import session

blueprint = Blueprint("certs_wallet", __name__)

WRONG = 422


@blueprint.get("/c/<uuid:uuid>/present")
def choose(uuid: object) -> str:
    """Let the holder choose what to show of a certificate."""
    credential = queries.credential(session(), str(uuid))
    policy.check_can_share(current_user, credential)
    return _page(credential, "")


@blueprint.post("/c/<uuid:uuid>/present")
def present(uuid: object) -> Response | tuple[str, int]:
    """Hand the holder the file that shows the chosen parts and hides the others."""
    credential = queries.credential(session(), str(uuid))
    policy.check_can_share(current_user, credential)
    try:
        shown = presenting.cut(session(), current_user, str(uuid), request.form.getlist("part"))
    except Invalid as error:
        return _page(credential, translated(error)), WRONG
    content = json.dumps(shown, ensure_ascii=False, indent=1).encode("utf-8")
    response = current_app.response_class(content, mimetype="application/json")
    name = f"presentation-{now():%Y%m%d-%H%M%S}.json"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/c/<uuid:uuid>/form")
def ask(uuid: object) -> Response:
    """Ask both organisations to sign the form of which a part can be shown."""
    form = presenting.ask(session(), current_user, str(uuid), at=now())
    flash(gettext("Both organisations are asked to sign. Reload the page in a minute."), "success")
    return redirect(url_for("certs_wallet.choose", uuid=form.credential.uuid), 303)


def _page(credential: Credential, wrong: str) -> str:
    return render_template(
        "certs/present.html",
        credential=credential,
        form=presenting.form_of(session(), credential),
        choices=list(_choices(parts(credential.document))),
        wrong=wrong,
    )


def _choices(known: Document) -> Iterator[tuple[str, str, str]]:
    """Yield each part: its name in the file, what to call it, and what it says."""
    score = known[SCORE]
    yield HOLDER, gettext("Name"), known[HOLDER]
    yield SCORE, gettext("Points"), f"{score['score']} / {score['maximum']}"
    for name, value in known.items():
        if name.startswith(LAB):
            reached = f"{value['score']} / {value['maximum']}"
            yield name, gettext("Points of “%(lab)s”", lab=value["name"]), reached
        elif name not in {HOLDER, SCORE, DETAILS, EMAIL, CERTIFICATE}:
            yield name, gettext("Place on “%(board)s”", board=value["name"]), str(value["place"])
    yield DETAILS, gettext("Description, criteria and skills"), known[DETAILS]["criteria"]
    yield EMAIL, gettext("Salted hash of your e-mail address"), gettext("Who knows the address can check it.")
    yield (
        CERTIFICATE,
        gettext("Number and hash of the certificate"),
        gettext("They lead to its public page, which shows everything."),
    )
