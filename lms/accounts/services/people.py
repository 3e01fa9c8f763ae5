"""Verbs of people: sign up, confirm, authenticate, change."""

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.accounts import queries
from lms.accounts.core.countries import COUNTRIES
from lms.accounts.core.passwords import LONGEST, SHORTEST, weakness
from lms.accounts.core.secrets import fold_email, hash_password, is_address, is_outdated, is_password
from lms.accounts.models import LinkPurpose, User
from lms.accounts.services.audit import record
from lms.accounts.services.links import end_links, make_link, use_link
from lms.accounts.services.mail import queue_letter
from lms.db import now
from lms.errors import N_, Conflict, Invalid, NotFound

NO_PASSWORD = "!"  # noqa: S105 - no argon2 hash: nothing verifies against it
DEFAULT_ZONE = "Asia/Seoul"


def create_user(
    session: Session,
    actor: User | None,
    *,
    email: str,
    name: str,
    password: str | None = None,
    language: str = "ko",
    confirmed_at: datetime | None = None,
) -> User:
    """Make an account; without a password its owner sets one by the reset link.

    Raises:
        Conflict: the address has an account already.
        Invalid: it is no address, or the password is too weak.
    """
    if not is_address(email):
        raise Invalid(N_("This is no mail address. It looks like name@example.org."), field="email")
    if password is not None:
        _check_password(password, email, name)
    if queries.user_by_email(session, email):
        raise Conflict(N_("This address has an account already. Use another one."))
    kept = hash_password(password) if password else NO_PASSWORD
    user = _add(session, email=email, name=name, password_hash=kept, language=language)
    user.confirmed_at = confirmed_at
    record(session, actor, "accounts.create", f"user:{user.id}")
    return user


def sign_up(session: Session, *, email: str, name: str, password: str, language: str, links_at: str) -> None:
    """Make an account and send the link that confirms its address.

    An address that has an account gets a letter that says so; the answer on the page is the same.

    Raises:
        Invalid: the password is too weak.
    """
    _check_password(password, email, name)
    kept = hash_password(password)
    known = queries.user_by_email(session, email)
    if known is None:
        try:
            with session.begin_nested():
                user = _add(session, email=email, name=name, password_hash=kept, language=language)
        except IntegrityError:  # somebody was faster with the same address
            known = queries.user_by_email(session, email)
        else:
            record(session, user, "accounts.sign_up", f"user:{user.id}")
            send_confirmation(session, user, links_at=links_at)
    if known is not None:
        queue_letter(session, known.email, "known", known.language, link=f"{links_at}/reset")


def send_confirmation(session: Session, user: User, *, links_at: str) -> None:
    """Send the link that confirms a user's address; older ones stop working."""
    end_links(session, user, LinkPurpose.CONFIRM)
    secret = make_link(session, LinkPurpose.CONFIRM, user.email, user=user)
    link = f"{links_at}/confirm/{secret}"
    queue_letter(session, user.email, "confirm", user.language, name=user.name, link=link)


def confirm(session: Session, secret: str) -> User:
    """Confirm an address by its link.

    Raises:
        NotFound: the link was used or is too old.
    """
    user = _owner(session, secret, LinkPurpose.CONFIRM)
    user.confirmed_at = user.confirmed_at or now()
    record(session, user, "accounts.confirm", f"user:{user.id}")
    return user


def authenticate(session: Session, *, email: str, password: str) -> User | None:
    """Return the user whose address and password these are; takes as long without an account."""
    user = queries.user_by_email(session, email)
    if not is_password(password, user.password_hash if user else None) or user is None:
        return None
    if user.disabled_at is not None:
        return None
    return user


def renew_hash(user: User, password: str) -> None:
    """Hash a password that was just found right anew, if today's parameters are stronger."""
    if is_outdated(user.password_hash):
        user.password_hash = hash_password(password)


def request_reset(session: Session, *, email: str, links_at: str) -> None:
    """Send a link for a new password, if the address has an account; the answer is the same without."""
    user = queries.user_by_email(session, email)
    if user is None or user.disabled_at is not None:
        return
    secret = make_link(session, LinkPurpose.RESET, user.email, user=user)
    queue_letter(session, user.email, "reset", user.language, link=f"{links_at}/reset/{secret}")


def reset_password(session: Session, secret: str, password: str, *, links_at: str) -> User:
    """Set a new password by a link; that the link arrived also confirms the address.

    Raises:
        NotFound: the link was used or is too old.
        Invalid: the password is too weak.
    """
    link = queries.open_link(session, secret, LinkPurpose.RESET)
    _check_password(password, link.email)
    user = _owner(session, secret, LinkPurpose.RESET)
    user.confirmed_at = user.confirmed_at or now()
    _set_password(session, user, password, links_at=links_at)
    record(session, user, "accounts.reset_password", f"user:{user.id}")
    return user


def change_password(session: Session, user: User, *, current: str, new: str, links_at: str) -> None:
    """Change a password; every session of the user ends.

    Raises:
        Invalid: the current password is wrong, or the new one too weak.
    """
    if not is_password(current, user.password_hash):
        raise Invalid(N_("This is not your present password. Type it once more."), field="current")
    _check_password(new, user.email, user.name, field="new")
    _set_password(session, user, new, links_at=links_at)
    record(session, user, "accounts.change_password", f"user:{user.id}")


def update_profile(
    session: Session, user: User, *, name: str, language: str, timezone: str, country: str = ""
) -> None:
    """Change how a user is called, in which language and zone pages speak, and which country they name.

    Args:
        country: ISO 3166-1 alpha-2; empty: the user names none.

    Raises:
        Invalid: there is no such country.
    """
    if country and country not in COUNTRIES:
        raise Invalid(N_("There is no such country. Choose one from the list."), field="country")
    user.name, user.language, user.timezone = name.strip(), language, timezone
    user.country = country or None
    record(session, user, "accounts.update_profile", f"user:{user.id}", language=language)


def disable(session: Session, actor: User | None, user: User) -> None:
    """Close an account: its sessions end, nobody can sign in with it."""
    user.disabled_at = user.disabled_at or now()
    user.session_token = secrets.token_urlsafe(32)
    record(session, actor, "accounts.disable", f"user:{user.id}")


def _add(session: Session, *, email: str, name: str, password_hash: str, language: str) -> User:
    user = User(
        email=fold_email(email),
        password_hash=password_hash,
        name=name.strip(),
        language=language,
        timezone=DEFAULT_ZONE,
        session_token=secrets.token_urlsafe(32),
        created_at=now(),
        memberships=[],
    )
    session.add(user)
    session.flush()
    return user


def _owner(session: Session, secret: str, purpose: LinkPurpose) -> User:
    link = use_link(session, secret, purpose)
    user = session.scalar(select(User).where(User.id == link.user_id, User.disabled_at.is_(None)))
    if user is None:
        raise NotFound(queries.LINK_GONE)
    return user


def _set_password(session: Session, user: User, password: str, *, links_at: str) -> None:
    user.password_hash = hash_password(password)
    user.session_token = secrets.token_urlsafe(32)
    end_links(session, user, LinkPurpose.RESET)
    queue_letter(session, user.email, "changed", user.language, link=f"{links_at}/reset")


def _check_password(password: str, *known: str, field: str = "password") -> None:
    reason = weakness(password, *known)
    if reason:
        raise Invalid(reason, field=field, shortest=SHORTEST, longest=LONGEST)
