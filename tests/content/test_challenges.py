"""The shipped challenges: well formed, in both languages, and playable from their files to a score."""

import csv
import io
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OrganisationKind
from lms.blobs import FolderBlobs
from lms.courses.core.folder import read_folder
from lms.leaderboards.adapters.notebooks import JailedNotebooks
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.challenge_file import CHALLENGE_FILE, Challenge, read_challenge
from lms.leaderboards.core.predictions import BadPredictions
from lms.leaderboards.core.scoring import MadeChallenge, read_entry, score_table
from lms.leaderboards.models import Challenge as Published
from lms.leaderboards.services.publishing import publish_folder
from lms.runtime.probe import Isolation
from tests.factories.accounts import make_organisation
from tests.runtime.jails import ROOT

CONTENT = ROOT / "course_content"
FOLDERS = sorted(path.parent for path in CONTENT.glob(f"*/{CHALLENGE_FILE}"))
SEED = 2**62 - 7
ENVIRONMENTS = ["ml-basics", "models"]
STARTER = CONTENT / "carbon-copies" / "data" / "starter.ipynb"


def read(name: str) -> Challenge:
    checked = read_challenge(CONTENT / name, ENVIRONMENTS)
    assert checked.problems == []
    assert checked.challenge is not None
    return checked.challenge


def make(name: str) -> MadeChallenge:
    return JailedWorkshop(ROOT).make(read(name), contents(name), SEED)


def contents(name: str) -> dict[str, bytes]:
    return dict(read_folder(CONTENT / name).files)


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.fixture(scope="module")
def slips(isolation: Isolation) -> MadeChallenge:
    assert isolation
    return make("carbon-copies")


def lay(folder: Path, made: MadeChallenge) -> Path:
    """Write what a notebook finds as its `data` when it counts."""
    folder.mkdir()
    for name, content in {"starter.ipynb": STARTER.read_bytes(), **made.files, **made.hidden}.items():
        (folder / name).write_bytes(content)
    return folder


def score(name: str, made: MadeChallenge, content: bytes) -> tuple[float, float]:
    """Return the public and the private score of a predictions file."""
    challenge, workshop = read(name), JailedWorkshop(ROOT)
    read_in = read_entry(challenge, made.truth, content, workshop)
    scores = score_table(challenge, made.truth, read_in, b"", workshop)
    return scores.public, scores.private


def test_there_is_a_challenge_by_file_one_by_notebook_and_one_by_model() -> None:
    assert {read(folder.name).kind for folder in FOLDERS} >= {"predictions", "notebook", "model"}
    assert any(read(folder.name).ladder for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_challenge_reads_in_both_languages(folder: Path) -> None:
    challenge = read(folder.name)
    for text in (challenge.title, challenge.summary, challenge.description, challenge.rules):
        assert set(text) == {"ko", "en"}
    for limit in (challenge.limits.per_day, challenge.limits.total):
        assert limit <= 100
    korean, english = challenge.description["ko"], challenge.description["en"]
    assert korean.count("\n## ") == english.count("\n## ")
    assert korean.count("\n| ") == english.count("\n| ")
    assert challenge.rules["ko"].count("\n") == challenge.rules["en"].count("\n")


@pytest.mark.jail
def test_the_starter_notebook_reads_the_hidden_slips_as_it_is(slips: MadeChallenge, tmp_path: Path) -> None:
    data = lay(tmp_path / "data", slips)
    challenge = read("carbon-copies")
    written = JailedNotebooks(ROOT).predictions(challenge, STARTER.read_bytes(), data, 1 << 20)
    public, private = score("carbon-copies", slips, written)
    baselines = {key: score("carbon-copies", slips, said) for key, said in slips.baselines.items()}
    assert min(public, private) > 0.3
    for side in (0, 1):
        in_order = [baselines[key][side] for key in ("shipped", "known", "checked")]
        assert in_order == sorted(in_order)
        assert in_order[-1] > 0.7


@pytest.mark.jail
def test_hidden_slips_stand_in_the_place_of_the_sample_and_are_not_in_it(slips: MadeChallenge) -> None:
    assert slips.hidden.keys() == {"test.csv", "sample_submission.csv"}
    for name, content in slips.hidden.items():
        sample, hidden = table(slips.files[name]), table(content)
        assert sample[0].keys() == hidden[0].keys()
        assert {row["id"] for row in hidden} == set(slips.truth.ids)
        assert not {row["id"] for row in sample} & set(slips.truth.ids)
    assert "number" not in table(slips.hidden["test.csv"])[0]
    with pytest.raises(BadPredictions):
        score("carbon-copies", slips, slips.files["sample_submission.csv"])


@pytest.mark.long
@pytest.mark.jail
def test_tanks_are_asked_whole_and_baselines_keep_their_order(isolation: Isolation) -> None:
    assert isolation
    made = make("blended-tanks")
    asked = table(made.files["test.csv"])
    assert [row["id"] for row in asked] == list(made.truth.ids)
    tanks = [{asked[at]["tank"] for at in rows} for rows in (made.truth.public, made.truth.private)]
    assert not tanks[0] & tanks[1]
    assert "share" not in asked[0]
    scores = [score("blended-tanks", made, made.baselines[key]) for key in ("median", "nearest", "ridge")]
    assert scores == sorted(scores, reverse=True)
    assert score("blended-tanks", made, made.files["sample_submission.csv"])[1] > scores[-1][1]
    described = read("blended-tanks").description
    columns = {*asked[0], "share"}
    assert all(f"`{column}`" in text for column in columns for text in described.values())


@pytest.mark.long
@pytest.mark.jail
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_shipped_challenge_is_published_with_its_data_once(
    isolation: Isolation, sessions: sessionmaker[Session], blobs: FolderBlobs, folder: Path
) -> None:
    assert isolation
    with sessions.begin() as session:
        make_organisation(session, kind=OrganisationKind.COMPANY, slug="nuri-ai")
    checked = read_challenge(folder, ENVIRONMENTS)
    assert publish_folder(sessions, blobs, JailedWorkshop(ROOT), checked)
    assert not publish_folder(sessions, blobs, JailedWorkshop(ROOT), checked)
    with sessions() as session:
        files = session.scalars(select(Published).where(Published.slug == folder.name)).one().files
    assert {"train.csv", "test.csv"} <= files.keys()
    assert ("sample_submission.csv" in files) == (read(folder.name).kind != "model")
    assert ("starter.ipynb" in files) == (read(folder.name).kind != "predictions")
