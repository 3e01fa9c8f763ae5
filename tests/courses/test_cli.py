from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OrganisationKind
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.courses.cli import course
from tests.factories.accounts import make_organisation
from tests.factories.courses import write_course


@dataclass(frozen=True)
class Tools:
    settings: Settings
    sessions: sessionmaker[Session]
    blobs: FolderBlobs


@pytest.fixture
def tools(settings: Settings, sessions: sessionmaker[Session], blobs: FolderBlobs) -> Tools:
    return Tools(settings, sessions, blobs)


def test_check_names_file_line_and_column_and_fails(tools: Tools, tmp_path: Path) -> None:
    path = write_course(tmp_path / "matrices", {"labs/products/lab.yml": "titel: x\n"})
    done = CliRunner().invoke(course, ["check", str(path)], obj=tools)
    assert done.exit_code == 1
    assert f"{path}/labs/products/lab.yml:1:1: unknown key 'titel'; did you mean 'title'?" in done.output
    korean = CliRunner().invoke(course, ["check", "--language", "ko", str(path)], obj=tools)
    assert "'title'을(를) 쓰려던 건가요?" in korean.output


def test_check_lets_warnings_pass(tools: Tools, tmp_path: Path) -> None:
    path = write_course(tmp_path / "matrices", {"lessons/02-more.en.md": None})
    done = CliRunner().invoke(course, ["check", str(path)], obj=tools)
    assert done.exit_code == 0
    assert "warning" in done.output


def test_publish_says_which_version_it_made(tools: Tools, session: Session, tmp_path: Path) -> None:
    make_organisation(session, slug="hangang-university", kind=OrganisationKind.UNIVERSITY)
    make_organisation(session, slug="nuri-ai", kind=OrganisationKind.COMPANY)
    session.commit()
    path = write_course(tmp_path / "matrices")
    done = CliRunner().invoke(course, ["publish", str(path)], obj=tools)
    assert done.exit_code == 0
    assert done.output.startswith("matrices: version 1 (")
    (path / "course.yml").write_text("nothing: here\n", encoding="utf-8")
    broken = CliRunner().invoke(course, ["publish", str(path)], obj=tools)
    assert broken.exit_code == 1
    assert "course.yml:1:1" in broken.output
