"""Challenges as people meet them: reading, joining, sending, choosing; and what strangers are refused."""

import io
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import OutgoingMail, User
from lms.accounts.services.tokens import Purpose, person_of
from lms.blobs import PIECE_BYTES, FolderBlobs
from lms.db import now
from lms.leaderboards.models import Entry, RulesAcceptance, Team, TeamInvitation, TeamMember, Visibility
from lms.leaderboards.queries.boards import team_of
from lms.leaderboards.queries.entries import PAGE
from lms.leaderboards.services.asking import LETTERS_PER_ADDRESS, LETTERS_PER_LEADER
from lms.leaderboards.services.judging import disqualify_entry
from lms.leaderboards.services.scoring import fail_entry
from tests.factories.grading import make_user
from tests.factories.leaderboards import Contest, make_contest

SAMPLE = b"id,place\na,north\nb,north\nc,north\n"
GOOD = b"id,place\nc,south\na,north\nb,south\n"


@dataclass
class Browser:
    """Somebody at the pages of one challenge."""

    contest: Contest
    client: FlaskClient
    sign_in: Callable[[User], None]

    def get(self, path: str = "", user: User | None = None) -> TestResponse:
        if user is not None:
            self.sign_in(user)
        return self.client.get(self.address(path))

    def post(self, path: str, user: User, data: dict[str, object] | None = None) -> TestResponse:
        self.sign_in(user)
        return self.client.post(self.address(path), data=data or {})

    def send(self, user: User, content: bytes = GOOD, name: str = "first.csv") -> TestResponse:
        return self.post("/entries", user, {"file": (io.BytesIO(content), name)})

    def address(self, path: str) -> str:
        return f"/challenges/{self.contest.challenge.slug}{path}"

    def member(self, name: str | None = None) -> User:
        leader = self.contest.leader(self.contest.team(name, at=now()))
        self.contest.session.commit()
        return leader

    def newcomer(self) -> User:
        user = make_user(self.contest.session, name="오솔길")
        self.contest.session.commit()
        return user

    def team(self, user: User) -> Team | None:
        self.contest.session.expire_all()
        return team_of(self.contest.session, self.contest.board, user)

    @property
    def entries(self) -> int:
        return self.contest.session.scalar(select(func.count(Entry.id))) or 0


@pytest.fixture
def browser_of(
    session: Session, blobs: FolderBlobs, client: FlaskClient, sign_in: Callable[[User], None]
) -> Browser:
    contest = make_contest(session, opens_at=now() - timedelta(days=3), per_day=2)
    contest.challenge.files = {"sample_submission.csv": {"sha256": blobs.put(SAMPLE), "bytes": len(SAMPLE)}}
    session.commit()
    return Browser(contest, client, sign_in)


def test_a_visitor_reads_everything_and_is_asked_to_sign_in_to_take_part(browser_of: Browser) -> None:
    listed = browser_of.client.get("/challenges", headers={"Accept-Language": "en"}).text
    assert "Sorted parcels" in listed
    page = browser_of.client.get(browser_of.address(""), headers={"Accept-Language": "en"}).text
    for words in ("Sort parcels.", "Keep the rules.", "accuracy", "CC-BY-4.0", "sample_submission.csv"):
        assert words in page
    assert 'name="accept"' not in page
    korean = browser_of.client.get(browser_of.address(""), headers={"Accept-Language": "ko"}).text
    assert "소포를 나눠요." in korean
    file = browser_of.get("/files/sample_submission.csv")
    assert file.data == SAMPLE
    assert "attachment" in file.headers["Content-Disposition"]
    assert browser_of.get("/files/truth.csv").status_code == 404


