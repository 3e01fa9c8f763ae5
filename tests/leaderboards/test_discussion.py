"""The discussion of a challenge: who reads and writes, under which name, and what organisers can do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import AuditEvent, User
from lms.db import now
from lms.leaderboards.models import Visibility
from lms.leaderboards.queries.discussion import PAGE
from lms.leaderboards.services import discussing
from lms.leaderboards.services.teams import leave, show_member
from lms.leaderboards.tables.discussion import Post
from tests.factories.grading import make_user
from tests.factories.leaderboards import Contest, make_contest


@dataclass
class Talk:
    """A running challenge, and a browser."""

    contest: Contest
    client: FlaskClient
    sign_in: Callable[[User], None]

    def get(self, path: str, user: User) -> TestResponse:
        self.sign_in(user)
        return self.client.get(f"/challenges/{self.contest.challenge.slug}/discussion{path}")

    def post(self, path: str, user: User, /, **data: Any) -> TestResponse:
        self.sign_in(user)
        return self.client.post(f"/challenges/{self.contest.challenge.slug}/discussion{path}", data=data)

    def topic(self, user: User, title: str = "Weights", text: str = "In grams?") -> Post:
        made = discussing.start_topic(
            self.contest.session, user, self.contest.challenge, title, text, at=now()
        )
        self.contest.session.commit()
        return made

    def answer(self, user: User, topic: Post, text: str) -> Post:
        made = discussing.answer(self.contest.session, user, topic, text, at=now())
        self.contest.session.commit()
        return made


def make_talk(session: Session, client: FlaskClient, sign_in: Callable[[User], None], **changes: Any) -> Talk:
    client.set_cookie("language", "en")
    return Talk(make_contest(session, opens_at=now() - timedelta(days=3), **changes), client, sign_in)


@pytest.fixture
def talk(session: Session, client: FlaskClient, sign_in: Callable[[User], None]) -> Talk:
    return make_talk(session, client, sign_in)


def test_a_topic_is_begun_answered_and_found(talk: Talk) -> None:
    asker, other = make_user(talk.contest.session), talk.contest.leader(talk.contest.team(at=now()))
    other.name = "이바다"
    made = talk.post("/new", asker, title=" Weights ", text="Are they in **grams**?")
    assert made.status_code == 303
    topic = talk.contest.session.scalars(select(Post)).one()
    assert topic.title == "Weights"
    done = talk.post(f"/{topic.id}", other, text="In `kg`.")
    assert done.location.endswith(f"/discussion/{topic.id}#post-{topic.id + 1}")
    page = talk.get(f"/{topic.id}", asker).text
    assert "<strong>grams</strong>" in page
    assert "<code>kg</code>" in page
    assert "이바다" in page
    for words, found in (("weig", True), ("KG", True), ("grams", True), ("100%", False), ("_", False)):
        assert ("Weights</bdi>" in talk.get(f"?q={words}", asker).text) is found, words


def test_nothing_that_somebody_wrote_runs_loads_or_poses_as_ours(talk: Talk) -> None:
    user = make_user(talk.contest.session)
    text = (
        "# A heading\n\n<script>alert(1)</script> ![x](https://evil.example/p.png) [j](javascript:alert(1)) "
        "[in](/sign-out) [d](data:text/html,x) <b onclick=x>b</b>"
    )
    topic = talk.topic(user, "<img src=x onerror=alert(1)>\u202e", text)
    page = talk.get(f"/{topic.id}", user).text
    bad_ones = (
        "<script>alert",
        "evil.example",
        'href="javascript',
        'href="/sign-out"',
        'href="data',
        "<b onclick",
    )
    for bad in (*bad_ones, "\u202e", "<img src=x"):
        assert bad not in page, bad
    assert "<h2>A heading</h2>" in page


@pytest.mark.parametrize(
    ("visibility", "statuses"),
    [(Visibility.EVERYONE, {200}), (Visibility.SIGNED_IN, {200}), (Visibility.COURSE, {404})],
)
def test_only_who_sees_the_challenge_and_signed_in_reads_and_writes(
    talk: Talk, visibility: Visibility, statuses: set[int]
) -> None:
    topic = talk.topic(talk.contest.organiser)
    talk.contest.challenge.visibility = visibility
    somebody = make_user(talk.contest.session)
    talk.contest.session.commit()
    paths = ("", "/new", f"/{topic.id}")
    for path in paths:
        found = talk.client.get(f"/challenges/{talk.contest.challenge.slug}/discussion{path}")
        assert found.status_code == 302, "a visitor is led to sign in"
    assert {talk.get(path, somebody).status_code for path in paths} == statuses
    expected = 303 if 200 in statuses else 404
    assert talk.post(f"/{topic.id}", somebody, text="me too").status_code == expected
    assert talk.post("/new", somebody, title="t", text="x").status_code == expected
    assert talk.get("", talk.contest.organiser).status_code == 200


def test_what_is_of_another_challenge_is_not_here(talk: Talk) -> None:
    user = make_user(talk.contest.session)
    other = make_contest(talk.contest.session)
    foreign = discussing.start_topic(talk.contest.session, user, other.challenge, "x", "y", at=now())
    talk.contest.session.commit()
    for path in (f"/{foreign.id}", f"/{foreign.id}/edit", "/999999"):
        assert talk.get(path, user).status_code == 404
    for path in ("", "/edit", "/deletion"):
        assert talk.post(f"/{foreign.id}{path}", user, text="z", title="z").status_code == 404
    for path in ("/hiding", "/moderation"):
        sent = talk.post(f"/{foreign.id}{path}", talk.contest.organiser, reason="z", do="pin")
        assert sent.status_code == 404


def test_an_account_whose_address_is_nobodys_cannot_write(talk: Talk) -> None:
    user = make_user(talk.contest.session)
    user.confirmed_at = None
    topic = talk.topic(talk.contest.organiser)
    assert talk.get("/new", user).status_code == 403, "nobody types what cannot be sent"
    for path in ("/new", f"/{topic.id}"):
        refused = talk.post(path, user, title="t", text="the words that I typed")
        assert refused.status_code == 403
        assert "the words that I typed" in refused.text
    assert "Confirm your e-mail address" in talk.get(f"/{topic.id}", user).text


def test_people_go_by_the_names_of_the_board(
    session: Session, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    talk = make_talk(session, client, sign_in, anonymous=True)
    team = talk.contest.team("첫째", at=now())
    leader, reader = talk.contest.leader(team), make_user(session, name="이바다")
    leader.name = "김유일"
    topic = talk.topic(leader)
    talk.answer(reader, topic, "me too")
    talk.answer(talk.contest.organiser, topic, "In grams.")
    talk.contest.organiser.name = "박주최"
    for page in (talk.get(f"/{topic.id}", reader).text, talk.get("", reader).text):
        article = page.split("<main")[1]
        assert team.alias in article
        assert "김유일" not in article
        assert "첫째" not in article
        assert "이바다" not in article, "nor does who joins later give themselves away"
    assert "박주최" in talk.get(f"/{topic.id}", reader).text
    talk.contest.board.ends_at = talk.contest.challenge.ends_at = now()
    after = talk.get(f"/{topic.id}", reader).text
    assert "첫째" in after
    assert "김유일" in after


def test_a_name_that_the_board_does_not_show_is_not_shown_here(talk: Talk) -> None:
    team = talk.contest.team("첫째", at=now())
    leader = talk.contest.leader(team)
    leader.name, team.members[0].shown = "김숨김", False
    topic = talk.topic(leader)
    page = talk.get(f"/{topic.id}", make_user(talk.contest.session)).text
    assert "첫째" in page
    assert "김숨김" not in page


def test_who_leaves_a_team_uncovers_no_name(
    session: Session, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    reader = make_user(session)
    for anonymous in (False, True):
        talk = make_talk(session, client, sign_in, anonymous=anonymous)
        team = talk.contest.team("첫째", at=now())
        member = talk.contest.add(team, "김숨김")
        show_member(session, member, team, shown=False)
        topic = talk.topic(member)
        visitor = make_user(session, name="이바다")
        talk.answer(visitor, topic, "me too")
        leave(session, member, team, at=now())
        talk.contest.board.ends_at = talk.contest.challenge.ends_at = now()
        session.commit()
        page = talk.get(f"/{topic.id}", reader).text
        assert page.count("somebody without a team") == 2
        assert "김숨김" not in page
        assert "이바다" not in page


def test_the_form_says_by_which_name_one_goes(talk: Talk) -> None:
    assert "you have no name here" in talk.get("/new", make_user(talk.contest.session)).text
    page = talk.get("/new", talk.contest.organiser).text
    assert "others see your own name" in page
    assert "you have no name here" not in page


def test_people_change_and_delete_only_their_own_words(talk: Talk) -> None:
    author, other = make_user(talk.contest.session), make_user(talk.contest.session)
    topic = talk.topic(author, text="a secret word")
    talk.answer(other, topic, "an answer")
    for user in (other, talk.contest.organiser):
        assert talk.get(f"/{topic.id}/edit", user).status_code == 403
        assert talk.post(f"/{topic.id}/edit", user, title="t", text="x").status_code == 403
        assert talk.post(f"/{topic.id}/deletion", user).status_code == 403
    assert "a secret word" in talk.get(f"/{topic.id}/edit", author).text
    assert talk.post(f"/{topic.id}/edit", author, title="", text="x").status_code == 422
    assert talk.post(f"/{topic.id}/edit", author, title="New", text="changed words").status_code == 303
    page = talk.get(f"/{topic.id}", other).text
    assert "changed words" in page
    assert "changed on" in page
    assert talk.post(f"/{topic.id}/deletion", author).status_code == 303
    assert talk.post(f"/{topic.id}/deletion", author).status_code == 409
    assert talk.post(f"/{topic.id}/edit", author, title="t", text="x").status_code == 409
    page = talk.get(f"/{topic.id}", other).text
    assert "The author deleted this" in page
    assert "changed words" not in page
    assert "an answer" in page
    talk.contest.session.expire_all()
    assert (topic.text, topic.title) == ("", "")
    assert "Deleted topic" in talk.get("", other).text
    assert talk.post(f"/{topic.id}", other, text="more").status_code == 409


def test_a_deleted_topic_without_answers_leaves_no_trace(talk: Talk) -> None:
    author = make_user(talk.contest.session)
    topic = talk.topic(author)
    assert talk.post(f"/{topic.id}/deletion", author).location.endswith("/discussion")
    assert "Deleted topic" not in talk.get("", author).text
    assert talk.get(f"/{topic.id}", author).status_code == 404


def test_what_organisers_hide_is_seen_by_its_author_with_the_reason_only(talk: Talk) -> None:
    author, other, organiser = (
        make_user(talk.contest.session),
        make_user(talk.contest.session),
        talk.contest.organiser,
    )
    topic = talk.topic(other, "A topic", "of its own")
    spam = talk.answer(author, topic, "buy pears")
    for user in (author, other):
        assert talk.post(f"/{spam.id}/hiding", user, reason="x").status_code == 403
        assert talk.post(f"/{topic.id}/moderation", user, do="pin").status_code == 403
    assert talk.post(f"/{spam.id}/hiding", organiser, reason=" ").status_code == 422
    assert talk.post(f"/{spam.id}/hiding", organiser, reason="an advertisement").status_code == 303
    assert talk.post(f"/{spam.id}/hiding", organiser, reason="twice").status_code == 409
    page = talk.get(f"/{topic.id}", other).text
    assert "An organiser hid this" in page
    assert "buy pears" not in page
    assert "an advertisement" not in page
    assert "A topic" not in talk.get("?q=pears", other).text
    for user in (author, organiser):
        page = talk.get(f"/{topic.id}", user).text
        assert "buy pears" in page
        assert "an advertisement" in page
    assert talk.get(f"/{spam.id}/edit", author).status_code == 409
    assert talk.post(f"/{spam.id}/moderation", organiser, do="show").status_code == 303
    assert "buy pears" in talk.get(f"/{topic.id}", other).text
    talk.contest.session.expire_all()
    assert spam.hidden_reason == "an advertisement"
    actions = talk.contest.session.scalars(select(AuditEvent.action)).all()
    assert [each for each in actions if each.endswith("_post")] == ["board.hide_post", "board.show_post"]


def test_a_hidden_topic_is_gone_with_its_answers(talk: Talk) -> None:
    author, other, organiser = (
        make_user(talk.contest.session),
        make_user(talk.contest.session),
        talk.contest.organiser,
    )
    topic = talk.topic(author, "Leaked labels", "here they are")
    below = talk.answer(other, topic, "thanks")
    talk.post(f"/{topic.id}/hiding", organiser, reason="leaked")
    assert "Leaked labels" not in talk.get("", other).text
    assert talk.get(f"/{topic.id}", other).status_code == 404
    assert talk.post(f"/{topic.id}", other, text="x").status_code == 404
    assert talk.get(f"/{below.id}/edit", other).status_code == 404
    for user in (author, organiser):
        assert "Leaked labels" in talk.get("", user).text
        assert "leaked" in talk.get(f"/{topic.id}", user).text
        assert talk.post(f"/{topic.id}", user, text="x").status_code == 409


def test_people_delete_their_own_words_within_a_topic_that_was_hidden(talk: Talk) -> None:
    author, other = make_user(talk.contest.session), make_user(talk.contest.session)
    topic = talk.topic(other)
    mine, theirs = talk.answer(author, topic, "my words"), talk.answer(other, topic, "their words")
    talk.post(f"/{topic.id}/hiding", talk.contest.organiser, reason="leaked")
    assert talk.post(f"/{theirs.id}/deletion", author).status_code == 404
    done = talk.post(f"/{mine.id}/deletion", author)
    assert done.status_code == 303
    assert done.location.endswith("/discussion"), "the topic is not there for them"
    talk.contest.session.expire_all()
    assert (mine.text, theirs.text) == ("", "their words")


def test_organisers_hide_and_show_a_deleted_topic(talk: Talk) -> None:
    author, organiser = make_user(talk.contest.session), talk.contest.organiser
    topic = talk.topic(author)
    talk.answer(make_user(talk.contest.session), topic, "a reply")
    talk.post(f"/{topic.id}/deletion", author)
    page = talk.get(f"/{topic.id}", organiser).text
    assert f"/{topic.id}/hiding" in page
    assert f"/{topic.id}/deletion" not in page
    assert f"/{topic.id}/hiding" not in talk.get(f"/{topic.id}", author).text
    talk.post(f"/{topic.id}/hiding", organiser, reason="leaked")
    assert "Show again" in talk.get(f"/{topic.id}", organiser).text


def test_what_was_typed_is_not_lost_where_organisers_were_faster(talk: Talk) -> None:
    author, organiser = make_user(talk.contest.session), talk.contest.organiser
    topic = talk.topic(author)
    mine = talk.answer(author, topic, "my words")
    talk.post(f"/{mine.id}/hiding", organiser, reason="a name")
    talk.post(f"/{topic.id}/moderation", organiser, do="close")
    for path in (f"/{topic.id}", f"/{topic.id}/edit", f"/{mine.id}/edit"):
        refused = talk.post(path, author, title="A longer title", text="the words that I typed")
        assert refused.status_code == 409, path
        assert "the words that I typed" in refused.text, path
    other = make_user(talk.contest.session)
    talk.post(f"/{topic.id}/hiding", organiser, reason="leaked")
    refused = talk.post(f"/{topic.id}", other, text="the words that I typed")
    assert refused.status_code == 404
    assert "the words that I typed" in refused.text
    assert 'discussion/new"' in refused.text, "they can begin a topic of their own"
    assert topic.title not in refused.text
    assert "not kept" not in talk.get(f"/{topic.id}", author).text


def test_organisers_pin_and_close(talk: Talk) -> None:
    author, organiser = make_user(talk.contest.session), talk.contest.organiser
    old = talk.topic(author, "The old one")
    new = talk.topic(author, "The new one")

    def order() -> bool:
        page = talk.get("", author).text
        return page.index("The old one") < page.index("The new one")

    assert not order()
    talk.post(f"/{old.id}/moderation", organiser, do="pin")
    assert order()
    talk.post(f"/{old.id}/moderation", organiser, do="unpin")
    assert not order()
    talk.post(f"/{new.id}/moderation", organiser, do="close")
    refused = talk.post(f"/{new.id}", author, text="kept words")
    assert refused.status_code == 409
    assert "The organisers closed this topic" in refused.text
    assert talk.get(f"/{new.id}/edit", author).status_code == 409
    assert talk.post(f"/{new.id}", organiser, text="The last word.").status_code == 303
    talk.post(f"/{new.id}/moderation", organiser, do="open")
    assert talk.post(f"/{new.id}", author, text="Thanks.").status_code == 303
    assert talk.post(f"/{new.id}/moderation", organiser, do="burn").status_code == 422
    answer = talk.contest.session.scalars(select(Post.id).where(Post.topic_id == new.id)).first()
    assert talk.post(f"/{answer}/moderation", organiser, do="pin").status_code == 404


def test_a_flood_is_stopped_and_what_was_typed_is_not_lost(talk: Talk) -> None:
    user = make_user(talk.contest.session)
    allowed = discussing.TOPICS_PER_PERSON.tries
    answers = [
        talk.post("/new", user, title=f"t{n}", text="the words that I typed") for n in range(allowed + 1)
    ]
    assert [each.status_code for each in answers] == [303] * allowed + [429]
    assert "the words that I typed" in answers[-1].text
    assert "too many tries" in answers[-1].text
    topic = talk.topic(talk.contest.organiser)
    left = discussing.POSTS_PER_PERSON.tries - allowed - 1
    found = [talk.post(f"/{topic.id}", user, text="again and again").status_code for _ in range(left + 2)]
    assert found[: left - 1] == [303] * (left - 1)
    assert found[-1] == 429


@pytest.mark.parametrize(
    "sent",
    [{}, {"title": "t"}, {"text": "x"}, {"title": " \u200b ", "text": "x"}, {"title": "t" * 121, "text": "x"},
     {"title": "t", "text": "x" * 10_001}],
)  # fmt: skip
def test_what_is_empty_or_endless_is_refused(talk: Talk, sent: dict[str, str]) -> None:
    assert talk.post("/new", make_user(talk.contest.session), **sent).status_code == 422
    assert talk.contest.session.scalars(select(Post)).all() == []


def test_long_lists_have_pages_and_an_answer_leads_to_its_own(talk: Talk) -> None:
    user = make_user(talk.contest.session)
    topics = [talk.topic(user, f"Topic {number:02}") for number in range(PAGE + 1)]
    assert "Topic 00" not in talk.get("", user).text
    assert "Topic 00" in talk.get("?page=2&q=topic", user).text
    assert "Topic 00" in talk.get("?page=99999", user).text
    for number in range(PAGE):
        talk.answer(user, topics[0], f"answer {number}")
    done = talk.post(f"/{topics[0].id}", user, text="the last answer")
    assert f"/discussion/{topics[0].id}?page=2#post-" in done.location
    assert "the last answer" in talk.client.get(done.location).text
    talk.contest.session.refresh(topics[0])
    assert topics[0].answers == PAGE + 1


def test_a_page_costs_the_same_few_statements_however_much_is_said(talk: Talk, statements: list[str]) -> None:
    session = talk.contest.session
    people = [talk.contest.leader(talk.contest.team(at=now())) for _ in range(5)]
    topic = talk.topic(people[0])
    talk.answer(people[1], topic, "one")

    def cost() -> int:
        session.expire_all()
        statements.clear()
        assert talk.get(f"/{topic.id}", people[0]).status_code == 200
        return len(statements)

    few = cost()
    for person in people * 3:
        talk.answer(person, topic, "more")
    assert cost() <= few
