"""The letters that accounts send, in both languages."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Letter:
    """One mail, ready to go."""

    recipient: str
    subject: str
    body: str
    number: int
    """Stays the same when the letter is sent again, so that mail programs show it once."""


class PostError(Exception):
    """The letter could not be handed over; it is tried again later."""


class Post(Protocol):
    """Takes letters away."""

    @property
    def shows_letters(self) -> bool:
        """Say whether letters may be read again here; elsewhere their links are forgotten once sent."""

    def send(self, letter: Letter) -> None:
        """Hand a letter over.

        Raises:
            PostError: it could not be handed over.
        """


SUBJECTS = {
    "confirm": ("[두리] 메일 주소를 확인해 주세요", "[Duri] Please confirm your address"),
    "known": ("[두리] 이미 계정이 있어요", "[Duri] You already have an account"),
    "reset": ("[두리] 새 비밀번호를 정하세요", "[Duri] Choose a new password"),
    "changed": ("[두리] 비밀번호가 바뀌었어요", "[Duri] Your password was changed"),
    "invite": ("[두리] %(organisation)s에서 초대했어요", "[Duri] %(organisation)s invites you"),
}
BODIES = {
    "confirm": (
        (
            "안녕하세요, %(name)s님.\n\n"
            "아래 주소를 열어 메일 주소를 확인해 주세요. 3일 동안 한 번 쓸 수 있어요.\n\n"
            "%(link)s\n\n"
            "두리에 가입한 적이 없다면 이 메일을 그냥 지우세요.\n"
        ),
        (
            "Hello %(name)s,\n\nopen this address to confirm that this mail reaches you. It works once, "
            "within 3 days.\n\n%(link)s\n\nIf you did not sign up at Duri, just delete this mail.\n"
        ),
    ),
    "known": (
        (
            "누군가 이 주소로 두리에 가입하려고 했는데, 이 주소에는 이미 계정이 있어요.\n\n"
            "비밀번호를 잊었다면 여기에서 새로 정할 수 있어요.\n\n%(link)s\n\n"
            "직접 하지 않았다면 이 메일을 그냥 지우세요.\n"
        ),
        (
            "Somebody tried to sign up at Duri with this address, but it has an account already.\n\n"
            "If you forgot the password, choose a new one here.\n\n%(link)s\n\n"
            "If it was not you, just delete this mail.\n"
        ),
    ),
    "reset": (
        (
            "아래 주소를 열어 새 비밀번호를 정하세요. 1시간 동안 한 번 쓸 수 있어요.\n\n%(link)s\n\n"
            "요청한 적이 없다면 이 메일을 그냥 지우세요. 비밀번호는 그대로예요.\n"
        ),
        (
            "Open this address to choose a new password. It works once, within an hour.\n\n%(link)s\n\n"
            "If you did not ask for it, just delete this mail: your password stays as it is.\n"
        ),
    ),
    "changed": (
        (
            "두리 비밀번호가 바뀌었고, 다른 기기에서는 모두 로그아웃되었어요.\n\n"
            "직접 바꾸지 않았다면 바로 새로 정하세요.\n\n%(link)s\n"
        ),
        (
            "Your password at Duri was changed, and you were signed out everywhere else.\n\n"
            "If it was not you, choose a new one at once.\n\n%(link)s\n"
        ),
    ),
    "invite": (
        (
            "%(organisation)s에서 두리에 함께하자고 초대했어요. 역할: %(role)s.\n\n"
            "아래 주소를 열어 받아들이세요. 14일 동안 한 번 쓸 수 있어요.\n\n%(link)s\n"
        ),
        (
            "%(organisation)s invites you to Duri. Role: %(role)s.\n\n"
            "Open this address to accept. It works once, within 14 days.\n\n%(link)s\n"
        ),
    ),
}
ROLES = {
    "student": ("학생", "student"),
    "assistant": ("조교", "teaching assistant"),
    "instructor": ("강사", "instructor"),
    "signatory": ("서명 책임자", "signatory"),
    "admin": ("기관 관리자", "organisation admin"),
    "employer": ("채용 담당자", "employer"),
    "site_admin": ("사이트 관리자", "site admin"),
}


def write(kind: str, language: str, **params: str) -> tuple[str, str]:
    """Return subject and body of a letter; anything but Korean is English."""
    which = 0 if language == "ko" else 1
    subject = SUBJECTS[kind][which] % params
    return " ".join(subject.split()), BODIES[kind][which] % params


def role_name(role: str, language: str) -> str:
    """Return what a role is called in a letter."""
    return ROLES[role][0 if language == "ko" else 1]
