"""The warm-up round: a challenge that the demonstration plays to its end, so that a final board can be seen.

It is `blended-tanks` with data from a seed of its own. Entries come today, so it is no edition of some year
before but a short round that its organiser ends early, which its texts say. All is done by the verbs of the
pages and the command line, and nothing twice: a start after one that was interrupted goes on where that was.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.db import now, reading
from lms.demo.seed import person
from lms.installation import Installation
from lms.leaderboards.core import challenge_file
from lms.leaderboards.core.challenge_file import CHALLENGE_FILE, load_challenge, read_challenge
from lms.leaderboards.models import Challenge, Entry, EntryState
from lms.leaderboards.queries.boards import board_of_challenge, team_of
from lms.leaderboards.queries.dates import schedule_of
from lms.leaderboards.queries.waiting import number_waiting
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.data import SAMPLE
from lms.leaderboards.services.entering import check_file, hand_in
from lms.leaderboards.services.publishing import publish_folder
from lms.leaderboards.services.rescheduling import reschedule
from lms.leaderboards.services.selecting import select_entries
from lms.leaderboards.services.teams import join

SLUG, FOLDER = "blended-tanks-warm-up", "blended-tanks"
ORGANISER = "engineer@nuri.example"
PROGRAM, TEXTS = Path(__file__).with_name("solution.py"), Path(__file__).with_name("texts")
PROGRAM_SECONDS = 120
LASTS_DAYS = 7
"""How long it could last."""
NOTICE = timedelta(seconds=2)
"""Between the organiser's decision to end it and its end."""
CHANGED = {
    "title": {"ko": "탱크 속의 비율: 몸풀기", "en": "What the tank holds: warm-up"},
    "summary": {
        "ko": "본 챌린지에 앞서 다른 데이터로 짧게 겨뤄 본 회차예요. 최종 순위와 풀이를 볼 수 있어요.",
        "en": "A short round before the challenge itself, on other data. See its final ranks and a write-up.",
    },
    "prizes": [
        {"place": place, "title": {"ko": "현업의 서면 의견", "en": "Written comments from practitioners"}}
        for place in (1, 2)
    ],
    "dates": {"ends": {"after_days": LASTS_DAYS}},
}


@dataclass(frozen=True)
class Side:
    """A team of one, and what it sends, in this order: the sample as it is, or what a recipe makes."""

    email: str
    name: str
    files: tuple[str, ...]


SIDES = (
    Side("student@duri.example", "하늘 팀", (SAMPLE, "amended.csv", "averaged.csv")),
    Side("second@duri.example", "바다 팀", ("ridge.csv", "curve.csv", "blend.csv")),
    Side("professor@hangang.example", "연구실", ("volumes.csv",)),
    Side("assistant@hangang.example", "조교실", ("neighbours.csv",)),
    Side("office@hangang.example", "행정실", ("median.csv",)),
)
CHOOSER = "second@duri.example"
"""Chooses by the error on left-out tanks; of the others the best by public score count."""
RECIPES = tuple(name.removesuffix(".csv") for side in SIDES for name in side.files if name != SAMPLE)


@dataclass(frozen=True)
class Solved:
    """What `solution.py` made of a challenge's files."""

    files: Mapping[str, bytes]
    errors: Mapping[str, float]
    """Recipe -> mean absolute error on left-out tanks of the training data, in percentage points."""


