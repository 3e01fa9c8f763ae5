"""Comparing new entries with those of other teams: what comes of it is a flag for a person, nothing else.

Repeatable: an entry is compared once, a finding has one row, and whoever dies in between begins again.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.services.audit import record
from lms.db import reading
from lms.leaderboards.core.suspicion import (
    BURST_SECONDS,
    WITHIN_SECONDS,
    Alike,
    alike,
    behind_one_address,
    burst,
    days_over_quota,
    in_step,
)
from lms.leaderboards.models import Board, Standing
from lms.leaderboards.queries import suspects
from lms.leaderboards.queries.suspects import MOST_TEAMS, Compared, Sent
from lms.leaderboards.services.addresses import forget_addresses
from lms.leaderboards.tables.flags import EntryPrint, Flag, FlagKind, FlagState

MOST_AT_ONCE = 2000
"""New entries of a board that one look compares; the next look takes the next ones."""
MOST_ENTRIES = 50
"""The entries that one flag names."""
MOST_PAIRS = 100
"""The pairs that one look flags as nearly the same, the closest first: a class may share one recipe."""
LOOK_BACK = timedelta(days=14)
MOST_LINKED = 4
"""The teams whose quotas are added up: more have an address, or a recipe, in common without being one."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Finding:
    """What a flag will say."""

    kind: FlagKind
    key: str
    teams: tuple[int, ...]
    entries: tuple[int, ...]
    evidence: dict[str, Any] = field(default_factory=dict)


def flag_boards(sessions: sessionmaker[Session], at: datetime) -> int:
    """Compare what is new on all boards; return how many new flags came of it.

    Nothing is locked while entries are compared. Old hashes of addresses are deleted on the way.
    """
    with reading(sessions) as session:
        boards = suspects.boards_to_compare(session)
    made = 0
    for board_id in boards:
        try:
            made += _flag(sessions, board_id, at)
        except Exception:  # one board's fault holds no other up; it is tried again at the next look
            log.exception("boards.not_compared", board=board_id)
    with sessions.begin() as session:
        forget_addresses(session, at)
    return made


def _flag(sessions: sessionmaker[Session], board_id: int, at: datetime) -> int:
    with reading(sessions) as session:
        board = session.get_one(Board, board_id)
        new = suspects.new_prints(session, board_id, MOST_AT_ONCE)
        found = findings(session, board, new, at)
        found += _over_quota(session, board, found)
    with sessions.begin() as session:
        board = session.get_one(Board, board_id)
        made = keep_findings(session, board, found, at)
        session.execute(
            update(EntryPrint)
            .where(EntryPrint.entry_id.in_(new))
            .values(looked_at=at)
            .execution_options(synchronize_session=False)
        )
    return made


def findings(session: Session, board: Board, new: Sequence[int], at: datetime) -> list[Finding]:
    """Return what is noticed about a board that involves one of its new entries; changes nothing.

    Complexity: O(new * teams * rows) for mistakes; O(n log n) in recent entries for moments.
    """
    recent = suspects.recent_entries(session, board, at - LOOK_BACK)
    same = list(_duplicates(suspects.twins(session, board, new)))
    pairs = {each.teams for each in same}
    return [
        *same,
        *(each for each in _near(session, board, new) if each.teams not in pairs),
        *_perfect(session, board),
        *_bursts(recent, set(new)),
        *_steps(recent, set(new)),
        *_addresses(session, board, new),
    ]


def _duplicates(groups: dict[tuple[str, str], list[Sent]]) -> Iterable[Finding]:
    for (what, key), group in groups.items():
        teams = tuple(dict.fromkeys(each.team_id for each in group))
        first = next(each for each in group if each.team_id != group[0].team_id)
        yield Finding(
            FlagKind.DUPLICATE,
            f"{what}:{key}",
            tuple(sorted(teams[:MOST_TEAMS])),
            tuple(each.entry_id for each in group[:MOST_ENTRIES]),
            {
                "same": what,
                "teams": len(teams),
                "minutes": round((first.at - group[0].at).total_seconds() / 60),
            },
        )


def _near(session: Session, board: Board, new: Sequence[int]) -> Iterable[Finding]:
    standing = select(Standing.entry_id).where(Standing.board_id == board.id, Standing.entry_id.in_(new))
    stands = set(session.scalars(standing))
    compared = suspects.compared(session, board) if stands else None
    if compared is None:
        return
    rows = [at for at, entry_id in enumerate(compared.entries) if entry_id in stands]
    for pair in alike(compared.losses, rows)[:MOST_PAIRS]:
        yield _near_finding(compared, pair)


def _near_finding(compared: Compared, pair: Alike) -> Finding:
    teams = tuple(sorted((compared.teams[pair.first], compared.teams[pair.second])))
    evidence: dict[str, Any] = {
        "measure": pair.measure,
        "rows": pair.rows,
        "share": round(pair.share, 6),
        "chance": round(pair.chance, 1),
    }
    if pair.measure == "mistakes":
        evidence |= {
            "shared": pair.shared,
            "expected": round(pair.expected, 1),
            "mistakes": sorted(pair.mistakes),
        }
    entries = (compared.entries[pair.first], compared.entries[pair.second])
    return Finding(FlagKind.NEAR_DUPLICATE, _key(teams), teams, entries, evidence)


def _perfect(session: Session, board: Board) -> Iterable[Finding]:
    score, rows, number = suspects.perfect_teams(session, board)
    if len(rows) > 1:
        teams, entries = zip(*rows, strict=True)
        evidence = {"score": score, "teams": len(rows), "of": number}
        yield Finding(FlagKind.PERFECT, "perfect", tuple(sorted(teams)), entries[:MOST_ENTRIES], evidence)


