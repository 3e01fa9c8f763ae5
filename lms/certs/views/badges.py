"""The certificate as a picture to keep and to show, which carries the signed file."""

from flask import Blueprint, current_app, request
from werkzeug.wrappers import Response

from lms.certs.core.carriers import Kind
from lms.certs.queries import credentials as queries
from lms.web.guard import public
from lms.web.language import LANGUAGES
from lms.web.session import session

blueprint = Blueprint("certs_badges", __name__)

TYPES = {Kind.PNG: "image/png", Kind.SVG: "image/svg+xml"}


@blueprint.get("/c/<uuid:uuid>.png")
@public
def png(uuid: object) -> Response:
    """Hand out the badge as PNG, in either language."""
    return _badge(str(uuid), Kind.PNG)


@blueprint.get("/c/<uuid:uuid>.svg")
@public
def svg(uuid: object) -> Response:
    """Hand out the badge as SVG, in either language."""
    return _badge(str(uuid), Kind.SVG)


def _badge(uuid: str, kind: Kind) -> Response:
    credential = queries.credential(session(), uuid)
    chosen = request.args.get("language", "")
    chosen = chosen if chosen in LANGUAGES else credential.request.language
    content = current_app.extensions["certificate_badge"](
        credential.document,
        kind,
        language=chosen,
        title=queries.title_of(credential, chosen),
        proof=queries.log_proof(session(), credential.sha256),
    )
    response = current_app.response_class(content, mimetype=TYPES[kind])
    name = f"badge-{credential.uuid[:8]}-{chosen}.{kind}"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["X-Robots-Tag"] = "noindex"
    return response
