"""The organisers' pages: score anew with the difference first, take off with a reason, put back."""

import io
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.errors import Conflict, NotAllowed
from lms.leaderboards.core.failures import SCORER_FAILED
from lms.leaderboards.core.ground import Ground
from lms.leaderboards.core.scoring import Scores, Truth
from lms.leaderboards.core.tables import read_table
from lms.leaderboards.models import Disqualification, Entry, EntryKind, EntryState, PrivateScore, Team
from lms.leaderboards.models import Truth as Version
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.queries.organising import PAGE
from lms.leaderboards.queries.waiting import ground_blob, waiting_rescores
from lms.leaderboards.services import judging
from lms.leaderboards.services.comparing import compare_truth
from lms.leaderboards.services.correcting import correct, read_correction
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.services.rescoring import prepare_rescore, publish_rescore, rescore_entry
from lms.leaderboards.services.scoring import fail_entry
from lms.leaderboards.services.selecting import select_entries
from tests.factories.leaderboards import Contest, make_contest

SHOWN = Ground(Truth(("a", "b", "c"), {"place": ["north", "south", "north"]}, (0,)), "def make(seed): ...", 7)


@dataclass
class Organiser:
    """Somebody who runs a challenge in which one team has two entries."""

    contest: Contest
    client: FlaskClient
    sign_in: Callable[[User], None]
    team: Team
    entries: tuple[Entry, Entry]

    def get(self, path: str = "", user: User | None = None) -> TestResponse:
        self.sign_in(user or self.contest.organiser)
        return self.client.get(f"/challenges/{self.contest.challenge.slug}/organise{path}")

    def post(self, path: str, user: User | None = None, /, **data: Any) -> TestResponse:
        self.sign_in(user or self.contest.organiser)
        return self.client.post(f"/challenges/{self.contest.challenge.slug}/organise{path}", data=data)

    def prepared(self) -> Version:
        newest = select(Version).where(Version.published_at.is_(None)).order_by(Version.id.desc())
        return self.contest.session.scalars(newest).first() or pytest.fail("nothing was prepared")

    def stands(self) -> float | None:
        found = self.contest.standing(self.team)
        return None if found is None else found.score


@pytest.fixture
def organiser(
    session: Session, blobs: FolderBlobs, client: FlaskClient, sign_in: Callable[[User], None]
) -> Organiser:
    contest = make_contest(session, opens_at=now() - timedelta(days=3))
    session.add(
        Version(
            board_id=contest.board.id, version=1, blob=blobs.put(SHOWN.to_json()), reason="", made_at=now(),
            published_at=now(),
        )
    )  # fmt: skip
    team = contest.team("하나", at=now())
    kept = blobs.put(b"id,place\na,north\n")
    first, second = (contest.take(team, at=now(), blob=kept, filename="=1.csv") for _ in range(2))
    contest.score(first, 0.5, 0.25)
    contest.score(second, 0.75, 0.123)
    session.commit()
    return Organiser(contest, client, sign_in, team, (first, second))


def test_only_those_who_run_the_challenge_get_in(organiser: Organiser) -> None:
    leader, stranger = organiser.contest.leader(organiser.team), organiser.contest.person()
    organiser.contest.session.commit()
    entry = organiser.entries[0].id
    for user in (leader, stranger):
        for path in ("", f"/teams/{organiser.team.id}", f"/entries/{entry}/file", "/rescores/1"):
            assert organiser.get(path, user).status_code == 403
        for path in ("/rescores", f"/teams/{organiser.team.id}", f"/entries/{entry}", "/rescores/1"):
            assert organiser.post(path, user, reason="mine").status_code == 403
    assert organiser.stands() == 0.75


