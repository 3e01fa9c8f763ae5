"""Boards and challenges for programs: what stands on them, and a way to enter from a training script."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, current_app, g, request
from flask.blueprints import BlueprintSetupState
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts.models import User
from lms.accounts.services.limits import check_tries, count_try
from lms.accounts.services.tokens import Purpose, person_of
from lms.db import QUIET, now
from lms.errors import N_, Invalid, NotFound, NotKnown, TooLarge
from lms.leaderboards import policy
from lms.leaderboards.core.challenge_file import FILE_BYTES
from lms.leaderboards.core.digits import rounded
from lms.leaderboards.core.failures import sentences as sentences_of_failure
from lms.leaderboards.core.honours import Tier
from lms.leaderboards.core.predictions import BadPredictions
from lms.leaderboards.core.run_logs import sentences
from lms.leaderboards.models import Board, Challenge, Entry, EntryKind, Share
from lms.leaderboards.queries import boards as queries
from lms.leaderboards.queries import honours
from lms.leaderboards.queries.dates import date_changes
from lms.leaderboards.queries.entries import OwnEntry, Quota, entries_of, quota_of
from lms.leaderboards.queries.other_metrics import metrics_beside
from lms.leaderboards.queries.run_logs import logs_of
from lms.leaderboards.queries.shown import medal_in
from lms.leaderboards.queries.standings import PAGE, Row, Standings, is_anonymous, standings
from lms.leaderboards.services.addresses import keep_address
from lms.leaderboards.services.entering import REFUSED_PER_PERSON, check_file, hand_in
from lms.leaderboards.services.receiving import check_can_send
from lms.leaderboards.tables.run_logs import EntryLog
from lms.web.errors import problem, said
from lms.web.guard import public
from lms.web.session import blobs, reads_first, refusals, session, settings, write
from lms.web.shapes import asked_row

blueprint = Blueprint("leaderboards_api", __name__, url_prefix="/api")

LARGEST_PAGE = 1000
FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})


@blueprint.record_once
def _without_form(state: BlueprintSetupState) -> None:
    """A program shows its token instead of a form's; a browser's session alone changes nothing here."""
    state.app.extensions["csrf"].exempt(blueprint)


@blueprint.url_value_preprocessor
def _take_no_more(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Let no more of a body be read than an entry may have: bodies are read before anything is asked."""
    request.max_content_length = min(FILE_BYTES + 1, request.max_content_length or FILE_BYTES + 1)


@blueprint.get("/challenges")
@public
def challenges() -> Response:
    """List the challenges that the asker may see."""
    moment = now()
    reader = _reader()
    found = queries.challenges(session(), reader, moment)
    return _json({"challenges": [_challenge(one, moment, reader) for one in found]})


@blueprint.get("/challenges/<challenge_slug>")
@public
def challenge(challenge_slug: str) -> Response:
    """Answer with one challenge, how its dates moved, and what the asker's team has left of its quota."""
    found, board = _seen(challenge_slug)
    user = _reader()
    told = _challenge(found, now(), user)
    told["date_changes"] = [change.to_dict() for change in date_changes(session(), found)]
    team = queries.team_of(session(), board, user) if user is not None else None
    if team is not None:
        told["team"] = {"id": team.id, "name": team.name}
        told["quota"] = _quota(quota_of(session(), found, team, now()))
    return _json(told)


@blueprint.get("/challenges/<challenge_slug>/board")
@public
def board(challenge_slug: str) -> Response:
    """Answer with a page of a board (`offset`, `limit`); `share=public`: public scores after its end too."""
    _, found = _seen(challenge_slug)
    offset, limit = _number("offset", 0, 10_000_000), _number("limit", PAGE, LARGEST_PAGE)
    moment, public = now(), request.args.get("share") == "public"
    table = standings(session(), found, _reader(), moment, offset=offset, limit=max(1, limit), public=public)
    hidden = is_anonymous(found, table.share)
    table, end = _with_end(found, table, moment)
    told = [row for row in (*table.rows, table.mine) if row is not None]
    has_ties = any(row.best_rank is not None for row in told)
    return _json(
        {
            "share": table.share.value,
            "also": metrics_beside(found, table.share),
            "metric": found.metric,
            "direction": found.direction.value,
            "decimals": found.decimals,
            "ranked": table.ranked,
            "offset": offset,
            "tied_at": found.tied_at if has_ties else None,
            "rows": [_row(row, found, table, is_named=row.mine or not hidden) for row in table.rows],
            "mine": _row(table.mine, found, table) if table.mine is not None else None,
            **end,
        }
    )