def solve(given: Mapping[str, bytes], recipes: Sequence[str]) -> Solved:
    """Run `solution.py`, which is this house's own, on the public files of a challenge.

    Raises:
        subprocess.SubprocessError: it fails, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="duri-warm-up-") as scratch:
        folder = Path(scratch)
        for name, content in given.items():
            (folder / name).write_bytes(content)
        command = [sys.executable, "-I", str(PROGRAM), "train.csv", "test.csv", ".", *recipes]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=PROGRAM_SECONDS)
        files = {f"{recipe}.csv": (folder / f"{recipe}.csv").read_bytes() for recipe in recipes}
        return Solved(files, json.loads(done.stdout))


@dataclass
class WarmUp:
    """Plays the round in one installation, up to its end."""

    installation: Installation

    def open(self) -> bool:
        """Publish the round with data of its own; False where the course content has no such challenge."""
        installation = self.installation
        folder = installation.settings.course_content / FOLDER
        if not (folder / CHALLENGE_FILE).exists():
            return False
        with reading(installation.sessions) as session:
            if session.scalar(select(Challenge.id).where(Challenge.slug == SLUG)) is not None:
                return True  # it was published together with its data
        locks = [path.stem for path in installation.settings.environments.glob("*.txt")]
        checked = read_challenge(folder, locks)
        if checked.challenge is not None:
            checked = replace(checked, challenge=_shortened(checked.challenge))
        publish_folder(installation.sessions, installation.blobs, installation.workshop, checked)
        return True

    def enter(self) -> None:
        """Let all teams join and send what they have not sent yet, while it is open."""
        if self._is_over():
            return
        content = {**self.solved.files, SAMPLE: self.given[SAMPLE]}
        with self.installation.sessions.begin() as session:
            for side in SIDES:
                self._send(session, warm_up(session), side, content)

    def scored(self, session: Session) -> bool | None:
        """Say when nothing waits for its score any more."""
        return None if number_waiting(session, board_of_challenge(session, warm_up(session))) else True

    def choose(self) -> None:
        """Let one team choose what counts in the end, by what it measured at home."""
        errors = self.solved.errors
        with self.installation.sessions.begin() as session:
            challenge, user = warm_up(session), person(session, CHOOSER)
            team = team_of(session, board_of_challenge(session, challenge), user)
            if team is None or now() > challenge.ends_at:
                return
            scored = select(Entry).where(Entry.team_id == team.id, Entry.state == EntryState.SCORED)
            own = list(session.scalars(scored))
            if not any(entry.selected for entry in own):
                own.sort(key=lambda entry: errors[recipe_of(entry)])
                chosen = [entry.id for entry in own[: challenge.selections]]
                select_entries(session, user, team, chosen, at=now())

    def end(self) -> None:
        """Move its dates forward, as its organiser, who says why."""
        with self.installation.sessions.begin() as session:
            challenge, moment = warm_up(session), now()
            end = (moment + NOTICE).replace(microsecond=0)
            if challenge.ends_at <= end:
                return  # an earlier start came so far
            wall = end.astimezone(ZoneInfo(challenge.timezone)).replace(tzinfo=None)
            typed = {"entry_deadline": wall, "merge_deadline": wall, "freezes_at": None, "ends_at": wall}
            organiser, seen = person(session, ORGANISER), schedule_of(challenge).mark
            reschedule(session, organiser, challenge, typed, text("early"), seen=seen, clock=lambda: moment)

    def ended(self, session: Session) -> bool | None:
        """Say when the end has passed."""
        return True if now() > warm_up(session).ends_at else None

    @cached_property
    def given(self) -> Mapping[str, bytes]:
        """The public files of the round."""
        with reading(self.installation.sessions) as session:
            known = {name: str(file["sha256"]) for name, file in warm_up(session).files.items()}
        return {name: self.installation.blobs.get(sha256) for name, sha256 in known.items()}

    @cached_property
    def solved(self) -> Solved:
        """What the teams' recipes make of them."""
        return solve(self.given, RECIPES)

    def _is_over(self) -> bool:
        with reading(self.installation.sessions) as session:
            return self.ended(session) is not None

    def _send(self, session: Session, challenge: Challenge, side: Side, content: Mapping[str, bytes]) -> None:
        user, blobs = person(session, side.email), self.installation.blobs
        accept_rules(session, user, challenge, challenge.rules_version, at=now())
        team = join(session, user, challenge, side.name, at=now())
        sent = set(session.scalars(select(Entry.filename).where(Entry.team_id == team.id)))
        for name in side.files:
            if name not in sent:  # an earlier start came so far
                kind, blob = check_file(challenge, content[name], blobs), blobs.put(content[name])
                hand_in(
                    session, user, challenge, kind, blob,
                    filename=name, size_bytes=len(content[name]), received_at=now(),
                )  # fmt: skip


def _shortened(found: challenge_file.Challenge) -> challenge_file.Challenge:
    """Return the challenge as a round before it."""
    plain = found.to_dict()
    about = {"ko": text("about"), "en": text("about.en")}
    described = {language: f"{about[language]}\n{words}" for language, words in plain["description"].items()}
    return load_challenge({**plain, **CHANGED, "slug": SLUG, "description": described})


def warm_up(session: Session) -> Challenge:
    """Return the round, once it is published."""
    return session.scalars(select(Challenge).where(Challenge.slug == SLUG)).one()


def recipe_of(entry: Entry) -> str:
    """Return what made an entry's file."""
    return entry.filename.removesuffix(".csv")


def text(name: str) -> str:
    """Return one of the texts of the round; what has one field for all readers is in both languages."""
    return (TEXTS / f"{name}.md").read_text(encoding="utf-8")
