"""Who may do what with certificates, and when."""

from collections.abc import Mapping

from lms.accounts import policy as accounts
from lms.accounts.models import Role, User
from lms.accounts.services.limits import Limit
from lms.certs.models import Credential, IssuanceRequest, RequestState
from lms.courses.models import Course
from lms.errors import N_, Conflict, NotAllowed

VERIFY_PER_ADDRESS = Limit(name="verify-address", tries=300, seconds=600)
"""Checks from one network address: an employer may have a whole class to look at."""

WITHDRAWING = frozenset({Role.SIGNATORY, Role.ADMIN})
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


def can_withdraw(user: User, course: Course) -> bool:
    """Say whether a person may withdraw certificates of a course."""
    return _acts_for(user, course, WITHDRAWING)


def _acts_for(user: User, course: Course, roles: frozenset[Role]) -> bool:
    return accounts.has_role_in_any(user, (course.university_id, course.company_id), *roles)
