"""One database session a request: 2xx and 3xx commit, 4xx and 5xx roll back, here and nowhere else."""

from flask import Flask, Response, current_app, g
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.db import now

FAILURE = 400  # from this status on nothing is kept


def attach(app: Flask, sessions: sessionmaker[Session], blobs: BlobStore) -> None:
    """Give every request of `app` a session of its own, ended by the response."""
    app.extensions["sessions"] = sessions
    app.extensions["blobs"] = blobs
    app.before_request(_stamp)
    app.after_request(_end)
    app.teardown_request(_close)


def _stamp() -> None:
    g.received_at = now()  # before the body is read: what counts for a deadline


def session() -> Session:
    """Return the session of this request."""
    if "session" not in g:
        g.session = current_app.extensions["sessions"]()
    current: Session = g.session
    return current


def own_session() -> Session:
    """Return a new session that outlives a refusal: for records of failed attempts. The caller commits it."""
    fresh: Session = current_app.extensions["sessions"]()
    return fresh


def blobs() -> BlobStore:
    """Return the store of files."""
    store: BlobStore = current_app.extensions["blobs"]
    return store


def _end(response: Response) -> Response:
    if "session" in g:
        if response.status_code < FAILURE:
            g.session.commit()
        else:
            g.session.rollback()
    return response


def _close(error: BaseException | None) -> None:
    current: Session | None = g.pop("session", None)
    if current is not None:
        if error is not None:
            current.rollback()
        current.close()
