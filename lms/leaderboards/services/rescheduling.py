"""Moving the dates of a running challenge, for a reason that everybody reads."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import Clock
from lms.errors import N_, Conflict, Invalid
from lms.leaderboards.core.schedule import MOVABLE, Schedule, as_meant, as_shown
from lms.leaderboards.models import Challenge
from lms.leaderboards.policies.dates import TOO_FAR, check_can_reschedule, check_moves, has_passed
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.services.challenges import open_challenge
from lms.leaderboards.services.dates import lock_dates, note_change, write_dates
from lms.leaderboards.services.honouring import recount
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.services.wording import reason as fit
from lms.leaderboards.tables.dates import LONGEST_REASON, ChallengeDateChange


def reschedule(
    session: Session,
    actor: User | None,
    challenge: Challenge,
    typed: Mapping[str, datetime | None],
    reason: str,
    *,
    seen: str,
    clock: Clock,
    no_freeze: bool = False,
) -> ChallengeDateChange:
    """Move dates of a challenge, with its board, and write it down.

    Args:
        typed: name of each movable date -> date and time without a zone, on the calendar of the challenge's;
            None: nothing, which only a freeze can be, and one that stands only with `no_freeze`.
        reason: why, for everybody.
        seen: the mark of the dates that the actor saw (`Schedule.mark`).
        clock: tells when it is decided: an end may pass while this waits for others.
        no_freeze: whether the actor asked outright that the board never stands still.

    Raises:
        NotAllowed: the actor does not run the challenge, or takes part in it.
        Conflict: the challenge has ended, or somebody else moved its dates meanwhile.
        Invalid: a date cannot be moved so, none is moved, or there is no reason; `field` says where.
    """
    check_organiser(session, actor, board_of_challenge(session, challenge))
    before = lock_dates(session, challenge)
    at = clock()
    check_can_reschedule(before, at)
    if seen != before.mark:
        raise Conflict(
            N_(
                "Somebody moved these dates meanwhile, so nothing of yours was kept. Below they are as they"
                " stand now; move them again if that is still needed."
            )
        )
    freezes_at = _freeze_meant(before, typed.get("freezes_at"), challenge.timezone, at, none=no_freeze)
    after = _meant(before, {**typed, "freezes_at": freezes_at}, challenge.timezone)
    if after == before:
        raise Invalid(N_("These are the dates that stand already, so nothing was changed. Move one of them."))
    check_moves(before, after, at)
    why = fit(reason, LONGEST_REASON)
    with session.begin_nested():
        write_dates(challenge, after)
        session.flush()
        recount(session, open_challenge(session, challenge), at)
        check_can_reschedule(before, clock())  # that took a while, and till now the end before holds for all
    return note_change(session, actor, challenge, before, reason=why, at=at)


def _freeze_meant(
    before: Schedule, wall: datetime | None, timezone: str, at: datetime, *, none: bool
) -> datetime | None:
    """Return the freeze that somebody typed, on the calendar of the zone; None: there is to be none.

    Browsers send a date of which a part is missing as nothing, so that alone takes no freeze away.

    Raises:
        Invalid: nothing was typed and not asked for either, or something was typed and nothing asked for.
    """
    stands = before.freezes_at
    if none:
        if wall is not None and (stands is None or wall != as_shown(stands, timezone)):
            raise Invalid(
                N_("Either write when the board is to stand still, or say that it never does: not both."),
                field="freezes_at",
            )
        return None
    if wall is None and stands is not None and not has_passed(stands, at):
        raise Invalid(
            N_("Write date and time. If the board is never to stand still, say so below."),
            field="freezes_at",
        )
    return wall


def _meant(before: Schedule, typed: Mapping[str, datetime | None], timezone: str) -> Schedule:
    """Return the dates that somebody typed.

    Raises:
        Invalid: one is missing, or no date at all.
    """
    dates: dict[str, datetime | None] = {}
    for name in MOVABLE:
        wall = typed.get(name)
        if wall is None and name != "freezes_at":
            raise Invalid(N_("Write date and time."), field=name)
        try:
            dates[name] = wall and as_meant(wall, before.date(name), timezone)
        except OverflowError:
            raise Invalid(TOO_FAR, field=name) from None
    return Schedule(opens_at=before.opens_at, **dates)  # type: ignore[arg-type]  # only the freeze is None