def test_who_takes_part_does_not_run_the_challenge_whatever_their_role(organiser: Organiser) -> None:
    session, someone = organiser.contest.session, organiser.contest.organiser
    rivals = organiser.contest.team("경쟁", at=now())
    theirs = organiser.contest.enter(rivals, 0.9, 0.9, at=now())
    organiser.team.members[0].user_id = someone.id  # a participant who was made an organiser later
    made = judging.disqualify_entry(session, None, organiser.entries[0], "copied", at=now())
    session.commit()
    for path in ("", f"/teams/{rivals.id}", f"/entries/{theirs.id}/file", "/rescores/1"):
        assert organiser.get(path).status_code == 403
    for path in (
        "/rescores", "/rescores/1", f"/teams/{rivals.id}", f"/entries/{theirs.id}", "/again",
        f"/entries/{theirs.id}/again", f"/disqualifications/{made.id}",
    ):  # fmt: skip
        assert organiser.post(path, reason="a rival").status_code == 403
    assert organiser.client.get(f"/boards/{organiser.contest.board.id}/flags").status_code == 403
    page = organiser.client.get(f"/challenges/{organiser.contest.challenge.slug}").text
    assert "/organise" not in page
    for refused in (
        lambda: judging.disqualify_team(session, someone, rivals, "a rival", at=now()),
        lambda: judging.lift(session, someone, made, "mine", at=now()),
        lambda: prepare_rescore(session, someone, organiser.contest.board, "mine", blob=None, at=now()),
    ):
        with pytest.raises(NotAllowed, match="take part"):
            refused()


def test_what_the_scorer_failed_on_is_scored_again_by_hand(organiser: Organiser) -> None:
    session = organiser.contest.session
    failed, other, broken = (organiser.contest.take(organiser.team, at=now()) for _ in range(3))
    for entry, line in ((failed, SCORER_FAILED), (other, SCORER_FAILED), (broken, "broken")):
        fail_entry(session, entry.id, line)
    session.commit()
    organiser.client.set_cookie("language", "en")
    assert "2 entries have no score because" in organiser.get().text
    page = organiser.get(f"/teams/{organiser.team.id}").text
    assert f"/entries/{failed.id}/again" in page
    assert f"/entries/{organiser.entries[0].id}/again" not in page
    leader = organiser.contest.leader(organiser.team)
    for path in ("/again", f"/entries/{failed.id}/again"):
        assert organiser.post(path, leader).status_code == 403
    assert organiser.post(f"/entries/{failed.id}/again").status_code == 303
    assert organiser.post(f"/entries/{failed.id}/again").status_code == 409
    assert organiser.post(f"/entries/{organiser.entries[0].id}/again").status_code == 409
    assert organiser.post("/again").status_code == 303
    session.expire_all()
    states = [entry.state for entry in (failed, other, broken)]
    assert states == [EntryState.RECEIVED, EntryState.RECEIVED, EntryState.FAILED]
    assert "have no score because" not in organiser.get().text


def test_teams_are_found_by_name_with_all_that_they_sent(organiser: Organiser) -> None:
    found = organiser.get("?q=하").text
    assert "하나" in found
    assert "하나</a>" not in organiser.get("?q=%25").text
    assert "0.123" not in found
    page = organiser.get(f"/teams/{organiser.team.id}").text
    assert "0.7500" in page
    file = organiser.get(f"/entries/{organiser.entries[0].id}/file")
    assert file.data.startswith(b"id,place")
    assert "attachment" in file.headers["Content-Disposition"]


def row_of(page: str, entry: Entry) -> str:
    (row,) = (row for row in page.split("<tr") if f"/entries/{entry.id}/file" in row)
    return " ".join(row.split())


def test_organisers_see_private_scores_and_what_counts_and_members_do_not(organiser: Organiser) -> None:
    session, (first, second) = organiser.contest.session, organiser.entries
    organiser.client.set_cookie("language", "en")
    page = organiser.get(f"/teams/{organiser.team.id}").text
    assert "0.2500" in row_of(page, first)
    assert "counts if none is chosen" not in row_of(page, first)
    for told in ("0.1230", "counts if none is chosen"):
        assert told in row_of(page, second)
    assert "nobody but organisers knows private scores" in page
    leader, challenge = organiser.contest.leader(organiser.team), organiser.contest.challenge
    organiser.sign_in(leader)
    for path in ("entries", "board"):
        seen = organiser.client.get(f"/challenges/{challenge.slug}/{path}").text
        assert "0.7500" in seen
        assert "0.1230" not in seen
        assert "0.2500" not in seen
    select_entries(session, leader, organiser.team, [first.id], at=now())
    page = organiser.get(f"/teams/{organiser.team.id}").text
    assert "chosen" in row_of(page, first)
    assert "counts" not in row_of(page, second)
    select_entries(session, leader, organiser.team, [], at=now())
    organiser.contest.board.ends_at = challenge.ends_at = now() - timedelta(seconds=1)
    page = organiser.get(f"/teams/{organiser.team.id}").text
    assert "counted automatically" in row_of(page, second)
    assert "nobody but organisers" not in page
    organiser.contest.board.selections = 0
    assert "For the end" not in organiser.get(f"/teams/{organiser.team.id}").text


