"""What the holder is told by mail, in the holder's language."""

from sqlalchemy.orm import Session

from lms.accounts.services.mail import queue_mail
from lms.certs.models import Credential
from lms.certs.services.signing import Signing

ISSUED = {
    "ko": (
        "공동 인증서이 발급되었습니다",
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
        "인증서이 취소되었습니다",
        (
            "{name} 님,\n\n‘{title}’ 인증서을 발급 기관이 취소했습니다.\n이유: {reason}\n\n"
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


def tell_issued(session: Session, credential: Credential, signing: Signing) -> None:
    """Write to the holder that the certificate is there, and where."""
    url = f"{signing.public_url.rstrip('/')}/c/{credential.uuid}"
    _write(session, credential, ISSUED, url=url)


def tell_withdrawn(session: Session, credential: Credential) -> None:
    """Write to the holder that the certificate was withdrawn, and why."""
    _write(session, credential, WITHDRAWN, reason=credential.revocation_reason)


def _write(
    session: Session, credential: Credential, letter: dict[str, tuple[str, str]], **values: str
) -> None:
    user = credential.enrolment.user
    subject, body = letter["ko" if user.language == "ko" else "en"]
    title = credential.document["name"]
    queue_mail(session, user.email, subject, body.format(name=user.name, title=title, **values))
