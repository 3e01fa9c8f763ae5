"""Limits on tries, counted in the database so that they hold across processes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lms.accounts.models import RateWindow
from lms.db import now
from lms.errors import N_, TooSoon

MINUTE = 60
HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many tries in a window of so many seconds."""

    name: str
    tries: int
    seconds: int


SIGN_IN_PER_PLACE = Limit(name="sign-in-place", tries=8, seconds=15 * MINUTE)
"""One account from one network address."""
SIGN_IN_PER_ACCOUNT = Limit(name="sign-in-account", tries=50, seconds=15 * MINUTE)
SIGN_IN_PER_ADDRESS = Limit(name="sign-in-address", tries=300, seconds=15 * MINUTE)
"""One network address: a whole class may sit behind it."""
SIGN_UP_PER_ADDRESS = Limit(name="sign-up-address", tries=200, seconds=HOUR)
MAIL_PER_ACCOUNT = Limit(name="mail-account", tries=5, seconds=HOUR)
"""Letters that a stranger can make us send to one address."""
MAIL_PER_ADDRESS = Limit(name="mail-address", tries=200, seconds=HOUR)


def count_try(session: Session, limit: Limit, whom: str, *, at: datetime | None = None) -> None:
    """Count one try of `whom` in the present window, which begins with its first try.

    `session` is one of its own: the try counts although the request that made it is refused.

    Raises:
        TooSoon: there were too many; says when the window ends.
    """
    moment = (at or now()).timestamp()
    session.execute(delete(RateWindow).where(RateWindow.expires_at <= moment))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    counting = (
        insert(RateWindow)
        .values(key=_key(limit, whom), hits=1, expires_at=moment + limit.seconds)
        .on_conflict_do_update(index_elements=["key"], set_={"hits": RateWindow.hits + 1})
        .returning(RateWindow.hits, RateWindow.expires_at)
    )
    hits, expires_at = session.execute(counting).one()
    if hits > limit.tries:
        raise _too_soon(expires_at - moment)


def check_tries(session: Session, limit: Limit, whom: str, *, at: datetime | None = None) -> None:
    """Refuse who has no try left in the present window; nothing is counted.

    Raises:
        TooSoon: as `count_try`.
    """
    moment = (at or now()).timestamp()
    expires_at = session.scalar(
        select(RateWindow.expires_at).where(
            RateWindow.key == _key(limit, whom),
            RateWindow.expires_at > moment,
            RateWindow.hits >= limit.tries,
        )
    )
    if expires_at is not None:
        raise _too_soon(expires_at - moment)


def _too_soon(seconds: float) -> TooSoon:
    wait = max(1, ceil(seconds))
    return TooSoon(
        N_("That was too many tries. Try again in %(minutes)d min."),
        retry_after_seconds=wait,
        minutes=ceil(wait / MINUTE),
    )


def forget_tries(session: Session, limit: Limit, whom: str) -> None:
    """Begin again at zero, because a try went well."""
    session.execute(delete(RateWindow).where(RateWindow.key == _key(limit, whom)))


def _key(limit: Limit, whom: str) -> str:
    """Name a window without keeping the address that it is about."""
    return f"{limit.name}:{hashlib.sha256(whom.encode()).hexdigest()}"
