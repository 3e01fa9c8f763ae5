"""`lms challenge publish`: what an author gets to read, also when a challenge for models cannot be made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.leaderboards.cli.challenges import challenge
from lms.leaderboards.core.challenge_file import Challenge as ChallengeFile
from lms.leaderboards.core.failures import EntryFailed
from lms.leaderboards.core.scoring import MadeChallenge, ModelInputs, Truth
from lms.leaderboards.models import Challenge
from tests.factories.accounts import make_organisation
from tests.factories.challenges import CHALLENGE, MODEL_CHALLENGE, write_challenge, write_model_challenge
from tests.factories.models import safetensors

WEIGHTS = safetensors({"slope": ([2], [-1.0, 1.0]), "offset": ([2], [5.0, -5.0])})
IDS = tuple(f"h{number}" for number in range(60))
ROWS = "".join(f"{name},{number}\n" for number, name in enumerate(IDS))
MADE = MadeChallenge(
    files={"test.csv": b"id,weight\ns1,1\n"},
    truth=Truth(IDS, {"place": ["north", "south"] * 30}, tuple(range(24))),
    hidden={"test.csv": f"id,weight\n{ROWS}".encode()},
    models={"north": WEIGHTS},
)


class FakeWorkshop:
    """Makes what it is told to; its models stop."""

    def __init__(self, made: MadeChallenge) -> None:
        self.made = made

    def make(self, challenge: ChallengeFile, files: Mapping[str, bytes], seed: int) -> MadeChallenge:
        del challenge, files, seed
        return self.made

    def run_model(self, challenge: ChallengeFile, content: bytes, given: ModelInputs) -> bytes:
        del challenge, content, given
        raise EntryFailed("model_memory", memory=512)


@dataclass(frozen=True)
class Tools:
    settings: Settings
    sessions: sessionmaker[Session]
    blobs: FolderBlobs
    workshop: FakeWorkshop


@pytest.fixture
def publish(
    settings: Settings, sessions: sessionmaker[Session], blobs: FolderBlobs
) -> Callable[[Path, MadeChallenge], str]:
    with sessions.begin() as session:
        make_organisation(session, slug="nuri-ai")

    def publish(path: Path, made: MadeChallenge) -> str:
        tools = Tools(settings, sessions, blobs, FakeWorkshop(made))
        done = CliRunner().invoke(challenge, ["publish", str(path)], obj=tools)
        assert done.exit_code == 1
        assert isinstance(done.exception, SystemExit)  # and no traceback
        with sessions() as session:
            assert session.scalars(select(Challenge)).all() == []
        return done.output

    return publish


Publish = Callable[[Path, MadeChallenge], str]


def test_a_baseline_that_does_not_run_or_is_no_model_is_named(publish: Publish, tmp_path: Path) -> None:
    home = write_model_challenge(tmp_path)
    assert publish(home, MADE) == (
        "Error: hidden/challenge.py: baseline north: "
        "The model needs more than 512 MiB of memory for the rows of the sample.\n"
    )
    said = publish(home, replace(MADE, models={"north": b"\x80\x04N."}))
    assert "baseline north: This is a pickle" in said


def test_a_table_that_does_not_fit_is_the_author_s_to_mend(publish: Publish, tmp_path: Path) -> None:
    home = write_model_challenge(tmp_path)
    wrong = {"test.csv": MADE.hidden["test.csv"].replace(b"weight", b"wieght")}
    assert "test.csv of hidden lacks the columns weight" in publish(home, replace(MADE, hidden=wrong))


def test_a_baseline_of_bytes_where_no_models_are_taken_is_refused(publish: Publish, tmp_path: Path) -> None:
    said = publish(write_challenge(tmp_path, text=CHALLENGE), MADE)
    assert "baselines are models, and the challenge takes none: north" in said


@pytest.mark.parametrize(
    ("asked", "label", "said"),
    [
        ("kind: label", "1.0", "text or a whole number (1, not 1.0)"),
        ("kind: label", " north", "text or a whole number"),
        ("kind: label, labels: [north, south]", "west", "one of its labels"),
    ],
)
def test_a_truth_that_no_file_can_say_is_refused(
    publish: Publish, tmp_path: Path, asked: str, label: str, said: str
) -> None:
    home = write_challenge(tmp_path, text=CHALLENGE.replace("kind: label, labels: [north, south]", asked))
    truth = replace(MADE.truth, columns={"place": ["north", label] * 30})
    assert f"row 2 of the truth's place has to be {said}" in publish(
        home, replace(MADE, truth=truth, models={})
    )


def test_a_truth_beyond_its_bounds_is_refused(publish: Publish, tmp_path: Path) -> None:
    text = MODEL_CHALLENGE.replace("kind: label, labels: [north, south]", "kind: number, min: 0, max: 5")
    home = write_model_challenge(tmp_path, text=text.replace("accuracy", "r2").replace("[f1_macro]", "[]"))
    truth = replace(MADE.truth, columns={"place": [1.0, 5.5] * 30})
    assert "the truth's place has to be numbers from 0 to 5" in publish(home, replace(MADE, truth=truth))


@pytest.mark.parametrize(("language", "none"), [("en", "none"), ("ko", "없음")])
def test_publishing_anew_says_which_dates_moved_and_from_when_to_when(
    settings: Settings,
    sessions: sessionmaker[Session],
    blobs: FolderBlobs,
    tmp_path: Path,
    *,
    language: str,
    none: str,
) -> None:
    with sessions.begin() as session:
        make_organisation(session, slug="nuri-ai")
    text = "".join(line for line in CHALLENGE.splitlines(keepends=True) if not line.startswith("baselines"))
    home = write_challenge(tmp_path, text=text)
    tools = Tools(settings, sessions, blobs, FakeWorkshop(replace(MADE, models={})))

    def said(text: str) -> list[str]:
        (home / "challenge.yml").write_text(text, encoding="utf-8")
        done = CliRunner().invoke(challenge, ["publish", str(home), "--language", language], obj=tools)
        assert (done.exit_code, done.exception) == (0, None)
        return [line for line in done.output.splitlines() if "→" in line]

    assert said(text) == []
    with sessions() as session:
        opens_at = session.scalars(select(Challenge.opens_at)).one()
    zone = ZoneInfo("Asia/Seoul")
    day = opens_at.astimezone(zone).date()
    later = text.replace("{after_days: 28}", '{after_days: 30}, freeze: {after_days: 25, at: "12:00"}')
    assert said(later) == [
        f"  freeze: {none} → {day + timedelta(days=25)} 12:00 (Asia/Seoul)",
        f"  ends: {day + timedelta(days=28)} 23:59 → {day + timedelta(days=30)} 23:59 (Asia/Seoul)",
    ]
    assert said(later) == []
