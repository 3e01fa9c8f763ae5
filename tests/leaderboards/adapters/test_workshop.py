"""Authors' programs of challenges in the real jail."""

import os
import time
from pathlib import Path

import pytest

from lms.errors import Invalid
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.challenge_file import Challenge, read_challenge
from lms.leaderboards.core.predictions import BadPredictions
from lms.leaderboards.core.scoring import (
    ChallengeFailed,
    MadeChallenge,
    Truth,
    form_of,
    read_entry,
    score_table,
)
from lms.runtime.probe import Isolation
from tests.factories.challenges import CHALLENGE, SCRIPT, write_challenge
from tests.runtime.jails import ROOT

pytestmark = pytest.mark.jail
FILES = {"hidden/challenge.py": SCRIPT.encode()}


@pytest.fixture(scope="module")
def workshop(isolation: Isolation) -> JailedWorkshop:
    assert isolation
    return JailedWorkshop(ROOT)


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Challenge:
    found = read_challenge(write_challenge(tmp_path_factory.mktemp("content")), ["ml-basics"]).challenge
    assert found is not None
    return found


@pytest.fixture(scope="module")
def made(workshop: JailedWorkshop, challenge: Challenge) -> MadeChallenge:
    return workshop.make(challenge, FILES, 7)


def test_one_seed_makes_one_challenge_and_another_seed_another(
    workshop: JailedWorkshop, challenge: Challenge, made: MadeChallenge
) -> None:
    assert workshop.make(challenge, FILES, 7) == made
    other = workshop.make(challenge, FILES, 8)
    assert other.truth.columns != made.truth.columns
    assert other.truth.public != made.truth.public
    assert set(made.files) == {"train.csv", "test.csv", "note.txt"}
    assert b"south" not in made.files["test.csv"]
    assert len(made.truth.public) == 40
    assert not set(made.truth.public) & set(made.truth.private)
    assert Truth.from_json(made.truth.to_json()) == made.truth


def test_a_baseline_is_scored_like_any_file(
    workshop: JailedWorkshop, challenge: Challenge, made: MadeChallenge
) -> None:
    table = read_entry(challenge, made.truth, made.baselines["north"], workshop)
    scores = score_table(challenge, made.truth, table, b"", workshop)
    places = made.truth.columns["place"]
    assert scores.public == sum(places[row] == "north" for row in made.truth.public) / 40
    assert scores.private == sum(places[row] == "north" for row in made.truth.private) / 60
    assert set(scores.also) == {"f1_macro"}
    assert scores.public_losses is not None
    assert 1 - scores.public_losses.mean() == pytest.approx(scores.public)


def test_an_author_may_bring_a_scorer(
    workshop: JailedWorkshop, challenge: Challenge, made: MadeChallenge, tmp_path: Path
) -> None:
    text = CHALLENGE.replace("metric: accuracy", "metric: own\ndirection: max")
    own = read_challenge(write_challenge(tmp_path, text=text), ["ml-basics"]).challenge
    assert own is not None
    table = read_entry(own, made.truth, made.baselines["north"], workshop)
    by_hand = score_table(own, made.truth, table, SCRIPT.encode(), workshop)
    by_name = score_table(challenge, made.truth, table, b"", workshop)
    assert (by_hand.public, by_hand.private) == (by_name.public, by_name.private)
    assert by_hand.public_losses is None


BAD_SCORERS = {
    "crashes": (
        "def score(truth, predictions):\n    print(truth.to_csv())\n    raise KeyError('x')",
        "KeyError",
        "KeyError",
    ),
    "is no number": ("def score(truth, predictions):\n    return float('nan')", "finite", "ValueError"),
    "ends the process": ("import os\n\nprint('south')\nos._exit(3)", "done", "done"),
    "prints without end": (
        "import sys\n\nwhile True:\n    sys.__stdout__.write('x' * 10000)",
        "output",
        "output",
    ),
    "names its error with a sentence": (
        "def score(truth, predictions):\n    raise type('row 3 is north', (Exception,), {})",
        "row 3",
        "error",
    ),
}


@pytest.mark.parametrize(("script", "said", "kind"), BAD_SCORERS.values(), ids=BAD_SCORERS)
def test_a_scorer_that_fails_gives_no_score_and_tells_no_labels(
    workshop: JailedWorkshop,
    challenge: Challenge,
    made: MadeChallenge,
    script: str,
    said: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lms.leaderboards.adapters.workshop.SCORE_SECONDS", 30)
    monkeypatch.setattr("lms.leaderboards.adapters.workshop.OUTPUT_BYTES", 1 << 20)
    table = read_entry(challenge, made.truth, made.baselines["north"], workshop)
    with pytest.raises(ChallengeFailed) as failed:
        workshop.score(challenge, script.encode(), made.truth, table)
    assert said in str(failed.value)
    assert failed.value.kind == kind
    assert "south" not in str(failed.value)


HANGING = {
    "computes without end as it is read": "while True:\n    pass",
    "sleeps as it is read": "import time\n\ntime.sleep(10**6)",
    "computes without end when it is asked": "def score(truth, predictions):\n    while True:\n        pass",
    "sleeps when it is asked": "import time\n\n\ndef score(truth, predictions):\n    time.sleep(10**6)",
}


@pytest.mark.parametrize("script", HANGING.values(), ids=HANGING)
def test_a_scorer_that_hangs_in_silence_is_ended_at_its_limit(
    workshop: JailedWorkshop,
    challenge: Challenge,
    made: MadeChallenge,
    script: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, begun = read_entry(challenge, made.truth, made.baselines["north"], workshop), time.monotonic()
    workshop.score(challenge, SCRIPT.encode(), made.truth, table)
    limit = 2 * int(time.monotonic() - begun) + 3  # long enough for one that does not hang, on any machine
    monkeypatch.setattr("lms.leaderboards.adapters.workshop.SCORE_SECONDS", limit)
    before, begun = children(), time.monotonic()
    with pytest.raises(ChallengeFailed, match=r"^time$"):
        workshop.score(challenge, script.encode(), made.truth, table)
    assert limit <= time.monotonic() - begun < limit + 10
    assert children() <= before


def children() -> set[str]:
    """Return the processes that this one started and that have not ended."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_generator_that_fails_says_why_to_staff(workshop: JailedWorkshop, challenge: Challenge) -> None:
    with pytest.raises(ChallengeFailed, match="ZeroDivisionError"):
        workshop.make(challenge, {"hidden/challenge.py": b"def make(seed):\n    1 / 0"}, 1)
    few = SCRIPT.replace("200", "120")
    with pytest.raises(ChallengeFailed, match="too few"):
        workshop.make(challenge, {"hidden/challenge.py": few.encode()}, 1)


def test_a_broken_parquet_file_is_refused(
    workshop: JailedWorkshop, challenge: Challenge, made: MadeChallenge
) -> None:
    for content in (b"PAR1", b"PAR1" + b"\0" * 500 + b"PAR1"):
        with pytest.raises(Invalid, match="Parquet"):
            read_entry(challenge, made.truth, content, workshop)
    with pytest.raises(BadPredictions):
        read_entry(challenge, made.truth, b"id,place\n", workshop)
    assert form_of(challenge, made.truth.rows).names == ("id", "place")
