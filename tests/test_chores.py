"""The short work outside the web: what one piece of it meets holds no other up."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.protocols import Kind
from lms.certs.core.strict_json import Document
from lms.certs.models import Credential, IssuanceRequest, RequestState
from lms.chores import Chores
from lms.leaderboards.models import Board
from lms.leaderboards.services import upkeep
from tests.factories.certs import KeySigner, Pair, make_credential, make_request
from tests.factories.leaderboards import make_contest

NEEDLESS: Any = None
"""What signing does not ask for."""


class Broken(KeySigner):
    """A signer whose answer about notices nobody thought of."""

    def sign(self, document: Document, kind: Kind) -> Document:
        if kind is Kind.NOTICE:
            raise RuntimeError("nobody thought of this")
        return super().sign(document, kind)


def test_a_notice_that_cannot_be_signed_holds_no_certificate_up(sessions: sessionmaker[Session]) -> None:
    pair = Pair()
    withdrawn = make_credential(sessions, pair)
    with sessions.begin() as session:
        session.execute(update(Credential).values(revoked_at=withdrawn.issued_at, revocation_reason="x"))
        request_id = make_request(session).id
    broken = Broken(pair.company.role, pair.company.key, operational=pair.company.operational)
    signing = Pair(pair.university, broken, pair.log).signing
    chores = Chores(NEEDLESS, sessions, signing, NEEDLESS, NEEDLESS, NEEDLESS)
    assert chores.sign_all() is True
    with sessions() as session:
        assert session.get_one(IssuanceRequest, request_id).state is RequestState.ISSUED


def test_a_board_that_cannot_be_looked_over_holds_no_other_up(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    with sessions.begin() as session:
        boards = [make_contest(session).board for _ in range(2)]
    look_over = upkeep.look_over

    def one_is_broken(session: Session, board: Board, at: datetime) -> Any:
        if board.id == boards[0].id:
            raise RuntimeError("nobody thought of this")
        return look_over(session, board, at)

    monkeypatch.setattr(upkeep, "look_over", one_is_broken)
    chores = Chores(NEEDLESS, sessions, NEEDLESS, NEEDLESS, NEEDLESS, NEEDLESS)
    assert chores.look_over_boards() is False
    with sessions() as session:
        looked_at = [session.get_one(Board, board.id).looked_at for board in boards]
    assert [at is None for at in looked_at] == [True, False]
