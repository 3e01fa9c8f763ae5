import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import ClassVar, Self

import pytest
from sqlalchemy.orm import Session

from lms.accounts.adapters import FolderPost, SmtpPost, compose
from lms.accounts.core.letters import BODIES, SUBJECTS, Letter, PostError, write
from lms.accounts.services.mail import MOST_FAILURES, queue_mail, send_pending


class Memory:
    def __init__(self, *, shows_letters: bool = False) -> None:
        self.shows_letters = shows_letters
        self.sent: list[Letter] = []

    def send(self, letter: Letter) -> None:
        if letter.recipient.startswith("broken"):
            raise PostError("no such mailbox")
        self.sent.append(letter)


def test_waiting_mail_goes_out_once_and_a_broken_one_holds_nobody_up(session: Session) -> None:
    broken = queue_mail(session, "broken@example.org", "subject", "body")
    fine = queue_mail(session, "sky@example.org", "subject", "body")
    post = Memory()
    assert send_pending(session, post) == 1
    assert send_pending(session, post) == 0
    assert [letter.recipient for letter in post.sent] == ["sky@example.org"]
    assert fine.sent_at is not None
    assert broken.failures == 2
    assert broken.last_error == "no such mailbox"


@pytest.mark.parametrize(("shown", "kept"), [(False, ""), (True, "https://duri.example/reset/secret")])
def test_a_link_that_went_out_is_kept_only_where_mail_is_shown(
    session: Session, *, shown: bool, kept: str
) -> None:
    mail = queue_mail(session, "sky@example.org", "subject", "https://duri.example/reset/secret")
    post = Memory(shows_letters=shown)
    send_pending(session, post)
    assert post.sent[0].body == "https://duri.example/reset/secret"
    assert mail.body == kept


def test_a_mail_that_always_fails_is_given_up(session: Session) -> None:
    broken = queue_mail(session, "broken@example.org", "subject", "body")
    for _ in range(MOST_FAILURES + 3):
        send_pending(session, Memory())
    assert broken.failures == MOST_FAILURES


def test_the_folder_keeps_mail_that_mail_programs_read(tmp_path: Path) -> None:
    FolderPost(tmp_path / "outbox", sender="Duri <no-reply@localhost>").send(
        Letter("sky@example.org", "[두리] 확인", "안녕하세요\n", 3)
    )
    message = message_from_bytes((tmp_path / "outbox" / "000003.eml").read_bytes(), policy=policy.default)
    assert message["To"] == "sky@example.org"
    assert message["Subject"] == "[두리] 확인"
    assert message.get_content() == "안녕하세요\n"


@pytest.mark.parametrize("recipient", ["a@b\r\nBcc: c@example.org", "no address", ""])
def test_an_address_cannot_smuggle_a_header_in(recipient: str) -> None:
    with pytest.raises(PostError):
        compose(Letter(recipient, "subject", "body", 1), "Duri <no-reply@localhost>", "localhost")


def test_a_subject_stays_one_line(session: Session) -> None:
    mail = queue_mail(session, "sky@example.org", "one\r\nBcc: c@example.org", "body")
    assert "\n" not in mail.subject


def test_a_mail_server_that_is_down_is_a_failure_not_a_crash() -> None:
    with pytest.raises(PostError):
        SmtpPost("smtp://127.0.0.1:1", sender="Duri <no-reply@localhost>").send(
            Letter("sky@example.org", "subject", "body", 1)
        )


class MailServer:
    seen: ClassVar[list[object]] = []

    def __init__(self, host: str, port: int, **options: int) -> None:
        self.seen[:] = [(host, port, *options)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.seen.append("closed")

    def ehlo(self) -> None:
        self.seen.append("ehlo")

    def has_extn(self, name: str) -> bool:
        return name == "starttls"

    def starttls(self) -> None:
        self.seen.append("tls")

    def login(self, user: str, password: str) -> None:
        self.seen.append((user, password))

    def send_message(self, message: EmailMessage) -> None:
        self.seen.append(message["To"])


def test_mail_is_handed_to_a_server_with_its_password_after_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtplib, "SMTP", MailServer)
    SmtpPost("smtp://duri:p%40ss@mail.example:587", sender="Duri <no-reply@localhost>").send(
        Letter("sky@example.org", "subject", "body", 1)
    )
    told = [each for each in MailServer.seen if each != "ehlo"]
    assert told == [("mail.example", 587, "timeout"), "tls", ("duri", "p@ss"), "sky@example.org", "closed"]


@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_letter_is_whole_in_both_languages(kind: str, language: str) -> None:
    subject, body = write(kind, language, name="N", link="https://l", organisation="O", role="R")
    assert "%" not in subject + body
    assert "https://l" in body
    assert len(BODIES[kind]) == 2
