"""The log with two real signers, and the command that compares it with their journals."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.adapters.log_key import FolderLogKey
from lms.certs.cli import certs
from lms.certs.core.heads import hash_entry, read_entry
from lms.certs.core.mandate import Mandate
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.protocols import Answer, Kind, SignerRefused, SignerWaits
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document, canonical
from lms.certs.core.trust import Role, Trust, TrustedLog
from lms.certs.core.verify import Status
from lms.certs.models import Credential, LogEntry, LogTree, TreeHead
from lms.certs.queries import credentials as queries
from lms.certs.services.batches import issue
from lms.certs.services.log import PAUSE, keep_heads_signed
from lms.certs.services.notices import keep_notices_signed
from lms.certs.services.signing import Signing
from lms.certs.services.status import keep_status_lists_fresh
from lms.certs.signer.folder import create, trusted_party
from lms.certs.signer.keeping import Signer
from lms.db import now
from tests.factories.certs import DIDS, PUBLIC_URL, make_request
from tests.factories.signers import opened

LOG = f"{PUBLIC_URL}/log"


@dataclass
class DirectSigner:
    """A real signer in this process."""

    signer: Signer

    def sign(self, document: Document, kind: Kind) -> Document:
        (answer,) = self.sign_many([document], kind)
        if isinstance(answer, SignerRefused | SignerWaits):
            raise answer
        return answer

    def sign_many(self, documents: Sequence[Document], kind: Kind) -> list[Answer]:
        return [_told(answer) for answer in self.signer.sign_many(documents, kind, now())]


def _told(answer: Document | CertificateProblem) -> Answer:
    if not isinstance(answer, CertificateProblem):
        return answer
    spoken = (sentence(answer.code, answer.params, language) for language in ("en", "ko"))
    return SignerRefused(answer.code, *spoken)


@dataclass
class Tools:
    """What the command line gives its commands."""

    sessions: sessionmaker[Session]
    signing: Signing

    @property
    def trust(self) -> Trust:
        return self.signing.trust


@dataclass
class House:
    """An installation whose two signers are real; each has a folder and a journal."""

    tools: Tools
    folders: dict[Role, Path]
    signers: dict[Role, Signer]

    def issue(self) -> Credential:
        with self.tools.sessions.begin() as session:
            request = make_request(session)
        issued = issue(self.tools.sessions, request.id, self.tools.signing, now())
        assert issued is not None
        return issued

    def co_sign(self) -> None:
        assert keep_heads_signed(self.tools.sessions, self.tools.signing, now()) == []

    def run(self, *arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(certs, arguments, obj=self.tools)
        return done.exit_code, done.output

    def audit(self) -> tuple[int, str]:
        journals = [f"--{role}={self.folders[role] / 'journal.jsonl'}" for role in Role]
        return self.run("log", "audit", *journals)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Role, Path]:
    made = {role: tmp_path_factory.mktemp("signers") / role for role in Role}
    for role, folder in made.items():
        mandate = Mandate(
            role=role,
            name=str(role),
            university=DIDS[Role.UNIVERSITY],
            company=DIDS[Role.COMPANY],
            host="127.0.0.1",
            port=1,
            demo_custody=True,
            courses=(f"{PUBLIC_URL}/courses/",),
            status_lists=(f"{PUBLIC_URL}/status/",),
            open_roster=True,
        )
        create(folder, mandate, now())
    return made


@pytest.fixture
def house(sessions: sessionmaker[Session], folders: dict[Role, Path], tmp_path: Path) -> Iterator[House]:
    for folder in folders.values():
        (folder / "journal.jsonl").write_bytes(b"")
    with ExitStack() as stack:
        signers = {role: stack.enter_context(opened(folders[role])) for role in Role}
        signing = Signing(
            signers={role: DirectSigner(signers[role]) for role in Role},
            trust=Trust(tuple(trusted_party(folders[role]) for role in Role)),
            public_url=PUBLIC_URL,
            demo_custody=True,
            log=FolderLogKey(tmp_path, LOG),
        )
        yield House(Tools(sessions, signing), folders, signers)


def test_real_signers_co_sign_withdraw_and_agree_with_the_log(house: House) -> None:
    credential = house.issue()
    house.co_sign()
    signing, sessions = house.tools.signing, house.tools.sessions
    assert signing.log is not None
    pinned = Trust(
        signing.trust.parties, (TrustedLog(LOG, signing.log.multibase, tuple(DIDS[role] for role in Role)),)
    )

    def codes() -> tuple[Status, set[str]]:
        with sessions() as session:
            content = canonical(credential.document)
            verdict = queries.verdict_on(session, content, pinned, PUBLIC_URL, now())
        return verdict.status, {finding.code for finding in verdict.findings}

    assert codes() == (Status.VALID, set())
    with sessions.begin() as session:
        session.execute(update(Credential).values(revoked_at=now(), revocation_reason="mistake"))
    assert keep_notices_signed(sessions, signing, now()) == []
    assert codes() == (Status.REFUSED, {"credential.withdrawn_by"})
    assert keep_status_lists_fresh(sessions, signing, now()) == []
    assert codes() == (Status.REFUSED, {"credential.withdrawn_by", "credential.revoked"})
    house.co_sign()
    assert house.audit() == (0, "The log and both journals agree.\n")
    status, shown = house.run("log", "show")
    assert (status, "2 lines; co-signed: 2 lines" in shown, LOG in shown) == (0, True, True)


def test_what_is_planted_is_found(house: House) -> None:
    first, second = house.issue(), house.issue()
    house.co_sign()
    assert house.audit()[0] == 0
    with house.tools.sessions.begin() as session:
        (row,) = session.scalars(select(LogEntry).where(LogEntry.credential_id == second.id))
        forged = read_entry({**show_entry_of(row), "signed": "ab" * 32})
        row.signed, row.hash = forged.signed, hash_entry(forged).hex()
    status, said = house.audit()
    assert status == 1
    assert {line.partition("\t")[0] for line in said.splitlines()[:-1]} == {
        "audit.altered",
        "audit.other_root",
    }
    with house.tools.sessions.begin() as session:
        session.execute(update(LogEntry).where(LogEntry.credential_id == first.id).values(document="cd" * 32))
    found = {line.partition("\t")[0] for line in house.audit()[1].splitlines()}
    assert {"audit.not_signed", "audit.altered", "audit.other_root"} <= found


def show_entry_of(row: LogEntry) -> Document:
    entry = {"kind": row.kind, "document": row.document, "signed": row.signed}
    return {**entry, "kind": str(row.kind), "time": row.logged_at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_a_stolen_certificate_that_only_the_platform_logged_is_not_co_signed(house: House) -> None:
    credential = house.issue()
    with house.tools.sessions.begin() as session:
        session.execute(
            update(LogEntry).where(LogEntry.credential_id == credential.id).values(document="ef" * 32)
        )
    missing = keep_heads_signed(house.tools.sessions, house.tools.signing, now())
    assert [one.role for one in missing] == list(Role)
    assert all("never signed" in one.refusal for one in missing)
    assert house.run("log", "show")[1].count("Not co-signed") == 1
    with house.tools.sessions() as session:
        assert queries.log_proof(session, credential.sha256) is None


def test_after_a_loss_each_organisation_itself_decides_to_begin_anew(house: House) -> None:
    credential = house.issue()
    house.co_sign()
    with house.tools.sessions.begin() as session:  # what a backup brings back
        for table in (LogEntry, LogTree, TreeHead):
            session.execute(delete(table))
        earlier = credential.issued_at - timedelta(hours=1)
        session.execute(update(Credential).values(issued_at=earlier))
    missing = keep_heads_signed(house.tools.sessions, house.tools.signing, now())
    assert [(one.role, "not a continuation" in one.refusal) for one in missing] == [
        (role, True) for role in Role
    ]
    for signer in house.signers.values():
        signer.forget_log(now())
    assert keep_heads_signed(house.tools.sessions, house.tools.signing, now() + PAUSE) == []
    assert house.audit()[0] == 0


def test_a_journal_that_was_changed_is_not_compared(house: House) -> None:
    house.issue()
    path = house.folders[Role.COMPANY] / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"credential", b"credentiaI", 1))
    status, said = house.audit()
    assert (status, "agree" in said) == (1, False)
