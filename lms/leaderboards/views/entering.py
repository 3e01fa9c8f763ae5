"""What a team sends to a challenge: its entries, the quota, which count in the end, tokens for programs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from flask import flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts.models import User
from lms.accounts.services.limits import check_tries, count_try
from lms.accounts.services.tokens import DAYS, Purpose, make_token
from lms.db import QUIET, now
from lms.errors import N_, Conflict, DomainError, Invalid, NotFound, TooLarge
from lms.leaderboards import policy
from lms.leaderboards.core.challenge_file import FILE_BYTES
from lms.leaderboards.core.failures import sentences
from lms.leaderboards.core.predictions import BadPredictions, Fault
from lms.leaderboards.forms import EntryForm
from lms.leaderboards.models import Board, Challenge, EntryKind, EntryState, Team
from lms.leaderboards.queries import boards as queries
from lms.leaderboards.queries.entries import PAGE, entries_of, number_of_entries, quota_of
from lms.leaderboards.queries.organising import chosen_entries
from lms.leaderboards.queries.run_logs import logs_of
from lms.leaderboards.services.addresses import keep_address
from lms.leaderboards.services.entering import REFUSED_PER_PERSON, check_file, hand_in
from lms.leaderboards.services.receiving import check_can_send
from lms.leaderboards.services.selecting import select_entries
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import accepted, opened, team_here
from lms.web.errors import put_beside, said, translated
from lms.web.session import blobs, reads_first, refusals, session, settings, write
from lms.web.shapes import row_number

WAITING = frozenset({EntryState.RECEIVED, EntryState.SCORING})


class Own(NamedTuple):
    """A challenge as a member of one of its teams meets it."""

    challenge: Challenge
    board: Board
    team: Team


class Choice(NamedTuple):
    """Entries that somebody wanted to count in the end, and why they cannot."""

    wanted: Sequence[int]
    sentence: str


@blueprint.app_template_filter("failure")
def failure(line: str) -> str:
    """Say in the reader's language why an entry has no score."""
    return " ".join(said(*each) for each in sentences(line))


@blueprint.app_template_filter("fault")
def fault(found: Fault) -> str:
    """Say in the reader's language what is wrong in a line of a file."""
    return said(found.message, found.params)


def own(challenge_slug: str) -> Own:
    """Return a challenge with the reader's own team.

    Raises:
        NotFound: the reader is in no team of it.
    """
    found, board = opened(challenge_slug)
    team = team_here(board)
    if team is None:
        raise NotFound(N_("You are in no team of this challenge. Join it first."))
    return Own(found, board, team)


@blueprint.get("/challenges/<challenge_slug>/entries")
def challenge_entries(challenge_slug: str) -> str:
    """Show what the reader's team has sent, and take more."""
    mine = own(challenge_slug)
    if "HX-Request" in request.headers:
        return render_template("leaderboards/challenge_entry_rows.html", **_rows(mine))
    return _page(mine, EntryForm())


@blueprint.post("/challenges/<challenge_slug>/entries")
@reads_first
def challenge_enter(challenge_slug: str) -> Response | tuple[str, int]:
    """Take a file: checked first; one with faults is told its lines and costs nothing."""
    mine, form = own(challenge_slug), EntryForm()
    if not form.validate_on_submit():
        return _page(mine, form), Invalid.status
    check_tries(session(), REFUSED_PER_PERSON, str(current_user.id))
    with _counted():
        check_can_send(session(), current_user, mine.challenge, at=g.received_at)
    with form.file.data.stream as stream:
        content = stream.read(FILE_BYTES + 1)
    try:
        with _counted():
            kind = _checked(mine.challenge, content)
    except DomainError as problem:
        return _refused(mine, form, problem)
    with _counted():
        return _taken(challenge_slug, kind, content, form.file.data.filename or "")


def _counted() -> AbstractContextManager[None]:
    """Count what is refused within against the reader."""
    who = str(current_user.id)
    return refusals(lambda own: count_try(own, REFUSED_PER_PERSON, who))


def _checked(challenge: Challenge, content: bytes) -> EntryKind:
    if len(content) > FILE_BYTES:
        raise TooLarge(
            N_("This is more than %(limit)d MiB. Send only what is asked for."), limit=FILE_BYTES >> 20
        )
    return check_file(challenge, content, blobs())


def _refused(mine: Own, form: EntryForm, problem: DomainError) -> tuple[str, int]:
    """Show the page again with what is wrong in the file."""
    put_beside(form, problem)
    faults = problem.faults if isinstance(problem, BadPredictions) else ()
    return _page(mine, form, faults=faults), problem.status


