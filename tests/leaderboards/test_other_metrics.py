"""Other metrics beside the score: whose they are, when they are told, and to whom nothing of them is."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Entry, PrivateScore, Share, Team
from lms.leaderboards.queries.other_metrics import metrics_beside
from lms.leaderboards.queries.shown import Wish, csv_lines, shown
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services.challenges import set_baselines
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.standing import rebuild
from lms.leaderboards.views.board_rows import board_rows
from tests.factories.leaderboards import Contest, make_contest

ALSO = ("f1_macro", "cohen_kappa")
PUBLIC, PRIVATE = 0.61234567, 0.71234567
SHOWN_PUBLIC, SHOWN_PRIVATE = "0.6123", "0.7123"
Ask = Callable[..., str]


@pytest.fixture
def contest(session: Session) -> Contest:
    return make_contest(session, opens_at=now() - timedelta(days=3), metric="accuracy", also=list(ALSO))


@pytest.fixture
def ask(client: FlaskClient, contest: Contest) -> Ask:
    """Ask for something of the challenge, as text."""

    def ask(rest: str = "", *, language: str = "en", api: bool = False) -> str:
        contest.session.commit()
        prefix = "/api" if api else ""
        path = f"{prefix}/challenges/{contest.challenge.slug}/board{rest}"
        answer = client.get(path, headers={"Accept-Language": language})
        assert answer.status_code == 200
        return answer.text

    return ask


def enter(
    contest: Contest,
    team: Team,
    score: float = 0.5,
    private: float | None = None,
    **also: tuple[float, float],
) -> Entry:
    """An entry with other metrics, each public and private."""
    scores = Scores(score, score if private is None else private, also)
    return score_entry(contest.session, contest.take(team, at=now()).id, scores, at=now())


def end(contest: Contest) -> None:
    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(minutes=1)


def rows(contest: Contest, client: FlaskClient) -> list[Mapping[str, object]]:
    contest.session.commit()
    told = client.get(f"/api/challenges/{contest.challenge.slug}/board").get_json()
    found: list[Mapping[str, object]] = [row["metrics"] for row in told["rows"]]
    return found


@pytest.mark.parametrize(
    ("language", "names"), [("en", ["macro F1", "Cohen's kappa"]), ("ko", ["매크로 F1", "코헨의 카파"])]
)
def test_they_are_columns_after_the_score_on_the_page_and_in_the_frame(
    contest: Contest, ask: Ask, language: str, names: list[str]
) -> None:
    enter(contest, contest.team(at=now()), f1_macro=(PUBLIC, PRIVATE), cohen_kappa=(0.25, 0.3))
    for rest in ("", "/frame"):
        page = ask(rest, language=language).replace("&#39;", "'")
        heads = re.findall(r'<th scope="col" class="num[^"]*">([^<]+)</th>', page)
        assert heads[2:4] == names
        cells = re.findall(r'<td class="num other" data-label="([^"]+)">([^<]+)</td>', page)
        assert cells == [(names[0], SHOWN_PUBLIC), (names[1], "0.2500")]
    assert ("They decide no place" in ask(), "순위에는 쓰이지 않아요" in ask(language="ko")) == (True, True)
    assert SHOWN_PUBLIC not in ask(".csv")


def test_a_board_of_one_metric_has_no_more_columns_and_reads_no_more(
    session: Session, statements: list[str]
) -> None:
    one, several = make_contest(session), make_contest(session, also=list(ALSO))
    sent = {}
    for contest in (one, several):
        contest.enter(contest.team(), 0.5)
        session.commit()
        contest.board.challenge  # noqa: B018 - as who asked for the page has it
        statements.clear()
        table = standings(session, contest.board, None, contest.challenge.opens_at + timedelta(days=4))
        sent[contest.challenge.slug] = len(statements)
        assert any("metrics" in each for each in statements) == (contest is several)
        assert not any("private_scores" in each for each in statements)
        assert table.rows[0].metrics == ({} if contest is one else dict.fromkeys(ALSO))
    assert sent[several.challenge.slug] == sent[one.challenge.slug] + 1
    statements.clear()
    assert len(list(csv_lines(session, several.board, now(), "en"))) == 1
    assert not any("metrics" in each for each in statements)


def test_they_are_those_of_the_entry_that_stands(contest: Contest, client: FlaskClient) -> None:
    team = contest.team(at=now())
    enter(contest, team, 0.5, 0.9, f1_macro=(0.1, 0.2))
    enter(contest, team, 0.8, 0.3, f1_macro=(0.3, 0.4))
    enter(contest, team, 0.6, 0.1, f1_macro=(0.5, 0.6))
    assert rows(contest, client) == [{"f1_macro": 0.3, "cohen_kappa": None}]
    end(contest)
    assert rows(contest, client) == [{"f1_macro": 0.4, "cohen_kappa": None}]  # the best public one was sent


def test_private_ones_are_told_on_the_final_board_only(contest: Contest, ask: Ask) -> None:
    enter(contest, contest.team("A", at=now()), 0.25, 0.3, f1_macro=(PUBLIC, PRIVATE))
    asked = [("", False), ("?share=private", False), ("?seen=x", False), ("?q=A", False), ("/frame", False)]
    asked += [(".csv", False), ("/climbs", False), ("", True), ("?share=private", True)]
    for rest, api in asked:
        assert "0.7123" not in ask(rest, api=api), rest
    assert SHOWN_PUBLIC in ask("", api=True)
    contest.board.freezes_at = now() - timedelta(seconds=1)
    assert SHOWN_PRIVATE not in ask()
    end(contest)
    assert (SHOWN_PUBLIC in ask(), SHOWN_PRIVATE in ask()) == (False, True)
    assert (SHOWN_PUBLIC in ask("?share=public"), SHOWN_PRIVATE in ask("?share=public")) == (True, False)
    assert (SHOWN_PUBLIC in ask(api=True), SHOWN_PRIVATE in ask(api=True)) == (False, True)


def test_a_frozen_board_shows_those_of_before_the_freeze(contest: Contest, client: FlaskClient) -> None:
    team = contest.team(at=now())
    enter(contest, team, 0.5, f1_macro=(0.1, 0.1))
    contest.board.freezes_at = contest.challenge.freezes_at = now()
    rebuild(contest.session, contest.board)
    enter(contest, team, 0.9, f1_macro=(0.9, 0.9))
    assert rows(contest, client)[0]["f1_macro"] == 0.1


def test_behind_a_ladder_nothing_is_told_before_the_end(
    contest: Contest, ask: Ask, sign_in: Callable[[User], None]
) -> None:
    team = contest.team("A", at=now())
    enter(contest, team, 0.25, 0.3, f1_macro=(PUBLIC, PRIVATE))
    contest.board.ladder = True
    viewer = contest.leader(team)
    viewer.language = "en"
    sign_in(viewer)
    for rest in ("", "?q=A", "?near=1", "/frame", "?seen=x"):
        page = ask(rest)
        assert (SHOWN_PUBLIC in page, SHOWN_PRIVATE in page, "macro F1" in page) == (False, False, False), (
            rest
        )
    assert "shown on the final board only" in ask()
    assert '"also": []' in ask(api=True)
    assert SHOWN_PUBLIC not in ask(api=True)
    end(contest)
    assert SHOWN_PRIVATE in ask()
    assert SHOWN_PRIVATE in ask(api=True)
    assert SHOWN_PUBLIC not in ask("?share=public")


def test_what_has_no_number_is_a_dash_and_null(contest: Contest, ask: Ask, client: FlaskClient) -> None:
    entry = enter(contest, contest.team(at=now()), f1_macro=(math.nan, math.inf))
    assert entry.metrics == {}
    assert ask().count(">–</td>") == len(ALSO)
    assert rows(contest, client) == [dict.fromkeys(ALSO)]
    entry.metrics = {"f1_macro": math.nan, "cohen_kappa": 0.1, "not_named": 0.4}  # as another hand wrote it
    assert rows(contest, client) == [{"f1_macro": None, "cohen_kappa": 0.1}]
    assert "NaN" not in ask(api=True)


def test_baselines_have_them_too(contest: Contest, ask: Ask, client: FlaskClient) -> None:
    also = {"north": {"f1_macro": (PUBLIC, PRIVATE), "cohen_kappa": (math.nan, 0.5)}}
    set_baselines(contest.session, contest.challenge, {"north": (0.4, 0.3)}, also=also, at=now())
    assert rows(contest, client) == [{"f1_macro": 0.6123, "cohen_kappa": None}]
    assert SHOWN_PUBLIC in ask()
    end(contest)
    assert rows(contest, client) == [{"f1_macro": 0.7123, "cohen_kappa": 0.5}]


def test_ones_own_row_and_found_rows_have_them(
    contest: Contest, ask: Ask, sign_in: Callable[[User], None]
) -> None:
    team = contest.team("Alone", at=now())
    enter(contest, team, f1_macro=(PUBLIC, PRIVATE))
    assert SHOWN_PUBLIC in ask("?q=Alo")
    sign_in(contest.leader(team))
    for rest in ("", "?near=1", "?q=Alo"):
        page = ask(rest)
        assert SHOWN_PUBLIC in page[page.index('id="me"') :], rest


def test_open_pages_renew_themselves_when_one_changes_as_far_as_it_is_shown(contest: Contest) -> None:
    entry = enter(contest, contest.team(at=now()), f1_macro=(PUBLIC, PRIVATE))

    def mark() -> str:
        contest.session.flush()
        contest.session.expire(contest.board)
        return shown(contest.session, contest.board, None, now(), Wish()).mark

    before = mark()
    entry.metrics = {"f1_macro": PUBLIC + 1e-7}
    assert mark() == before
    entry.metrics = {"f1_macro": PUBLIC + 1e-3}
    assert mark() != before
    changed = mark()
    contest.challenge.settings = {**contest.challenge.settings, "also": ["f1_macro"]}
    assert mark() != changed


def test_rows_that_were_read_before_a_metric_was_named_have_a_dash_there(
    contest: Contest, app: Flask
) -> None:
    enter(contest, contest.team(at=now()), f1_macro=(0.5, 0.25), cohen_kappa=(0.5, 0.25))
    contest.session.expire(contest.board)
    before = shown(contest.session, contest.board, None, now(), Wish())
    with app.test_request_context():
        drawn = board_rows(before)
    contest.challenge.settings = {**contest.challenge.settings, "also": [*ALSO, "f1_micro"]}
    after = replace(before)  # as the page that is kept for a moment
    with app.test_request_context():
        assert (drawn.count("–</td>"), board_rows(after).count("–</td>")) == (0, 1)
    assert before.mark != after.mark


def test_the_metric_that_ranks_is_no_column_of_its_own_again(contest: Contest, client: FlaskClient) -> None:
    contest.challenge.settings = {**contest.challenge.settings, "also": ["accuracy", "f1_macro", "f1_macro"]}
    entry = enter(contest, contest.team(at=now()), f1_macro=(0.5, 0.25), accuracy=(0.5, 0.5))
    assert rows(contest, client) == [{"f1_macro": 0.5}]
    assert metrics_beside(contest.board, Share.PUBLIC) == ("f1_macro",)
    assert contest.session.get_one(PrivateScore, entry.id).metrics["f1_macro"] == 0.25
