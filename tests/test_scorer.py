"""The process that scores entries; authors' programs are played by a fake, as the jail has its own tests."""

import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards.core.challenge_file import Challenge as ChallengeFile
from lms.leaderboards.core.challenge_file import CheckedChallenge, read_challenge
from lms.leaderboards.core.failures import SCORER_FAILED, EntryFailed, read_failure
from lms.leaderboards.core.metrics import METRICS
from lms.leaderboards.core.metrics_on_resamples import ON_RESAMPLES
from lms.leaderboards.core.predictions import Form, Kind, Table
from lms.leaderboards.core.scoring import ChallengeFailed, MadeChallenge, ModelInputs, Scores, Truth
from lms.leaderboards.models import (
    Board,
    Challenge,
    Entry,
    EntryKind,
    EntryLosses,
    EntryState,
    PrivateScore,
    Share,
    Standing,
    Team,
    TieGroup,
)
from lms.leaderboards.models import Truth as KeptTruth
from lms.leaderboards.queries.entries import quota_of
from lms.leaderboards.queries.standings import page
from lms.leaderboards.queries.waiting import waiting_entries
from lms.leaderboards.services import teams
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.data import SAMPLE
from lms.leaderboards.services.entering import form_of_challenge
from lms.leaderboards.services.measuring import measure_baselines
from lms.leaderboards.services.publishing import publish_folder
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.rescoring import board_difference, prepare_rescore, publish_rescore
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.tables.flags import Flag, FlagKind
from lms.scorer import Scorer, sweep_hidden
from tests.factories.accounts import make_organisation, make_user
from tests.factories.challenges import CHALLENGE, write_challenge

IDS = tuple(f"p{number}" for number in range(100))
PLACES = random.Random(5).choices(["north", "south"], k=len(IDS))
TRUTH = Truth(IDS, {"place": PLACES}, tuple(range(40)))


@dataclass
class FakeWorkshop:
    """What authors' programs answer."""

    made: int = 0
    fails: bool = False
    score_fails: bool = False  # the author's own scorer
    truth: Truth = TRUTH
    baseline: bytes = b""

    def make(self, challenge: ChallengeFile, files: Mapping[str, bytes], seed: int) -> MadeChallenge:
        assert challenge.slug == "sorted-parcels"
        assert files
        assert seed >= 0
        if self.fails:
            raise ChallengeFailed("ZeroDivisionError")
        self.made += 1
        return MadeChallenge(
            {"test.csv": b"id\n" + "\n".join(IDS).encode()},
            self.truth,
            {"north": self.baseline or written(["north"] * 100)},
            {"test.csv": b"id\nhidden-row"},
        )

    def score(
        self, challenge: ChallengeFile, script: bytes, truth: Truth, table: Table
    ) -> tuple[float, float]:
        assert script
        assert challenge.metric == "own"
        if self.score_fails:
            raise ChallengeFailed("ValueError: SECRET [0.556]", "ValueError")
        right = [said == known for said, known in zip(table["place"], truth.columns["place"], strict=True)]
        public, private = ([right[at] for at in rows] for rows in (truth.public, truth.private))
        return sum(public) / len(public), sum(private) / len(private)

    def run_model(self, challenge: ChallengeFile, content: bytes, given: ModelInputs) -> bytes:
        raise AssertionError(f"{challenge.slug} takes no models: {content[:9]!r}, {given}")

    def read_parquet(self, challenge: ChallengeFile, content: bytes, form: Form) -> bytes:
        raise AssertionError((challenge, content, form))


