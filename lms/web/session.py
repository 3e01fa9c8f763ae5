"""One database session a request: 2xx and 3xx commit, 4xx and 5xx roll back, here and nowhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream

from lms.blobs import BlobStore
from lms.config import Settings
from lms.db import QUIET
from lms.errors import DomainError
from lms.web.arrival import arrived_at

log = structlog.get_logger()

FAILURE = 400  # from this status on nothing is kept
READING = frozenset({"GET", "HEAD", "OPTIONS"})

View = TypeVar("View", bound=Callable[..., Any])


def attach(app: Flask, sessions: sessionmaker[Session], blobs: BlobStore) -> None:
    """Give every request of `app` a session of its own, ended by the response."""
    app.extensions["sessions"] = sessions
    app.extensions["blobs"] = blobs
    app.before_request(_stamp)
    app.after_request(_end)
    app.teardown_request(_close)


def _stamp() -> None:
    g.received_at = arrived_at(request.environ)  # before the body is read: what counts for a deadline
    if request.method not in READING:
        _read_body()


def _read_body() -> None:
    """Take the whole body in before a transaction begins: a slow sender must not hold the write lock.

    Raises:
        RequestEntityTooLarge: it came in pieces, and as many of them as are taken, or more.
    """
    if not (request.form or request.files):
        request.get_data(cache=True)
    sent = request.stream
    if request.content_length is None and isinstance(sent, LimitedStream) and sent.is_exhausted:
        raise RequestEntityTooLarge  # only its beginning was read, without a word


def session() -> Session:
    """Return the session of this request.

    A request that may write begins as a writer: on SQLite a reader that becomes one later is refused
    at once when somebody else wrote in between, however long it would be willing to wait.
    """
    if "session" not in g:
        factory: sessionmaker[Session] = current_app.extensions["sessions"]
        if _only_reads():
            g.session = factory(info={QUIET: True})
        else:
            g.session = factory(bind=factory.kw["bind"].execution_options(sqlite_begin="IMMEDIATE"))
    current: Session = g.session
    return current


def write() -> Session:
    """Take the writer's place, from here to the response, in a view that is marked with `reads_first`.

    What was read before may have changed since, so whatever must hold is asked once more. Belongs before
    any change.
    """
    current = session()
    current.commit()  # nothing was changed: only the reading ends
    current.info[QUIET] = False
    current.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
    return current


def reads_first(view: View) -> View:
    """Mark a view that writes only after `write()`: others can write while it reads and checks."""
    view.__dict__["reads_first"] = True
    return view


def _only_reads() -> bool:
    if request.method in READING or "only_reads" in g:
        return True
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(view, "reads_first", False))


def read_afresh() -> None:
    """Let go of what this request has read: what it reads next is what is true then. Changes nothing."""
    current = session()
    current.rollback()
    current.expire_all()


def own_session() -> Session:
    """Return a new session that outlives a refusal: for records of failed attempts. The caller commits it.

    The request's own session lets go of its transaction first (two writers of one request would wait for
    each other), so this belongs before any change.
    """
    if "session" in g:
        g.session.rollback()
    fresh: Session = current_app.extensions["sessions"]()
    return fresh


@contextmanager
def refusals(note: Callable[[Session], object]) -> Iterator[None]:
    """Write something down whenever what is done within is refused, in a session that outlives the refusal.

    As with `own_session`, what the request changed before is let go.
    """
    try:
        yield
    except DomainError:
        with own_session() as own:
            note(own)
            own.commit()
        raise


def noted(work: Callable[[Session], object]) -> None:
    """Write something small that a page which only reads causes, in a writer's session of its own.

    A database too busy for it is no reason to fail the page: the next look notes it again.
    """
    factory: sessionmaker[Session] = current_app.extensions["sessions"]
    bind = factory.kw["bind"].execution_options(sqlite_begin="IMMEDIATE")
    try:
        with factory(bind=bind) as writing, writing.begin():
            work(writing)
    except OperationalError as problem:
        log.warning("web.not_noted", problem=str(problem.orig))


def read_on() -> None:
    """Give up what this request changed and only read from now on: for the page that says so."""
    current: Session | None = g.pop("session", None)
    if current is not None:
        current.rollback()
        current.close()
    g.only_reads = True


def settings() -> Settings:
    """Return the settings of this installation."""
    found: Settings = current_app.extensions["settings"]
    return found


def blobs() -> BlobStore:
    """Return the store of files."""
    store: BlobStore = current_app.extensions["blobs"]
    return store


def _end(response: Response) -> Response:
    if "session" not in g:
        return response
    if response.status_code >= FAILURE:
        g.session.rollback()
        return response
    try:
        g.session.commit()
    except OperationalError as error:
        g.session.rollback()
        return current_app.make_response(current_app.handle_user_exception(error))
    return response


def _close(error: BaseException | None) -> None:
    current: Session | None = g.pop("session", None)
    if current is not None:
        if error is not None:
            current.rollback()
        current.close()
