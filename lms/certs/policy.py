"""Who may do what with certificates, and when."""

from collections.abc import Mapping
from datetime import datetime

from lms.accounts import policy as accounts
from lms.accounts.core.secrets import secret_hash
from lms.accounts.models import Role, User
from lms.accounts.services.limits import Limit
from lms.certs.core.trust import Role as Side
from lms.certs.models import Connection, Credential, IssuanceRequest, RequestState
from lms.courses.models import Course
from lms.errors import N_, Conflict, NotAllowed

VERIFY_PER_ADDRESS = Limit(name="verify-address", tries=300, seconds=600)
"""Checks from one network address: an employer may have a whole class to look at."""
MANY_PER_PERSON = Limit(name="verify-many", tries=30, seconds=600)
"""Checks of many certificates by one person or by programs in that person's name."""
MANY_PER_ADDRESS = Limit(name="verify-many-address", tries=60, seconds=600)
REGISTER_PER_ADDRESS = Limit(name="register-application", tries=20, seconds=3600)
"""Applications that register themselves from one network address; anybody may.

There is no limit for all addresses together: a few of them could use it up, and nobody else could register.
What is kept of applications that nobody connects is bounded instead (`connecting.MOST_UNCONNECTED`).
"""
CONNECT_PER_PERSON = Limit(name="connect-application", tries=30, seconds=3600)
FAILED_PER_ADDRESS = Limit(name="application-failed", tries=300, seconds=600)
"""Requests of applications from one network address that were refused: after these a right secret, too."""
READ_PER_CONNECTION = Limit(name="application-reads", tries=300, seconds=600)

WITHDRAWING = frozenset({Role.SIGNATORY, Role.ADMIN})
LIFTS = {Side.UNIVERSITY: "university_lifts_at", Side.COMPANY: "company_lifts_at"}
"""The column in which an organisation agrees to the end of a suspension."""
SUPERSEDED = "superseded"
"""The reason of a certificate whose place a corrected one took."""
WATCHING = WITHDRAWING | {Role.INSTRUCTOR}

_ON_ITS_WAY = frozenset(
    {
        RequestState.WAITING_FOR_NAME,
        RequestState.WAITING_FOR_UNIVERSITY,
        RequestState.WAITING_FOR_COMPANY,
        RequestState.REFUSED,
        RequestState.ISSUED,
    }
)
TRANSITIONS: Mapping[RequestState, frozenset[RequestState]] = {
    RequestState.REQUESTED: _ON_ITS_WAY,
    RequestState.WAITING_FOR_NAME: _ON_ITS_WAY,
    RequestState.WAITING_FOR_UNIVERSITY: _ON_ITS_WAY,
    RequestState.WAITING_FOR_COMPANY: _ON_ITS_WAY,
    RequestState.REFUSED: frozenset({RequestState.REQUESTED}),
    RequestState.ISSUED: frozenset(),
}
"""Where a request may go from where it is; only a person brings back a refused one."""


def check_can_move(request: IssuanceRequest, state: RequestState) -> None:
    """Refuse a step that the way of a certificate does not have.

    Raises:
        Conflict: the request is elsewhere by now.
    """
    if state is not request.state and state not in TRANSITIONS[request.state]:
        raise Conflict(N_("This certificate has moved on meanwhile. Reload the page to see where it is."))


def check_can_choose_language(user: User, request: IssuanceRequest) -> None:
    """Let the holder choose the language until the document is frozen for signing.

    Raises:
        NotAllowed: it is somebody else's certificate.
        Conflict: the document is written.
    """
    if request.enrolment.user_id != user.id:
        raise NotAllowed(N_("This certificate belongs to somebody else. Open your own under Certificates."))
    if request.document is not None or request.state is RequestState.ISSUED:
        raise Conflict(
            N_("The text is already being signed, so its language stays. The PDF comes in both languages.")
        )


def can_choose_language(user: User, request: IssuanceRequest) -> bool:
    """Say whether the holder may still choose the language."""
    return (
        request.enrolment.user_id == user.id
        and request.document is None
        and request.state is not RequestState.ISSUED
    )


def check_can_take_bundle(user: User, credential: Credential) -> None:
    """Give the bundle, which holds hand-ins and salts, to the holder alone.

    Raises:
        NotAllowed: it is somebody else's certificate.
    """
    if credential.enrolment.user_id != user.id:
        raise NotAllowed(N_("Only the holder gets the bundle, and may pass it on. Ask the holder for it."))


def check_can_share(user: User, credential: Credential) -> None:
    """Let the holder alone decide to whom a certificate is shown, and which part of it.

    Raises:
        NotAllowed: it is somebody else's certificate.
    """
    if credential.enrolment.user_id != user.id:
        raise NotAllowed(N_("Only the holder can share a certificate. Ask the holder for a link."))


def check_can_end_connection(user: User, connection: Connection) -> None:
    """Let the holder end what an application may do in the holder's name.

    Raises:
        NotAllowed: it is another holder's.
    """
    if connection.user_id != user.id:
        raise NotAllowed(N_("Only the holder can end this connection. Open your own under Certificates."))


def can_use_connection(connection: Connection, at: datetime) -> bool:
    """Say whether an application may still read what this holder let it read."""
    holder = connection.user
    return (
        connection.withdrawn_at is None
        and connection.ends_at > at
        and holder.is_active
        and connection.session_hash == secret_hash(holder.session_token)
    )


