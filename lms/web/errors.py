"""The only translator of errors into responses: a page for people, problem+json for programs."""

import errno

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request
from flask_babel import gettext
from flask_login import AnonymousUserMixin, current_user
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import BadHost, HTTPException, InternalServerError

from lms.errors import N_, DomainError, Invalid, NotKnown, TooSoon
from lms.web.session import read_on

SENTENCES = {
    400: N_("This request could not be read. Go back, reload the page and try again."),
    401: N_("Sign in to go on."),
    403: N_("This page is not open to you. Ask the people of your organisation if it should be."),
    404: N_("This page is not here. Check the address."),
    405: N_("This address does not work that way. Go back and use the buttons of the page."),
    413: N_("This is more than we can take at once (%(limit)d MB). Make the file smaller and send it again."),
    415: N_("This kind of file is not taken here. Check the type and send it again."),
    422: N_("Something in the form is not right yet. Go back and look at it once more."),
    429: N_("That was too many tries. Wait a minute, then try again."),
    500: N_("Something went wrong on our side. Nothing of yours was changed; try again in a minute."),
    503: N_("Many people are writing at this moment. Nothing was changed; try again in a few seconds."),
    507: N_("There is no room left to keep this. Nothing was changed; the operator must free some space."),
}
TITLES = {
    400: N_("That could not be read"),
    401: N_("Sign in first"),
    403: N_("Not open to you"),
    404: N_("Not here"),
    409: N_("Not possible right now"),
    413: N_("Too large"),
    422: N_("Not right yet"),
    429: N_("A little slower"),
    500: N_("Our mistake"),
    503: N_("Busy at the moment"),
    507: N_("No room left"),
}
CSRF_SENTENCE = N_("This form was open too long or came from elsewhere. Reload the page and send it again.")
BUSY_RETRY_SECONDS = 3
LEAST_OWN_FAULT = 500


def attach(app: Flask) -> None:
    """Answer every error of `app` with words that say what to do next."""
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(OperationalError, _database)
    app.register_error_handler(OSError, _storage)
    app.register_error_handler(HTTPException, _http)


def said(message: str, params: object) -> str:
    """Translate a msgid into the language of this request, and fill it in."""
    sentence = str(gettext(message))
    return sentence % params if params else sentence


def translated(error: DomainError) -> str:
    """Return the error's sentence in the language of this request."""
    return said(error.message, error.params)


def put_beside(form: FlaskForm, error: DomainError) -> None:
    """Show what a service refused beside the field it is about, or above the form."""
    field = form._fields.get(error.field or "") if isinstance(error, Invalid) else None
    if field is None:
        form.form_errors.append(translated(error))
    else:
        field.errors = [*field.errors, translated(error)]


def _domain(error: DomainError) -> Response:
    response = _answer(error.status, translated(error))
    if isinstance(error, TooSoon):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def problem(error: DomainError, **members: object) -> Response:
    """Answer a program with what was refused, and with more about it (RFC 9457, section 3.2)."""
    return _problem(error.status, gettext(TITLES[error.status]), translated(error), **members)


def _csrf(error: CSRFError) -> Response:
    del error
    return _answer(400, gettext(CSRF_SENTENCE))


def _http(error: HTTPException) -> Response:
    if isinstance(request.routing_exception, BadHost):  # then no page can name its own addresses
        return Response(f"{gettext(SENTENCES[400])}\n", 400, content_type="text/plain; charset=utf-8")
    if error.response is not None:
        return make_response(error.response)
    if isinstance(error, InternalServerError) and isinstance(error.original_exception, OSError):
        return _storage(error.original_exception)
    return _answer(error.code or LEAST_OWN_FAULT)


def _database(error: OperationalError) -> Response:
    current_app.logger.warning("the database refused: %s", error.orig)
    _find_the_reader()
    if _has_no_room(error):
        return _answer(507)
    response = _answer(503)
    response.headers["Retry-After"] = str(BUSY_RETRY_SECONDS)
    return response


def _has_no_room(error: BaseException | None) -> bool:
    """Look behind the error too: a full SQLite ends the transaction, and then its savepoint is missing."""
    while error is not None:
        said = str(error.orig) if isinstance(error, OperationalError) else ""
        if any(word in said for word in ("disk", "full", "No space")):
            return True
        error = error.__context__
    return False


def _find_the_reader() -> None:
    """Make sure that the error page can be drawn: it greets by name whoever can still be found."""
    read_on()
    g.pop("_login_user", None)
    try:
        current_user.is_authenticated  # noqa: B018 - loads the user
    except OperationalError:
        g._login_user = AnonymousUserMixin()  # noqa: SLF001 - where flask_login keeps who it found


def _storage(error: OSError) -> Response:
    current_app.logger.error("the file system refused: %s", error)
    return _answer(507 if error.errno in {errno.ENOSPC, errno.EDQUOT} else LEAST_OWN_FAULT)


def _answer(status: int, sentence: str | None = None) -> Response:
    limit = (request.max_content_length or 0) // 1_000_000
    fallback = 500 if status >= LEAST_OWN_FAULT else 400
    text = sentence or gettext(SENTENCES.get(status, SENTENCES[fallback]), limit=limit)
    title = gettext(TITLES.get(status, TITLES[fallback]))
    if wants_json():
        return _problem(status, title, text)
    return make_response(render_template("web/error.html", status=status, heading=title, text=text), status)


def _problem(status: int, title: str, detail: str, **members: object) -> Response:
    response = jsonify(type="about:blank", title=title, status=status, detail=detail, **members)
    response.status_code, response.mimetype = status, "application/problem+json"
    if status == NotKnown.status:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def wants_json() -> bool:
    """Say whether a program asks: an address under /api/, or JSON preferred over a page."""
    if request.path.startswith("/api/"):
        return True
    accepted = request.accept_mimetypes
    best = accepted.best_match(["text/html", "application/json", "application/problem+json"])
    return best is not None and best != "text/html" and accepted[best] > accepted["text/html"]


def render_form(template: str, form: FlaskForm, **context: object) -> tuple[str, int]:
    """Render a page with a form: 200, or 422 when something in the form is not right."""
    wrong = bool(form.errors or form.form_errors)
    return render_template(template, form=form, **context), Invalid.status if wrong else 200