def _with_end(board: Board, table: Standings, at: datetime) -> tuple[Standings, dict[str, Any]]:
    """Return an ended board with the moves from its public part, by team, and the shake-up of all.

    On the public part of one nothing moves any more.
    """
    if policy.share_at(board, at) is not Share.PRIVATE:
        return table, {}
    result = honours.board_result(session(), board) if table.share is Share.PRIVATE else None
    if result is None:
        return _moved(table, {}), {}
    told = [row for row in (*table.rows, table.mine) if row is not None]
    ranks = honours.public_ranks(session(), board, {row.team_id for row in told if row.team_id is not None})
    return _moved(table, ranks), {
        "shake_up": result.shake_up,
        "shake_up_of_top": result.shake_up_of_top,
        "public_ranks": {str(team): rank for team, rank in ranks.items() if rank is not None},
    }


def _moved(table: Standings, ranks: Mapping[int, int | None]) -> Standings:
    """Return an ended board whose rows know their ranks on the public part, as the page has them."""

    def moved(row: Row) -> Row:
        return row if row.team_id is None else replace(row, rank_before=ranks.get(row.team_id))

    mine = moved(table.mine) if table.mine is not None else None
    return replace(table, rows=[moved(row) for row in table.rows], mine=mine)


@blueprint.get("/honours")
@public
def people() -> Response:
    """Answer with a page of those who show their points: `q`, `organisation`, `country`, `tier`, `page`."""
    wanted = honours.Wanted.read(request.args)
    if request.args.get("tier", "") != wanted.tier:  # everybody would be no answer to that
        raise Invalid(
            N_("There is no such tier. Ask for one of: %(known)s."), field="tier", known=", ".join(Tier)
        )
    found = honours.people(session(), wanted, now())
    return _json(
        {
            "found": found.found,
            "page": found.page,
            "pages": found.pages,
            "rows": [_person_row(row) for row in found.rows],
        }
    )


def _person_row(row: honours.Person) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "name": row.name,
        "address": row.address,
        "points": row.points,
        "tier": row.tier.value,
        "medals": {medal.value: count for medal, count in row.medals.items()},
        "challenges": row.challenges,
        "best_rank": row.best_rank,
        "best_of": row.best_of,
        "organisation": row.organisation.slug if row.organisation is not None else None,
        "country": row.country,
    }


@blueprint.get("/challenges/<challenge_slug>/entries")
@public
def entries(challenge_slug: str) -> Response:
    """Answer with the entries of the asker's team, the newest first; one alone, with its log, by `id`."""
    user = _person()
    _, found = _seen(challenge_slug)
    team = queries.team_of(session(), found, user)
    if team is None:
        raise NotFound(N_("You are in no team of this challenge. Join it first."))
    only = asked_row("id")
    offset = _number("offset", 0, 10_000_000) if only is None else 0
    own = entries_of(session(), found, team, now(), offset=offset, only=only)
    logs = logs_of(session(), [one.id for one in own])
    told = [_entry(one, found) | _log(logs.get(one.id), whole=only is not None) for one in own]
    return _json({"entries": told})


@blueprint.post("/challenges/<challenge_slug>/entries")
@public
@reads_first
def enter(challenge_slug: str) -> Response:
    """Take an entry: the body, or the form's field `file`. The answer is its receipt."""
    user = _person()
    who = str(user.id)
    check_tries(session(), REFUSED_PER_PERSON, who)
    try:
        with refusals(lambda own: count_try(own, REFUSED_PER_PERSON, who)):
            return _json(_taken(challenge_slug, user, _checked(challenge_slug, user)), 202)
    except BadPredictions as bad:
        return problem(bad, faults=_faults(bad))


def _checked(slug: str, user: User) -> tuple[EntryKind, bytes, str]:
    """Return what was sent and its name: whoever may send nothing is told so before it is read or kept."""
    found, _ = _seen(slug, user)
    check_can_send(session(), user, found, at=g.received_at)
    content, filename = _sent()
    return check_file(found, content, blobs()), content, filename


def _taken(slug: str, user: User, sent: tuple[EntryKind, bytes, str]) -> dict[str, Any]:
    """Keep what was sent, and return its receipt."""
    kind, content, filename = sent
    sha256 = blobs().put(content)
    received_at = g.received_at  # when the request came, before its body was read
    writing = write()
    writing.info[QUIET] = True  # a receipt is on no board: its score will be
    found, user = queries.challenge(writing, slug), writing.get_one(User, user.id)
    entry = hand_in(
        writing, user, found, kind, sha256,
        filename=filename, size_bytes=len(content), received_at=received_at,
    )  # fmt: skip
    keep_address(writing, entry, request.remote_addr, settings().session_key())
    left = quota_of(writing, found, entry.team, received_at) if entry.team is not None else None
    return _receipt(entry) | ({"quota": _quota(left)} if left is not None else {})


def _reader() -> User | None:
    """Return who asks: by token, or signed in; None for anybody."""
    if _token():
        return _person()
    return current_user if current_user.is_authenticated else None


def _person() -> User:
    """Return whose token this is; a browser's session is not enough where something may change.

    Raises:
        NotKnown: there is no good token.
    """
    if request.method != "POST" and not _token() and current_user.is_authenticated:
        return session().get_one(User, current_user.id)
    if not _token():
        raise NotKnown(N_("Send your token with the request: Authorization: Bearer …."))
    return person_of(session(), _token(), Purpose.BOARDS, settings().session_key())


