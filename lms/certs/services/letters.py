"""What the holder is told by mail, in the holder's language."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from lms.accounts.services.mail import queue_mail, queue_mails
from lms.certs.models import Credential
from lms.certs.services.signing import Signing

ISSUED = {
    "ko": (
        "공동 인증서가 발급되었습니다",
        (
            "{name} 님, 축하합니다.\n\n‘{title}’ 인증서에 두 기관이 모두 서명했습니다.\n"
            "아래 주소에서 내려받고, 누구에게나 보여 줄 수 있습니다.\n\n{url}\n"
        ),
    ),
    "en": (
        "Your joint certificate is here",
        (
            "Congratulations, {name}.\n\nBoth organisations have signed your certificate “{title}”.\n"
            "Download it or show it to anyone at this address:\n\n{url}\n"
        ),
    ),
}
WITHDRAWN = {
    "ko": (
        "인증서가 취소되었습니다",
        (
            "{name} 님,\n\n‘{title}’ 인증서를 발급 기관이 취소했습니다.\n이유: {reason}\n\n"
            "이유가 맞지 않다고 생각하시면 발급 기관에 문의해 주시기 바랍니다.\n"
        ),
    ),
    "en": (
        "Your certificate was withdrawn",
        (
            "{name},\n\nthe organisations have withdrawn your certificate “{title}”.\nReason: {reason}\n\n"
            "If you think this is wrong, please write to the organisations.\n"
        ),
    ),
}
SUSPENDED = {
    "ko": (
        "인증서의 효력이 잠시 멈추었습니다",
        (
            "{name} 님,\n\n발급 기관이 ‘{title}’ 인증서의 효력을 잠시 멈추었습니다.\n이유: {reason}\n\n"
            "두 기관이 모두 동의하면 효력이 돌아옵니다. 궁금하신 점은 발급 기관에 문의해 주시기 바랍니다.\n"
        ),
    ),
    "en": (
        "Your certificate is suspended",
        (
            "{name},\n\nthe organisations have suspended your certificate “{title}”.\nReason: {reason}\n\n"
            "It holds again once both agree. If you have questions, please write to the organisations.\n"
        ),
    ),
}
LIFTED = {
    "ko": (
        "인증서의 효력이 돌아왔습니다",
        "{name} 님,\n\n두 기관이 동의하여 ‘{title}’ 인증서가 다시 유효합니다.\n",
    ),
    "en": (
        "Your certificate holds again",
        "{name},\n\nboth organisations agreed: your certificate “{title}” is no longer suspended.\n",
    ),
}


def tell_issued(session: Session, credentials: Iterable[Credential], signing: Signing) -> None:
    """Write to each holder that the certificate is there, and where."""
    start = f"{signing.public_url.rstrip('/')}/c/"
    queue_mails(session, [_letter(each, ISSUED, url=f"{start}{each.uuid}") for each in credentials])


def tell_withdrawn(session: Session, credential: Credential) -> None:
    """Write to the holder that the certificate was withdrawn, and why."""
    _write(session, credential, WITHDRAWN, reason=credential.revocation_reason)


def tell_suspended(session: Session, credential: Credential) -> None:
    """Write to the holder that the certificate does not hold for now, and why."""
    _write(session, credential, SUSPENDED, reason=credential.suspension_reason)


def tell_lifted(session: Session, credential: Credential) -> None:
    """Write to the holder that the certificate holds again."""
    _write(session, credential, LIFTED)


def _write(
    session: Session, credential: Credential, letter: dict[str, tuple[str, str]], **values: str
) -> None:
    queue_mail(session, *_letter(credential, letter, **values))


def _letter(
    credential: Credential, letter: dict[str, tuple[str, str]], **values: str
) -> tuple[str, str, str]:
    user = credential.enrolment.user
    subject, body = letter["ko" if user.language == "ko" else "en"]
    title = credential.document["name"]
    return user.email, subject, body.format(name=user.name, title=title, **values)
