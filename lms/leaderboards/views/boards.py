"""The list of boards; a board with its table as a file and its chart; the frame for other sites."""

from collections.abc import Callable

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from lms.accounts.models import User
from lms.db import now
from lms.errors import NotFound
from lms.leaderboards import policy
from lms.leaderboards.core.board_csv import csv_text
from lms.leaderboards.core.climb_chart import Point, chart
from lms.leaderboards.models import Board, Visibility
from lms.leaderboards.queries import boards as queries
from lms.leaderboards.queries.aftermath import with_aftermath
from lms.leaderboards.queries.finding import Sought, choices_on
from lms.leaderboards.queries.kept import KeptPages
from lms.leaderboards.queries.places import own_places
from lms.leaderboards.queries.shown import Shown, Wish, climbs, csv_lines, shown
from lms.leaderboards.queries.standings import share_seen
from lms.leaderboards.views.board_rows import board_rows
from lms.leaderboards.views.digits import score
from lms.leaderboards.views.metric_names import metric_name, metric_text
from lms.web.formats import country_name
from lms.web.guard import public
from lms.web.headers import POLICY
from lms.web.language import language, zone_name
from lms.web.session import session

FRAMED = POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
LONGEST_SEARCH = 100

blueprint = Blueprint("leaderboards", __name__, template_folder="../templates")
blueprint.add_app_template_filter(score)
blueprint.add_app_template_global(board_rows)
blueprint.add_app_template_global(metric_name)
blueprint.add_app_template_global(metric_text)


@blueprint.get("/boards")
def boards() -> str:
    """List the boards of the cohorts that the reader is in."""
    found = queries.boards_for(session(), current_user)
    places = own_places(session(), found, current_user, now())
    return render_template("leaderboards/boards.html", boards=found, mine=places)


@blueprint.get("/boards/<int:board_id>")
def show(board_id: int) -> Answer:
    """Show a board: public scores until its end, private ones after. A challenge's has an open address."""
    board = _open(queries.board(session(), board_id))
    if board.challenge is not None:
        return redirect(url_for(".challenge_board", challenge_slug=board.challenge.slug))
    return _page(board)


@blueprint.get("/boards/<int:board_id>/board.csv")
def show_csv(board_id: int) -> Response:
    """Hand out a lab's board as a table; `share=public`: the public part also after its end."""
    return _csv(_open(queries.board(session(), board_id)))


@blueprint.get("/boards/<int:board_id>/climbs")
def show_climbs(board_id: int) -> str:
    """Show how the first of a lab's board, and the reader, got there."""
    return _climbs(_open(queries.board(session(), board_id)))


@blueprint.get("/challenges/<challenge_slug>/board")
@public
def challenge_board(challenge_slug: str) -> Answer:
    """Show the board of a challenge, to all who may see the challenge."""
    return _page(_of_challenge(challenge_slug))


@blueprint.get("/challenges/<challenge_slug>/board.csv")
@public
def challenge_csv(challenge_slug: str) -> Response:
    """Hand out the board of a challenge as a table; `share=public`: the public part also after its end."""
    return _csv(_of_challenge(challenge_slug))


@blueprint.get("/challenges/<challenge_slug>/board/climbs")
@public
def challenge_climbs(challenge_slug: str) -> str:
    """Show how the first of a challenge, and the reader's team, got there."""
    return _climbs(_of_challenge(challenge_slug))


@blueprint.get("/challenges/<challenge_slug>/board/frame")
@public
def framed_board(challenge_slug: str) -> Response:
    """Show the first page of a board within other sites: the same to everyone, and with nothing to press."""
    board = _of_challenge(challenge_slug)
    if board.challenge is None or board.challenge.visibility is not Visibility.EVERYONE:
        raise NotFound
    table = shown(session(), board, None, now(), Wish(), kept=_kept(board))
    response = _changing(table, "leaderboards/framed.html")
    response.headers["Content-Security-Policy"] = FRAMED
    return response


@blueprint.app_template_global()
def board_address(board: Board, kind: str = "", **query: object) -> str:
    """Return where a board is, its table (`csv`) or its chart (`climbs`)."""
    if board.challenge is not None:
        where = {"": "challenge_board", "csv": "challenge_csv", "climbs": "challenge_climbs"}[kind]
        return url_for(f"leaderboards.{where}", challenge_slug=board.challenge.slug, **query)  # type: ignore[arg-type]
    where = {"": "show", "csv": "show_csv", "climbs": "show_climbs"}[kind]
    return url_for(f"leaderboards.{where}", board_id=board.id, **query)  # type: ignore[arg-type]


