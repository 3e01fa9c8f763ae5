"""The discussion of a challenge, for who may see it and signed in."""

from collections.abc import Sequence
from typing import NamedTuple

from flask import flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from flask_wtf import FlaskForm
from markupsafe import Markup, escape
from werkzeug.wrappers import Response

from lms.courses.core.markdown import is_elsewhere, render
from lms.db import now
from lms.errors import N_, Conflict, Invalid, NotAllowed, NotFound, TooSoon
from lms.leaderboards.forms import PostForm, TopicForm
from lms.leaderboards.models import Board, Challenge
from lms.leaderboards.policies import discussion as rules
from lms.leaderboards.queries import discussion as queries
from lms.leaderboards.queries.discussion import Reader
from lms.leaderboards.services import discussing
from lms.leaderboards.services.organising import check_organiser, is_organiser
from lms.leaderboards.tables.discussion import Post
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import opened, person, team_here
from lms.leaderboards.views.paging import paging, searched
from lms.leaderboards.views.tries import count, put_in
from lms.web.forms import text
from lms.web.session import session

REFUSED = (Invalid, Conflict, NotAllowed, TooSoon)
"""What is said in the form, beside the words that were typed."""


class Here(NamedTuple):
    """A challenge as somebody meets it who may talk about it."""

    challenge: Challenge
    board: Board
    reader: Reader

    def post(self, post_id: int) -> Post:
        """Return something that was said here."""
        return queries.post(session(), self.challenge, post_id, self.reader)

    def topic(self, post_id: int) -> Post:
        """Return a topic of this challenge."""
        return queries.topic(session(), self.challenge, post_id, self.reader)


@blueprint.app_template_filter("said")
def said_html(words: str, prefix: str) -> Markup:
    """Render Markdown that anybody may have written; links lead only out of the site, nothing is loaded."""
    page = render(words, lambda link: link if is_elsewhere(link) else None, "challenge", f"{prefix}-")
    first = Markup("<h2>{}</h2>").format(escape(page.title)) if page.title else Markup()
    return first + Markup(page.html)  # noqa: S704 - `render` makes it safe


@blueprint.app_template_test("editable_by_reader")
def editable_by_reader(post: Post) -> bool:
    """Say whether the reader may change what was said."""
    return rules.can_edit(current_user, post)


@blueprint.get("/challenges/<challenge_slug>/discussion")
def challenge_discussion(challenge_slug: str) -> str:
    """List the topics of a challenge's discussion, pinned ones first; search in all that was said."""
    here = _here(challenge_slug)
    count = queries.number_of_topics(session(), here.challenge, here.reader, searched())
    page = paging(count, queries.PAGE)
    topics = queries.topics(session(), here.challenge, here.reader, searched(), offset=page.offset)
    return render_template(
        "leaderboards/discussion.html",
        topics=topics,
        count=count,
        page=page,
        words=searched(),
        **_around(here, topics),
    )


@blueprint.get("/challenges/<challenge_slug>/discussion/new")
def challenge_new_topic(challenge_slug: str) -> str:
    """Ask what a new topic is about."""
    here = _here(challenge_slug)
    rules.check_can_speak(current_user)
    return _new(here, TopicForm())


@blueprint.post("/challenges/<challenge_slug>/discussion/new")
def challenge_start_topic(challenge_slug: str) -> Response | tuple[str, int]:
    """Begin a topic."""
    here, form = _here(challenge_slug), TopicForm()
    if not form.validate_on_submit():
        return _new(here, form), Invalid.status
    try:
        count(discussing.TOPICS_PER_PERSON, discussing.POSTS_PER_PERSON)
        made = discussing.start_topic(
            session(), person(), _here(challenge_slug).challenge, text(form.title), text(form.text),
            at=g.received_at,
        )  # fmt: skip
    except REFUSED as problem:
        put_in(form, problem)
        return _new(_here(challenge_slug), form), problem.status
    return redirect(
        url_for("leaderboards.challenge_topic", challenge_slug=challenge_slug, post_id=made.id), 303
    )


@blueprint.get("/challenges/<challenge_slug>/discussion/<int:post_id>")
def challenge_topic(challenge_slug: str, post_id: int) -> str:
    """Show a topic with its answers."""
    here = _here(challenge_slug)
    return _topic(here, here.topic(post_id), PostForm())


@blueprint.post("/challenges/<challenge_slug>/discussion/<int:post_id>")
def challenge_answer_topic(challenge_slug: str, post_id: int) -> Response | tuple[str, int]:
    """Answer a topic."""
    here, form = _here(challenge_slug), PostForm()
    try:
        topic = here.topic(post_id)
        if not form.validate_on_submit():
            return _topic(here, topic, form), Invalid.status
        count(discussing.POSTS_PER_PERSON)
        topic = _here(challenge_slug).topic(post_id)
        made = discussing.answer(session(), person(), topic, text(form.text), at=g.received_at)
    except NotFound:
        return _without_topic(_here(challenge_slug)), NotFound.status
    except REFUSED as problem:
        put_in(form, problem)
        here = _here(challenge_slug)
        return _topic(here, here.topic(post_id), form), problem.status
    return _to(challenge_slug, made)


@blueprint.get("/challenges/<challenge_slug>/discussion/<int:post_id>/edit")
def challenge_edit_post(challenge_slug: str, post_id: int) -> str:
    """Show the reader's own words to be changed."""
    here = _here(challenge_slug)
    found = here.post(post_id)
    rules.check_can_edit(current_user, found)
    return _edit(here, found, _form(found))