def test_a_file_comes_in_pieces_and_who_has_it_is_told_so(browser_of: Browser, blobs: FolderBlobs) -> None:
    content = random.Random(1).randbytes(2 * PIECE_BYTES + 1)
    sha256 = blobs.put(content)
    browser_of.contest.challenge.files = {"data.csv": {"sha256": sha256, "bytes": len(content)}}
    browser_of.contest.session.commit()
    address = browser_of.address("/files/data.csv")
    file = browser_of.client.get(address)
    assert file.data == content
    assert (file.content_length, file.headers["ETag"]) == (len(content), f'"{sha256}"')
    assert browser_of.client.head(address).content_length == len(content)
    place = blobs.folder / sha256[:2] / sha256[2:]
    place.write_bytes(b"x" + content[1:])
    with pytest.raises(ValueError, match="damaged"):
        _ = browser_of.client.get(address).data
    blobs.forget(sha256)
    again = browser_of.client.get(address, headers={"If-None-Match": file.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_before_the_opening_there_are_no_files(browser_of: Browser) -> None:
    browser_of.contest.challenge.opens_at = now() + timedelta(days=1)
    browser_of.contest.session.commit()
    assert browser_of.get("/files/sample_submission.csv").status_code == 404
    assert browser_of.get("/files/sample_submission.csv", browser_of.contest.organiser).status_code == 200


def test_who_joins_accepts_the_rules_first(browser_of: Browser) -> None:
    user = browser_of.newcomer()
    refused = browser_of.post("/join", user, {"name": "하나", "version": "1"})
    assert refused.status_code == 422
    assert browser_of.team(user) is None
    old = browser_of.post("/join", user, {"name": "하나", "version": "0", "accept": "y"})
    assert (old.status_code, browser_of.team(user)) == (409, None)
    joined = browser_of.post("/join", user, {"name": "하나", "version": "1", "accept": "y"})
    assert joined.status_code == 303
    assert (found := browser_of.team(user)) is not None
    assert found.name == "하나"
    kept = browser_of.contest.session.scalar(select(func.count(RulesAcceptance.id)))
    browser_of.client.set_cookie("language", "en")
    again = browser_of.post("/join", browser_of.newcomer(), {"name": "하나", "version": "1", "accept": "y"})
    assert again.status_code == 409
    assert 'value="하나"' in again.text
    assert "accepted</span>" not in again.text  # nothing was kept
    assert browser_of.contest.session.scalar(select(func.count(RulesAcceptance.id))) == kept


def test_a_name_made_to_break_the_page_is_shown_as_it_is(browser_of: Browser) -> None:
    user = browser_of.newcomer()
    browser_of.post("/join", user, {"name": "<script>x</script>", "version": "1", "accept": "y"})
    for path in ("/entries", "/team"):
        page = browser_of.get(path, user).text
        assert "&lt;script&gt;x" in page
        assert "<script>x" not in page


def test_newer_rules_are_accepted_before_more_is_sent(browser_of: Browser) -> None:
    user = browser_of.member()
    browser_of.contest.challenge.rules_version = "2"
    browser_of.contest.session.commit()
    assert browser_of.send(user).status_code == 403
    assert browser_of.post("/rules", user, {"version": "2", "accept": "y"}).status_code == 303
    assert browser_of.send(user).status_code == 303


def test_a_file_arrives_and_its_score_is_told_once_it_is_there(browser_of: Browser) -> None:
    user = browser_of.member()
    assert browser_of.send(user).status_code == 303
    waiting = browser_of.get("/entries", user).text
    assert "first.csv" in waiting
    assert 'hx-trigger="every 3s"' in waiting
    entry = browser_of.contest.session.scalars(select(Entry)).one()
    browser_of.contest.score(entry, 0.123456, 0.987654)
    browser_of.contest.session.commit()
    page = browser_of.get("/entries", user).text
    assert "0.1235" in page
    assert "0.98" not in page
    assert "hx-trigger" not in page
    rows = browser_of.client.get(browser_of.address("/entries"), headers={"HX-Request": "true"}).text
    assert rows.startswith("<div id=")
    assert "0.1235" in rows


def test_faults_are_told_with_their_lines_and_cost_nothing(browser_of: Browser) -> None:
    user = browser_of.member()
    browser_of.client.set_cookie("language", "en")
    answer = browser_of.send(user, b"id,place\na,north\nb,\nd,south\n")
    assert answer.status_code == 422
    assert re.findall(r"<b>Line (\d+)</b>", answer.text) == ["3", "4"]
    for content in (b"", b"\x80\x04\x95", b"PK\x03\x04"):
        assert browser_of.send(user, content).status_code == 422
    assert browser_of.post("/entries", user).status_code == 422
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    large = browser_of.client.post(
        browser_of.address("/entries"),
        data=head + b"id,place\n" + b" " * (2 << 20) + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    assert large.status_code == 413
    assert browser_of.entries == 0


def test_when_a_day_is_used_up_the_page_says_when_the_next_begins(browser_of: Browser) -> None:
    user = browser_of.member()
    assert [browser_of.send(user).status_code for _ in range(3)] == [303, 303, 429]
    browser_of.client.set_cookie("language", "en")
    page = browser_of.get("/entries", user).text
    assert "All 2 entries of this day are used. The next one can come at" in page
    assert 'type="file"' not in page


def test_the_page_says_when_failures_give_no_more_slots_back(browser_of: Browser) -> None:
    user = browser_of.member()
    team = browser_of.team(user)
    assert team is not None
    for _ in range(3):
        fail_entry(browser_of.contest.session, browser_of.contest.take(team, at=now()).id, "broken")
    browser_of.contest.session.commit()
    browser_of.client.set_cookie("language", "en")
    page = browser_of.get("/entries", user).text
    assert "of those that cannot be scored later, 3 a day give theirs back" in page
    assert "For today these are all given back: a file that cannot be scored uses one now." in page
    assert browser_of.send(user).status_code == 303  # a good file is refused for no failure before it
    assert browser_of.send(user).status_code == 303
    browser_of.contest.challenge.ends_at = now() + timedelta(seconds=30)
    browser_of.contest.session.commit()
    page = browser_of.get("/entries", user).text
    assert "All entries of this day are used, and the challenge ends before the next day." in page
    assert 'type="file"' not in page


def test_what_will_not_be_taken_is_neither_read_nor_kept(browser_of: Browser, blobs: FolderBlobs) -> None:
    user, stranger = browser_of.member(), browser_of.newcomer()
    assert browser_of.send(stranger, b"no file of predictions").status_code == 404
    assert [browser_of.send(user).status_code for _ in range(2)] == [303, 303]
    assert browser_of.send(user, b"no file of predictions").status_code == 429
    browser_of.contest.challenge.rules_version = "2"
    browser_of.contest.session.commit()
    assert browser_of.send(user, b"no file of predictions").status_code == 403
    assert len([path for path in blobs.folder.rglob("*") if path.is_file()]) == 2  # the sample and one entry


def test_a_team_chooses_what_counts_in_the_end(browser_of: Browser) -> None:
    user = browser_of.member()
    team = browser_of.team(user)
    assert team is not None
    first, second = (browser_of.contest.enter(team, score, at=now()) for score in (0.5, 0.4))
    browser_of.contest.session.commit()
    browser_of.client.set_cookie("language", "en")
    refused = browser_of.post("/selection", user, {"entries": [first.id, second.id]})
    assert refused.status_code == 422
    assert "Choose at most 1 entries." in refused.text
    assert ticked(refused.text) == {first.id, second.id}
    assert browser_of.post("/selection", user, {"entries": [second.id]}).status_code == 303
    for unknown in ([second.id, "x"], ["abc"], [""], [first.id, -1], [9**9]):
        refused = browser_of.post("/selection", user, {"entries": unknown})
        assert refused.status_code == 422
        assert "Choose scored entries of your own team." in refused.text
    browser_of.contest.session.expire_all()
    assert (first.selected, second.selected) == (False, True)
    assert browser_of.post("/selection", user).status_code == 303
    browser_of.contest.session.expire_all()
    assert not second.selected


def ticked(page: str) -> set[int]:
    """Which entries a form would send."""
    boxes = re.findall(r'<input[^>]*name="entries"[^>]*>', page)
    sent = [box for box in boxes if " checked" in box or 'type="hidden"' in box]
    return {int(re.findall(r'value="(\d+)"', box)[0]) for box in sent}


def test_a_chosen_entry_of_another_page_that_was_taken_off_hinders_no_other_choice(
    browser_of: Browser,
) -> None:
    user, contest = browser_of.member(), browser_of.contest
    team = browser_of.team(user)
    assert team is not None
    contest.challenge.daily_limit, contest.challenge.selections, contest.board.selections = 2 * PAGE, 2, 2
    old = [contest.enter(team, score, at=now()) for score in (0.9, 0.8)]
    entries = [contest.take(team, at=now()) for _ in range(PAGE)]
    contest.score(entries[-1], 0.4)
    contest.session.commit()
    assert browser_of.post("/selection", user, {"entries": [one.id for one in old]}).status_code == 303
    assert ticked(browser_of.get("/entries", user).text) == {one.id for one in old}
    disqualify_entry(contest.session, None, old[0], "copied", at=now())
    contest.session.commit()
    assert ticked(browser_of.get("/entries", user).text) == {old[1].id}
    wanted = [*ticked(browser_of.get("/entries", user).text), entries[-1].id]
    assert browser_of.post("/selection", user, {"entries": wanted}).status_code == 303
    refused = browser_of.post("/selection", user, {"entries": [*wanted, old[0].id]})
    assert (refused.status_code, ticked(refused.text)) == (422, set(wanted))


def test_a_token_is_shown_once_and_is_good_for_boards_only(browser_of: Browser) -> None:
    user = browser_of.member()
    page = browser_of.post("/token", user).text
    token = re.findall(r'<code id="token">([^<]+)</code>', page)[0]
    key = browser_of.client.application.extensions["settings"].session_key()
    assert person_of(browser_of.contest.session, token, Purpose.BOARDS, key).id == user.id
    assert f"--challenge {browser_of.contest.challenge.slug}" in page
    assert 'id="token"' not in browser_of.get("/entries", user).text


def link_of(browser_of: Browser, leader: User) -> str:
    page = browser_of.get("/team", leader).text
    return str(re.findall(r'<code id="link">[^<]*(/come/[^<]+)</code>', page)[0])


def test_a_link_leads_into_the_team_once_the_rules_are_accepted(browser_of: Browser) -> None:
    leader, guest = browser_of.member("하나"), browser_of.newcomer()
    link = link_of(browser_of, leader)
    assert "하나" in browser_of.get(link, guest).text
    assert browser_of.post(link, guest, {"version": "1"}).status_code == 403
    assert browser_of.team(guest) is None
    assert browser_of.post(link, guest, {"version": "1", "accept": "y"}).status_code == 303
    assert browser_of.team(guest) == browser_of.team(leader)
    assert 'id="link"' not in browser_of.get("/team", guest).text


def test_rules_are_not_shown_as_accepted_where_a_team_is_full(browser_of: Browser) -> None:
    leader, guest = browser_of.member("하나"), browser_of.newcomer()
    link = link_of(browser_of, leader)
    browser_of.contest.challenge.team_size = 1
    browser_of.contest.session.commit()
    refused = browser_of.post(link, guest, {"version": "1", "accept": "y"})
    assert refused.status_code == 409
    assert 'name="accept"' in refused.text
    browser_of.contest.challenge.team_size = 2
    browser_of.contest.session.commit()
    assert browser_of.post(link, guest, {"version": "1", "accept": "y"}).status_code == 303


def test_who_leads_a_team_brings_it_along(browser_of: Browser) -> None:
    leader, other = browser_of.member("하나"), browser_of.member("둘")
    theirs = browser_of.team(other)
    assert theirs is not None
    browser_of.contest.enter(theirs, 0.5, at=now())
    browser_of.contest.session.commit()
    link = link_of(browser_of, leader)
    assert "둘" in browser_of.get(link, other).text
    assert browser_of.post(link, other).status_code == 303
    joint = browser_of.team(other)
    assert joint == browser_of.team(leader)
    assert joint is not None
    assert joint.taken == 1


def test_a_link_that_was_tampered_with_or_of_another_leader_leads_nowhere(browser_of: Browser) -> None:
    leader, guest = browser_of.member("하나"), browser_of.newcomer()
    link = link_of(browser_of, leader)
    assert browser_of.get(f"{link}x", guest).status_code == 404
    assert browser_of.post("/come/eyJ.x.y", guest, {"version": "1", "accept": "y"}).status_code == 404
    team = browser_of.team(leader)
    assert team is not None
    team.leader_id = guest.id
    browser_of.contest.session.commit()
    assert browser_of.get(link, guest).status_code == 404


def test_a_letter_says_nothing_of_whether_there_is_an_account(browser_of: Browser) -> None:
    leader, known = browser_of.member("하나"), browser_of.newcomer()
    for address in (known.email, "nobody@nowhere.example"):
        answer = browser_of.post("/team/invite", leader, {"email": address})
        assert (answer.status_code, answer.location) == (303, browser_of.address("/team"))
    mails = browser_of.contest.session.scalars(select(OutgoingMail)).all()
    assert [mail.recipient for mail in mails] == [known.email, "nobody@nowhere.example"]
    assert all("/come/" in mail.body for mail in mails)
    asked = browser_of.contest.session.scalars(select(TeamInvitation)).one()
    assert known.name not in browser_of.get("/team", leader).text
    assert "하나" in browser_of.get("", known).text
    stranger = browser_of.newcomer()
    assert browser_of.post(f"/invitations/{asked.id}", stranger, {"answer": "yes"}).status_code == 404
    led = browser_of.post(f"/invitations/{asked.id}", known, {"answer": "yes"})
    assert "/come/" in led.location  # the rules come first
    assert browser_of.post(f"/invitations/{asked.id}", known, {"answer": "no"}).status_code == 303
    assert browser_of.team(known) is None


def test_letters_of_a_team_are_limited(browser_of: Browser) -> None:
    leader = browser_of.member()
    found = [
        browser_of.post("/team/invite", leader, {"email": "one@there.example"}).status_code for _ in range(6)
    ]
    assert found == [303] * 5 + [429]


def test_nobody_without_the_right_to_invite_uses_an_address_up(browser_of: Browser) -> None:
    leader, guest = browser_of.member("하나"), browser_of.newcomer()
    browser_of.post(link_of(browser_of, leader), guest, {"version": "1", "accept": "y"})
    for _ in range(LETTERS_PER_LEADER.tries):
        assert browser_of.post("/team/invite", guest, {"email": "a@b.example"}).status_code == 403
    assert browser_of.post("/team/invite", leader, {"email": "a@b.example"}).status_code == 303
    browser_of.contest.challenge.team_size = 2
    browser_of.contest.session.commit()
    for _ in range(LETTERS_PER_ADDRESS.tries):
        assert browser_of.post("/team/invite", leader, {"email": "a@b.example"}).status_code == 409
    other = browser_of.member("둘")
    assert browser_of.post("/team/invite", other, {"email": "a@b.example"}).status_code == 303


def test_who_runs_a_challenge_does_not_take_part_in_it(browser_of: Browser) -> None:
    leader, organiser = browser_of.member("하나"), browser_of.contest.organiser
    joined = browser_of.post("/join", organiser, {"name": "심판", "version": "1", "accept": "y"})
    assert joined.status_code == 403
    come = browser_of.post(link_of(browser_of, leader), organiser, {"version": "1", "accept": "y"})
    assert come.status_code == 403
    assert browser_of.team(organiser) is None
    browser_of.client.set_cookie("language", "en")
    page = browser_of.get("", organiser).text
    assert "You run this challenge, so you cannot take part in it." in page
    assert 'name="accept"' not in page


def test_only_the_leader_names_and_invites(browser_of: Browser) -> None:
    leader, guest = browser_of.member("하나"), browser_of.newcomer()
    browser_of.post(link_of(browser_of, leader), guest, {"version": "1", "accept": "y"})
    assert browser_of.post("/team/name", guest, {"name": "셋"}).status_code == 403
    assert browser_of.post("/team/invite", guest, {"email": "a@b.example"}).status_code == 403
    browser_of.member("넷")
    browser_of.client.set_cookie("language", "en")
    taken = browser_of.post("/team/name", leader, {"name": "넷"})
    assert taken.status_code == 409
    for kept in ('value="넷"', "Another team has this name."):
        assert kept in taken.text
    assert browser_of.post("/team/name", leader, {"name": "셋"}).status_code == 303
    team = browser_of.team(guest)
    assert team is not None
    assert team.name == "셋"
    assert browser_of.post("/team/shown", guest, {"shown": "yes"}).status_code == 303
    shown = select(TeamMember.shown).where(TeamMember.user_id == guest.id)
    assert browser_of.contest.session.scalar(shown) is True
    assert browser_of.post("/team/leave", guest).status_code == 303
    assert browser_of.team(guest) is None


def test_a_challenge_of_a_course_is_not_there_for_others(browser_of: Browser) -> None:
    member = browser_of.member()
    browser_of.contest.challenge.visibility = Visibility.COURSE
    browser_of.contest.session.commit()
    for path in ("", "/files/sample_submission.csv", "/entries", "/team", "/organise"):
        assert browser_of.get(path, member).status_code == 404
    assert browser_of.send(member).status_code == 404
    assert browser_of.entries == 0


@pytest.mark.parametrize("path", ["/entries", "/team"])
def test_who_is_in_no_team_has_no_pages_of_one(browser_of: Browser, path: str) -> None:
    assert browser_of.get(path, browser_of.newcomer()).status_code == 404
