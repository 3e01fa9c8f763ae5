"""What comes after the end, and what is said meanwhile, on PostgreSQL: also twice at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import make_sessions, now
from lms.errors import Conflict
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Entry, Rescore, Team, Truth
from lms.leaderboards.queries import discussion
from lms.leaderboards.queries.aftermath import with_aftermath
from lms.leaderboards.queries.discussion import Reader
from lms.leaderboards.queries.shown import Wish, shown
from lms.leaderboards.queries.winners import claims_of, round_of
from lms.leaderboards.queries.writeups import number_of_writeups, writeups
from lms.leaderboards.services.discussing import answer, delete, edit, hide, pin, start_topic
from lms.leaderboards.services.rescoring import (
    discard_rescore,
    prepare_rescore,
    publish_rescore,
    rescore_entry,
)
from lms.leaderboards.services.verifying import ask_winners, decide_claim, hand_in_evidence
from lms.leaderboards.services.writing_up import publish_writeup, withdraw_writeup
from lms.leaderboards.tables.discussion import Post
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim, WinnerRound
from lms.leaderboards.tables.writeups import Writeup
from tests.factories.aftermath import make_ended
from tests.factories.grading import make_user

pytestmark = pytest.mark.postgres
AT_ONCE = 4


def all_at_once(sessions: sessionmaker[Session], act: Callable[[Session], object]) -> list[str]:
    """Do one thing in several transactions that begin together; return how each ended, in order."""
    ready = threading.Barrier(AT_ONCE)

    def one(_: int) -> str:
        try:
            with sessions.begin() as session:
                session.execute(select(1))
                ready.wait()
                act(session)
        except Conflict:
            return "conflict"
        return "done"

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return sorted(threads.map(one, range(AT_ONCE)))


def test_topics_are_searched_and_counted_where_many_answer_at_once(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest, _ = make_ended(session)
        writer, organiser = make_user(session), contest.organiser
        first, second = (
            start_topic(session, writer, contest.challenge, title, "In 50% of all rows?", at=now())
            for title in ("Weights", "거리")
        )
        spam = answer(session, writer, second, "Buy pears", at=now())
        hide(session, organiser, spam, "an advertisement", at=now())
        pin(session, organiser, first, pinned=True)
        number, who, board = first.id, writer.id, contest.board.id

    def reply(session: Session) -> None:
        answer(session, session.get_one(User, who), session.get_one(Post, number), "me too", at=now())

    assert all_at_once(sessions, reply) == ["done"] * AT_ONCE
    with sessions() as session:
        challenge = session.get_one(Board, board).challenge
        assert challenge is not None
        user, runs_it = session.get_one(User, who), session.get_one(User, organiser.id)
        assert session.get_one(Post, number).answers == AT_ONCE

        def titles(text: str, reader: Reader) -> list[str]:
            return [each.title for each in discussion.topics(session, challenge, reader, text)]

        assert titles("", Reader(user, organises=False)) == ["Weights", "거리"]
        assert titles("50%", Reader(user, organises=False)) == ["Weights", "거리"]
        assert titles("ME TOO", Reader(user, organises=False)) == ["Weights"]
        assert titles("pears", Reader(user, organises=False)) == []
        assert titles("pears", Reader(runs_it, organises=True)) == ["거리"]


def test_a_write_up_that_is_sent_twice_is_there_once(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest, (first, second) = make_ended(session, ("하나", "둘"))
        publish_writeup(session, contest.leader(second), second, "Second", "x", entry_id=None, at=now())
        number, board = first.id, contest.board.id

    def publish(session: Session) -> None:
        team = session.get_one(Team, number)
        leader = session.get_one(User, team.leader_id)
        publish_writeup(session, leader, team, "First", "y", entry_id=None, at=now())

    assert all_at_once(sessions, publish) == ["done"] * AT_ONCE
    with sessions() as session:
        ended = session.get_one(Board, board)
        assert number_of_writeups(session, ended, organises=False) == 2
        found = writeups(session, ended, organises=False)
        assert [(each.rank, each.writeup.title) for each in found] == [(1, "First"), (2, "Second")]
        rows = with_aftermath(session, shown(session, ended, None, now(), Wish())).table.rows
        assert all(row.writeup_id for row in rows)
        assert session.scalar(select(func.count(Writeup.id))) == 2


def test_winners_that_are_asked_and_refused_twice_move_one_team_up(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest, teams = make_ended(session, ("하나", "둘", "셋"))
        board, organiser, leader = contest.board.id, contest.organiser.id, teams[0].leader_id

    def ask(session: Session) -> None:
        actor = session.get_one(User, organiser)
        ask_winners(session, actor, session.get_one(Board, board), winners=1, wanted="All.", days=7, at=now())

    assert all_at_once(sessions, ask) == ["done"] * AT_ONCE
    with sessions.begin() as session:
        assert session.scalar(select(func.count(WinnerRound.id))) == 1
        claim = session.scalars(select(WinnerClaim)).one()
        hand_in_evidence(session, session.get_one(User, leader), claim, "Mine.", None, at=now())
        number = claim.id

    def refuse(session: Session) -> None:
        actor, claim = session.get_one(User, organiser), session.get_one(WinnerClaim, number)
        decide_claim(session, actor, claim, ClaimState.REFUSED, "It is not.", at=now())

    assert all_at_once(sessions, refuse) == ["conflict"] * (AT_ONCE - 1) + ["done"]
    with sessions() as session:
        asked = round_of(session, session.get_one(Board, board))
        assert asked is not None
        states = [(each.rank, each.claim.team.name, each.claim.state) for each in claims_of(session, asked)]
        assert states == [(1, "하나", ClaimState.REFUSED), (2, "둘", ClaimState.ASKED)]


def make_prepared(sessions: sessionmaker[Session]) -> tuple[int, int]:
    """A board with one entry, and a version of its truth that can be published; by which it scores less."""
    with sessions.begin() as session:
        contest, _ = make_ended(session, ("하나",))
        truth = prepare_rescore(session, None, contest.board, "new rows", blob=None, at=now())
        rescore_entry(session, truth, session.scalars(select(Entry.id)).one(), Scores(0.25, 0.125))
        return contest.board.id, truth.id


def test_a_version_that_is_published_twice_keeps_the_scores_before(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    board, number = make_prepared(sessions)

    def publish(session: Session) -> None:
        session.get_one(Board, board)
        publish_rescore(session, None, session.get_one(Truth, number), at=now())

    assert all_at_once(sessions, publish) == ["conflict"] * (AT_ONCE - 1) + ["done"]
    with sessions() as session:
        rows = session.execute(
            select(Truth.version, Rescore.public_score, Rescore.private_score)
            .join(Truth, Truth.id == Rescore.truth_id)
            .order_by(Truth.version)
        )
        assert [tuple(row) for row in rows] == [(1, 0.5, 0.9), (2, 0.25, 0.125)]
        assert session.get_one(Board, board).truth_version == 2


def test_a_version_is_published_or_discarded_and_not_both(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    board, number = make_prepared(sessions)
    turn = iter((publish_rescore, discard_rescore) * AT_ONCE)

    def decide(session: Session) -> None:
        decision, truth = next(turn), session.get_one(Truth, number)
        session.get_one(Board, board)
        decision(session, None, truth, at=now())

    assert all_at_once(sessions, decide) == ["conflict"] * (AT_ONCE - 1) + ["done"]
    with sessions() as session:
        truth = session.get_one(Truth, number)
        assert (truth.published_at is None) != (truth.discarded_at is None)
        assert (session.get_one(Board, board).truth_version == 2) == (truth.published_at is not None)
        assert session.scalars(select(Entry.public_score)).one() == (0.25 if truth.published_at else 0.5)


def test_words_that_are_changed_and_deleted_at_once_are_gone(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest, _ = make_ended(session)
        writer = make_user(session)
        number, who = start_topic(session, writer, contest.challenge, "t", "a secret", at=now()).id, writer.id
    turn, read = iter((True, False, False, False)), threading.Barrier(AT_ONCE)

    def change(session: Session) -> None:
        user, post, deletes = session.get_one(User, who), session.get_one(Post, number), next(turn)
        read.wait()
        if deletes:
            delete(session, user, post, at=now())
        else:
            edit(session, user, post, "another secret", title="t", at=now())

    assert "done" in all_at_once(sessions, change)
    with sessions() as session:
        post = session.get_one(Post, number)
        assert (post.text, post.deleted_at is not None) == ("", True)


def test_a_write_up_that_is_published_and_withdrawn_at_once_is_either(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest, (team,) = make_ended(session, ("하나",))
        publish_writeup(session, contest.leader(team), team, "First", "y", entry_id=None, at=now())
        number = team.id
    turn, read = iter((True, False, False, False)), threading.Barrier(AT_ONCE)

    def change(session: Session) -> None:
        mine, withdraws = session.get_one(Team, number), next(turn)
        leader = session.get_one(User, mine.leader_id)
        session.scalars(select(Writeup)).one()
        read.wait()
        if withdraws:
            withdraw_writeup(session, leader, mine, at=now())
        else:
            publish_writeup(session, leader, mine, "Second", "z", entry_id=None, at=now())

    assert all_at_once(sessions, change) == ["done"] * AT_ONCE
    with sessions() as session:
        found = session.scalars(select(Writeup)).one()
        assert (found.withdrawn_at is not None, found.title) in {(True, ""), (False, "Second")}