@dataclass
class FakeNotebooks:
    """What participants' notebooks leave behind."""

    seen: list[dict[str, bytes]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def predictions(self, challenge: ChallengeFile, content: bytes, data: Path, limit_bytes: int) -> bytes:
        self.seconds.append(challenge.compute.seconds)
        assert limit_bytes
        self.seen.append({path.name: path.read_bytes() for path in data.iterdir()})
        if content == b"fails":
            raise EntryFailed("cell_failed", cell=3, error="ValueError")
        return content


def written(places: list[str]) -> bytes:
    rows = "".join(f"{name},{place}\n" for name, place in zip(IDS, places, strict=True))
    return f"id,place\n{rows}".encode()


def right(stop: int, start: int = 0) -> bytes:
    """Predictions of which the rows from `start` up to `stop` are right, and all others wrong."""
    other = {"north": "south", "south": "north"}
    return written([place if start <= at < stop else other[place] for at, place in enumerate(PLACES)])


@dataclass
class Arena:
    sessions: sessionmaker[Session]
    blobs: FolderBlobs
    workshop: FakeWorkshop
    scorer: Scorer
    notebooks: FakeNotebooks
    folder: Path

    def publish(self, **changes: str) -> bool:
        text = CHALLENGE
        for old, new in changes.items():
            text = text.replace(old, new)
        (self.folder / "challenge.yml").write_text(text)
        return publish_folder(self.sessions, self.blobs, self.workshop, self.checked())

    def checked(self) -> CheckedChallenge:
        return read_challenge(self.folder, ["ml-basics"])

    def enter(self, content: bytes, kind: EntryKind = EntryKind.PREDICTIONS, *, of: int | None = None) -> int:
        """Enter for a new team, or for the team of another entry."""
        with self.sessions.begin() as session:
            challenge = session.scalars(select(Challenge)).one()
            if of is None:
                user = make_user(session)
                accept_rules(session, user, challenge, challenge.rules_version, at=now())
                teams.join(session, user, challenge, f"Team {user.id}", at=now())
            else:
                user = session.get_one(User, session.get_one(Entry, of).submitted_by_id)
            work = Work(kind, self.blobs.put(content))
            return take_entry(session, user, challenge, work, received_at=now()).id

    def entry(self, entry_id: int) -> Entry:
        with self.sessions() as session:
            return session.get_one(Entry, entry_id)


@pytest.fixture
def arena(sessions: sessionmaker[Session], tmp_path: Path) -> Arena:
    with sessions.begin() as session:
        make_organisation(session, slug="nuri-ai")
    blobs, workshop, notebooks = FolderBlobs(tmp_path / "blobs"), FakeWorkshop(), FakeNotebooks()
    scorer = Scorer(sessions, blobs, workshop, notebooks)
    return Arena(sessions, blobs, workshop, scorer, notebooks, write_challenge(tmp_path))


def test_a_published_challenge_has_data_baselines_and_a_sample(arena: Arena) -> None:
    assert arena.publish() is True
    assert arena.publish() is False  # and its data stay
    assert arena.workshop.made == 1
    with arena.sessions() as session:
        challenge = session.scalars(select(Challenge)).one()
        assert set(challenge.files) == {"test.csv", "sample_submission.csv"}
        sample = arena.blobs.get(challenge.files["sample_submission.csv"]["sha256"])
        assert sample.startswith(b"id,place\np0,north\n")
        assert challenge.files["sample_submission.csv"]["bytes"] == len(sample)
        [baseline] = session.scalars(select(Entry).where(Entry.baseline.is_not(None)))
        assert baseline.public_score == PLACES[:40].count("north") / 40
        [truth] = session.scalars(select(KeptTruth))
        assert "hidden-row" not in json.dumps(challenge.files)
        assert truth.blob not in {file["sha256"] for file in challenge.files.values()}


def test_an_authors_own_sample_does_not_stand_for_ours(arena: Arena) -> None:
    """Uploads are compared with its ids; an empty line in it would end each of them."""
    (arena.folder / "data").mkdir()
    (arena.folder / "data" / "sample_submission.csv").write_text("id,place\nx,north\n\n")
    arena.publish()
    with arena.sessions() as session:
        challenge = session.scalars(select(Challenge)).one()
        assert list(form_of_challenge(challenge, arena.blobs).ids) == list(IDS)


def test_a_challenge_whose_data_cannot_be_made_is_not_published(arena: Arena) -> None:
    arena.workshop.fails = True
    with pytest.raises(ChallengeFailed):
        arena.publish()
    with arena.sessions() as session:
        assert session.scalars(select(Challenge)).all() == []


def test_entries_are_scored_in_the_order_of_their_receipt(arena: Arena) -> None:
    arena.publish()
    first, second = arena.enter(right(70)), arena.enter(right(70))
    assert arena.scorer.score_waiting() is True
    assert arena.scorer.score_waiting() is False
    with arena.sessions() as session:
        entries = [session.get_one(Entry, number) for number in (first, second)]
        assert [entry.state for entry in entries] == [EntryState.SCORED] * 2
        assert [entry.public_score for entry in entries] == [1.0, 1.0]
        assert [session.get_one(PrivateScore, number).score for number in (first, second)] == [0.5, 0.5]
        standing = select(Standing.entry_id).where(Standing.share == "public").order_by(Standing.key)
        assert session.scalars(standing).all() == [first, second]
        assert set(entries[0].metrics) == {"f1_macro"}


def test_the_same_predictions_in_another_order_and_form_are_flagged(arena: Arena) -> None:
    arena.publish()
    lines = right(70).decode().strip().split("\n")
    again = "\r\n".join([lines[0], *reversed(lines[1:])]).encode()
    arena.enter(right(70))
    arena.enter(again)
    arena.enter(right(60))
    arena.scorer.score_waiting()
    assert arena.scorer.flag() is False
    with arena.sessions() as session:
        (flag,) = session.scalars(select(Flag).where(Flag.kind == FlagKind.DUPLICATE))
        assert len(flag.teams) == 2
        assert session.scalars(select(Entry.state).distinct()).all() == [EntryState.SCORED]


def test_what_cannot_be_scored_says_why_and_holds_nobody_up(arena: Arena) -> None:
    arena.publish()
    bad, good = arena.enter(right(3).replace(b"p7,", b"q7,")), arena.enter(right(50))
    arena.scorer.score_waiting()
    failed = arena.entry(bad)
    assert failed.state is EntryState.FAILED
    message, params = read_failure(failed.failure)
    assert message % params == 'The id "q7" is not among those asked for.'
    assert params["line"] == 9
    assert arena.entry(good).state is EntryState.SCORED


def test_a_fault_of_the_house_leaves_the_entry_waiting(arena: Arena) -> None:
    arena.publish()
    lost, good = arena.enter(right(60)), arena.enter(right(50))
    content = arena.blobs.get(arena.entry(lost).blob or "")
    arena.blobs.forget(arena.entry(lost).blob or "")
    assert arena.scorer.score_waiting() is True
    assert arena.scorer.score_waiting() is False  # it is not tried again at once
    assert (arena.entry(lost).state, arena.entry(good).state) == (EntryState.RECEIVED, EntryState.SCORED)
    arena.blobs.put(content)
    anew = Scorer(arena.sessions, arena.blobs, arena.workshop, arena.notebooks)
    anew.score_waiting()
    assert arena.entry(lost).state is EntryState.SCORED


def test_a_notebook_is_run_again_where_hidden_files_stand_over_shared_ones(arena: Arena) -> None:
    arena.publish()
    good, bad = arena.enter(right(40), EntryKind.NOTEBOOK), arena.enter(b"fails", EntryKind.NOTEBOOK)
    arena.scorer.score_waiting()
    assert arena.notebooks.seen[0]["test.csv"] == b"id\nhidden-row"
    assert set(arena.notebooks.seen[0]) == {"test.csv", "sample_submission.csv"}
    assert arena.entry(good).public_score == 1.0
    assert read_failure(arena.entry(bad).failure)[1] == {"cell": 3, "error": "ValueError"}


@pytest.mark.parametrize("own", [b"id,place\nsample-1,north\n", None], ids=["own", "none"])
def test_a_notebook_finds_the_ids_that_count_in_its_sample_and_nobody_else_does(
    arena: Arena, own: bytes | None
) -> None:
    """Whatever sample the author gives to everyone, one that fits the hidden rows is beside them."""
    if own is not None:
        (arena.folder / "data").mkdir()
        (arena.folder / "data" / SAMPLE).write_bytes(own)
    arena.publish(**{"kind: predictions": "kind: notebook"})
    with arena.sessions() as session:
        files = session.scalars(select(Challenge)).one().files
    assert (arena.blobs.get(files[SAMPLE]["sha256"]) if SAMPLE in files else None) == own
    arena.enter(right(40), EntryKind.NOTEBOOK)
    arena.scorer.score_waiting()
    assert [line.split(b",")[0] for line in arena.notebooks.seen[0][SAMPLE].split()] == [
        each.encode() for each in ("id", *IDS)
    ]


@pytest.mark.parametrize(
    "content",
    [
        right(3).replace(b"p7,", b"hidden-row,"),
        right(3).replace(b"p7,north", b"p7,hidden-row").replace(b"p7,south", b"p7,hidden-row"),
        right(3).replace(b"id,place", b"id,hidden-row"),
        right(3) * 2,
        right(3)[:100],
        right(3) + b"x" * (2 << 20),
        b"",
    ],
)
def test_no_predictions_of_a_notebook_carry_hidden_rows_out(arena: Arena, content: bytes) -> None:
    """Nor do their lines, their numbers or the kind of fault: all that is said is one sentence."""
    arena.publish()
    entry = arena.enter(content, EntryKind.NOTEBOOK)
    arena.scorer.score_waiting()
    assert arena.entry(entry).state is EntryState.FAILED
    assert arena.entry(entry).failure == '["bad_predictions", {}]'


def test_a_new_truth_is_scored_in_private_first(arena: Arena) -> None:
    arena.publish()
    entry = arena.enter(right(100))
    arena.scorer.score_waiting()
    with arena.sessions.begin() as session:
        board = session.scalars(select(Board)).one()
        ground = json.loads(arena.blobs.get(session.scalars(select(KeptTruth.blob)).one() or ""))
        ground["truth"]["columns"]["place"] = ["north"] * 100
        blob = arena.blobs.put(json.dumps(ground).encode())
        prepare_rescore(session, None, board, "The labels were wrong.", blob=blob, at=now())
    assert arena.scorer.score_waiting() is True
    assert arena.scorer.score_waiting() is False
    assert arena.entry(entry).public_score == 1.0  # the board stands still until it is published
    with arena.sessions.begin() as session:  # nothing is missing: baselines are scored again too
        truth = session.scalars(select(KeptTruth).where(KeptTruth.published_at.is_(None))).one()
        publish_rescore(session, None, truth, at=now())
    with arena.sessions() as session:
        [baseline] = session.scalars(select(Entry).where(Entry.baseline.is_not(None)))
    assert baseline.public_score == 1.0
    assert arena.entry(entry).public_score == PLACES[:40].count("north") / 40


def with_own_scorer_that_fails(arena: Arena) -> list[int]:
    """Two teams with the same predictions and one with worse ones, none of which could be scored."""
    arena.publish(**{"metric: accuracy": "metric: own\ndirection: max", "also: [f1_macro]": "also: []"})
    arena.workshop.score_fails = True
    entries = [arena.enter(right(70)), arena.enter(right(39)), arena.enter(right(70))]
    arena.scorer.score_waiting()
    kept = [arena.entry(number) for number in entries]
    assert {(entry.state, entry.failure) for entry in kept} == {(EntryState.FAILED, SCORER_FAILED)}
    arena.workshop.score_fails = False
    return entries


def test_what_a_scorer_says_as_it_fails_is_in_no_log(arena: Arena) -> None:
    with capture_logs() as said:
        with_own_scorer_that_fails(arena)
    assert [(each["event"], each["kind"]) for each in said] == [
        ("scorer.own_scorer_failed", "ValueError")
    ] * 3
    assert "SECRET" not in str(said)


def corrected(arena: Arena) -> None:
    """Prepare a version, score it in private, publish it."""
    with arena.sessions.begin() as session:
        board = session.scalars(select(Board)).one()
        blob = session.scalars(select(KeptTruth.blob)).one()
        prepare_rescore(session, None, board, "The scorer divided by zero.", blob=blob, at=now())
    assert arena.scorer.score_waiting() is True
    assert arena.scorer.score_waiting() is False
    with arena.sessions.begin() as session:
        assert session.scalar(select(func.count(Standing.entry_id))) == 0  # until it is published
        truth = session.scalars(select(KeptTruth).where(KeptTruth.published_at.is_(None))).one()
        publish_rescore(session, None, truth, at=now())


def quota(arena: Arena, entry_id: int) -> tuple[int, int, int]:
    with arena.sessions() as session:
        team = session.get_one(Team, session.get_one(Entry, entry_id).team_id)
        left = quota_of(session, session.scalars(select(Challenge)).one(), team, now())
        return left.used, left.failed, left.taken


def test_what_a_broken_scorer_left_behind_is_scored_by_its_correction(arena: Arena) -> None:
    """On the last evening every entry fails: nobody's work is lost with it."""
    entries = with_own_scorer_that_fails(arena)
    assert quota(arena, entries[0]) == (0, 1, 0)
    corrected(arena)
    kept = [arena.entry(number) for number in entries]
    assert {(entry.state, entry.failure) for entry in kept} == {(EntryState.SCORED, "")}
    assert all(entry.scored_at for entry in kept)
    assert quota(arena, entries[0]) == (1, 0, 1)
    with arena.sessions() as session:
        standing = select(Standing.entry_id).where(Standing.share == "public").order_by(Standing.key)
        assert session.scalars(standing).all() == [entries[0], entries[2], entries[1]]
        assert session.get_one(PrivateScore, entries[0]).score == 0.5


def test_what_is_scored_after_all_is_compared_with_the_others_too(arena: Arena) -> None:
    entries = with_own_scorer_that_fails(arena)
    corrected(arena)
    arena.scorer.flag()
    with arena.sessions() as session:
        twins = session.scalars(select(Flag).where(Flag.kind == FlagKind.DUPLICATE)).one()
        assert set(twins.entries) == {entries[0], entries[2]}


def test_teams_that_chance_alone_could_part_are_tied(arena: Arena) -> None:
    arena.publish()
    entries = [arena.enter(right(count)) for count in (40, 39, 5)]
    arena.scorer.score_waiting()
    arena.scorer.tie()
    with arena.sessions() as session:
        found = select(TieGroup.entry_id, TieGroup.number).where(TieGroup.share == "public")
        groups = dict(session.execute(found).all())
    assert groups == {entries[0]: 1, entries[1]: 1, entries[2]: 2}


def groups(arena: Arena, share: str) -> dict[int, int]:
    """Return entry -> tie group, after the groups were worked out."""
    arena.scorer.tie()
    with arena.sessions() as session:
        found = select(TieGroup.entry_id, TieGroup.number).where(TieGroup.share == share)
        return dict(session.execute(found).all())


@pytest.mark.parametrize("metric", [name for name in ON_RESAMPLES if METRICS[name].kind is Kind.LABEL])
def test_a_metric_that_is_no_mean_has_tie_groups_and_ranges_too(arena: Arena, metric: str) -> None:
    arena.publish(**{"metric: accuracy": f"metric: {metric}", "also: [f1_macro]": "also: []"})
    best, near, far = [arena.enter(right(100 - wrong, wrong)) for wrong in (1, 2, 35)]
    arena.scorer.score_waiting()
    assert groups(arena, "public") == groups(arena, "private") == {best: 1, near: 1, far: 2}
    with arena.sessions() as session:
        board = session.scalars(select(Board)).one()
        rows = [
            (row.tie_group, row.best_rank, row.worst_rank) for row in page(session, board, Share.PUBLIC).rows
        ]
    assert [row for row in rows if row[0] is not None] == [(1, 1, 2), (1, 1, 2), (2, 3, 3)]


@pytest.mark.parametrize("metric", [name for name in ON_RESAMPLES if METRICS[name].kind is not Kind.LABEL])
def test_metrics_of_numbers_and_probabilities_have_tie_groups_too(arena: Arena, metric: str) -> None:
    kind = METRICS[metric].kind
    chance = np.random.default_rng(2)
    truth = chance.permutation(100) % 2 * 1.0 if kind is Kind.PROBABILITY else chance.normal(0, 1, 100)

    def off(by: float) -> bytes:
        said = truth + by * chance.uniform(-1, 1, 100)
        return written(
            [repr(each) for each in (said.clip(0, 1) if kind is Kind.PROBABILITY else said).tolist()]
        )

    arena.workshop.truth = Truth(IDS, {"place": truth.tolist()}, tuple(range(40)))
    arena.workshop.baseline = off(2)
    arena.publish(
        **{
            "metric: accuracy": f"metric: {metric}",
            "also: [f1_macro]": "also: []",
            "kind: label, labels: [north, south]": f"kind: {kind}",
        }
    )
    near, far = [arena.enter(off(by)) for by in (0.1, 5)]
    arena.scorer.score_waiting()
    for share in ("public", "private"):
        assert groups(arena, share) == {near: 1, far: 2}


def test_another_truth_makes_other_tie_groups_of_a_metric_that_is_no_mean(arena: Arena) -> None:
    arena.publish(**{"metric: accuracy": "metric: f1_macro", "also: [f1_macro]": "also: []"})
    best, far = arena.enter(right(98)), arena.enter(right(50, 10))
    arena.scorer.score_waiting()
    before = {best: 1, far: 2}
    assert groups(arena, "public") == groups(arena, "private") == before
    with arena.sessions.begin() as session:
        board = session.scalars(select(Board)).one()
        ground = json.loads(arena.blobs.get(session.scalars(select(KeptTruth.blob)).one() or ""))
        turned = {"north": "south", "south": "north"}
        ground["truth"]["columns"]["place"] = [turned[place] for place in PLACES]
        blob = arena.blobs.put(json.dumps(ground).encode())
        prepare_rescore(session, None, board, "North is south.", blob=blob, at=now())
    while arena.scorer.score_waiting():
        pass
    with arena.sessions.begin() as session:
        truth = session.scalars(select(KeptTruth).where(KeptTruth.published_at.is_(None))).one()
        publish_rescore(session, None, truth, at=now())
        session.execute(update(Board).values(tied_at=None))
    assert groups(arena, "public") == groups(arena, "private") == {far: 1, best: 2}


def test_what_a_ladder_hides_of_a_metric_that_is_no_mean_is_told_by_no_tie_group(arena: Arena) -> None:
    arena.publish(
        **{"metric: accuracy": "metric: f1_macro\nladder: true", "also: [f1_macro]": "also: []"},
    )
    best, far = arena.enter(right(98)), arena.enter(right(30, 10))
    arena.scorer.score_waiting()
    assert groups(arena, "private") == {best: 1, far: 2}
    with arena.sessions() as session:
        board = session.scalars(select(Board)).one()
        shown = {share: page(session, board, share).rows for share in (Share.PUBLIC, Share.PRIVATE)}
    assert {row.tie_group for row in shown[Share.PUBLIC]} == {None}
    assert {row.worst_rank for row in shown[Share.PUBLIC]} == {None}
    assert {row.tie_group for row in shown[Share.PRIVATE]} >= {1, 2}


def test_an_own_scorer_keeps_nothing_to_compare_teams_by(arena: Arena) -> None:
    arena.publish(**{"metric: accuracy": "metric: own\ndirection: max", "also: [f1_macro]": "also: []"})
    arena.enter(right(98))
    arena.scorer.score_waiting()
    assert groups(arena, "public") == {}
    with arena.sessions() as session:
        assert session.scalars(select(EntryLosses)).all() == []


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro"])
def test_a_ladder_tells_no_score_that_is_better_by_chance_alone(arena: Arena, metric: str) -> None:
    arena.publish(**{"metric: accuracy": f"metric: {metric}\nladder: true", "also: [f1_macro]": "also: []"})
    first = arena.enter(right(20))
    second = arena.enter(right(40, 19), of=first)  # one more, but nearly all others: chance
    third = arena.enter(right(38), of=first)
    arena.scorer.score_waiting()
    kept = [arena.entry(number) for number in (first, second, third)]
    assert {entry.state for entry in kept} == {EntryState.SCORED}
    public, told = [entry.public_score for entry in kept], [entry.released_score for entry in kept]
    assert public[0] < public[1] < public[2]  # type: ignore[operator]  # all have one
    assert told[0] == told[1] == pytest.approx(public[0], abs=1 / 80)
    assert told[2] == pytest.approx(public[2], abs=1 / 80)


def test_a_ladder_on_a_metric_that_is_no_mean_takes_another_truth(arena: Arena) -> None:
    arena.publish(
        **{"metric: accuracy": "metric: f1_macro\nladder: true", "also: [f1_macro]": "also: []"},
    )
    first = arena.enter(right(20))
    second = arena.enter(right(38), of=first)
    arena.scorer.score_waiting()
    before = arena.entry(second).released_score
    turned = {"north": "south", "south": "north"}
    with arena.sessions.begin() as session:
        board = session.scalars(select(Board)).one()
        ground = json.loads(arena.blobs.get(session.scalars(select(KeptTruth.blob)).one() or ""))
        ground["truth"]["columns"]["place"] = [turned[place] for place in PLACES]
        blob = arena.blobs.put(json.dumps(ground).encode())
        prepare_rescore(session, None, board, "North is south.", blob=blob, at=now())
    while arena.scorer.score_waiting():
        pass
    with arena.sessions.begin() as session:
        truth = session.scalars(select(KeptTruth).where(KeptTruth.published_at.is_(None))).one()
        change = next(one for one in board_difference(session, None, truth) if one.share == "public")
        publish_rescore(session, None, truth, at=now())
    kept = [arena.entry(number) for number in (first, second)]
    told = pytest.approx(kept[0].public_score, abs=1 / 80)
    assert [one.released_score for one in kept] == [told, told]  # the first is the better one now
    assert change.score_before == before
    assert change.score_after == kept[0].released_score


def test_what_is_left_for_later_stands_in_nobodys_way(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are looked at in one go cannot be scored: those behind them are still reached."""
    monkeypatch.setattr("lms.scorer.MOST_AT_ONCE", 2)
    arena.publish()
    lost = [arena.enter(right(count)) for count in (60, 61, 62)]
    good = arena.enter(right(50))
    for number in lost:
        arena.blobs.forget(arena.entry(number).blob or "")
    while arena.scorer.score_waiting():
        pass
    arena.scorer.score_waiting()
    assert arena.entry(good).state is EntryState.SCORED
    assert {arena.entry(number).state for number in lost} == {EntryState.RECEIVED}


def test_files_do_not_wait_for_notebooks(arena: Arena) -> None:
    arena.publish()
    notebook, file = arena.enter(right(40), EntryKind.NOTEBOOK), arena.enter(right(50))
    files_alone = replace(arena.scorer, kinds=frozenset({EntryKind.PREDICTIONS}))
    assert files_alone.score_waiting() is True
    assert (arena.entry(file).state, arena.entry(notebook).state) == (EntryState.SCORED, EntryState.RECEIVED)
    assert replace(arena.scorer, kinds=frozenset({EntryKind.NOTEBOOK})).score_waiting() is True
    assert arena.entry(notebook).state is EntryState.SCORED


def test_newer_limits_hold_from_the_next_entry_on(arena: Arena) -> None:
    arena.publish()
    arena.enter(right(40), EntryKind.NOTEBOOK)
    arena.scorer.score_waiting()
    arena.publish(**{"licence:": "compute: {seconds: 7}\nlicence:"})
    arena.enter(right(40), EntryKind.NOTEBOOK)
    arena.scorer.score_waiting()
    assert arena.notebooks.seconds == [300, 7]


def test_a_slower_scorer_takes_no_score_away(arena: Arena) -> None:
    arena.publish()
    entry = arena.enter(b"fails", EntryKind.NOTEBOOK)
    quicker = replace(arena.scorer)

    class Meanwhile(FakeNotebooks):
        def predictions(self, *_: object) -> bytes:
            with quicker.sessions.begin() as session:
                score_entry(session, entry, Scores(0.5, 0.5), at=now())
            raise EntryFailed("time")

    slower = replace(arena.scorer, notebooks=Meanwhile())
    assert slower.score_waiting() is True
    assert (arena.entry(entry).state, arena.entry(entry).public_score) == (EntryState.SCORED, 0.5)


def test_a_notebook_that_was_judged_since_it_was_listed_is_not_run(arena: Arena) -> None:
    arena.publish()
    entry = arena.enter(right(40), EntryKind.NOTEBOOK)
    with arena.sessions() as session:
        [listed] = waiting_entries(session, [EntryKind.NOTEBOOK], 1)
    with arena.sessions.begin() as session:
        session.get_one(Entry, entry).state = EntryState.DISQUALIFIED
    arena.scorer._score(listed)
    assert arena.notebooks.seen == []


def test_hidden_files_of_a_killed_scorer_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("duri-hidden-999999999-x", f"duri-hidden-{os.getpid()}-x", "duri-other"):
        (tmp_path / name / "data").mkdir(parents=True)
    sweep_hidden()
    assert {path.name for path in tmp_path.iterdir()} == {f"duri-hidden-{os.getpid()}-x", "duri-other"}


def forget_metrics(arena: Arena) -> tuple[dict[str, float], dict[str, float]]:
    """Leave the baseline as it was before other metrics were kept; return what it had."""
    with arena.sessions.begin() as session:
        baseline, private = baseline_of(session)
        had = dict(baseline.metrics), dict(private.metrics)
        baseline.metrics, private.metrics = {}, {}
    return had


def baseline_of(session: Session) -> tuple[Entry, PrivateScore]:
    [baseline] = session.scalars(select(Entry).where(Entry.baseline.is_not(None)))
    return baseline, session.get_one(PrivateScore, baseline.id)


def measured(arena: Arena) -> tuple[dict[str, float], dict[str, float]]:
    assert arena.scorer.measure() is False
    with arena.sessions() as session:
        baseline, private = baseline_of(session)
        return dict(baseline.metrics), dict(private.metrics)


def test_a_baseline_from_before_other_metrics_were_kept_gets_its_own(arena: Arena) -> None:
    arena.publish(also="also: [cohen_kappa, f1_macro] #")
    had = forget_metrics(arena)
    assert had[0].keys() == had[1].keys() == {"f1_macro", "cohen_kappa"}
    entry = arena.enter(right(50))
    arena.scorer.score_waiting()
    before, known = arena.entry(entry), forget_metrics(arena)
    assert known == ({}, {})
    assert measured(arena) == had
    assert measured(arena) == had
    with arena.sessions() as session:
        baseline, private = baseline_of(session)
        assert baseline.public_score == PLACES[:40].count("north") / 40
        assert private.score == PLACES[40:].count("north") / 60
        of_the_team = session.get_one(Entry, entry)
        assert (of_the_team.metrics, of_the_team.public_score) == (before.metrics, before.public_score)


def test_what_says_nothing_of_a_baseline_is_asked_once(arena: Arena) -> None:
    arena.workshop.truth = Truth(IDS, {"place": ["north"] * 40 + PLACES[40:]}, tuple(range(40)))
    arena.publish(also="also: [cohen_kappa] #")
    public, private = forget_metrics(arena)
    assert (public, list(private)) == ({}, ["cohen_kappa"])
    assert measured(arena) == (public, private)
    with arena.sessions() as session:
        arena.blobs.forget(str(baseline_of(session)[0].blob))
    with capture_logs() as said:
        arena.scorer.measure()
    assert said == []


def test_a_baseline_whose_file_is_gone_is_told_of_once_and_stays_as_it_is(arena: Arena) -> None:
    arena.publish()
    forget_metrics(arena)
    with arena.sessions() as session:
        arena.blobs.forget(str(baseline_of(session)[0].blob))
    with capture_logs() as said:
        arena.scorer.measure()
        arena.scorer.measure()
    assert [each["event"] for each in said] == ["boards.baseline_not_measured"]
    assert measured(arena) == ({}, {})


def test_what_was_worked_out_against_a_truth_that_was_replaced_is_not_kept(arena: Arena) -> None:
    arena.publish()
    forget_metrics(arena)

    class Meddling(FolderBlobs):
        """A store during whose reading somebody publishes another truth."""

        def get(self, sha256: str) -> bytes:
            with arena.sessions.begin() as session:
                session.scalars(select(Board)).one().truth_version += 1
            return super().get(sha256)

    measure_baselines(arena.sessions, Meddling(arena.blobs.folder), arena.workshop, set())
    assert measured(arena) == ({}, {}), "neither then, nor as long as it is of the old one"
