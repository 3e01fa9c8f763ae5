"""Saying something about a challenge, changing and deleting it; what organisers do about it."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.accounts.services.limits import HOUR, Limit
from lms.errors import N_, Conflict
from lms.leaderboards.models import Board, Challenge
from lms.leaderboards.policies import discussion as rules
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.services.organising import check_organiser, is_organiser
from lms.leaderboards.services.wording import line, prose, reason
from lms.leaderboards.tables.discussion import LONGEST_REASON, LONGEST_TEXT, LONGEST_TITLE, Post

TOPICS_PER_PERSON = Limit(name="discussion-topics", tries=10, seconds=24 * HOUR)
POSTS_PER_PERSON = Limit(name="discussion-posts", tries=30, seconds=HOUR)
"""Topics, answers and edits together."""


def start_topic(
    session: Session, user: User, challenge: Challenge, title: str, text: str, *, at: datetime
) -> Post:
    """Begin a topic. Whether the user may see the challenge, the caller has asked.

    Raises:
        NotAllowed: the user's address is not confirmed.
        Invalid: the title or the text is empty or too long.
    """
    rules.check_can_speak(user)
    made = Post(
        challenge_id=challenge.id,
        author_id=user.id,
        by_organiser=is_organiser(session, user, board_of_challenge(session, challenge)),
        title=line(title, LONGEST_TITLE),
        text=prose(text, LONGEST_TEXT),
        said_at=at,
        last_said_at=at,
    )
    session.add(made)
    session.flush()
    return made


def answer(session: Session, user: User, topic: Post, text: str, *, at: datetime) -> Post:
    """Answer a topic.

    Raises:
        NotAllowed: the user's address is not confirmed.
        Conflict: the topic is closed, hidden or deleted.
        Invalid: the text is empty or too long.
    """
    organises = is_organiser(session, user, board_of_challenge(session, topic.challenge))
    rules.check_can_answer(user, topic, organises=organises)
    made = Post(
        challenge_id=topic.challenge_id,
        topic_id=topic.id,
        author_id=user.id,
        by_organiser=organises,
        text=prose(text, LONGEST_TEXT),
        said_at=at,
    )
    session.add(made)
    counted = {"answers": Post.answers + 1, "last_said_at": at}  # by the database: others answer too
    session.execute(update(Post).where(Post.id == topic.id).values(counted))
    session.flush()
    session.refresh(topic, ["answers", "last_said_at"])
    return made


def edit(session: Session, user: User, post: Post, text: str, *, title: str = "", at: datetime) -> None:
    """Change one's own words; that it happened stays visible.

    Raises:
        NotAllowed, Conflict: the user may not, or no longer.
        Invalid: the text, or the title of a topic, is empty or too long.
    """
    _hold(session, post)
    rules.check_can_edit(user, post)
    heading = line(title, LONGEST_TITLE) if post.topic_id is None else ""
    post.text, post.title, post.edited_at = prose(text, LONGEST_TEXT), heading, at
    session.flush()


def delete(session: Session, user: User, post: Post, *, at: datetime) -> None:
    """Delete one's own words: the text is gone for good, and its place says so.

    Raises:
        NotAllowed: somebody else wrote it.
        Conflict: it is deleted already.
    """
    _hold(session, post)
    rules.check_can_delete(user, post)
    post.title = post.text = ""
    post.deleted_at = at
    session.flush()


def hide(session: Session, actor: User, post: Post, why: str, *, at: datetime) -> None:
    """Take something out of sight, for a reason that its author reads; a topic goes with its answers.

    Raises:
        NotAllowed: the actor does not run the challenge.
        Invalid: there is no reason.
        Conflict: it is hidden already.
    """
    board = _organised(session, actor, post)
    _hold(session, post)
    if post.hidden_at is not None:
        raise Conflict(N_("This is hidden already. Load the page again."))
    post.hidden_reason = reason(why, LONGEST_REASON)
    post.hidden_at, post.hidden_by_id = at, actor.id
    session.flush()
    record(session, actor, "board.hide_post", f"board:{board.id}", post=post.id)


def show(session: Session, actor: User, post: Post) -> None:
    """Let everyone see again what was hidden; the reason that was given stays in the records.

    Raises:
        NotAllowed: the actor does not run the challenge.
    """
    board = _organised(session, actor, post)
    post.hidden_at = post.hidden_by_id = None
    session.flush()
    record(session, actor, "board.show_post", f"board:{board.id}", post=post.id)


def pin(session: Session, actor: User, topic: Post, *, pinned: bool) -> None:
    """Let a topic stand above the others, or among them again.

    Raises:
        NotAllowed: the actor does not run the challenge.
    """
    board = _organised(session, actor, topic)
    topic.pinned = pinned
    session.flush()
    record(session, actor, "board.pin_topic", f"board:{board.id}", post=topic.id, pinned=pinned)


def close(session: Session, actor: User, topic: Post, *, closed: bool, at: datetime) -> None:
    """Let nobody but organisers answer a topic any more, or everybody again.

    Raises:
        NotAllowed: the actor does not run the challenge.
    """
    board = _organised(session, actor, topic)
    topic.closed_at = at if closed else None
    session.flush()
    record(session, actor, "board.close_topic", f"board:{board.id}", post=topic.id, closed=closed)


def _hold(session: Session, post: Post) -> None:
    """Read a post as it is now, and let nobody else change it until this transaction ends."""
    session.execute(
        select(Post).where(Post.id == post.id).with_for_update(),
        execution_options={"populate_existing": True},
    ).one()


def _organised(session: Session, actor: User, post: Post) -> Board:
    board = board_of_challenge(session, post.challenge)
    check_organiser(session, actor, board)
    return board
