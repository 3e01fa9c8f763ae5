"""`lms grade …` as an operator or a third party meets it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.cli import main
from lms.config import Settings
from lms.db import now
from lms.grading.adapters.record_key import FolderKeys
from lms.grading.cli.grade import grade
from lms.grading.core.contracts import GradingJob, GradingReport, OnProgress, RunnerUnavailable
from lms.grading.core.record import Notary, written
from lms.grading.services.running import record_grade
from lms.installation import Installation
from tests.factories.grading import World, grading_report, make_world
from tests.factories.records import PlainNotary, recording, sign, statement

GOLDEN = Path(__file__).parent / "core" / "golden"
RECORD, KEYS = GOLDEN / "grade-record.json", GOLDEN / "duri-grade-keys.json"


@pytest.fixture
def nowhere(tmp_path: Path) -> Installation:
    """An installation that has nothing: no folder, no database."""
    return Installation(Settings(instance=tmp_path / "nowhere"))


def run(tools: object, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["grade", *map(str, arguments)], obj=tools)


# verify


@pytest.mark.parametrize(("language", "word"), [("en", "Genuine"), ("ko", "진본")])
def test_a_third_party_needs_the_record_and_the_keys_only(
    nowhere: Installation, language: str, word: str
) -> None:
    answer = run(nowhere, "verify", RECORD, "--keys", KEYS, "--language", language)
    assert answer.exit_code == 0
    assert answer.output.startswith(word)
    assert "2.6 / 5" in answer.output
    assert not nowhere.settings.instance.exists()


def test_this_installations_own_keys_are_used_without_a_list(nowhere: Installation, tmp_path: Path) -> None:
    made = nowhere.record_keys.sign(statement(), at=now())
    path = tmp_path / "own.json"
    path.write_bytes(written(made))
    answer = run(nowhere, "verify", path)
    assert answer.exit_code == 0
    assert "this installation" in answer.output
    assert run(nowhere, "verify", RECORD).exit_code == 1


def test_the_answer_for_programs_holds_the_record(nowhere: Installation) -> None:
    answer = json.loads(run(nowhere, "verify", RECORD, "--keys", KEYS, "--json").output)
    assert (answer["genuine"], answer["own"]) == (True, False)
    assert answer["record"] == json.loads(RECORD.read_bytes())


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"attempt":2', b'"attempt":1', "record.forged"),
        (b'"score":2.5', b'"score":3.0', "record.not-canonical"),
        (b'"signature"', b'"signature', "record.not-json"),
        (b'"seed"', b'"sead"', "record.other-shape"),
    ],
)
def test_a_changed_record_is_refused_with_the_reason(
    nowhere: Installation, tmp_path: Path, language: str, old: bytes, new: bytes, code: str
) -> None:
    path = tmp_path / "changed.json"
    path.write_bytes(RECORD.read_bytes().replace(old, new, 1))
    said = run(nowhere, "verify", path, "--keys", KEYS, "--language", language)
    assert said.exit_code == 1
    assert said.output.startswith({"en": "Refused: ", "ko": "거부함: "}[language])
    told = run(nowhere, "verify", path, "--keys", KEYS, "--json")
    assert (told.exit_code, json.loads(told.output)["code"]) == (1, code)


def test_a_record_is_about_one_file(nowhere: Installation, tmp_path: Path) -> None:
    path = tmp_path / "other.ipynb"
    path.write_bytes(b"{}")
    answer = run(nowhere, "verify", RECORD, "--keys", KEYS, "--notebook", path)
    assert answer.exit_code == 1
    assert "another file" in answer.output


def test_a_strangers_record_does_not_steer_the_terminal(nowhere: Installation, tmp_path: Path) -> None:
    path = tmp_path / "evil.json"
    path.write_bytes(written(sign(statement(installation="\x1b[2Jhttps://duri.example"))))
    answer = run(nowhere, "verify", path, "--keys", KEYS)
    assert answer.exit_code == 0
    assert "\x1b" not in answer.output


def test_broken_keys_are_refused(nowhere: Installation) -> None:
    answer = run(nowhere, "verify", RECORD, "--keys", RECORD)
    assert answer.exit_code == 1
    assert "duri-grade-keys" in answer.output


def test_a_new_key_is_made_and_named(nowhere: Installation) -> None:
    first, second = (run(nowhere, "rotate-key").output.strip() for _ in range(2))
    assert [one.key for one in nowhere.record_keys.published()] == [first, second]
    assert first != second


# rerun


class Again:
    """Reports what it is told to."""

    def __init__(self, report: GradingReport | None) -> None:
        self.report = report
        self.closed = False

    def grade(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        del job, on_progress
        if self.report is None:
            raise RunnerUnavailable("refuse:network")
        return self.report

    def close(self) -> None:
        self.closed = True


@dataclass
class Tools:
    settings: Settings
    sessions: sessionmaker[Session]
    blobs: BlobStore
    again: Again
    record_keys: FolderKeys
    notary: Notary

    def runner(self) -> Again:
        return self.again


@dataclass
class Desk:
    world: World
    tools: Tools
    record: Path

    def rerun(self, report: GradingReport | None, *options: str) -> Result:
        self.tools.again = Again(report)
        arguments = ["rerun", str(self.record), "--keys", str(KEYS), *options]
        return CliRunner().invoke(grade, arguments, obj=self.tools)


@pytest.fixture
def desk(sessions: sessionmaker[Session], blobs: BlobStore, tmp_path: Path) -> Desk:
    session = sessions()
    world = make_world(session, blobs, tmp_path / "environments")
    world.hand_in()
    claimed = world.claim()
    recorded = recording(claimed, blobs)
    assert record_grade(
        session, claimed.id, claimed.token, grading_report(), blobs=blobs, at=world.at, recording=recorded
    )
    session.commit()
    lock = claimed.submission.release.environment_sha256
    python = tmp_path / ".environments" / f"ml-basics-{lock[:12]}" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    path = tmp_path / "record.json"
    assert claimed.record_blob is not None
    path.write_bytes(blobs.get(claimed.record_blob))
    settings = Settings(instance=tmp_path / "instance", environments_root=tmp_path)
    keys = FolderKeys(settings.instance / "keys")
    return Desk(world, Tools(settings, sessions, blobs, Again(None), keys, PlainNotary()), path)


def test_the_same_result_ends_well(desk: Desk) -> None:
    answer = desk.rerun(grading_report())
    assert (answer.exit_code, answer.output.splitlines()[0][:12]) == (0, "Same result:")
    assert desk.tools.again.closed


def test_another_result_is_explained(desk: Desk) -> None:
    answer = desk.rerun(replace(grading_report(score=0), isolation="reduced:cgroup"), "--language", "ko")
    assert answer.exit_code == 1
    assert "다른 결과" in answer.output
    assert "격리" in answer.output
    assert "outcomes[test].score: 기록 3.0, 지금 0.0" in answer.output


def test_the_answer_of_grading_again_can_be_read_by_programs(desk: Desk) -> None:
    answer = json.loads(desk.rerun(grading_report(score=0), "--json").output)
    assert (answer["same"], answer["ran"], answer["inputs"]) == (False, True, [])
    assert {"where": "total.score", "recorded": 3.0, "now": 0.0} in answer["result"]
    assert "chance" in answer["explained"][0]


def test_a_record_that_is_not_genuine_is_not_graded(desk: Desk) -> None:
    desk.record.write_bytes(desk.record.read_bytes().replace(b'"seed":', b'"seed":1', 1))
    answer = desk.rerun(grading_report())
    assert answer.exit_code == 1
    assert answer.output.startswith("Refused")
    assert not desk.tools.again.closed


def test_a_missing_sandbox_is_said(desk: Desk) -> None:
    answer = desk.rerun(None)
    assert answer.exit_code == 3
    assert "network" in answer.output


def test_a_record_of_elsewhere_is_refused_in_a_sentence(desk: Desk) -> None:
    desk.record.write_bytes(RECORD.read_bytes())
    answer = CliRunner().invoke(main, ["grade", "rerun", str(RECORD), "--keys", str(KEYS)], obj=desk.tools)
    assert answer.exit_code == 1
    assert "where the record was made" in answer.output
