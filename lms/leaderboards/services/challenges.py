"""Publishing challenges, opening their boards, accepting their rules."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.accounts.models import Organisation, User
from lms.accounts.services.audit import record
from lms.courses.models import Course
from lms.errors import N_, Conflict, Invalid
from lms.grading.models import Lab
from lms.leaderboards import policy
from lms.leaderboards.core import challenge_file
from lms.leaderboards.core.planning import followed, planned
from lms.leaderboards.core.schedule import Schedule
from lms.leaderboards.models import (
    Board,
    Challenge,
    Direction,
    EntryKind,
    RulesAcceptance,
    Team,
    Visibility,
)
from lms.leaderboards.policies.dates import check_in_order, check_publication
from lms.leaderboards.policies.placing import check_can_publish_for
from lms.leaderboards.queries.dates import schedule_of
from lms.leaderboards.queries.waiting import ground_blob
from lms.leaderboards.services.boards import has_entries, keep_baselines
from lms.leaderboards.services.dates import lock_dates, note_change, write_dates
from lms.leaderboards.services.honouring import recount
from lms.leaderboards.services.standing import follow_freeze, lock_teams
from lms.leaderboards.tables.grades import GradeRule


def publish_challenge(
    session: Session,
    actor: User | None,
    document: Mapping[str, Any],
    *,
    at: datetime,
    opens_at: datetime | None = None,
) -> Challenge:
    """Publish a challenge, or its newer texts, dates and limits; its board opens with it. Repeatable.

    A date that was moved since stays as long as the document says of it what it said last; one that it says
    anew holds, and that is written down too.

    Args:
        actor: None for the operator's command line.
        document: `core.challenge_file.Challenge.to_dict()`.
        opens_at: dates that are given in days count from then; None: as it did before, or at once.

    Raises:
        Invalid: the document is no challenge, its sponsor or lab is not here, or its dates are out of order.
        NotAllowed: the actor may not publish for the sponsor, or for the lab's course.
        Conflict: something would change that is fixed since there are data, entries or people under an
            alias, the rules changed without a new version, or it would end at once and nobody said so.
    """
    found = _read(document)
    sponsor = _sponsor(session, actor, found.sponsor)
    known = session.scalar(select(Challenge).where(Challenge.slug == found.slug))
    before = lock_dates(session, known) if known is not None else None
    if known is not None:
        _check_may_change(session, known, found)
    dates = _dates_of(known, before, found, opens_at, at=at)
    challenge = known or Challenge(slug=found.slug)
    session.add(challenge)
    challenge.sponsor_id = sponsor.id
    challenge.published_by_id = actor.id if actor is not None else None
    challenge.published_at = at
    _write_texts(challenge, found)
    challenge.timezone = found.timezone
    write_dates(challenge, dates)
    _write_limits(challenge, found)
    session.flush()
    _write_place(session, actor, challenge, found)
    board = open_challenge(session, challenge)
    recount(session, board, at, people_too=True)  # its end or who sees it may have changed
    record(session, actor, "challenge.publish", f"challenge:{challenge.id}")
    if before is not None and schedule_of(challenge) != before:
        note_change(session, actor, challenge, before, at=at)
    return challenge


def _sponsor(session: Session, actor: User | None, slug: str) -> Organisation:
    sponsor = session.scalar(select(Organisation).where(Organisation.slug == slug))
    if sponsor is None:
        raise Invalid(N_("There is no organisation %(slug)s here."), field="sponsor", slug=slug)
    policy.check_can_publish(actor, sponsor.id)
    return sponsor


def _dates_of(
    known: Challenge | None,
    before: Schedule | None,
    found: challenge_file.Challenge,
    opens_at: datetime | None,
    *,
    at: datetime,
) -> Schedule:
    """Return the dates that a challenge is to have: what the document says anew, else what stands.

    Days count from the opening and on the calendar of the zone, so with another of these all is said anew.
    """
    try:
        told = planned(found, opens_at or (at if before is None else before.opens_at))
    except (KeyError, ValueError):
        raise Invalid(N_("There is no time zone %(zone)s."), field="timezone", zone=found.timezone) from None
    if known is None or before is None:
        check_in_order(told, "dates")
        return told
    last = challenge_file.load_challenge(known.settings)
    same = last.timezone == found.timezone and told.opens_at == before.opens_at
    dates = followed(before, last, found) if same else told
    check_publication(before, dates, told, at, end_is_new=last.dates.ends != found.dates.ends)
    return dates


def _write_place(
    session: Session, actor: User | None, challenge: Challenge, found: challenge_file.Challenge
) -> None:
    """Put a challenge before those who are to see it; what its document does not say stays as it was."""
    if found.lab is not None:
        lab = _lab(session, found.lab)
        if lab.id != challenge.lab_id:
            check_can_publish_for(actor, lab.course)
            _check_no_rule(session, challenge)
            challenge.lab = lab
    if found.visibility is not None:
        challenge.visibility = Visibility(found.visibility)
    if challenge.visibility is Visibility.COURSE and challenge.lab is None:
        raise Invalid(N_("Say which lab of which course this challenge belongs to."), field="lab")


def _lab(session: Session, name: str) -> Lab:
    course, _, slug = name.partition("/")
    lab = session.scalar(select(Lab).join(Lab.course).where(Course.slug == course, Lab.slug == slug))
    if lab is None:
        raise Invalid(N_("There is no lab %(name)s here."), field="lab", name=name)
    return lab


def _check_no_rule(session: Session, challenge: Challenge) -> None:
    declared = select(GradeRule.id).join(GradeRule.board).where(Board.challenge_id == challenge.id).limit(1)
    if session.scalar(declared) is not None:
        raise Conflict(N_("This board gives points in a course already, so it cannot go to another lab."))


def _read(document: Mapping[str, Any]) -> challenge_file.Challenge:
    try:
        return challenge_file.load_challenge(document)
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Invalid(
            N_("This challenge cannot be published: %(reason)s"),
            field=field,
            reason=f"{field}: {first['msg']}",
        ) from None


def _check_may_change(session: Session, challenge: Challenge, found: challenge_file.Challenge) -> None:
    before = challenge_file.load_challenge(challenge.settings)
    if before.rules != found.rules and before.rules_version == found.rules_version:
        raise Conflict(
            N_("The rules have changed. Give them a new rules_version, so that people accept them.")
        )
    board = session.scalar(select(Board).where(Board.challenge_id == challenge.id))
    if board is not None:
        _check_entries_stay(session, board, before, found)
        _check_names_stay_hidden(session, board, before, found)


def _check_entries_stay(
    session: Session, board: Board, before: challenge_file.Challenge, found: challenge_file.Challenge
) -> None:
    """Refuse what would no longer fit the data, the baselines or the entries that there are."""
    of_data = _changed(before, found, ("metric", "public_share", "model"))
    if not found.form.adds_to(before.form):
        of_data += ["form"]
    of_data += ["direction"] if before.better != found.better else []
    of_entries = _changed(before, found, ("kind", "ladder"))
    of_entries += ["selections"] if before.limits.selections != found.limits.selections else []
    if (of_data or of_entries) and has_entries(session, board):
        raise Conflict(
            N_("There are entries already, so this can no longer change: %(names)s."),
            names=", ".join(of_data + of_entries),
        )
    if of_data and ground_blob(session, board.id, board.truth_version) is not None:
        raise Conflict(
            N_(
                "The data and baselines are made already, so this can no longer change: %(names)s."
                " Publish it as another challenge."
            ),
            names=", ".join(of_data),
        )


def _changed(
    before: challenge_file.Challenge, found: challenge_file.Challenge, names: tuple[str, ...]
) -> list[str]:
    return [name for name in names if getattr(before, name) != getattr(found, name)]


def _check_names_stay_hidden(
    session: Session, board: Board, before: challenge_file.Challenge, found: challenge_file.Challenge
) -> None:
    somebody = select(Team.id).where(Team.board_id == board.id).limit(1)
    if before.anonymous and not found.anonymous and session.scalar(somebody) is not None:
        raise Conflict(N_("People have joined under an alias, so their names stay hidden until the end."))


def _write_texts(challenge: Challenge, found: challenge_file.Challenge) -> None:
    plain = found.to_dict()
    challenge.kind = EntryKind(found.kind)
    challenge.title = plain["title"]
    challenge.texts = {name: plain[name] or {} for name in ("summary", "description", "rules", "eligibility")}
    challenge.rules_version = found.rules_version
    challenge.licence = found.licence
    challenge.settings = plain


def _write_limits(challenge: Challenge, found: challenge_file.Challenge) -> None:
    limits = found.limits
    challenge.daily_limit = limits.per_day
    challenge.total_limit = limits.total
    challenge.failures_per_day = limits.failures_per_day
    challenge.team_size = limits.team_size
    challenge.selections = limits.selections


def open_challenge(session: Session, challenge: Challenge) -> Board:
    """Open the board of a published challenge, or bring it in line with newer settings. Repeatable."""
    board = session.scalar(select(Board).where(Board.challenge_id == challenge.id))
    if board is None:
        board = Board(challenge_id=challenge.id)
        session.add(board)
    found = challenge_file.load_challenge(challenge.settings)
    freeze_before = board.freezes_at
    board.title = dict(challenge.title)
    board.metric = found.metric
    board.direction = Direction(found.better)
    board.decimals = found.decimals
    board.freezes_at = challenge.freezes_at
    board.ends_at = challenge.ends_at
    board.selections = challenge.selections
    board.ladder = found.ladder
    board.anonymous = found.anonymous
    session.flush()
    if board.freezes_at != freeze_before and has_entries(session, board):
        lock_teams(session, board)  # whose standings change at this moment may count by the freeze before
        follow_freeze(session, board)
    return board


def set_baselines(
    session: Session,
    challenge: Challenge,
    scores: Mapping[str, tuple[float, float]],
    *,
    files: Mapping[str, str] | None = None,
    also: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
    at: datetime,
) -> None:
    """Put the challenge's baselines on its board.

    Args:
        scores: key of a baseline -> its public and its private score.
        files: key of a baseline -> SHA-256 of its predictions.
        also: key of a baseline -> name of another metric -> its public and its private value.
    """
    board = open_challenge(session, challenge)
    named = {row["key"]: row for row in challenge.settings.get("baselines") or ()}
    rows = [
        {
            **named.get(key, {}),
            "key": key,
            "public_score": public,
            "private_score": private,
            "blob": (files or {}).get(key),
            "also": (also or {}).get(key, {}),
        }
        for key, (public, private) in scores.items()
    ]
    keep_baselines(session, board, rows, at=at)


def accept_rules(
    session: Session, user: User, challenge: Challenge, version: str, *, at: datetime
) -> RulesAcceptance:
    """Keep that a person accepted a version of the rules, and when. Repeatable; the first time counts.

    Raises:
        Conflict: it is not the version that stands now.
    """
    if version != challenge.rules_version:
        raise Conflict(N_("The rules have changed meanwhile. Read them again."))
    known = _acceptance(session, user, challenge, version)
    if known is not None:
        return known
    made = RulesAcceptance(challenge_id=challenge.id, user_id=user.id, version=version, accepted_at=at)
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:  # accepted twice at once: the other one counts
        known = _acceptance(session, user, challenge, version)
        if known is None:
            raise
        return known
    return made


def _acceptance(session: Session, user: User, challenge: Challenge, version: str) -> RulesAcceptance | None:
    return session.scalar(
        select(RulesAcceptance).where(
            RulesAcceptance.challenge_id == challenge.id,
            RulesAcceptance.user_id == user.id,
            RulesAcceptance.version == version,
        )
    )
