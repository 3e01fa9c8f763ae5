"""The discussion of a challenge: its topics, their answers, and the names that people go by there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, aliased, joinedload

from lms.accounts.models import User
from lms.errors import NotFound
from lms.leaderboards.models import Board, Challenge, Team, TeamMember
from lms.leaderboards.policies import discussion as rules
from lms.leaderboards.policy import share_at
from lms.leaderboards.queries.standings import is_anonymous
from lms.leaderboards.tables.discussion import Post

PAGE = 20


@dataclass(frozen=True)
class Author:
    """How somebody is called in a discussion: as on the board, where they stand on it."""

    person: str
    """Their own name; empty where the board does not show it."""
    team: str
    """The name, or on an anonymous board the alias; empty for who is in no team."""


@dataclass(frozen=True)
class Reader:
    """Who looks at a discussion."""

    user: User
    organises: bool


def number_of_topics(session: Session, challenge: Challenge, reader: Reader, text: str = "") -> int:
    """Return how many topics a reader finds."""
    return session.scalar(select(func.count()).select_from(_topics(challenge, reader, text).subquery())) or 0


def topics(
    session: Session, challenge: Challenge, reader: Reader, text: str = "", *, offset: int = 0
) -> Sequence[Post]:
    """Return a page of topics whose own words, or an answer's, hold a text: pinned ones, then the newest.

    Complexity: with a text, O(n) in what was said about the challenge.
    """
    order = (Post.pinned.desc(), Post.last_said_at.desc(), Post.id.desc())
    return session.scalars(_topics(challenge, reader, text).order_by(*order).offset(offset).limit(PAGE)).all()


def _topics(challenge: Challenge, reader: Reader, text: str) -> Select[Post]:
    found = select(Post).where(
        Post.challenge_id == challenge.id,
        Post.topic_id.is_(None),
        or_(Post.deleted_at.is_(None), Post.answers > 0),
    )
    if not reader.organises:
        found = found.where(or_(Post.hidden_at.is_(None), Post.author_id == reader.user.id))
    return found.where(_holds(text, reader)) if text else found


def _holds(text: str, reader: Reader) -> Any:
    """Pick topics that hold a text; what is hidden is found by organisers only, also when it is one's own."""
    said = aliased(Post)
    answered = select(said.id).where(said.topic_id == Post.id, said.text.icontains(text, autoescape=True))
    own = or_(Post.title.icontains(text, autoescape=True), Post.text.icontains(text, autoescape=True))
    if not reader.organises:
        answered, own = answered.where(said.hidden_at.is_(None)), own & Post.hidden_at.is_(None)
    return or_(own, answered.exists())


def post(session: Session, challenge: Challenge, post_id: int, reader: Reader) -> Post:
    """Return something that was said about a challenge, with its topic.

    Raises:
        NotFound: it is not there for this reader.
    """
    found = session.scalar(
        select(Post)
        .where(Post.id == post_id, Post.challenge_id == challenge.id)
        .options(joinedload(Post.topic), joinedload(Post.challenge))
    )
    if found is None:
        raise NotFound
    rules.check_can_see_topic(reader.user, found.topic or found, organises=reader.organises)
    return found


def own_post(session: Session, challenge: Challenge, post_id: int, user: User) -> Post:
    """Return what somebody said themselves about a challenge, also where its topic is hidden from them.

    Raises:
        NotFound: they said no such thing there.
    """
    found = session.scalar(
        select(Post).where(Post.id == post_id, Post.challenge_id == challenge.id, Post.author_id == user.id)
    )
    if found is None:
        raise NotFound
    return found


def topic(session: Session, challenge: Challenge, post_id: int, reader: Reader) -> Post:
    """Return a topic of a challenge.

    Raises:
        NotFound: it is not there for this reader, or an answer.
    """
    found = post(session, challenge, post_id, reader)
    if found.topic_id is not None:
        raise NotFound
    return found


def answers(session: Session, topic: Post, *, offset: int = 0) -> Sequence[Post]:
    """Return a page of the answers to a topic, as they came."""
    return session.scalars(
        select(Post).where(Post.topic_id == topic.id).order_by(Post.id).offset(offset).limit(PAGE)
    ).all()


def page_of(session: Session, answer: Post) -> int:
    """Return on which page of its topic an answer stands."""
    before = select(func.count()).where(Post.topic_id == answer.topic_id, Post.id < answer.id)
    return (session.scalar(before) or 0) // PAGE + 1


def authors(session: Session, board: Board, posts: Sequence[Post], at: datetime) -> Mapping[int, Author]:
    """Return post -> its author as others see them at a moment; organisers by their own names.

    On an anonymous board people have the alias of their team until the end. Without a team nobody has a name,
    as only a team says whether the person's own is shown: whoever leaves one does not uncover what it hid.
    """
    hidden = is_anonymous(board, share_at(board, at))
    rows = session.execute(
        select(User.id, User.name, TeamMember.shown, Team.name.label("team"), Team.alias)
        .outerjoin(TeamMember, (TeamMember.user_id == User.id) & (TeamMember.board_id == board.id))
        .outerjoin(Team, Team.id == TeamMember.team_id)
        .where(User.id.in_({each.author_id for each in posts}))
    )
    people = {row.id: row for row in rows}
    return {each.id: _author(each, people[each.author_id], hidden=hidden) for each in posts}


def _author(said: Post, known: Any, *, hidden: bool) -> Author:
    if said.by_organiser:
        return Author(known.name, "")
    if hidden:
        return Author("", known.alias or "")
    return Author(known.name if known.shown else "", known.team or "")
