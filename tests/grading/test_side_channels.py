"""What a program learned from hidden tests or hidden rows must not reach its author by a detour."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.grading.adapters import boards
from lms.grading.core.contracts import Limits
from lms.grading.queries.gradebook import gradebook_csv
from lms.runtime.kernel import CellRun, RunStatus
from tests.factories.grading import make_world

SignIn = Callable[[User], None]


@pytest.mark.parametrize(
    ("raised", "shown"), [("ValueError", "ValueError"), ("row_5_1_3_8", "Error"), ("print", "Error")]
)
def test_only_exceptions_that_python_has_are_named_after_hidden_rows_were_seen(
    raised: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "_member", lambda _archive, _name: b"{}")
    kernel = SimpleNamespace(
        put=lambda _name, _content: None,
        execute=lambda _code, _seconds: CellRun(RunStatus.ERROR, error=(raised, "secret")),
    )
    job: Any = SimpleNamespace(board_archive=b"-", limits=Limits())
    result: Any = boards._predictions(job, "predict", SimpleNamespace(kernel=kernel))  # type: ignore[arg-type]
    assert result.notice.params["error"] == shown


def test_exact_time_and_memory_of_a_run_are_for_staff(
    client: FlaskClient, session: Session, blobs: FolderBlobs, tmp_path: Path, sign_in: SignIn, app: Flask
) -> None:
    assert app.config["TESTING"]
    world = make_world(session, blobs, tmp_path / "environments")
    work = world.graded()
    session.commit()
    client.set_cookie("language", "en")
    pages = {}
    for person in (world.student, world.assistant):
        sign_in(person)
        pages[person.id] = client.get(f"/submissions/{work.id}").text
    student, staff = pages[world.student.id], pages[world.assistant.id]
    assert "1.5 s" in staff
    assert "100 MB" in staff
    assert "1.5 s" not in student
    assert "100 MB" not in student


@pytest.mark.parametrize("sign", ["＝", "＋", "－", "＠"])
def test_wide_signs_begin_no_formula_either(sign: str) -> None:
    enrolment = SimpleNamespace(user=SimpleNamespace(email="a@example.org"))
    line: Any = SimpleNamespace(
        name=f"{sign}1+1", enrolment=enrolment, marks={}, score=0.0, provisional=False
    )
    assert f'"\'{sign}1+1"' in "".join(gradebook_csv([line], []))
