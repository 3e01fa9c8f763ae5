"""A rule by tie group on a board that has none: of a lab, or with an own scorer."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.errors import Invalid
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.models import Board
from lms.leaderboards.policy import share_at
from lms.leaderboards.queries.awards import current_rule, outcome
from lms.leaderboards.queries.grouping import Grouping, keeps_groups
from lms.leaderboards.services.boards import open_board
from lms.leaderboards.services.declaring import declare_rule, rule_from_text
from lms.leaderboards.tables.grades import GradeRule
from tests.factories.grades import BY_BASELINE, BY_GROUP, BY_RANK, Class, make_board_world, make_class
from tests.factories.grading import World

BLENDED = """\
kind: blended
maximum: 100
parts:
  - {weight: 1, rule: {kind: order, maximum: 100, bands: [{top: 1, points: 100}]}}
  - {weight: 1, rule: {kind: tie_group, maximum: 100, bands: [{top: 1, points: 100}]}}
"""
SAID = {
    "en": ("has no tie groups", "&#34;order&#34; or by &#34;threshold&#34;", "open a challenge"),
    "ko": ("동률 묶음이 없어요", "&#34;order&#34;나 &#34;threshold&#34;", "챌린지를 여세요"),
}
NOTE = "its tie groups are teams of exactly equal scores"
SignIn = Callable[[User], None]


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_board_world(session, blobs, tmp_path / "environments", monkeypatch)


@pytest.fixture
def board(world: World) -> Board:
    assert world.lab.current_release is not None
    opened = open_board(world.session, world.cohort, world.lab.current_release)
    assert opened is not None
    return opened


def declare(session: Session, instructor: User, board: Board, text: str) -> GradeRule:
    return declare_rule(session, instructor, board, text, objection_days=14, at=now())


@pytest.mark.parametrize("text", [BY_GROUP, BLENDED])
def test_no_rule_by_tie_group_is_declared_for_a_labs_board(world: World, board: Board, text: str) -> None:
    with pytest.raises(Invalid) as told:
        declare(world.session, world.instructor, board, text)
    assert told.value.field == "rule"
    assert current_rule(world.session, board) is None
    assert declare(world.session, world.instructor, board, BY_RANK).version == 1


def test_nor_for_a_challenge_with_an_own_scorer(session: Session) -> None:
    group = make_class(session, opens_at=now() - timedelta(days=3), metric="own", direction="max")
    with pytest.raises(Invalid):
        declare(session, group.instructor, group.board, BY_GROUP)
    assert declare(session, group.instructor, group.board, BY_BASELINE)


def test_a_challenge_of_the_lab_with_a_known_metric_has_tie_groups(session: Session) -> None:
    group: Class = make_class(session, opens_at=now() - timedelta(days=3))
    assert keeps_groups(group.board)
    assert declare(session, group.instructor, group.board, BY_GROUP)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("step", ["look", "declare"])
def test_the_page_says_what_to_declare_instead(
    client: FlaskClient, sign_in: SignIn, world: World, board: Board, language: str, step: str
) -> None:
    client.set_cookie("language", language)
    world.instructor.language = language
    sign_in(world.instructor)
    home = f"/boards/{board.id}/grades/rule"
    assert "kind: tie_group" not in client.get(home).text
    refused = client.post(home, data={"rule": BY_GROUP, "objection_days": "14", "step": step})
    assert refused.status_code == 422
    for words in SAID[language]:
        assert words in refused.text
    looked = client.post(home, data={"rule": BY_RANK, "objection_days": "14", "step": "look"})
    assert looked.status_code == 200


def test_a_rule_that_was_declared_before_says_what_its_groups_are_and_is_computed(
    client: FlaskClient, sign_in: SignIn, world: World, board: Board
) -> None:
    rule, _ = rule_from_text(BY_GROUP, "en")
    assert rule is not None
    world.session.add(
        GradeRule(
            board_id=board.id,
            version=1,
            rule=rule.to_dict(),
            text=BY_GROUP,
            objection_days=14,
            declared_by_id=world.instructor.id,
            declared_at=now(),
        )
    )
    client.set_cookie("language", "en")
    for reader in (world.student, world.instructor):
        sign_in(reader)
        assert client.get(f"/boards/{board.id}/grades").text.count(NOTE) == 1
    declared = current_rule(world.session, board)
    assert declared is not None
    found = outcome(world.session, board, read_rule(declared.rule), share_at(board, now()))
    assert found.grouping is Grouping.EQUAL