def test_an_entry_is_taken_off_with_a_reason_and_put_back(organiser: Organiser) -> None:
    best = organiser.entries[1]
    assert organiser.post(f"/entries/{best.id}", reason=" ").status_code == 422
    assert organiser.post(f"/entries/{best.id}", reason="copied").status_code == 303
    organiser.contest.session.expire_all()
    assert (best.state, organiser.stands()) == (EntryState.DISQUALIFIED, 0.5)
    assert "copied" in organiser.get().text
    made = organiser.contest.session.scalars(select(Disqualification)).one()
    assert organiser.post(f"/disqualifications/{made.id}", reason="").status_code == 422
    assert organiser.post(f"/disqualifications/{made.id}", reason="their own work").status_code == 303
    assert organiser.stands() == 0.75


def test_a_reason_that_cannot_be_taken_stays_where_it_was_written(organiser: Organiser) -> None:
    organiser.client.set_cookie("language", "en")
    first, best = organiser.entries
    long = "x" * 1001
    for path, field in (
        (f"/entries/{best.id}", f"entry-{best.id}"),
        (f"/teams/{organiser.team.id}", "team-reason"),
    ):
        refused = organiser.post(path, reason=long)
        assert refused.status_code == 422
        assert re.search(rf'id="{field}"[^>]*value="{long}"', refused.text)
        assert "Say why, in at most 1000 characters." in refused.text
    assert organiser.stands() == 0.75
    organiser.post(f"/entries/{best.id}", reason="copied")
    twice = organiser.post(f"/entries/{best.id}", reason="copied")
    assert (twice.status_code, 'id="summary"' in twice.text) == (409, True)
    made = organiser.contest.session.scalars(select(Disqualification)).one()
    refused = organiser.post(f"/disqualifications/{made.id}", reason=long)
    assert refused.status_code == 422
    assert re.search(rf'id="lift-{made.id}"[^>]*value="{long}"', refused.text)
    assert f'id="entry-{first.id}"' not in refused.text


