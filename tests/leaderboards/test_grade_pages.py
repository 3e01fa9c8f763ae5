"""The pages of points: declaring, the preview, confirming, objecting, answering; and `lms boards grades`."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.cli.boards import boards
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.models import Entry, Share, Team
from lms.leaderboards.queries.awards import awards_of, confirmation_of, current_rule, outcome
from lms.leaderboards.services.awarding import answer_objection, confirm_awards, raise_objection
from lms.leaderboards.services.declaring import declare_rule
from tests.factories.grades import BY_BASELINE, BY_RANK, Class, make_class


@pytest.fixture
def group(session: Session) -> Class:
    return make_class(session, opens_at=now() - timedelta(days=3))


@pytest.fixture
def team(group: Class) -> Team:
    return group.team(0.9, 0.3)


@pytest.fixture
def home(group: Class) -> str:
    return f"/boards/{group.board.id}/grades"


@pytest.fixture
def declared(group: Class, team: Team) -> Team:
    declare_rule(group.session, group.instructor, group.board, BY_RANK, objection_days=14, at=now())
    return team


@pytest.fixture(autouse=True)
def english(client: FlaskClient) -> None:
    client.set_cookie("language", "en")


SignIn = Callable[[User], None]


def test_an_instructor_looks_at_a_rule_and_then_declares_it(
    client: FlaskClient, sign_in: SignIn, group: Class, team: Team, home: str
) -> None:
    sign_in(group.instructor)
    assert "top: 10%" in client.get(f"{home}/rule").text
    sent = {"rule": BY_BASELINE, "objection_days": "14", "reason": ""}
    looked = client.post(f"{home}/rule", data=sent | {"step": "look"})
    assert looked.status_code == 200
    assert "기준선" in looked.text
    assert "baseline &#34;forest&#34;" in looked.text
    assert group.contest.leader(team).name in looked.text
    assert current_rule(group.session, group.board) is None
    done = client.post(f"{home}/rule", data=sent | {"step": "declare"})
    assert (done.status_code, done.location) == (303, home)
    assert "Version 1" in client.get(home).text
    again = client.post(f"{home}/rule", data=sent | {"step": "declare"})
    assert again.status_code == 422


def test_a_rule_with_faults_is_shown_again_with_them(
    client: FlaskClient, sign_in: SignIn, group: Class, home: str
) -> None:
    sign_in(group.instructor)
    for step in ("look", "declare"):
        for rule in ("kind: order", "<script>alert(1)</script>", BY_BASELINE.replace("forest", "x<b>")):
            answer = client.post(f"{home}/rule", data={"rule": rule, "objection_days": "3", "step": step})
            assert answer.status_code == 422
            assert "<script>alert" not in answer.text
            assert "x<b>" not in answer.text


def test_a_student_sees_the_rule_and_their_own_preview_on_the_board(
    client: FlaskClient, sign_in: SignIn, group: Class, declared: Team, home: str
) -> None:
    other = group.team(0.95, 0.9)
    group.contest.leader(other).name = "강바위"
    sign_in(group.contest.leader(declared))
    board = client.get(f"/challenges/{group.contest.challenge.slug}/board").text
    assert "If the board ended now you would get 80 of 100 points." in board
    assert "Ranks up to 1 get 100 of 100 points." in board
    own = client.get(home).text
    assert "Rank 2 of 2" in own
    assert "순위표" in own
    assert "강바위" not in own


def test_points_count_after_a_person_confirmed_what_they_saw(
    client: FlaskClient, sign_in: SignIn, group: Class, declared: Team, home: str
) -> None:
    group.end(now() - timedelta(hours=1))
    student = group.contest.leader(declared)
    sign_in(student)
    assert "An instructor looks at the points before they count." in client.get(home).text
    assert client.post(f"{home}/objection", data={"text": "Why?"}).status_code == 404
    assert client.post(f"{home}/confirm", data={"seen": "x", "accept": "y"}).status_code == 403
    sign_in(group.instructor)
    seen = re.search(r'name="seen"[^>]*value="([0-9a-f]{64})"', client.get(home).text)
    assert seen is not None
    assert client.post(f"{home}/confirm", data={"seen": seen[1]}).status_code == 422
    assert client.post(f"{home}/confirm", data={"seen": "0" * 64, "accept": "y"}).status_code == 409
    assert client.post(f"{home}/confirm", data={"seen": seen[1], "accept": "y"}).status_code == 303
    assert confirmation_of(group.session, group.board) is not None
    book = client.get(f"/courses/{group.course.slug}/gradebook").text
    assert f'href="{home}"' in book
    _object(client, sign_in, group, declared, home)


def _object(client: FlaskClient, sign_in: SignIn, group: Class, team: Team, home: str) -> None:
    award = f"{home}/{group.award(team).id}"
    sign_in(group.contest.leader(team))
    assert client.post(f"{home}/objection", data={"text": " "}).status_code == 422
    said = {"text": "<b>My second entry</b> is missing."}
    assert client.post(f"{home}/objection", data=said).status_code == 303
    assert client.get(award).status_code == 403
    sign_in(group.instructor)
    page = client.get(award).text
    assert "Answer the objection" in page
    assert "&lt;b&gt;My second entry&lt;/b&gt;" in page
    read = {"seen": _seen(page)}
    for wrong in ({"reason": "", "points": "90"}, {"reason": "So.", "points": "1000"}, {"reason": "So."}):
        refused = client.post(award, data=wrong | read)
        assert refused.status_code == 422
        assert "waits for an answer" in refused.text
    assert client.post(award, data=read | {"reason": "So it is.", "points": "95"}).status_code == 303
    assert client.post(award, data={"reason": "Once more.", "points": "95"}).status_code == 422
    assert client.get(f"{home}/999999").status_code == 404
    sign_in(group.contest.leader(team))
    mine = client.get(home).text
    assert "So it is." in mine
    assert "The rule gave 100; a person corrected it." in mine


def _seen(page: str) -> str:
    """Which objection an instructor has read on a page."""
    (found,) = re.findall(r'name="seen"[^>]*value="([0-9]*)"', page)
    return str(found)


def _confirmed(group: Class) -> None:
    group.end(now() - timedelta(hours=1))
    declared = current_rule(group.session, group.board)
    assert declared is not None
    found = outcome(group.session, group.board, read_rule(declared.rule), Share.PRIVATE, anew=True)
    confirm_awards(group.session, group.instructor, group.board, seen=found.digest, at=now())


def test_an_objection_that_came_meanwhile_is_not_answered_unread(
    client: FlaskClient, sign_in: SignIn, group: Class, declared: Team, home: str
) -> None:
    _confirmed(group)
    award, student = group.award(declared), group.contest.leader(declared)
    sign_in(group.instructor)
    page = client.get(f"{home}/{award.id}").text
    assert "Correct the points" in page
    raise_objection(group.session, student, award, "It came in time.", at=now())
    sent = {"reason": "For the talk in class.", "points": "70", "seen": _seen(page)}
    refused = client.post(f"{home}/{award.id}", data=sent)
    assert refused.status_code == 409
    for kept in ("For the talk in class.", "It came in time.", "said about these points meanwhile"):
        assert kept in refused.text
    group.session.expire_all()
    assert (award.points, [each.answered_at for each in award.objections]) == (100, [None])
    sent["seen"] = _seen(refused.text)
    assert client.post(f"{home}/{award.id}", data=sent).status_code == 303
    again = client.post(f"{home}/{award.id}", data=sent | {"points": "60"})
    assert again.status_code == 409  # a colleague's page, on which it still waited
    group.session.expire_all()
    assert (award.points, award.objections[0].answer) == (70, "For the talk in class.")


def test_what_a_student_wrote_stays_on_the_page_when_it_cannot_be_taken(
    client: FlaskClient, sign_in: SignIn, group: Class, declared: Team, home: str
) -> None:
    _confirmed(group)
    student = group.contest.leader(declared)
    sign_in(student)
    assert client.post(f"{home}/objection", data={"text": "The first one."}).status_code == 303
    second = client.post(f"{home}/objection", data={"text": "A second one."})
    assert second.status_code == 409
    for kept in ("A second one.", "Wait for the answer."):
        assert kept in second.text
    award = group.award(declared)
    answer_objection(group.session, group.instructor, award, "No.", at=now())
    award.confirmation.objections_until = now() - timedelta(minutes=1)
    group.session.commit()
    late = client.post(f"{home}/objection", data={"text": "A third one."})
    assert (late.status_code, "A third one." in late.text) == (409, True)
    assert "A third one." not in client.get(home).text


def test_a_board_of_no_course_has_no_page_of_points(
    client: FlaskClient, sign_in: SignIn, group: Class, home: str
) -> None:
    group.contest.challenge.lab = None
    sign_in(group.contest.organiser)
    assert client.get(home).status_code == 404


@pytest.fixture
def run(sessions: sessionmaker[Session], session: Session) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        session.commit()
        tools = SimpleNamespace(sessions=sessions)
        return CliRunner().invoke(boards, ["grades", *arguments], obj=tools, catch_exceptions=False)

    return run


def test_the_command_works_points_out_anew_and_compares_them(
    group: Class, team: Team, run: Callable[..., Result], client: FlaskClient, sign_in: SignIn, home: str
) -> None:
    slug = group.contest.challenge.slug
    assert run(slug).exit_code == 2
    declare_rule(group.session, group.instructor, group.board, BY_RANK, objection_days=14, at=now())
    assert "100.0 / 100.0" in run(slug).output
    preview = json.loads(run(slug, "--json").stdout)
    assert (preview["state"], [each["points"] for each in preview["awards"]]) == ("preview", [100, 5])
    group.end(now() - timedelta(hours=1))
    assert json.loads(run(slug, "--json").stdout)["state"] == "computed"
    sign_in(group.instructor)
    seen = re.search(r'name="seen"[^>]*value="([0-9a-f]{64})"', client.get(home).text)
    assert seen is not None
    client.post(f"{home}/confirm", data={"seen": seen[1], "accept": "y"})
    same = run(slug, "--language", "ko")
    assert (same.exit_code, "모두" in same.output) == (0, True)
    group.session.expire_all()
    group.award(team).computed = 50
    differs = run(slug, "--json")
    assert (differs.exit_code, len(json.loads(differs.stdout)["unequal"])) == (1, 1)
    assert "kept rank 1 with 50" in run(slug).output


def test_the_command_says_no_rank_in_words(group: Class, team: Team, run: Callable[..., Result]) -> None:
    slug = group.contest.challenge.slug
    declared = declare_rule(
        group.session, group.instructor, group.board, BY_RANK, objection_days=14, at=now()
    )
    for language, ranked, unranked, heading in (
        ("en", "  rank 1, ", "  no rank, 오새롬", f"If board {group.board.id} ended now:"),
        ("ko", "  1위, ", "  순위 없음, 오새롬", f"리더보드 {group.board.id}: 지금 끝난다면"),
    ):
        said = run(slug, "--language", language).output.splitlines()
        assert said[0] == heading
        assert said[1].startswith(ranked)
        assert said[2].startswith(unranked)
    found = outcome(group.session, group.board, read_rule(declared.rule), Share.PRIVATE, anew=True)
    confirmed = confirm_awards(
        group.session, group.instructor, group.board, seen=found.digest, at=group.after
    )
    awards = {each.user_id: each for each in awards_of(group.session, confirmed)}
    awards[group.absent.id].computed, awards[group.contest.leader(team).id].rank = 6, None
    english, korean = (run(slug, "--language", language).output for language in ("en", "ko"))
    assert "kept no rank with 6.0, entries say no rank with 5.0" in english
    assert "kept no rank with 100.0, entries say rank 1 with 100.0" in english
    assert "확정 순위 없음 6.0점, 기록 순위 없음 5.0점" in korean
    assert "None" not in english + korean


def test_who_asks_for_json_gets_json_where_there_is_no_rule_to_use(
    group: Class, run: Callable[..., Result]
) -> None:
    none = run(group.contest.challenge.slug, "--json", "--language", "ko")
    assert (none.exit_code, none.stderr) == (2, "")
    reason = f"리더보드 {group.board.id}에는 점수 규칙이 없습니다."
    assert json.loads(none.stdout) == {"board": group.board.id, "state": "no_rule", "reasons": [reason]}
    declare_rule(group.session, group.instructor, group.board, BY_BASELINE, objection_days=14, at=now())
    group.session.execute(update(Entry).where(Entry.baseline == "forest").values(baseline="tree"))
    unusable = run(group.contest.challenge.slug, "--json")
    assert (unusable.exit_code, unusable.stderr) == (2, "")
    told = json.loads(unusable.stdout)
    assert (told["state"], "forest" in told["reasons"][0]) == ("unusable_rule", True)
