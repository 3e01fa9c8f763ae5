"""A university's signer, as every test finds it: new, with one achievement approved and an open roster."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core import envelope
from lms.certs.core.document import Claim
from lms.certs.core.mandate import Mandate
from lms.certs.core.trust import Role
from lms.certs.signer import approvals
from lms.certs.signer.folder import create
from tests.certs.conftest import CLAIM, COMPANY, UNIVERSITY

MANDATE = Mandate(
    role=Role.UNIVERSITY,
    name=UNIVERSITY.name,
    university=UNIVERSITY.did,
    company=COMPANY.did,
    host="127.0.0.1",
    port=0,
    demo_custody=True,
    achievements=(CLAIM.achievement.id,),
    status_lists=("https://duri.example/status/",),
    open_roster=True,
)


def now_claim(**changes: Any) -> Claim:
    return replace(CLAIM, issued_at=datetime.now(UTC).replace(microsecond=0), **changes)


@contextmanager
def quick() -> Iterator[None]:
    """Stretch passphrases less than in earnest: the tests open folders a hundred times."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (envelope, approvals):
            patch.setattr(module, "_SCRYPT_N", 2**10)
        yield


@pytest.fixture(autouse=True)
def quick_passphrases() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture
def slow_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch them as a process does that the test starts."""
    monkeypatch.setattr(envelope, "_SCRYPT_N", 2**15)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one folder for all tests: stretching a passphrase takes its time."""
    folder = tmp_path_factory.mktemp("signer") / "university"
    with quick():
        create(folder, MANDATE, datetime.now(UTC))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "university"))