@blueprint.post("/challenges/<challenge_slug>/discussion/<int:post_id>/edit")
def challenge_keep_post(challenge_slug: str, post_id: int) -> Response | tuple[str, int]:
    """Keep the reader's changed words."""
    here = _here(challenge_slug)
    found = here.post(post_id)
    form = TopicForm() if found.topic_id is None else PostForm()
    try:
        rules.check_can_edit(current_user, found)
        if not form.validate_on_submit():
            return _edit(here, found, form), Invalid.status
        count(discussing.POSTS_PER_PERSON)
        found = _here(challenge_slug).post(post_id)
        title = text(form.title) if isinstance(form, TopicForm) else ""
        discussing.edit(session(), person(), found, text(form.text), title=title, at=g.received_at)
    except REFUSED as problem:
        put_in(form, problem)
        here = _here(challenge_slug)
        return _edit(here, here.post(post_id), form), problem.status
    return _to(challenge_slug, found)


@blueprint.post("/challenges/<challenge_slug>/discussion/<int:post_id>/deletion")
def challenge_delete_post(challenge_slug: str, post_id: int) -> Response:
    """Delete the reader's own words for good."""
    here = _here(challenge_slug)
    found = _own_or_seen(here, post_id)
    discussing.delete(session(), person(), found, at=g.received_at)
    flash(gettext("The text is deleted."), "success")
    if not _is_seen(here, found):
        return redirect(url_for("leaderboards.challenge_discussion", challenge_slug=challenge_slug), 303)
    return _to(challenge_slug, found)


@blueprint.post("/challenges/<challenge_slug>/discussion/<int:post_id>/hiding")
def challenge_hide_post(challenge_slug: str, post_id: int) -> Response:
    """Take something out of sight, for a reason."""
    found = _moderated(challenge_slug).post(post_id)
    discussing.hide(session(), person(), found, request.form.get("reason", ""), at=g.received_at)
    flash(gettext("It is hidden. Its author reads why."), "success")
    return _to(challenge_slug, found)


@blueprint.post("/challenges/<challenge_slug>/discussion/<int:post_id>/moderation")
def challenge_moderate(challenge_slug: str, post_id: int) -> Response:
    """Show again what was hidden; pin or close a topic, or undo that."""
    here, wish = _moderated(challenge_slug), request.form.get("do", "")
    if wish == "show":
        found = here.post(post_id)
        discussing.show(session(), person(), found)
    elif wish in {"pin", "unpin"}:
        found = here.topic(post_id)
        discussing.pin(session(), person(), found, pinned=wish == "pin")
    elif wish in {"close", "open"}:
        found = here.topic(post_id)
        discussing.close(session(), person(), found, closed=wish == "close", at=g.received_at)
    else:
        raise Invalid(N_("This cannot be done here. Go back and use the buttons of the page."))
    flash(gettext("Done."), "success")
    return _to(challenge_slug, found)


def _here(challenge_slug: str) -> Here:
    challenge, board = opened(challenge_slug)
    return Here(challenge, board, Reader(current_user, is_organiser(session(), current_user, board)))


def _moderated(challenge_slug: str) -> Here:
    here = _here(challenge_slug)
    check_organiser(session(), current_user, here.board)
    return here


def _own_or_seen(here: Here, post_id: int) -> Post:
    """Return what the reader said, also within a topic that was hidden since; or what they can see.

    Raises:
        NotFound: it is neither.
    """
    try:
        return queries.own_post(session(), here.challenge, post_id, here.reader.user)
    except NotFound:
        return here.post(post_id)


def _is_seen(here: Here, found: Post) -> bool:
    try:
        rules.check_can_see_topic(here.reader.user, found.topic or found, organises=here.reader.organises)
    except NotFound:
        return False
    return True


def _form(found: Post) -> TopicForm | PostForm:
    if found.topic_id is None:
        return TopicForm(title=found.title, text=found.text)
    return PostForm(text=found.text)


def _around(here: Here, posts: Sequence[Post] = ()) -> dict[str, object]:
    return {
        "challenge": here.challenge,
        "board": here.board,
        "organises": here.reader.organises,
        "team": team_here(here.board),
        "authors": queries.authors(session(), here.board, posts, now()),
        "speaks": rules.can_speak(current_user),
    }


def _new(here: Here, form: TopicForm) -> str:
    return render_template("leaderboards/discussion_new.html", form=form, **_around(here))


def _without_topic(here: Here) -> str:
    """Let what was typed to a topic that is not there any more begin one of its own."""
    form = TopicForm()
    form.form_errors.append(gettext("This topic is not open any more, so nothing can be said to it."))
    return _new(here, form)


def _edit(here: Here, found: Post, form: FlaskForm) -> str:
    return render_template("leaderboards/discussion_edit.html", post=found, form=form, **_around(here))


def _topic(here: Here, topic: Post, form: PostForm) -> str:
    page = paging(topic.answers, queries.PAGE)
    answers = queries.answers(session(), topic, offset=page.offset)
    return render_template(
        "leaderboards/discussion_topic.html",
        topic=topic,
        answers=answers,
        page=page,
        form=form,
        answerable=rules.can_answer(current_user, topic, organises=here.reader.organises),
        **_around(here, [topic, *answers]),
    )


def _to(challenge_slug: str, post: Post) -> Response:
    """Lead to where something stands: the page of its topic."""
    topic_id = post.topic_id or post.id
    number = queries.page_of(session(), post) if post.topic_id is not None else 1
    return redirect(
        url_for(
            "leaderboards.challenge_topic",
            challenge_slug=challenge_slug,
            post_id=topic_id,
            page=number if number > 1 else None,
            _anchor=f"post-{post.id}",
        ),
        303,
    )
