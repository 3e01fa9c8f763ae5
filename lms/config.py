"""The settings of one installation: frozen, read once, every one from the environment as `DURI_<NAME>`."""

import os
import secrets
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
ASKING = {"DURI_TOKEN", "DURI_SERVER"}  # for commands that ask a server; no settings of an installation
RETIRED = {"DURI_UNIVERSITY_SIGNER_TOKEN", "DURI_COMPANY_SIGNER_TOKEN"}
RETIRED_SAID = (
    "{name} has no use any more: signers are asked over https with a client certificate. Start the signer "
    "once with this release, run `lms-signer client FOLDER --out NEW_FOLDER` there, and set {new} to that "
    "folder here; see docs/howto/signer.md"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator can set. Paths are absolute; `docs/reference/settings.md` lists all of them."""

    instance: Path
    """Folder of this installation: database, blobs, mail, secrets."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in WAL mode at `instance/duri.db`."""
    public_url: str = "http://127.0.0.1:8000"
    """Address that people and certificates use; cookies are `Secure` when it begins with https."""
    secret_key: str = ""
    """Signs sessions and forms; empty: made once and kept in `instance/secret_key` (0600)."""
    course_content: Path = ROOT / "course_content"
    """Folder with one folder per course."""
    environments_root: Path = ROOT
    """Folder whose `environments/` holds the hashed locks; what they make goes to `.environments/`."""
    university_signer_url: str = ""
    """Address of the university's signer (https); empty: certificates wait for it."""
    university_signer_credentials: Path | None = None
    """Folder that the university's `lms-signer client` wrote: whom to expect there, and who asks."""
    company_signer_url: str = ""
    """Address of the company's signer (https); empty: certificates wait for it."""
    company_signer_credentials: Path | None = None
    """Folder that the company's `lms-signer client` wrote."""
    trust_file: Path | None = None
    """Pinned parties and keys for `/verify`; empty: `instance/trust.json`."""
    smtp_url: str = ""
    """smtp://user:password@host:port (smtps for TLS); empty: mail goes to `instance/outbox`."""
    mail_from: str = "Duri <no-reply@localhost>"
    """Sender of mail."""
    demo: bool = False
    """Show the demo accounts and the outbox page; never on a public server."""
    trusted_proxies: int = 0
    """How many proxies stand before the web server; they say from which address a visitor comes."""
    upload_limit_bytes: int = 50_000_000
    """Largest upload taken."""
    isolation: str = "full"
    """Least isolation that grading accepts: full or reduced."""
    metrics_token: str = ""
    """What a monitoring program sends as `Authorization: Bearer …` to read `/metrics`; empty: no page."""
    gate_seconds: int = 30
    """How long publication tries small errors in a solution, graded again and again before; 0: neither."""
    lease_seconds: int = 30
    """How long a worker that has gone silent keeps its job."""
    queue_url: str = ""
    """Broker that wakes workers on several machines, redis:// or amqp://; empty: one machine needs none."""

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            ValueError: a variable cannot be read as its setting's type, or is unknown.
        """
        hints = get_type_hints(cls)
        known = {f"DURI_{field.name.upper()}": field.name for field in fields(cls)}
        unknown = sorted(
            name for name in os.environ if name.startswith("DURI_") and name not in {*known, *ASKING}
        )
        for name in RETIRED & set(unknown):
            raise ValueError(RETIRED_SAID.format(name=name, new=name.replace("_TOKEN", "_CREDENTIALS")))
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(unknown)}; see docs/reference/settings.md")
        values: dict[str, Any] = {
            name: _read(hints[name], os.environ[variable])
            for variable, name in known.items()
            if variable in os.environ
        }
        values.setdefault("instance", ROOT / "instance")
        if values.get("isolation", "full") not in {"full", "reduced"}:
            raise ValueError(f"DURI_ISOLATION is full or reduced, not {values['isolation']!r}")
        return cls(**values)

    def to_environment(self) -> dict[str, str]:
        """Return these settings as the environment of a process that shall have the same."""
        rest = {name: value for name, value in os.environ.items() if not name.startswith("DURI_")}
        own = {f"DURI_{field.name.upper()}": getattr(self, field.name) for field in fields(self)}
        return rest | {name: str(value) for name, value in own.items() if value not in {None, ""}}

    @property
    def database(self) -> str:
        """Return the URL of the database."""
        return self.database_url or f"sqlite:///{self.instance / 'duri.db'}"

    @property
    def environments(self) -> Path:
        """Return the folder with the hashed lock of each lab environment."""
        return self.environments_root / "environments"

    @property
    def trust(self) -> Path:
        """Return the path of the trust file."""
        return self.trust_file or self.instance / "trust.json"

    @property
    def demo_signers(self) -> Path:
        """Return where a demonstration keeps its signers: beside the installation, not in it."""
        return self.instance.with_name(f"{self.instance.name}-signers")

    def make_instance(self) -> None:
        """Make the folder of this installation unless it is there; nobody else may look inside."""
        self.instance.parent.mkdir(parents=True, exist_ok=True)
        self.instance.mkdir(mode=0o700, exist_ok=True)

    def session_key(self) -> str:
        """Return the key that signs sessions, made on first use."""
        if self.secret_key:
            return self.secret_key
        path = self.instance / "secret_key"
        if not path.exists():
            self.make_instance()
            scratch = path.with_suffix(f".{secrets.token_hex(4)}")
            scratch.touch(mode=0o600)
            scratch.write_text(secrets.token_hex(32))
            try:
                os.link(scratch, path)  # the first of several processes wins
            except FileExistsError:
                pass
            finally:
                scratch.unlink()
        return path.read_text().strip()


def _read(kind: object, text: str) -> object:
    if kind is bool:
        if text.lower() not in {"0", "1", "true", "false", "yes", "no"}:
            raise ValueError(f"{text!r} is neither yes nor no")
        return text.lower() in {"1", "true", "yes"}
    if kind is int:
        return int(text)
    if kind is str:
        return text
    return Path(text).resolve()