def _bursts(recent: Sequence[Sent], new: set[int]) -> Iterable[Finding]:
    sent = defaultdict(list)
    for each in recent:
        sent[each.team_id].append(each)
    for team, own in sorted(sent.items()):
        if new.isdisjoint(each.entry_id for each in own):
            continue
        most = burst([each.at.timestamp() for each in own])
        if most:
            evidence = {"most": most, "seconds": BURST_SECONDS}
            yield Finding(FlagKind.BURST, f"at-once:{team}", (team,), _ids(own), evidence)


def _steps(recent: Sequence[Sent], new: set[int]) -> Iterable[Finding]:
    fresh = {each.team_id for each in recent if each.entry_id in new}
    for step in in_step((each.team_id, each.at.timestamp()) for each in recent):
        teams = (step.first, step.second)
        if fresh & set(teams):
            evidence = {
                "meetings": step.meetings,
                "days": step.days,
                "seconds": WITHIN_SECONDS,
                "expected": round(step.expected, 2),
                "chance": round(step.chance, 1),
            }
            own = [each for each in recent if each.team_id in teams]
            yield Finding(FlagKind.BURST, f"step:{_key(teams)}", teams, _ids(own), evidence)


def _addresses(session: Session, board: Board, new: Sequence[int]) -> Iterable[Finding]:
    uses = suspects.uses_of_addresses(session, board, new)
    for teams, number in behind_one_address(uses).items():
        entries = suspects.some_entries(session, board, teams, MOST_ENTRIES)
        yield Finding(FlagKind.ADDRESS, _key(teams), teams, tuple(entries), {"addresses": number})


def _over_quota(session: Session, board: Board, new: Sequence[Finding]) -> list[Finding]:
    """Return the teams that together use more than one team may, linked by a flag or by what is new."""
    if board.challenge is None:
        return []
    limit, found = board.challenge.daily_limit, []
    linked = _linked(suspects.flags_of_board(session, board), new)
    used = suspects.used_by_day(session, {team for teams in linked for team in teams})
    for teams, kinds in linked.items():
        days = days_over_quota([used[team] for team in teams], limit)
        if days:
            entries = suspects.some_entries(session, board, teams, MOST_ENTRIES)
            evidence = {"days": days[-10:], "number": len(days), "limit": limit, "linked_by": kinds}
            found.append(Finding(FlagKind.QUOTA, _key(teams), teams, tuple(entries), evidence))
    return found


def _linked(flags: Sequence[Flag], new: Sequence[Finding]) -> dict[tuple[int, ...], list[str]]:
    """Return few teams -> the kinds of what links them, and that nobody dismissed."""
    latest = {(flag.kind, flag.key): flag for flag in flags}
    links = [(flag.kind, flag.teams) for flag in flags if flag.state is not FlagState.DISMISSED]
    for each in new:
        known = latest.get((each.kind, each.key))
        if known is None or known.state is not FlagState.DISMISSED or _has_grown(known, each):
            grown = known.teams if known is not None and known.state is FlagState.OPEN else []
            links.append((each.kind, [*each.teams, *grown]))
    found: dict[tuple[int, ...], list[str]] = {}
    for kind, linked in links:
        teams = tuple(sorted(set(linked)))
        if kind.links and 1 < len(teams) <= MOST_LINKED and kind.value not in found.setdefault(teams, []):
            found[teams].append(kind.value)
    return found


def _key(teams: Iterable[int]) -> str:
    return "-".join(map(str, sorted(teams)))


def _ids(entries: Iterable[Sent]) -> tuple[int, ...]:
    return tuple(each.entry_id for each in entries)[:MOST_ENTRIES]


def keep_findings(session: Session, board: Board, found: Iterable[Finding], at: datetime) -> int:
    """Keep each finding as one flag; return how many are new.

    An open flag grows. One that a person has decided stays as it was decided; only where more teams are in
    it, a new one says so.
    """
    return sum(_keep(session, board, finding, at) for finding in found)


def _keep(session: Session, board: Board, finding: Finding, at: datetime) -> bool:
    known = session.scalar(
        select(Flag)
        .where(Flag.board_id == board.id, Flag.kind == finding.kind, Flag.key == finding.key)
        .order_by(Flag.occasion.desc())
        .limit(1)
    )
    if known is not None and known.state is not FlagState.OPEN and not _has_grown(known, finding):
        return False
    if known is not None and known.state is FlagState.OPEN:
        _grow(known, finding, at)
        return False
    flag = Flag(
        board_id=board.id,
        kind=finding.kind,
        key=finding.key,
        occasion=known.occasion + 1 if known is not None else 1,
        teams=list(finding.teams),
        entries=list(finding.entries),
        evidence=finding.evidence,
        found_at=at,
    )
    session.add(flag)
    session.flush()
    record(session, None, "board.flag", f"board:{board.id}", flag=flag.id, kind=flag.kind.value)
    return True


def _has_grown(known: Flag, finding: Finding) -> bool:
    if finding.kind is FlagKind.PERFECT:  # each pupil who gets everything right would open it again
        return len(finding.teams) >= 2 * len(known.teams)
    return not set(finding.teams) <= set(known.teams)


def _grow(known: Flag, finding: Finding, at: datetime) -> None:
    teams = sorted({*known.teams, *finding.teams})
    entries = list(dict.fromkeys([*known.entries, *finding.entries]))[:MOST_ENTRIES]
    if teams != known.teams or entries != known.entries:
        known.teams, known.entries, known.grown_at = teams, entries, at
        known.evidence = finding.evidence
