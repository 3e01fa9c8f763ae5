"""One installation, put together from its settings: what command line, worker and story work with."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.adapters import FolderPost, SmtpPost
from lms.accounts.core.letters import Post
from lms.blobs import BlobStore, FolderBlobs
from lms.certs.adapters.log_key import FolderLogKey
from lms.certs.adapters.pdf import render_certificate, template_digest
from lms.certs.adapters.signers import HttpSigner
from lms.certs.core.protocols import SignerClient
from lms.certs.core.trust import Role, Trust, read_trust
from lms.certs.services.papers import Press
from lms.certs.services.signing import Signing
from lms.chores import Chores
from lms.config import Settings
from lms.db import make_engine, make_sessions
from lms.grading.adapters.record_key import FolderKeys
from lms.grading.adapters.runner import JailedRunner
from lms.grading.adapters.wakers import LocalBed, make_waker
from lms.grading.adapters.witness import InstallationNotary
from lms.grading.core.contracts import RunnerUnavailable
from lms.grading.core.waking import Waker
from lms.grading.models import Resource
from lms.grading.queries.queue import ALL
from lms.grading.services.waking import wake_after_commit
from lms.leaderboards.adapters.notebooks import JailedNotebooks
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.scoring import Workshop
from lms.pool import Member, Pool
from lms.runtime.probe import Isolation, IsolationLevel, probe
from lms.scorer import Scorer
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
        """Where sessions come from: those of commands and workers may write, and wake workers."""
        sessions = make_sessions(self.engine, writing=True)
        wake_after_commit(sessions, self.waker)
        return sessions

    @cached_property
    def waker(self) -> Waker:
        """What tells workers that there is work."""
        return make_waker(self.settings.instance, self.settings.queue_url)

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
            blobs=self.blobs,
            log=self.log_key,
        )

    @cached_property
    def log_key(self) -> FolderLogKey:
        """The key of the transparency log."""
        return FolderLogKey(self.settings.instance / "keys", f"{self.settings.public_url.rstrip('/')}/log")

    def _signers(self) -> Mapping[Role, SignerClient]:
        settings = self.settings
        known = {
            Role.UNIVERSITY: (settings.university_signer_url, settings.university_signer_credentials),
            Role.COMPANY: (settings.company_signer_url, settings.company_signer_credentials),
        }
        return {
            role: HttpSigner(url, credentials)
            for role, (url, credentials) in known.items()
            if url and credentials is not None
        }

    @property
    def secrets(self) -> list[Path]:
        """What no notebook may ever reach."""
        names = ("duri.db", "secret_key", "keys", "blobs", "clients")
        found = [*(self.settings.instance / name for name in names), self.settings.demo_signers]
        return [path for path in found if path.exists()]

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

    def isolation(self) -> Isolation:
        """Prove the jail.

        Raises:
            RunnerUnavailable: it isolates less than the settings accept.
        """
        found = probe(Path(sys.executable), self.secrets)
        accepted = {"full": {IsolationLevel.FULL}, "reduced": {IsolationLevel.FULL, IsolationLevel.REDUCED}}
        if found.level not in accepted[self.settings.isolation]:
            raise RunnerUnavailable(str(found))
        return found

    def runner(self) -> JailedRunner:
        """Make what runs notebooks here; the jail is probed first, and raises as `isolation` does."""
        return JailedRunner(self.isolation())

    def open_runner(self) -> JailedRunner:
        """Make what runs notebooks here, however far its jail isolates; who asks looks at that."""
        return JailedRunner(probe(Path(sys.executable), self.secrets))

    def worker(self, resources: Sequence[Resource] = ALL, isolation: Isolation | None = None) -> Worker:
        """Make one grading process's work; raises as `isolation` does where that is not known yet."""
        runner = JailedRunner(isolation or self.isolation(), lingering=True)
        return Worker(
            settings=self.settings,
            sessions=self.sessions,
            blobs=self.blobs,
            runner=runner,
            notary=self.notary,
            resources=resources,
            isolation=str(runner.isolation),
            lay=runner.data,
            environments=lambda: [asdict(each) for each in runner.pool.environments()],
            tidy=runner.tidy,
            close=runner.close,
        )

    def chores(self) -> Chores:
        """Make the short work of this installation."""
        return Chores(
            settings=self.settings,
            sessions=self.sessions,
            signing=self.signing,
            post=self.post,
            waker=self.waker,
            press=self.press,
        )

    @property
    def workshop(self) -> Workshop:
        """Where authors' programs of challenges run."""
        return JailedWorkshop(self.settings.environments_root)

    def scorer(self) -> Scorer:
        """Make what scores the entries of challenges."""
        notebooks = JailedNotebooks(self.settings.environments_root)
        return Scorer(self.sessions, self.blobs, self.workshop, notebooks)

    @property
    def press(self) -> Press:
        """What sets certificates on paper, and where signed papers are kept."""
        return Press(set_on_paper=render_certificate, template=template_digest(), blobs=self.blobs)

    def pool(self, concurrency: int, resources: Sequence[Resource] = ALL) -> Pool:
        """Make so many grading processes, one for the chores, one for entries; the jail is probed once.

        Nothing is opened before the processes part: each has connections of its own.

        Raises:
            RunnerUnavailable: as `isolation` does.
        """
        isolation = self.isolation()
        log.info("worker.isolation", isolation=str(isolation))
        graders = [
            Member(f"grader-{number}", lambda: Installation(self.settings).grade(resources, isolation))
            for number in range(1, concurrency + 1)
        ]
        beside = [
            Member("chores", lambda: Installation(self.settings).chores().run()),
            Member("scorer", lambda: Installation(self.settings).scorer().run()),
        ]
        return Pool([*beside, *graders])

    def grade(self, resources: Sequence[Resource], isolation: Isolation) -> None:
        """Be a grading process until told to end: woken on this machine, or through the broker."""
        worker = self.worker(resources, isolation)
        try:
            if self.settings.queue_url:
                from lms.grading.adapters import celery_queue  # noqa: PLC0415 - others do without Celery

                worker.on_stop = celery_queue.end
                serve = celery_queue.serve(
                    self.settings.queue_url, resources, worker.work_off, worker.take_signals
                )
                with worker.on_duty():
                    worker.work_off()
                    serve()
            else:
                with LocalBed(self.settings.instance, resources) as bed, worker.on_duty():
                    worker.run(bed)
        finally:
            worker.close()
