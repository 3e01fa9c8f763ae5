"""One installation, put together from its settings: what command line, worker and story work with."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.adapters import FolderPost, SmtpPost
from lms.accounts.core.letters import Post
from lms.blobs import BlobStore, FolderBlobs
from lms.certs.adapters.signers import HttpSigner
from lms.certs.core.protocols import SignerClient
from lms.certs.core.trust import Role, Trust, read_trust
from lms.certs.services.signing import Signing
from lms.config import Settings
from lms.db import make_engine, make_sessions
from lms.grading.adapters.record_key import FolderKeys
from lms.grading.adapters.runner import JailedRunner
from lms.grading.adapters.witness import InstallationNotary
from lms.grading.core.contracts import RunnerUnavailable
from lms.runtime.probe import IsolationLevel
from lms.worker import Worker

log = structlog.get_logger()


@dataclass(frozen=True)
class Installation:
    """Opens each part when it is first asked for."""

    settings: Settings

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        return make_engine(self.settings.database)

    @cached_property
    def sessions(self) -> sessionmaker[Session]:
        """Where sessions come from: those of commands and workers may write."""
        return make_sessions(self.engine, writing=True)

    @cached_property
    def blobs(self) -> BlobStore:
        """The store of files."""
        return FolderBlobs(self.settings.instance / "blobs")

    @property
    def trust(self) -> Trust:
        """Whose keys count; nobody's while there is no trust file."""
        path = self.settings.trust
        return read_trust(path.read_bytes()) if path.exists() else Trust()

    @property
    def signing(self) -> Signing:
        """The organisations' signers, as far as they are set up."""
        return Signing(
            signers=self._signers(),
            trust=self.trust,
            public_url=self.settings.public_url,
            demo_custody=self.settings.demo,
        )

    def _signers(self) -> Mapping[Role, SignerClient]:
        settings = self.settings
        known = {
            Role.UNIVERSITY: (settings.university_signer_url, settings.university_signer_token),
            Role.COMPANY: (settings.company_signer_url, settings.company_signer_token),
        }
        return {
            role: HttpSigner(url, token.read_text(encoding="ascii").strip())
            for role, (url, token) in known.items()
            if url and token is not None
        }

    @property
    def secrets(self) -> list[Path]:
        """What no notebook may ever reach."""
        names = ("duri.db", "secret_key", "keys", "blobs", "signers")
        return [self.settings.instance / name for name in names if (self.settings.instance / name).exists()]

    @property
    def record_keys(self) -> FolderKeys:
        """The keys of grade records."""
        return FolderKeys(self.settings.instance / "keys")

    @property
    def notary(self) -> InstallationNotary:
        """Who signs grade records, and knows this machine."""
        return InstallationNotary(self.settings.public_url, self.record_keys, self.settings.environments_root)

    @property
    def post(self) -> Post:
        """Where mail goes: a server, or a folder."""
        if self.settings.smtp_url:
            return SmtpPost(self.settings.smtp_url, sender=self.settings.mail_from)
        return FolderPost(self.settings.instance / "outbox", sender=self.settings.mail_from)

    def runner(self) -> JailedRunner:
        """Make what runs notebooks here; the jail is probed first.

        Raises:
            RunnerUnavailable: the jail isolates less than the settings accept.
        """
        runner = self.open_runner()
        accepted = {"full": {IsolationLevel.FULL}, "reduced": {IsolationLevel.FULL, IsolationLevel.REDUCED}}
        if runner.isolation.level not in accepted[self.settings.isolation]:
            raise RunnerUnavailable(str(runner.isolation))
        return runner

    def open_runner(self) -> JailedRunner:
        """Make a runner; the jail is proved first. Close it when it is done with."""
        return JailedRunner.probed(Path(sys.executable), self.secrets)

    def worker(self) -> Worker:
        """Make the worker of this installation; raises as `runner` does."""
        runner = self.runner()
        log.info("worker.isolation", isolation=str(runner.isolation))
        return Worker(
            settings=self.settings,
            sessions=self.sessions,
            blobs=self.blobs,
            runner=runner,
            notary=self.notary,
            signing=self.signing,
            post=self.post,
        )