def _taken(challenge_slug: str, kind: EntryKind, content: bytes, filename: str) -> Response:
    """Give the receipt for a file that was checked."""
    sha256 = blobs().put(content)
    writing = write()
    writing.info[QUIET] = True  # a receipt is on no board: its score will be
    user = writing.get_one(User, current_user.id)
    entry = hand_in(
        writing, user, queries.challenge(writing, challenge_slug), kind, sha256,
        filename=filename, size_bytes=len(content), received_at=g.received_at,
    )  # fmt: skip
    keep_address(writing, entry, request.remote_addr, settings().session_key())
    flash(gettext("Your file has arrived. It is scored in a moment."), "success")
    return redirect(url_for("leaderboards.challenge_entries", challenge_slug=challenge_slug), 303)


@blueprint.post("/challenges/<challenge_slug>/selection")
def challenge_select(challenge_slug: str) -> Response | tuple[str, int]:
    """Choose the entries that count in the end."""
    mine = own(challenge_slug)
    wanted = request.form.getlist("entries", type=row_number)
    try:
        _check_all_read(wanted)
        select_entries(session(), current_user, mine.team, wanted, at=g.received_at)
    except (Invalid, Conflict) as problem:
        refused = Choice(wanted, translated(problem))
        return _page(mine, EntryForm(formdata=None), refused=refused), problem.status
    flash(gettext("Your choice is kept. You can change it until the end."), "success")
    return redirect(
        url_for("leaderboards.challenge_entries", challenge_slug=challenge_slug, _anchor="entries"), 303
    )


def _check_all_read(wanted: Sequence[int]) -> None:
    """Refuse a choice of something that is no entry: the rest of it would be another choice.

    Raises:
        Invalid: what was sent holds more than these numbers.
    """
    if len(wanted) < len(request.form.getlist("entries")):
        raise Invalid(N_("Choose scored entries of your own team."), field="entries")


@blueprint.post("/challenges/<challenge_slug>/token")
@reads_first
def challenge_token(challenge_slug: str) -> str:
    """Make a token for the reader's programs, and show it this once."""
    key = settings().session_key()
    return _page(
        own(challenge_slug), EntryForm(formdata=None), token=make_token(current_user, Purpose.BOARDS, key)
    )


def _page(
    mine: Own,
    form: EntryForm,
    *,
    faults: Sequence[Fault] = (),
    token: str = "",
    refused: Choice | None = None,
) -> str:
    return render_template(
        "leaderboards/challenge_entries.html",
        form=form,
        faults=faults,
        token=token,
        days=DAYS,
        accepted=accepted(mine.challenge),
        closed=_closed(mine),
        used_up=_used_up(mine),
        address=settings().public_url,
        refused=refused,
        **_rows(mine, refused),
    )


def _rows(mine: Own, refused: Choice | None = None) -> dict[str, object]:
    moment, count = now(), number_of_entries(session(), mine.team)
    pages = max(1, -(-count // PAGE))
    number = min(max(request.args.get("page", 1, type=row_number), 1), pages)
    shown = entries_of(session(), mine.board, mine.team, moment, offset=(number - 1) * PAGE)
    chosen = chosen_entries(session(), mine.team, refused and refused.wanted)
    logs = logs_of(session(), [one.id for one in shown])
    return {
        "challenge": mine.challenge,
        "board": mine.board,
        "team": mine.team,
        "entries": shown,
        "quota": quota_of(session(), mine.challenge, mine.team, moment),
        "number": number,
        "pages": pages,
        "logs": logs,
        "waits": any(one.state in WAITING for one in shown)
        or any(log.written_at is None for log in logs.values()),
        "ended": moment > mine.challenge.ends_at,
        "chosen": chosen,
        "chosen_elsewhere": sorted(chosen - {one.id for one in shown}),
        "next_day": policy.next_day_at(mine.challenge, policy.quota_day(mine.challenge, moment)),
        "page_address": _page_address,
    }


def _page_address(number: int) -> str:
    return url_for("leaderboards.challenge_entries", **{**(request.view_args or {}), "page": number})


def _closed(mine: Own) -> str:
    """Say why nothing can be sent now, whatever is left of the quota; empty: it can."""
    moment = now()
    if policy.phase_of(mine.challenge, moment) is policy.Phase.ENDED:  # whoever sends is told of the entry
        ended: str = gettext("This challenge has ended, so nothing can be sent any more.")
        return ended
    try:
        policy.check_can_enter(mine.challenge, mine.team, moment)
    except DomainError as reason:
        return translated(reason)
    return ""


def _used_up(mine: Own) -> str:
    """Say which limit was reached and when the next entry can come; empty: there is a slot."""
    moment = now()
    try:
        policy.check_quota(
            mine.challenge, mine.team, quota_of(session(), mine.challenge, mine.team, moment), moment
        )
    except DomainError as reason:
        return translated(reason)
    return ""