def test_all_entries_of_a_team_can_be_looked_through(organiser: Organiser) -> None:
    organiser.contest.challenge.daily_limit = 2 * PAGE
    for _ in range(PAGE):
        organiser.contest.take(organiser.team, at=now())
    organiser.contest.session.commit()
    first = organiser.get(f"/teams/{organiser.team.id}").text
    assert "=1.csv" not in first
    (link,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = organiser.client.get(link).text
    assert second.count("=1.csv") == 2
    assert organiser.get(f"/teams/{organiser.team.id}?page=99").text.count("=1.csv") == 2
    done = organiser.post(f"/entries/{organiser.entries[0].id}?page=2", reason="copied")
    assert done.location == link


def test_a_whole_team_is_taken_off_and_what_is_of_another_board_cannot_be_touched(
    organiser: Organiser,
) -> None:
    other = make_contest(organiser.contest.session, opens_at=now() - timedelta(days=3))
    theirs = other.team(at=now())
    foreign = other.enter(theirs, 0.5, at=now())
    organiser.contest.session.commit()
    assert organiser.post(f"/teams/{theirs.id}", reason="x").status_code == 404
    assert organiser.post(f"/entries/{foreign.id}", reason="x").status_code == 404
    assert organiser.post(f"/teams/{organiser.team.id}", reason="two accounts").status_code == 303
    assert organiser.stands() is None
    assert other.standing(theirs) is not None


def test_a_version_is_shown_as_a_difference_before_it_counts(organiser: Organiser) -> None:
    session = organiser.contest.session
    corrected = io.BytesIO(b"id,place\na,south\nb,south\nc,north\n")
    answer = organiser.post("/rescores", reason="a wrong label", truth=(corrected, "truth.csv"))
    assert answer.status_code == 303
    version = organiser.prepared()
    blob = ground_blob(session, organiser.contest.board.id, version.version)
    blobs = organiser.client.application.extensions["blobs"]
    ground = Ground.from_json(blobs.get(blob or ""))
    assert list(ground.truth.columns["place"]) == ["south", "south", "north"]
    assert (ground.truth.public, ground.seed) == ((0,), 7)
    path = f"/rescores/{version.version}"
    organiser.client.set_cookie("language", "en")
    assert "2 entries are still to be scored" in organiser.get(path).text
    for entry in organiser.entries:
        rescore_entry(session, version, entry.id, Scores(0.9375, 0.5))
    session.commit()
    assert "is being worked out" in organiser.get(path).text
    compare_truth(session, version, at=now())
    session.commit()
    shown = organiser.get(path).text
    assert "0.7500" in shown
    assert "0.9375" in shown
    assert "looked over every minute" in shown
    assert organiser.stands() == 0.75  # looking changes nothing
    assert organiser.post(path).status_code == 303
    assert organiser.stands() == 0.9375
    assert organiser.post(path).status_code == 409


def test_a_version_that_is_given_up_is_scored_no_more(organiser: Organiser) -> None:
    session, board = organiser.contest.session, organiser.contest.board
    organiser.client.set_cookie("language", "en")
    first = prepare_rescore(session, None, board, "wrong", blob="c" * 64, at=now())
    second = prepare_rescore(session, None, board, "wrong too", blob="d" * 64, at=now())
    session.commit()
    kinds = (EntryKind.PREDICTIONS,)
    assert {truth for truth, _ in waiting_rescores(session, kinds, 9)} == {second.id}
    assert "was prepared after this one" in organiser.get(f"/rescores/{first.version}").text
    assert organiser.post(f"/rescores/{first.version}").status_code == 409
    stranger = organiser.contest.person()
    session.commit()
    assert organiser.post(f"/rescores/{second.version}/discard", stranger).status_code == 403
    assert organiser.post(f"/rescores/{second.version}/discard").status_code == 303
    assert organiser.post(f"/rescores/{second.version}/discard").status_code == 409
    assert organiser.post(f"/rescores/{second.version}").status_code == 409
    assert {truth for truth, _ in waiting_rescores(session, kinds, 9)} == {first.id}
    assert "This version was discarded" in organiser.get(f"/rescores/{second.version}").text
    assert "discarded" in organiser.get("").text


@pytest.mark.parametrize("keep", [True, False])
def test_scores_without_a_file_wait_for_a_decision(organiser: Organiser, *, keep: bool) -> None:
    session, board = organiser.contest.session, organiser.contest.board
    organiser.client.set_cookie("language", "en")
    table = read_table(b"team,score,received_at,private_score\nelsewhere,0.8,2026-01-01T00:00:00Z,0.7\n")
    import_table(session, None, board, table, at=now())
    version = prepare_rescore(session, None, board, "wrong", blob=None, at=now())
    for entry in organiser.entries:
        rescore_entry(session, version, entry.id, Scores(0.9375, 0.5))
    session.commit()
    path = f"/rescores/{version.version}"
    assert "1 entry came without a file" in organiser.get(path).text
    assert organiser.post(path).status_code == 409
    stranger = organiser.contest.person()
    session.commit()
    assert organiser.post(f"{path}/unfiled", stranger, keep="yes").status_code == 403
    assert organiser.post(f"{path}/unfiled", keep="yes" if keep else "no").status_code == 303
    compare_truth(session, version, at=now())
    session.commit()
    shown = organiser.get(path).text
    assert ("keeps the score that it has" in shown, "leaves the board" in shown) == (keep, not keep)
    assert organiser.post(path).status_code == 303
    session.expire_all()
    imported = session.scalars(select(Entry).where(Entry.blob.is_(None), Entry.team_id.is_not(None))).one()
    private = session.get(PrivateScore, imported.id)
    assert (imported.state is EntryState.SCORED, imported.public_score, private is not None) == (
        (True, 0.8, True) if keep else (False, None, False)
    )
    assert differences(session, board) == []


def test_looking_at_a_difference_writes_nothing(organiser: Organiser, statements: list[str]) -> None:
    session = organiser.contest.session
    version = prepare_rescore(session, None, organiser.contest.board, "wrong", blob=None, at=now())
    for entry in organiser.entries:
        rescore_entry(session, version, entry.id, Scores(0.9375, 0.5))
    compare_truth(session, version, at=now())
    session.commit()
    statements.clear()
    assert "0.9375" in organiser.get(f"/rescores/{version.version}").text
    verbs = {one.split(maxsplit=1)[0] for one in statements}
    assert verbs <= {"SELECT", "SAVEPOINT", "RELEASE"}, verbs  # savepoints stand for transactions in tests


def test_a_correction_is_read_before_anything_is_locked(
    organiser: Organiser, blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    read, here = blobs.get, threading.current_thread()

    def get(sha256: str) -> bytes:
        steps.append("read")
        return read(sha256)

    def committed(_session: object) -> None:
        if threading.current_thread() is here:  # what else still runs in this process has its own turns
            steps.append("turn")  # one transaction ends and another begins: `write` does that

    monkeypatch.setattr(blobs, "get", get)
    event.listen(Session, "after_commit", committed)
    try:
        for name, content in (("broken", b"\x80\x04"), ("good", b"id,place\na,south\nb,south\nc,north\n")):
            organiser.sign_in(organiser.contest.organiser)
            steps.clear()
            organiser.client.post(
                f"/challenges/{organiser.contest.challenge.slug}/organise/rescores",
                data={"reason": name, "truth": (io.BytesIO(content), "truth.csv")},
            )
            assert steps[:1] == ["read"]
            assert ("turn" in steps) == (name == "good")
    finally:
        event.remove(Session, "after_commit", committed)


def test_a_correction_of_what_counts_no_more_is_refused(organiser: Organiser, blobs: FolderBlobs) -> None:
    session, board, actor = organiser.contest.session, organiser.contest.board, organiser.contest.organiser
    truth = b"id,place\na,south\nb,south\nc,north\n"
    correction = read_correction(session, actor, board, truth=truth, script=b"", blobs=blobs)
    other = prepare_rescore(session, actor, board, "another", blob="c" * 64, at=now())
    for entry in organiser.entries:
        rescore_entry(session, other, entry.id, Scores(0.5, 0.5))
    publish_rescore(session, actor, other, at=now())
    with pytest.raises(Conflict):
        correct(session, actor, board, "late", correction, at=now())


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"reason": "x", "truth": (b"id,place\na,north\n", "truth.csv")},
        {"reason": "x", "truth": (b"\x80\x04", "truth.csv")},
        {"reason": "x", "script": (b"def score(: ", "challenge.py")},
    ],
)
def test_what_cannot_be_read_prepares_nothing(organiser: Organiser, sent: dict[str, Any]) -> None:
    data = {k: (io.BytesIO(v[0]), v[1]) if isinstance(v, tuple) else v for k, v in sent.items()}
    assert organiser.post("/rescores", **data).status_code == 422
    versions = organiser.contest.session.scalars(select(Version.version)).all()
    assert versions == [1]


@pytest.mark.parametrize("label", [b"nan", b"", b"1.0"])
def test_a_corrected_truth_without_a_class_in_each_row_is_refused_with_its_line(
    organiser: Organiser, label: bytes
) -> None:
    truth = b"id,place\na,south\nb," + label + b"\nc,north\n"
    answer = organiser.post("/rescores", reason="x", truth=(io.BytesIO(truth), "truth.csv"))
    assert answer.status_code == 422
    assert re.search(r"<b>Line 3</b>|3번째 줄", answer.text)
    assert organiser.contest.session.scalars(select(Version.version)).all() == [1]