def _token() -> str:
    """Return the token; empty without one. What else a site's front door is told is nothing to us."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _seen(slug: str, user: User | None = None) -> tuple[Challenge, Board]:
    board_found = queries.seen_board(session(), queries.board_at(session(), slug), user or _reader())
    if board_found.challenge is None:
        raise NotFound
    return board_found.challenge, board_found


def _sent() -> tuple[bytes, str]:
    sent = request.files.get("file")
    if sent is None and request.mimetype in FORMS:
        raise Invalid(
            N_(
                'Send the file as the field "file" of a form of the type multipart/form-data, or as the body '
                "with the type application/octet-stream."
            ),
            field="file",
        )
    if sent is None:
        content, filename = request.get_data(), request.args.get("filename", "")
    else:
        with sent.stream as stream:
            content, filename = stream.read(), sent.filename or ""
    if len(content) > FILE_BYTES:
        raise TooLarge(
            N_("This is more than %(limit)d MiB. Send only what is asked for."), limit=FILE_BYTES >> 20
        )
    return content, filename


def _number(name: str, default: int, most: int) -> int:
    return min(max(request.args.get(name, default, type=int), 0), most)


def _challenge(found: Challenge, at: datetime, reader: User | None) -> dict[str, Any]:
    shows_files = at >= found.opens_at or (reader is not None and policy.can_organise(reader, found))
    return {
        "slug": found.slug,
        "title": found.title,
        "sponsor": found.sponsor.slug,
        "kind": found.kind.value,
        "phase": policy.phase_of(found, at).value,
        "opens_at": found.opens_at,
        "entry_deadline": found.entry_deadline,
        "merge_deadline": found.merge_deadline,
        "freezes_at": found.freezes_at,
        "ends_at": found.ends_at,
        "daily_limit": found.daily_limit,
        "total_limit": found.total_limit,
        "rules_version": found.rules_version,
        "files": {name: file["bytes"] for name, file in found.files.items()} if shows_files else {},
    }


def _row(row: Row, board: Board, table: Standings, *, is_named: bool = True) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "team": row.name or row.title,
        "team_id": row.team_id if is_named else None,  # it would name the team at the end
        "score": _shown(row.score, board),
        "metrics": {name: _shown(value, board) for name, value in row.metrics.items()},
        "entries": row.entries,
        "received_at": row.received_at,
        "tie_group": row.tie_group,
        "rank_interval": [row.best_rank, row.worst_rank] if row.best_rank is not None else None,
        "score_interval": None
        if row.least_score is None or row.most_score is None
        else [_shown(row.least_score, board), _shown(row.most_score, board)],
        "movement": row.movement,
        "medal": medal_in(board, table, row),
        "baseline": row.rank is None,
    }


def _entry(one: OwnEntry, board: Board) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state.value,
        "received_at": one.received_at,
        "filename": one.filename,
        "score": _shown(one.score, board),
        "private_score": _shown(one.private_score, board),
        "metrics": {name: _shown(value, board) for name, value in one.metrics.items()},
        "selected": one.selected,
        "automatic": one.automatic,
        "counts": one.counts,
        "failure": " ".join(said(*each) for each in sentences_of_failure(one.failure)),
        "disqualified": one.reason,
    }


def _log(log: EntryLog | None, *, whole: bool) -> dict[str, Any]:
    """Tell how a failed notebook ended on files that everyone has, and if wanted what its cells said."""
    if log is None or log.written_at is None:
        return {"log": None, "log_follows": log is not None}
    detail = " ".join(said(message, params) for message, params in sentences(log.outcome, log.params))
    told = {"outcome": log.outcome, "detail": detail, "written_at": log.written_at, "seconds": log.seconds}
    return {"log": told | ({"cells": log.cells} if whole else {}), "log_follows": False}


def _shown(score: float | None, board: Board) -> float | None:
    """Return a score in the digits of its board."""
    return None if score is None else float(rounded(score, board.decimals))


def _receipt(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "state": entry.state.value,
        "received_at": entry.received_at,
        "sha256": entry.blob,
        "bytes": entry.size_bytes,
    }


def _quota(quota: Quota) -> dict[str, Any]:
    return {
        "day": quota.day.isoformat(),
        "used": quota.used,
        "left": quota.left,
        "limit": quota.limit,
        "taken": quota.taken,
        "total_limit": quota.total_limit,
        "next_at": quota.next_at,
    }


def _faults(bad: BadPredictions) -> list[dict[str, Any]]:
    return [{"line": fault.line, "detail": said(fault.message, fault.params)} for fault in bad.faults]


def _json(answer: Mapping[str, Any], status: int = 200) -> Response:
    told = json.dumps(answer, ensure_ascii=False, default=datetime.isoformat)
    return current_app.response_class(told, status=status, mimetype="application/json")
