"""The review queue: organisers see evidence and decide with a reason; nobody else sees that there is one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.services.flagging import Finding, keep_findings
from lms.leaderboards.tables.flags import Flag, FlagKind, FlagState
from tests.factories.leaderboards import Contest, make_contest

EVIDENCE: dict[FlagKind, list[dict[str, Any]]] = {
    FlagKind.DUPLICATE: [
        {"same": "predictions", "teams": 2, "minutes": 7},
        {"same": "file", "teams": 2, "minutes": 7},
    ],
    FlagKind.NEAR_DUPLICATE: [
        {"measure": "mistakes", "rows": 400, "share": 0.9, "chance": -31.2, "shared": 38, "expected": 7.1,
         "mistakes": [40, 41]},
        {"measure": "correlation", "rows": 400, "share": 0.9991, "chance": -900.0},
    ],
    FlagKind.PERFECT: [{"score": 1.0, "teams": 2, "of": 9}],
    FlagKind.BURST: [
        {"most": 12, "seconds": 60},
        {"meetings": 6, "days": 6, "seconds": 10, "expected": 0.03, "chance": -8.0},
    ],
    FlagKind.ADDRESS: [{"addresses": 2}],
    FlagKind.QUOTA: [{"days": ["2026-09-04"], "number": 2, "limit": 5, "linked_by": ["address"]}],
}  # fmt: skip


@pytest.fixture
def contest(session: Session) -> Contest:
    made = make_contest(session, opens_at=now() - timedelta(days=3))
    teams = [made.team(name, at=now()) for name in ("하나", "<b>둘</b>")]
    entries = [made.enter(team, 0.5, at=now()) for team in teams]
    found = [
        Finding(
            kind, f"{number}", tuple(team.id for team in teams), tuple(each.id for each in entries), evidence
        )
        for kind, several in EVIDENCE.items()
        for number, evidence in enumerate(several)
    ]
    keep_findings(session, made.board, found, now())
    session.commit()
    return made


def test_an_organiser_reads_the_evidence_of_every_kind_in_both_languages(
    contest: Contest, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    sign_in(contest.organiser)
    address = f"/boards/{contest.board.id}/flags"
    for language, word in (("en", "Nearly the same predictions"), ("ko", "거의 같은 예측")):
        text = client.get(f"{address}?lang={language}", follow_redirects=True).get_data(as_text=True)
        assert word in text
        assert "<b>둘" not in text
        assert text.count("<tr>") >= len([one for several in EVIDENCE.values() for one in several])
    for flag in contest.session.scalars(select(Flag)):
        page = client.get(f"{address}/{flag.id}")
        assert page.status_code == 200
        assert "김하늘" in page.get_data(as_text=True)


def test_a_decision_needs_a_choice_and_a_reason_and_moves_the_flag(
    contest: Contest, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    sign_in(contest.organiser)
    flag = contest.session.scalars(select(Flag)).first()
    assert flag is not None
    address = f"/boards/{contest.board.id}/flags"
    for data in (
        {},
        {"state": "upheld"},
        {"state": "open", "reason": "x"},
        {"state": "upheld", "reason": " "},
    ):
        assert client.post(f"{address}/{flag.id}", data=data).status_code == 422
    done = client.post(f"{address}/{flag.id}", data={"state": "dismissed", "reason": "둘이 함께 공부함"})
    assert done.status_code == 303
    contest.session.expire_all()
    assert (flag.state, flag.reason, flag.decided_by_id) == (
        FlagState.DISMISSED, "둘이 함께 공부함", contest.organiser.id,
    )  # fmt: skip
    assert "둘이 함께 공부함" in client.get(f"{address}?state=dismissed").get_data(as_text=True)
    assert "둘이 함께 공부함" not in client.get(f"{address}?state=nonsense&page=99").get_data(as_text=True)
    again = client.post(f"{address}/{flag.id}", data={"state": "dismissed", "reason": "again"})
    assert again.status_code == 409


def test_participants_and_strangers_see_no_flags(
    contest: Contest, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    flag = contest.session.scalars(select(Flag)).first()
    assert flag is not None
    address = f"/boards/{contest.board.id}/flags"
    for user in (contest.people[0], contest.person()):
        sign_in(user)
        for path in (address, f"{address}/{flag.id}"):
            assert client.get(path).status_code == 403
        assert client.post(f"{address}/{flag.id}", data={"state": "upheld", "reason": "x"}).status_code == 403
    sign_in(contest.organiser)
    other = make_contest(contest.session).board.id
    assert client.get(f"/boards/{other}/flags/{flag.id}").status_code in {403, 404}
    assert client.get(f"/boards/{contest.board.id}/flags/999999").status_code == 404
