"""Write-ups: after the end, by the leaders of teams on the final board; linked from their rows."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards.models import Entry, TeamMember, Visibility
from lms.leaderboards.services import writing_up
from lms.leaderboards.services.judging import disqualify_entry, disqualify_team, lift
from lms.leaderboards.tables.writeups import Writeup
from tests.factories.aftermath import Over, make_ended
from tests.factories.grading import make_user, notebook


class Ended(Over):
    """Where write-ups are published."""

    def publish(self, place: int = 0, title: str = "Trees", text: str = "We grew *trees*.") -> Writeup:
        made = writing_up.publish_writeup(
            self.contest.session, self.leader(place), self.teams[place], title, text, entry_id=None, at=now()
        )
        self.contest.session.commit()
        return made

    def entry(self, place: int = 0) -> Entry:
        return self.contest.session.scalars(select(Entry).where(Entry.team_id == self.teams[place].id)).one()

    def goes_on(self) -> None:
        self.contest.challenge.ends_at = self.contest.board.ends_at = now() + timedelta(days=1)
        self.contest.session.commit()


@pytest.fixture
def ended(session: Session, client: FlaskClient, sign_in: Callable[[User], None]) -> Ended:
    client.set_cookie("language", "en")
    contest, teams = make_ended(session, ("하나", "<b>둘</b>", "셋"))
    session.commit()
    return Ended(contest, teams, client, sign_in)


def test_a_leader_publishes_and_everybody_reads(ended: Ended) -> None:
    assert "No write-up yet" in ended.get("/write-ups").text
    assert ended.get("/write-up", ended.leader(1)).status_code == 200
    done = ended.post(
        "/write-up", ended.leader(1), title="Trees", text="We grew **trees** <script>x</script>", entry=0
    )
    assert done.status_code == 303
    assert done.location.startswith(f"/challenges/{ended.contest.challenge.slug}/write-ups/")
    with ended.client.session_transaction() as cookie:
        cookie.clear()
    page = ended.client.get(done.location).text
    assert "<strong>trees</strong>" in page
    assert "<script>x" not in page
    assert "<b>둘" not in page
    listed = ended.get("/write-ups").text
    assert "Trees" in listed
    assert "<b>둘" not in listed


def test_the_best_teams_stand_first_in_the_list(ended: Ended) -> None:
    for place in (2, 0, 1):
        ended.publish(place, title=f"Write-up of place {place + 1}")
    page = ended.get("/write-ups").text
    found = [page.index(f"Write-up of place {place}") for place in (1, 2, 3)]
    assert found == sorted(found)


def test_it_is_changed_in_place_and_withdrawn_for_good(ended: Ended) -> None:
    made = ended.publish()
    leader = ended.leader()
    assert "We grew *trees*." in ended.get("/write-up", leader).text
    assert ended.post("/write-up", leader, title="Forests", text="Many.", entry=0).status_code == 303
    session = ended.contest.session
    session.expire_all()
    assert session.scalars(select(Writeup)).one().title == "Forests"
    assert "changed on" in ended.get(f"/write-ups/{made.id}").text
    assert ended.post("/write-up/withdrawal", leader).status_code == 303
    session.expire_all()
    assert (made.title, made.text) == ("", "")
    for user in (leader, ended.contest.organiser):
        assert ended.get(f"/write-ups/{made.id}", user).status_code == 404
    assert "No write-up yet" in ended.get("/write-ups").text
    assert ended.post("/write-up/withdrawal", leader).status_code == 404
    assert ended.post("/write-up", leader, title="Again", text="Anew.", entry=0).status_code == 303
    assert "Anew." in ended.get(f"/write-ups/{made.id}").text


def test_nobody_else_publishes_for_a_team(ended: Ended) -> None:
    session = ended.contest.session
    member, stranger = make_user(session), make_user(session)
    team = ended.teams[0]
    session.add(TeamMember(team_id=team.id, board_id=team.board_id, user_id=member.id, joined_at=now()))
    standing_nowhere = ended.contest.team(at=now() - timedelta(days=30))
    ended.publish()
    words = {"title": "t", "text": "x", "entry": "0"}
    for user, status in (
        (member, 403),
        (stranger, 404),
        (ended.contest.organiser, 404),
        (ended.contest.leader(standing_nowhere), 409),
    ):
        assert ended.get("/write-up", user).status_code == status
        assert ended.post("/write-up", user, **words).status_code == status
    assert ended.post("/write-up/withdrawal", member).status_code == 403
    disqualify_team(session, None, ended.teams[2], "copied", at=now())
    session.commit()
    assert ended.post("/write-up", ended.leader(2), **words).status_code == 403
    assert [each.title for each in session.scalars(select(Writeup))] == ["Trees"]


def test_what_was_typed_is_not_lost_where_a_team_may_not_publish_any_more(ended: Ended) -> None:
    disqualify_team(ended.contest.session, None, ended.teams[0], "copied", at=now())
    ended.contest.session.commit()
    refused = ended.post("/write-up", ended.leader(), title="t", text="the words that I typed", entry=0)
    assert refused.status_code == 403
    assert "the words that I typed" in refused.text


def test_before_the_end_nothing_is_written_or_read(ended: Ended) -> None:
    made = ended.publish()
    ended.goes_on()
    leader = ended.leader()
    assert ended.get("/write-up", leader).status_code == 409
    assert ended.post("/write-up", leader, title="t", text="x", entry=0).status_code == 409
    for path in (f"/write-ups/{made.id}", f"/write-ups/{made.id}/notebook"):
        for user in (leader, ended.contest.organiser):
            assert ended.get(path, user).status_code == 404
    page = ended.get("/write-ups", leader).text
    assert "Write-ups come after the end" in page
    assert "Trees" not in page
    assert "Write-ups</a>" not in ended.get("").text


def test_who_may_not_see_the_challenge_sees_no_write_ups(ended: Ended) -> None:
    made = ended.publish()
    ended.contest.challenge.visibility = Visibility.SIGNED_IN
    ended.contest.session.commit()
    for path in ("/write-ups", f"/write-ups/{made.id}", f"/write-ups/{made.id}/notebook"):
        assert ended.get(path).status_code == 404
    assert ended.get(f"/write-ups/{made.id}", make_user(ended.contest.session)).status_code == 200
    other, _ = make_ended(ended.contest.session)
    ended.contest.session.commit()
    assert ended.client.get(f"/challenges/{other.challenge.slug}/write-ups/{made.id}").status_code == 404


def test_what_organisers_hide_only_they_and_the_team_see(ended: Ended) -> None:
    made = ended.publish()
    other, organiser = ended.leader(1), ended.contest.organiser
    for user in (other, ended.leader()):
        assert ended.post(f"/write-ups/{made.id}/hiding", user, reason="x").status_code == 403
        assert ended.post(f"/write-ups/{made.id}/showing", user).status_code == 403
    assert ended.post(f"/write-ups/{made.id}/hiding", organiser, reason=" ").status_code == 422
    assert ended.post(f"/write-ups/{made.id}/hiding", organiser, reason="names a person").status_code == 303
    assert ended.post(f"/write-ups/{made.id}/hiding", organiser, reason="twice").status_code == 409
    assert ended.get(f"/write-ups/{made.id}", other).status_code == 404
    assert "Trees" not in ended.get("/write-ups", other).text
    assert "Trees" in ended.get("/write-ups", organiser).text
    assert f"/write-ups/{made.id}" not in ended.get("/board", other).text
    for user in (ended.leader(), organiser):
        assert "names a person" in ended.get(f"/write-ups/{made.id}", user).text
    done = ended.post("/write-up", ended.leader(), title="Evasion", text="x", entry=0)
    told = ended.client.get(done.location).text
    assert "stays hidden until" in told
    assert "Your write-up is published" not in told
    assert "only your team and the organisers see it" in ended.get("/write-up", ended.leader()).text
    ended.post("/write-up/withdrawal", ended.leader())
    ended.post("/write-up", ended.leader(), title="Evasion", text="x", entry=0)
    assert ended.get(f"/write-ups/{made.id}", other).status_code == 404, "also what is published anew"
    assert ended.post(f"/write-ups/{made.id}/showing", organiser).status_code == 303
    assert "Evasion" in ended.get("/write-ups", other).text


def test_a_disqualified_team_is_not_read(ended: Ended) -> None:
    made = ended.publish()
    disqualify_team(ended.contest.session, None, ended.teams[0], "copied", at=now())
    assert ended.get(f"/write-ups/{made.id}", ended.leader(1)).status_code == 404
    assert "Trees" not in ended.get("/write-ups").text
    assert "Trees" in ended.get("/write-ups", ended.contest.organiser).text


def test_a_notebook_of_ones_own_is_offered_and_no_other(ended: Ended, blobs: FolderBlobs) -> None:
    session, mine, theirs = ended.contest.session, ended.entry(0), ended.entry(1)
    mine.blob = blobs.put(notebook())
    session.commit()
    leader = ended.leader()
    for wrong in (theirs.id, 999_999, -1, "x"):
        assert ended.post("/write-up", leader, title="t", text="x", entry=wrong).status_code == 422
    done = ended.post("/write-up", leader, title="t", text="x", entry=mine.id)
    assert done.status_code == 303
    file = ended.client.get(done.location + "/notebook")
    assert file.data == notebook()
    assert "attachment" in file.headers["Content-Disposition"]
    assert "sandbox" in file.headers["Content-Security-Policy"]
    number = done.location.rpartition("/")[2]
    one = disqualify_entry(session, None, mine, "copied", at=now())
    session.commit()
    for user in (ended.leader(1), leader, ended.contest.organiser):
        assert ended.get(f"/write-ups/{number}/notebook", user).status_code == 404
        assert "Download the notebook" not in ended.get(f"/write-ups/{number}", user).text
    lift(session, None, one, "their own", at=now())
    session.commit()
    assert ended.get(f"/write-ups/{number}/notebook", leader).data == notebook()
    ended.publish(1)
    without = session.scalars(select(Writeup.id).where(Writeup.team_id == ended.teams[1].id)).one()
    assert ended.get(f"/write-ups/{without}/notebook").status_code == 404


@pytest.mark.parametrize(
    "sent", [{}, {"title": "t"}, {"title": "t", "text": "x" * 40_001}, {"title": "\u200b", "text": "x"}]
)
def test_what_is_empty_or_endless_is_refused(ended: Ended, sent: dict[str, str]) -> None:
    assert ended.post("/write-up", ended.leader(), entry=0, **sent).status_code == 422
    assert ended.contest.session.scalars(select(Writeup)).all() == []


def test_the_final_board_leads_to_write_ups_by_one_statement_and_the_frame_does_not(
    ended: Ended, statements: list[str]
) -> None:
    made = ended.publish()

    def asked(path: str) -> tuple[str, int]:
        statements.clear()
        page = ended.get(path).text
        return page, sum("winner_claims" in each or "writeups" in each for each in statements)

    board, final = asked("/board")
    assert f"/write-ups/{made.id}" in board
    assert final == 1
    for path in ("/board?share=public", "/board/frame"):
        page, number = asked(path)
        assert f"/write-ups/{made.id}" not in page
        assert number == 0
    ended.goes_on()
    page, number = asked("/board")
    assert f"/write-ups/{made.id}" not in page
    assert number == 0
