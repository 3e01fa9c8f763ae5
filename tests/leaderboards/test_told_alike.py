"""One table wherever it is told: on the page, in the frame, in the file, to a program, in a terminal."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.cli.boards import boards
from lms.leaderboards.services.challenges import set_baselines
from lms.leaderboards.services.standing import note_ranks, rebuild
from tests.factories.aftermath import make_ending
from tests.factories.leaderboards import Contest, make_contest

Table = list[tuple[str, str, str]]
ROW = re.compile(
    r'class="rank">(\d+)<.*?<bdi>([^<]*)</bdi>.*?num value">(-?[\d,.]+(?:e\+\d+)?)<', re.DOTALL
)  # of a team; a baseline has no place
LINE = re.compile(r" +(\d+) +(-?[\d.]+(?:e\+\d+)?)  (.*?)(?: \(\d+-\d+\))?")


@dataclass
class Reader:
    """Somebody who looks at a board in every way that there is; a table is (place, name, score) of teams."""

    app: Flask
    client: FlaskClient
    contest: Contest

    def ask(self, rest: str = "", *, api: bool = False) -> str:
        self.contest.session.commit()
        path = f"{'/api' if api else ''}/challenges/{self.contest.challenge.slug}/board{rest}"
        answer = self.client.get(path, headers={"Accept-Language": "en"})
        assert answer.status_code == 200
        return answer.text

    def page(self, query: str = "") -> Table:
        return [(place, name, score) for place, name, score in ROW.findall(self.ask(query))]

    def file(self, query: str = "") -> Table:
        rows = csv.DictReader(io.StringIO(self.ask(f".csv{query}").removeprefix("\ufeff")))
        return [(row["Rank"], row["TeamName"], row["Score"]) for row in rows if row["Rank"] != "0"]

    def terminal(self, *more: str) -> Table:
        words = ["standings", self.contest.challenge.slug, "--server", "http://localhost", *more]
        ran = CliRunner().invoke(boards, words, obj=httpx.WSGITransport(app=self.app))
        assert ran.exit_code == 0, ran.output
        found = [match for line in ran.stdout.splitlines() if (match := LINE.fullmatch(line))]
        return [(match[1], match[3], match[2]) for match in found]


@pytest.fixture
def reader(app: Flask, client: FlaskClient) -> Callable[[Contest], Reader]:
    return lambda contest: Reader(app, client, contest)


def test_each_tab_of_an_ended_board_gives_its_own_table(
    reader: Callable[[Contest], Reader], session: Session, client: FlaskClient
) -> None:
    ending = make_ending(session, client)
    look = reader(ending.contest)
    final = [("1", "Last", "0.3000"), ("2", "Middle", "0.2000"), ("3", "First", "0.1000")]
    public = [("1", "First", "0.9000"), ("2", "Middle", "0.8000"), ("3", "Last", "0.7000")]
    for query in ("", "?share=public", "?share=private"):
        assert look.page(query) == look.file(query) == public
    ending.end()
    for query, table, more in (("", final, ()), ("?share=public", public, ("--public",))):
        assert look.page(query) == look.file(query) == look.terminal(*more) == table
    assert look.page("?share=private") == look.file("?share=private") == final
    assert look.page("/frame") == final
    for query, name in (("", ""), ("?share=public", "-public")):
        answer = client.get(f"{ending.path}.csv{query}")
        assert (
            f"{ending.contest.challenge.slug}{name}-leaderboard.csv" in answer.headers["Content-Disposition"]
        )
        assert answer.headers["Cache-Control"] == "private, no-cache"


def test_the_file_and_the_chart_that_a_tab_leads_to_are_its_own(
    reader: Callable[[Contest], Reader], session: Session, client: FlaskClient
) -> None:
    ending = make_ending(session, client)
    look = reader(ending.contest)
    ending.end()
    for query in ("", "?share=public"):
        page = look.ask(query)
        for kind in (".csv", "/climbs"):
            assert f'href="{ending.path}{kind}{query}"' in page
        assert f'hx-get="{ending.path}/climbs{query}"' in page
        chart = look.ask(f"/climbs{query}")
        assert f'href="{ending.path}{query}"' in chart
        assert re.findall(r"<td><bdi>(\w+)</bdi>", chart) == [name for _, name, _ in look.page(query)]


def test_an_anonymous_boards_public_tab_hides_in_its_file_and_chart_whom_it_hides(
    reader: Callable[[Contest], Reader], session: Session, client: FlaskClient
) -> None:
    ending = make_ending(session, client)
    ending.contest.board.anonymous = True
    look = reader(ending.contest)
    ending.end()
    for rest in ("?share=public", ".csv?share=public", "/climbs?share=public"):
        page = look.ask(rest)
        assert not re.search(r"\b(First|Middle|Last)\b", page.replace("First score", ""))
    public = look.ask("?share=public", api=True)
    assert ("Middle" in public, '"team_id": null' in public) == (False, True)
    assert "Middle" in look.ask(".csv")


def test_a_program_that_asks_for_the_public_part_of_an_ended_board_is_told_what_its_tab_says(
    reader: Callable[[Contest], Reader], session: Session, client: FlaskClient
) -> None:
    ending = make_ending(session, client)
    note_ranks(session, ending.contest.board)
    ending.contest.enter(ending.contest.team("Late", at=now()), 0.95, 0.0, at=now())
    look = reader(ending.contest)
    path = f"/api{ending.path}"
    before = client.get(f"{path}?share=public").get_json()
    assert before == client.get(path).get_json()
    assert [row["movement"] for row in before["rows"]] == [None, -1, -1, -1]
    ending.end()
    session.commit()
    told = client.get(f"{path}?share=public").get_json()
    assert (told["share"], "shake_up" in told, "public_ranks" in told) == ("public", False, False)
    assert [row["score"] for row in told["rows"]] == [0.95, 0.9, 0.8, 0.7]
    assert {row["movement"] for row in told["rows"]} == {None}, "its page has no arrows either"
    assert "Moved" not in look.ask("?share=public")
    assert "shake_up" in client.get(path).get_json()


def test_a_frozen_board_gives_one_table_too(
    reader: Callable[[Contest], Reader], session: Session, client: FlaskClient
) -> None:
    ending = make_ending(session, client)
    contest = ending.contest
    contest.board.freezes_at = contest.challenge.freezes_at = now()
    rebuild(session, contest.board)
    contest.enter(contest.team("Later", at=now()), 0.99, at=now())
    look = reader(contest)
    frozen = [("1", "First", "0.9000"), ("2", "Middle", "0.8000"), ("3", "Last", "0.7000")]
    for query in ("", "?share=public"):
        assert look.page(query) == look.file(query) == frozen
    assert look.page("/frame") == look.terminal() == look.terminal("--public") == frozen


def test_a_half_is_rounded_alike_wherever_it_is_told(
    reader: Callable[[Contest], Reader], session: Session, sign_in: Callable[[User], None]
) -> None:
    contest = make_contest(session, opens_at=now() - timedelta(days=3), decimals=2)
    scores = {"A": 0.855, "B": 0.845, "C": -0.001}
    teams = {name: contest.team(name, at=now()) for name in scores}
    for name, score in scores.items():
        contest.enter(teams[name], score, at=now())
    set_baselines(session, contest.challenge, {"north": (0.125, 0.125)}, at=now())
    look = reader(contest)
    table = [("1", "A", "0.86"), ("2", "B", "0.84"), ("3", "C", "0.00")]
    assert look.page() == look.page("/frame") == look.file() == look.terminal() == table
    told = look.ask(api=True)
    assert re.findall(r'"score": (-?[\d.]+)', told) == ["0.86", "0.84", "0.12", "0.0"]
    assert '<td class="num value">0.12<' in look.ask()
    assert '<td class="num">0.86</td>' in look.ask("/climbs")
    leader = contest.leader(teams["A"])
    leader.language = "en"
    sign_in(leader)
    slug = contest.challenge.slug
    session.commit()
    assert (
        '<td class="num" data-label="Public score">0.86'
        in look.client.get(f"/challenges/{slug}/entries").text
    )
    [own] = look.client.get(f"/api/challenges/{slug}/entries").get_json()["entries"]
    assert own["score"] == 0.86


def test_a_score_as_large_as_numbers_get_is_on_every_page(
    reader: Callable[[Contest], Reader], session: Session
) -> None:
    """An own scorer can give one, and so can a squared error."""
    contest = make_contest(session, opens_at=now() - timedelta(days=3), metric="mean_squared_error")
    for name, score in (("A", 0.5), ("B", 1.5e30), ("C", 1.7e308)):
        contest.enter(contest.team(name, at=now()), score, at=now())
    look = reader(contest)
    table = look.page()
    digits = contest.board.decimals - 1
    assert [score for _, _, score in table] == [
        f"0.5{'0' * digits}", f"1.5{'0' * digits}e+30", f"1.7{'0' * digits}e+308",
    ]  # fmt: skip
    assert table == look.file() == look.terminal()
    assert [float(score) for _, _, score in look.file()] == [0.5, 1.5e30, 1.7e308]
    assert f">{table[-1][2]}<" in look.ask("/climbs")
    told = [row["score"] for row in json.loads(look.ask(api=True))["rows"] if not row["baseline"]]
    assert told == [0.5, 1.5e30, 1.7e308]
