"""Who may say what in the discussion of a challenge. Who reads it is who sees the challenge and signed in."""

from lms.accounts.models import User
from lms.errors import N_, Conflict, DomainError, NotAllowed, NotFound
from lms.leaderboards.tables.discussion import Post

CLOSED = N_("The organisers closed this topic. Begin a new one if something is left to say.")


def check_can_speak(user: User) -> None:
    """Refuse people whose address nobody knows to be theirs: such an account costs nothing to make.

    Raises:
        NotAllowed: the user's address is not confirmed.
    """
    if user.confirmed_at is None:
        raise NotAllowed(N_("Confirm your e-mail address first: follow the link that we sent to you."))


def can_speak(user: User) -> bool:
    """Say whether `check_can_speak` would let the user write."""
    return user.confirmed_at is not None


def check_can_see_topic(user: User, topic: Post, *, organises: bool) -> None:
    """Show a hidden topic to its author and to those who run the challenge only.

    Raises:
        NotFound: it is hidden, or gone without a trace.
    """
    if topic.hidden_at is not None and not organises and topic.author_id != user.id:
        raise NotFound
    if topic.deleted_at is not None and not topic.answers:
        raise NotFound


def check_can_answer(user: User, topic: Post, *, organises: bool) -> None:
    """Refuse answers to what is closed, hidden or deleted; organisers may still have the last word.

    Raises:
        NotAllowed: the user's address is not confirmed.
        Conflict: nobody can answer this.
    """
    check_can_speak(user)
    if topic.hidden_at is not None or topic.deleted_at is not None:
        raise Conflict(N_("This topic is not open any more, so nothing can be said to it."))
    if topic.closed_at is not None and not organises:
        raise Conflict(CLOSED)


def can_answer(user: User, topic: Post, *, organises: bool) -> bool:
    """Say whether `check_can_answer` would let the user write."""
    try:
        check_can_answer(user, topic, organises=organises)
    except DomainError:
        return False
    return True


def check_can_edit(user: User, post: Post) -> None:
    """Let people change their own words, while others can answer them.

    Raises:
        NotAllowed: somebody else wrote it.
        Conflict: it is deleted or hidden, or its topic is closed.
    """
    check_can_delete(user, post)
    if post.hidden_at is not None:
        raise Conflict(N_("An organiser hid this, so it can no longer be changed. You can still delete it."))
    if (post.topic or post).closed_at is not None:
        raise Conflict(CLOSED)


def can_edit(user: User, post: Post) -> bool:
    """Say whether `check_can_edit` would let the user change it."""
    try:
        check_can_edit(user, post)
    except DomainError:
        return False
    return True


def check_can_delete(user: User, post: Post) -> None:
    """Let people delete their own words, whatever became of them.

    Raises:
        NotAllowed: somebody else wrote it.
        Conflict: it is deleted already.
    """
    if post.author_id != user.id:
        raise NotAllowed(N_("Somebody else wrote this. You can change only what you wrote yourself."))
    if post.deleted_at is not None:
        raise Conflict(N_("This was deleted already. Load the page again."))