def check_can_watch(user: User, course: Course) -> None:
    """Let staff of both organisations see the certificates of their course and try again.

    Raises:
        NotAllowed: this person is none of them.
    """
    if not can_watch(user, course):
        raise NotAllowed(
            N_("Only the course's instructors and signatories see its certificates. Ask one of them.")
        )


def can_watch(user: User, course: Course) -> bool:
    """Say whether a person may see the certificates of a course."""
    return _acts_for(user, course, WATCHING)


def check_can_retry(user: User, request: IssuanceRequest) -> None:
    """Let staff bring back a refused request, or ask again at once for one that waits.

    Raises:
        NotAllowed: this person is none of the course's staff.
        Conflict: it is issued.
    """
    check_can_watch(user, request.enrolment.cohort.course)
    if request.state is RequestState.ISSUED:
        raise Conflict(N_("This certificate is already issued. Withdraw it if it is wrong."))


def check_can_revoke(user: User, credential: Credential) -> None:
    """Let a signatory or admin of either organisation withdraw a certificate.

    Raises:
        NotAllowed: this person does not act for either organisation.
        Conflict: it was withdrawn before.
    """
    if not can_withdraw(user, credential.enrolment.cohort.course):
        raise NotAllowed(
            N_("Only a signatory or an admin of the two organisations can withdraw it. Ask one of them.")
        )
    if credential.revoked_at is not None:
        raise Conflict(N_("This certificate was withdrawn before. There is nothing more to do."))


def can_revoke(user: User, credential: Credential) -> bool:
    """Say whether a person may withdraw this certificate now."""
    return credential.revoked_at is None and can_withdraw(user, credential.enrolment.cohort.course)


def check_can_correct(user: User, credential: Credential, *, is_newest: bool) -> None:
    """Let a signatory or admin of either organisation have a certificate made anew, one at a time.

    Args:
        is_newest: nothing was asked for in its place.

    Raises:
        NotAllowed: this person does not act for either organisation.
        Conflict: it was withdrawn, or a corrected one is on its way.
    """
    if not can_withdraw(user, credential.enrolment.cohort.course):
        raise NotAllowed(
            N_("Only a signatory or an admin of the two organisations can correct it. Ask one of them.")
        )
    if credential.revoked_at is not None:
        raise Conflict(N_("This certificate was withdrawn or replaced. Correct the one in force instead."))
    if not is_newest:
        raise Conflict(N_("A corrected certificate is already on its way. Wait for it, or ask again for it."))


def can_correct(user: User, credential: Credential, *, is_newest: bool) -> bool:
    """Say whether a person may have this certificate made anew now."""
    return is_newest and can_revoke(user, credential)


def can_withdraw(user: User, course: Course) -> bool:
    """Say whether a person may withdraw certificates of a course."""
    return _acts_for(user, course, WITHDRAWING)


def check_can_suspend(user: User, credential: Credential) -> None:
    """Let a signatory or admin of either organisation suspend a certificate.

    Raises:
        NotAllowed: this person does not act for either organisation.
        Conflict: it is suspended or withdrawn, or made before certificates could be suspended.
    """
    if not can_withdraw(user, credential.enrolment.cohort.course):
        raise NotAllowed(
            N_("Only a signatory or an admin of the two organisations can suspend it. Ask one of them.")
        )
    if credential.suspension_list_id is None:
        raise Conflict(
            N_("This certificate is of a form that cannot be suspended. Issue a corrected one first.")
        )
    if credential.revoked_at is not None or credential.suspended_at is not None:
        raise Conflict(N_("This certificate does not hold now anyway. Reload the page to see why."))


def can_suspend(user: User, credential: Credential) -> bool:
    """Say whether a person may suspend this certificate now."""
    holds = credential.revoked_at is None and credential.suspended_at is None
    return (
        holds
        and credential.suspension_list_id is not None
        and can_withdraw(user, credential.enrolment.cohort.course)
    )


def check_can_lift(user: User, credential: Credential) -> None:
    """Let a signatory or admin agree, for an organisation that has not agreed yet, to end a suspension.

    Raises:
        NotAllowed: this person does not act for either organisation.
        Conflict: it is not suspended, or this person's organisation has agreed already.
    """
    if not can_withdraw(user, credential.enrolment.cohort.course):
        raise NotAllowed(
            N_("Only a signatory or an admin of the two organisations can end this. Ask one of them.")
        )
    if not can_lift(user, credential):
        raise Conflict(N_("There is nothing for you to agree to. The other organisation may have to agree."))


def can_lift(user: User, credential: Credential) -> bool:
    """Say whether the suspension waits for this person's organisation to agree to its end."""
    if credential.suspended_at is None or credential.revoked_at is not None:
        return False
    return bool(awaited_sides(credential) & sides_of(user, credential.enrolment.cohort.course))


def awaited_sides(credential: Credential) -> frozenset[Side]:
    """Return who has not agreed to the end of a suspension."""
    return frozenset(side for side, column in LIFTS.items() if getattr(credential, column) is None)


def sides_of(user: User, course: Course) -> frozenset[Side]:
    """Return for which of the course's two organisations a person may withdraw and suspend."""
    organisations = {Side.UNIVERSITY: course.university_id, Side.COMPANY: course.company_id}
    return frozenset(
        side
        for side, organisation_id in organisations.items()
        if accounts.has_role(user, organisation_id, *WITHDRAWING)
    )


def _acts_for(user: User, course: Course, roles: frozenset[Role]) -> bool:
    return accounts.has_role_in_any(user, (course.university_id, course.company_id), *roles)