def reader() -> User | None:
    """Return who looks; None for a visitor."""
    return current_user if current_user.is_authenticated else None


def _open(board: Board) -> Board:
    return queries.seen_board(session(), board, reader())


def _of_challenge(slug: str) -> Board:
    return _open(queries.board_at(session(), slug))


def _page(board: Board) -> Answer:
    table = with_aftermath(session(), shown(session(), board, reader(), now(), _wish(), kept=_kept(board)))
    return _changing(table, "leaderboards/show.html")


def _kept(board: Board) -> KeptPages | None:
    """Return the pages that a reader may be shown a moment late: not to those who have just decided."""
    user, challenge = reader(), board.challenge
    if challenge is None or (user is not None and policy.can_organise(user, challenge)):
        return None
    kept: KeptPages = current_app.extensions["board_pages"]
    return kept


def _wish() -> Wish:
    return Wish(
        page=request.args.get("page", 1, type=int),
        sought=Sought(
            text="".join(filter(str.isprintable, request.args.get("q", "")))[:LONGEST_SEARCH].strip(),
            organisation=request.args.get("organisation", "")[:LONGEST_SEARCH],
            country=request.args.get("country", "").upper()[:2],
        ),
        filters="filter" in request.args,
        near_me="near" in request.args,
        public=_wants_public(),
    )


def _wants_public() -> bool:
    return request.args.get("share") == "public"


def _changing(table: Shown, template: str) -> Response:
    """Answer with a page, or to a page that has `seen` a board, with what has changed of it: 204 if nothing.

    Who keeps answers is told by the entity tag whether theirs still holds.
    """
    seen = request.args.get("seen")
    if seen == table.mark:
        return make_response("", 204)
    if seen is None:
        return make_response(render_template(template, shown=table, address=_pages(table), **_rooms(table)))
    response = Response(mimetype="text/html")
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(f"{table.mark}-{language()}-{zone_name().replace('/', '-')}")
    if response.make_conditional(request).status_code == 304:  # noqa: PLR2004 - not modified
        return response
    framed = "framed" in template
    response.set_data(render_template("leaderboards/table.html", shown=table, framed=framed, live=True))
    return response


def _rooms(table: Shown) -> dict[str, object]:
    """Return what decides which pages of the challenge the reader is led to."""
    user, board = reader(), table.board
    if user is None or board.challenge is None:
        return _filters(table)
    team = _own_team(table, user)
    organises = team is None and policy.can_organise(user, board.challenge)
    return {"team": team, "organises": organises, **_filters(table)}


def _own_team(table: Shown, user: User) -> int | None:
    """Return the number of the reader's team; who stands on the board is known already."""
    if table.table.mine is not None:
        return table.table.mine.team_id
    team = queries.team_of(session(), table.board, user)
    return None if team is None else team.id


def _filters(table: Shown) -> dict[str, object]:
    """Return what a board can be filtered by, for who wants that."""
    if not table.has_filters:
        return {}
    offered = choices_on(session(), table.board, now(), public=table.wish.public)
    countries = sorted(offered.countries, key=country_name)
    return {"organisations": offered.organisations, "countries": countries}


def _pages(table: Shown) -> Callable[[int], str]:
    wish, kept = table.wish, table.wish.sought.address
    share, filters = "public" if wish.public else None, "1" if wish.filters else None
    return lambda number: board_address(table.board, page=number, share=share, filter=filters, **kept)


def _csv(board: Board) -> Response:
    """Write the table whole before any of it is sent: a slow reader holds no connection of the database."""
    name = board.challenge.slug if board.challenge is not None else f"board-{board.id}"
    moment, public = now(), _wants_public()
    if policy.share_at(board, moment) is not share_seen(board, moment, public=public):
        name += "-public"  # beside the final one
    lines = csv_lines(session(), board, moment, language(), public=public)
    written = "".join(csv_text(lines, board.decimals))
    response = Response(written, content_type="text/csv; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=f"{name}-leaderboard.csv")
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _climbs(board: Board) -> str:
    moment, public = now(), _wants_public()
    rows = climbs(session(), board, reader(), moment, public=public)
    until = min(moment, board.ends_at or moment)
    steps = [[Point(step.at, step.score) for step in climb.steps] for _, climb in rows]
    drawn = chart(steps, until, board.decimals)
    template = "climbs_part" if "HX-Request" in request.headers else "climbs"
    back = board_address(board, share="public" if public else None)
    return render_template(f"leaderboards/{template}.html", board=board, rows=rows, chart=drawn, back=back)
