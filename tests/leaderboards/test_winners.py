"""Verifying winners: who is asked, what is handed in, who moves up, and what nobody else sees."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import OutgoingMail, User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.errors import Conflict, TooLarge
from lms.leaderboards.core.failures import SCORER_FAILED
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import TeamMember
from lms.leaderboards.policies.winners import CLAIM_STEPS
from lms.leaderboards.services import verifying
from lms.leaderboards.services.judging import disqualify_team
from lms.leaderboards.services.scoring import fail_entry, score_entry
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim, WinnerRound
from tests.factories.aftermath import Over, make_ended
from tests.factories.grading import make_user, notebook

NAMES = ("하나", "둘", "셋", "넷")
ASKED = {"winners": 2, "wanted": "The notebook, please.", "days": 7}


class Ended(Over):
    """Where winners are asked for what proves it."""

    def ask(self, **changes: Any) -> TestResponse:
        return self.post("/organise/winners", self.contest.organiser, **{**ASKED, **changes})

    def claims(self) -> dict[str, ClaimState]:
        """The name of each team that was asked, and how its claim stands."""
        self.contest.session.expire_all()
        found = self.contest.session.scalars(select(WinnerClaim).order_by(WinnerClaim.id))
        return {each.team.name: each.state for each in found}

    def claim(self, place: int = 0) -> WinnerClaim:
        self.contest.session.expire_all()
        number = self.teams[place].id
        return self.contest.session.scalars(select(WinnerClaim).where(WinnerClaim.team_id == number)).one()

    def hand_in(self, place: int = 0, **data: Any) -> TestResponse:
        return self.post("/verification", self.leader(place), **(data or {"statement": "We grew trees."}))

    def decide(self, place: int, state: str, reason: str = "because", **more: Any) -> TestResponse:
        path = f"/organise/winners/{self.claim(place).id}"
        sent = {"state": state, "reason": reason, "days": 7, **more}
        return self.post(path, self.contest.organiser, **sent)

    def time_passes(self, place: int = 0) -> None:
        self.claim(place).due_at = now() - timedelta(minutes=1)
        self.contest.session.commit()


@pytest.fixture
def ended(session: Session, client: FlaskClient, sign_in: Callable[[User], None]) -> Ended:
    client.set_cookie("language", "en")
    visit, book = {"ko": "견학", "en": "A visit"}, {"ko": "책", "en": "A book"}
    prizes = [{"place": 1, "title": visit}, {"place": 3, "title": book}]
    contest, teams = make_ended(session, NAMES, prizes=prizes)
    session.commit()
    return Ended(contest, teams, client, sign_in)


def zipped() -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as file:
        file.writestr(zipfile.ZipInfo("train.py"), "print(1)")  # without the time, so always the same bytes
    return kept.getvalue()


def test_the_first_teams_are_asked_told_by_mail_and_once_only(ended: Ended) -> None:
    assert 'value="3"' in ended.get("/organise/winners", ended.contest.organiser).text, (
        "the last place of a prize"
    )
    assert ended.ask().status_code == 303
    assert ended.claims() == {"하나": ClaimState.ASKED, "둘": ClaimState.ASKED}
    letters = ended.contest.session.scalars(select(OutgoingMail)).all()
    assert {each.recipient for each in letters} == {ended.leader(0).email, ended.leader(1).email}
    assert all("The notebook, please." in each.body for each in letters)
    due = ended.claim().due_at
    assert due - now() > timedelta(days=6)
    ended.ask(winners=3, wanted="Everything.", days=1)
    assert list(ended.claims()) == ["하나", "둘", "셋"]
    assert ended.claim().due_at == due, "what was promised holds"
    assert len(ended.contest.session.scalars(select(OutgoingMail)).all()) == 3
    assert len(ended.contest.session.scalars(select(WinnerRound)).all()) == 1


def test_nobody_is_asked_before_places_are_final(ended: Ended) -> None:
    session, ends = ended.contest.session, ended.contest.challenge.ends_at
    waiting = ended.contest.take(ended.teams[3], at=ends - timedelta(hours=1))
    session.commit()
    refused = ended.ask()
    assert refused.status_code == 409
    assert "not scored yet" in refused.text
    assert "The notebook, please." in refused.text, "what was typed is not lost"
    score_entry(session, waiting.id, Scores(0.1, 0.1), at=now())
    ended.contest.challenge.ends_at = ended.contest.board.ends_at = now() + timedelta(days=1)
    session.commit()
    assert ended.ask().status_code == 409
    assert ended.post("/organise/winners/next", ended.contest.organiser).status_code == 409
    ended.contest.challenge.ends_at = ended.contest.board.ends_at = ends
    session.commit()
    assert ended.post("/organise/winners/next", ended.contest.organiser).status_code == 409
    assert ended.claims() == {}


@pytest.mark.parametrize(
    "wrong", [{"winners": 0}, {"winners": 101}, {"days": 0}, {"days": 61}, {"wanted": " "}, {"winners": "x"}]
)
def test_what_cannot_be_asked_is_refused(ended: Ended, wrong: dict[str, object]) -> None:
    assert ended.ask(**wrong).status_code == 422
    assert ended.claims() == {}


def test_a_team_hands_in_replaces_it_and_is_accepted(ended: Ended) -> None:
    ended.ask()
    assert "The notebook, please." in ended.get("/verification", ended.leader()).text
    assert ended.hand_in().status_code == 303
    done = ended.hand_in(statement="Better.", file=(io.BytesIO(zipped()), "C:/work/all.zip"))
    assert done.status_code == 303
    claim = ended.claim()
    assert (claim.state, claim.statement, claim.filename) == (ClaimState.HANDED_IN, "Better.", "all.zip")
    ended.hand_in(statement="Better still.")
    assert ended.claim().filename == "all.zip", "a file stays until another one comes"
    page = ended.get(f"/organise/winners/{claim.id}", ended.contest.organiser).text
    assert "Better still." in page
    file = ended.get(f"/organise/winners/{claim.id}/file", ended.contest.organiser)
    assert file.data == zipped()
    assert "attachment" in file.headers["Content-Disposition"]
    assert ended.decide(0, "accepted", "It runs.").status_code == 303
    assert ended.claims() == {"하나": ClaimState.ACCEPTED, "둘": ClaimState.ASKED}
    assert "It runs." in ended.get("/verification", ended.leader()).text
    assert ended.hand_in().status_code == 409
    assert ended.decide(0, "accepted").status_code == 409


def test_a_refusal_moves_the_next_up_and_leaves_the_board_alone(ended: Ended) -> None:
    ended.ask()
    ended.hand_in(0)
    before = ended.contest.standing(ended.teams[0], "private")
    assert ended.decide(0, "refused", "It gives other predictions.").status_code == 303
    assert ended.claims() == {"하나": ClaimState.REFUSED, "둘": ClaimState.ASKED, "셋": ClaimState.ASKED}
    assert before is not None
    assert ended.contest.standing(ended.teams[0], "private") is not None
    assert not ended.teams[0].disqualified
    page = ended.get(f"/organise/winners/{ended.claim().id}", ended.contest.organiser).text
    assert f"/organise/teams/{ended.teams[0].id}" in page, "the way to disqualify is there"
    own = ended.get("/verification", ended.leader()).text
    assert "It gives other predictions." in own
    assert ended.decide(0, "accepted", "We erred.").status_code == 303
    assert ended.claims()["하나"] is ClaimState.ACCEPTED


def test_nobody_is_refused_while_their_time_runs_or_accepted_without_evidence(ended: Ended) -> None:
    ended.ask()
    assert ended.decide(0, "refused").status_code == 409
    assert ended.decide(0, "accepted").status_code == 409
    ended.time_passes()
    assert ended.hand_in().status_code == 409
    assert ended.decide(0, "asked", "Two more days.", days=2).status_code == 303
    assert ended.hand_in().status_code == 303
    ended.time_passes()
    ended.time_passes(1)
    assert ended.decide(1, "refused", "Nothing came.").status_code == 303
    assert "셋" in ended.claims()


def test_once_more_is_asked_with_the_reason_and_new_time(ended: Ended) -> None:
    ended.ask()
    ended.hand_in()
    ended.time_passes()
    assert ended.decide(0, "asked", "The training data are missing.", days=3).status_code == 303
    claim = ended.claim()
    assert claim.state is ClaimState.ASKED
    assert claim.due_at > now() + timedelta(days=2)
    assert "The training data are missing." in ended.get("/verification", ended.leader()).text
    assert ended.decide(0, "accepted", "It was there after all.").status_code == 303


def test_whoever_moves_up_after_a_disqualification_is_asked_by_a_person(ended: Ended) -> None:
    ended.ask()
    disqualify_team(ended.contest.session, None, ended.teams[0], "copied", at=now())
    ended.contest.session.commit()
    page = ended.get("/organise/winners", ended.contest.organiser).text
    assert "셋" in page
    assert ended.post("/organise/winners/next", ended.contest.organiser).status_code == 303
    assert list(ended.claims()) == ["하나", "둘", "셋"]
    ended.post("/organise/winners/next", ended.contest.organiser)
    assert list(ended.claims()) == ["하나", "둘", "셋"]


def test_no_file_is_kept_of_who_cannot_hand_it_in(ended: Ended, blobs: FolderBlobs) -> None:
    ended.ask()
    file, member = zipped(), ended.contest.add(ended.teams[0])
    sent = {"statement": "kept words", "file": (io.BytesIO(file), "all.zip")}
    refused = ended.post("/verification", member, **sent)
    assert (refused.status_code, "kept words" in refused.text) == (403, True)
    ended.time_passes()
    refused = ended.hand_in(statement="kept words", file=(io.BytesIO(file), "all.zip"))
    assert (refused.status_code, "kept words" in refused.text) == (409, True)
    with pytest.raises(KeyError):
        blobs.size_bytes(hashlib.sha256(file).hexdigest())


def test_nobody_is_asked_while_an_entry_waits_for_a_corrected_scorer(ended: Ended) -> None:
    session = ended.contest.session
    stopped = ended.contest.take(ended.teams[3], at=ended.contest.challenge.ends_at - timedelta(hours=1))
    fail_entry(session, stopped.id, SCORER_FAILED)
    session.commit()
    assert "Your scorer failed on 1 entries" in ended.get("/organise/winners", ended.contest.organiser).text
    assert ended.ask().status_code == 409
    assert ended.post("/organise/winners/next", ended.contest.organiser).status_code == 409
    disqualify_team(session, None, ended.teams[3], "breaks the scorer", at=now())
    session.commit()
    assert ended.ask().status_code == 303, "whoever cannot win holds nobody up"


def test_who_cannot_sign_in_any_more_is_not_written_to(ended: Ended) -> None:
    ended.leader(0).disabled_at = now()
    ended.contest.session.commit()
    ended.ask()
    letters = ended.contest.session.scalars(select(OutgoingMail.recipient)).all()
    assert letters == [ended.leader(1).email]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"\x80\x04 a pickle", 422),
        (b"", 422),
        (b"{}", 422),
        (zipped(), 303),
        (notebook(), 303),
    ],
    ids=["pickle", "empty", "no notebook", "zip", "notebook"],
)
def test_only_a_notebook_or_a_zip_is_taken(ended: Ended, content: bytes, status: int) -> None:
    ended.ask()
    found = ended.hand_in(statement="kept words", file=(io.BytesIO(content), "all.zip"))
    assert found.status_code == status
    assert status == 303 or "kept words" in found.text
    assert (ended.claim().blob is not None) is (status == 303)


def test_a_file_beyond_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge):
        verifying.check_evidence(zipped() + b"x" * (20 << 20))


def test_an_empty_hand_in_is_none(ended: Ended) -> None:
    ended.ask()
    assert ended.hand_in(statement="  ").status_code == 422
    assert ended.claim().state is ClaimState.ASKED


def test_only_the_leader_hands_in_and_only_organisers_decide(ended: Ended) -> None:
    ended.ask()
    ended.hand_in(0)
    session, claim = ended.contest.session, ended.claim()
    member, stranger = make_user(session), make_user(session)
    team = ended.teams[0]
    session.add(TeamMember(team_id=team.id, board_id=team.board_id, user_id=member.id, joined_at=now()))
    session.commit()
    assert "We grew trees." in ended.get("/verification", member).text
    assert ended.post("/verification", member, statement="x").status_code == 403
    for user in (stranger, ended.leader(2), ended.contest.organiser):
        assert ended.get("/verification", user).status_code == 404
        assert ended.post("/verification", user, statement="x").status_code == 404
    paths = ("/organise/winners", f"/organise/winners/{claim.id}", f"/organise/winners/{claim.id}/file")
    for user in (stranger, member, ended.leader(0), ended.leader(2)):
        for path in paths:
            assert ended.get(path, user).status_code == 403
        for path in (*paths[:2], "/organise/winners/next"):
            sent = {**ASKED, "state": "accepted", "reason": "x"}
            assert ended.post(path, user, **sent).status_code == 403
    assert ended.claim().state is ClaimState.HANDED_IN


def test_what_is_of_another_challenge_is_not_here(ended: Ended) -> None:
    ended.ask()
    other, _ = make_ended(ended.contest.session)
    number = ended.claim().id
    ended.sign_in(other.organiser)
    for path in (f"/organise/winners/{number}", f"/organise/winners/{number}/file"):
        assert ended.client.get(f"/challenges/{other.challenge.slug}{path}").status_code == 404
    sent = ended.client.post(
        f"/challenges/{other.challenge.slug}/organise/winners/{number}",
        data={"state": "asked", "reason": "x"},
    )
    assert sent.status_code == 404


def test_organisers_without_a_file_to_hand_out_are_told_so(ended: Ended) -> None:
    ended.ask()
    ended.hand_in()
    assert ended.get(f"/organise/winners/{ended.claim().id}/file", ended.contest.organiser).status_code == 404


def test_the_board_tells_the_state_and_neither_evidence_nor_a_refusal(ended: Ended) -> None:
    ended.ask()
    board = ended.get("/board", make_user(ended.contest.session)).text
    assert board.count("being verified") == 2
    ended.hand_in(0, statement="a secret of ours")
    ended.hand_in(1)
    ended.decide(0, "accepted", "a reason for the team")
    ended.decide(1, "refused", "another reason")
    board = ended.get("/board", make_user(ended.contest.session)).text
    assert "✓</span> verified" in board
    assert board.count("being verified") == 1, "of the team that moved up"
    for hidden in ("a secret of ours", "a reason for the team", "another reason", "refused"):
        assert hidden not in board
    assert "/verification" in ended.get("/board", ended.leader(2)).text, "the team is led to what it is asked"
    assert "/verification" not in ended.get("/board?share=public", ended.leader(3)).text
    assert "being verified" not in ended.get("/board?share=public").text


def test_a_team_that_was_never_asked_is_not_led_there(ended: Ended) -> None:
    ended.ask()
    assert "Verification</a>" in ended.get("/team", ended.leader(0)).text
    assert "Verification</a>" not in ended.get("/team", ended.leader(3)).text


def test_the_board_leads_members_of_asked_teams_to_their_verification_and_nobody_else(ended: Ended) -> None:
    link = "Verification</a>"
    assert link not in ended.get("/board", ended.leader(0)).text, "nobody is asked yet"
    ended.ask()
    fellow = ended.contest.add(ended.teams[0])
    ended.post("/verification", ended.leader(1), statement="We grew trees.")
    ended.decide(1, "refused", "no")
    for asked in (ended.leader(0), fellow, ended.leader(1)):  # a refusal too is read there
        for path in ("/board", "/board?share=public"):
            assert link in ended.get(path, asked).text
    for other in (ended.leader(3), ended.contest.organiser, make_user(ended.contest.session)):
        assert link not in ended.get("/board", other).text


def test_the_table_of_steps_is_what_can_be_decided(ended: Ended) -> None:
    """Every step that the table does not allow is refused, whatever was handed in."""
    ended.ask(winners=1)
    ended.hand_in()
    claim, organiser = ended.claim(), ended.contest.organiser
    for state in ClaimState:
        for to in {ClaimState.ACCEPTED, ClaimState.REFUSED, ClaimState.ASKED} - CLAIM_STEPS[state]:
            claim.state = state
            claim.decided_at = now() if state in {ClaimState.ACCEPTED, ClaimState.REFUSED} else None
            ended.contest.session.flush()
            with pytest.raises(Conflict):
                verifying.decide_claim(ended.contest.session, organiser, claim, to, "x", days=1, at=now())
