"""Ways out for mail: an SMTP server, or a folder of `.eml` files."""

import smtplib
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lms.accounts.core.letters import Letter, PostError

TIMEOUT_SECONDS = 20


def compose(letter: Letter, sender: str, domain: str) -> EmailMessage:
    """Write a letter as a mail.

    Raises:
        PostError: the recipient is no address.
    """
    message = EmailMessage()
    try:
        message["From"] = sender
        letter.recipient.encode("ascii")
        message["To"] = Address(addr_spec=letter.recipient)
        message["Subject"] = letter.subject
    except (ValueError, IndexError, MessageError) as error:  # the parser stumbles over an empty one
        raise PostError(f"cannot be addressed: {type(error).__name__}") from error
    message["Message-ID"] = f"<mail-{letter.number}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.body)
    return message


class FolderPost:
    """Puts every mail as a file into a folder: for demonstrations and development."""

    shows_letters = True

    def __init__(self, folder: Path, *, sender: str) -> None:
        self.folder = folder
        self.sender = sender

    def send(self, letter: Letter) -> None:
        """Write the mail to `<number>.eml`."""
        message = compose(letter, self.sender, "localhost")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{letter.number:06d}.eml").write_bytes(bytes(message))
        except OSError as error:
            raise PostError(str(error)) from error


class SmtpPost:
    """Hands mail to the server at `smtp://user:password@host:port` (`smtps://` for TLS from the start)."""

    shows_letters = False

    def __init__(self, url: str, *, sender: str) -> None:
        self.url = urlsplit(url)
        self.sender = sender

    def send(self, letter: Letter) -> None:
        """Hand the mail to the server."""
        host = self.url.hostname or "localhost"
        message = compose(letter, self.sender, host)
        secure = self.url.scheme == "smtps"
        kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
        try:
            with kind(host, self.url.port or 0, timeout=TIMEOUT_SECONDS) as server:
                self._sign_in(server, secure=secure)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise PostError(f"{type(error).__name__}: {error}") from error

    def _sign_in(self, server: smtplib.SMTP, *, secure: bool) -> None:
        server.ehlo()
        if not secure and server.has_extn("starttls"):
            server.starttls()
            server.ehlo()
        if self.url.username:
            server.login(unquote(self.url.username), unquote(self.url.password or ""))
