"""What waits to be scored."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, String, and_, bindparam, case, exists, func, or_, select, type_coerce
from sqlalchemy.orm import Session, aliased

from lms.leaderboards.core.challenge_file import OWN, load_challenge
from lms.leaderboards.core.challenge_file import Challenge as ChallengeFile
from lms.leaderboards.core.failures import SCORER_FAILED
from lms.leaderboards.models import (
    Board,
    Challenge,
    Entry,
    EntryKind,
    EntryLosses,
    EntryState,
    Rescore,
    Share,
    Standing,
    TieGroup,
    Truth,
)
from lms.leaderboards.queries.standings import IS_BASELINE

BLOB = type_coerce(Entry.blob, String)  # those without one are left out
IS_WAITING = Entry.state.in_(  # written out, as SQLite finds its partial index by these very words alone
    bindparam(
        "waiting",
        [EntryState.RECEIVED, EntryState.SCORING],
        Entry.state.type,
        expanding=True,
        literal_execute=True,
    )
)


class WaitingEntry(NamedTuple):
    """One entry that is to be scored against one version of its board's truth."""

    entry_id: int
    board_id: int
    kind: EntryKind
    blob: str
    truth_version: int


@dataclass(frozen=True)
class Boards:
    """Of which boards entries are asked for."""

    own: bool | None = None
    """Whether their authors brought the scorer, which may take its time; None: all boards."""
    without: Collection[int] = ()


ALL_BOARDS = Boards()


def waiting_entries(
    session: Session,
    kinds: Collection[EntryKind],
    most: int,
    without: Collection[int] = (),
    boards: Boards = ALL_BOARDS,
) -> Sequence[WaitingEntry]:
    """Return the entries of challenges that wait, in the order of their receipt.

    Where only models are asked for, which take long and run one after the other, a team's second one of a
    day comes after the first ones of all others.

    Args:
        without: the entries that are left for later.
    """
    in_turns = (Entry.day, _sent_before()) if set(kinds) == {EntryKind.MODEL} else ()
    rows = session.execute(
        select(Entry.id, Entry.board_id, Entry.kind, BLOB, Board.truth_version)
        .join(Entry.board)
        .where(
            IS_WAITING,
            Entry.kind.in_(kinds),
            Entry.id.not_in(without),
            Entry.blob.is_not(None),
            Board.challenge_id.is_not(None),
            *_of(boards),
        )
        .order_by(*in_turns, Entry.received_at, Entry.id)
        .limit(most)
    )
    return [WaitingEntry._make(row) for row in rows]


def _of(boards: Boards) -> Iterator[Any]:
    if boards.own is not None:
        yield Board.metric == OWN if boards.own else Board.metric != OWN
    if boards.without:
        yield Board.id.not_in(boards.without)


def _sent_before() -> Any:
    """Count what a team sent before an entry on its day, also what is scored already."""
    other = aliased(Entry)
    return (
        select(func.count(other.id))
        .where(other.team_id == Entry.team_id, other.day == Entry.day, other.sequence < Entry.sequence)
        .correlate(Entry)
        .scalar_subquery()
    )


class Unmeasured(NamedTuple):
    """A baseline that lacks metrics which its challenge names beside the score."""

    entry_id: int
    board_id: int
    blob: str
    truth_version: int
    names: frozenset[str]


def unmeasured_baselines(session: Session) -> Sequence[Unmeasured]:
    """Return the baselines with a file that lack other metrics, against the truth that counts.

    They came before any were kept, or before these were named; or a metric has no value for them.

    Complexity: O(boards + baselines), however many entries there are.
    """
    settings: Any = session.execute(
        select(Board.id, Challenge.settings).join(Challenge, Challenge.id == Board.challenge_id)
    )
    named = {board_id: frozenset(known.get("also") or ()) for board_id, known in settings}
    rows = session.execute(
        select(Entry.id, Entry.board_id, BLOB, Entry.truth_version, Entry.metrics)
        .join(Board, Board.id == Entry.board_id)
        .where(
            Entry.board_id.in_([board_id for board_id, names in named.items() if names]),
            IS_BASELINE,
            Entry.state == EntryState.SCORED,
            Entry.blob.is_not(None),
            Entry.truth_version == Board.truth_version,
        )
        .order_by(Entry.id)
    )
    found = (Unmeasured(*row[:4], named[row.board_id].difference(row.metrics)) for row in rows)
    return [each for each in found if each.names]


def waiting_rescores(
    session: Session,
    kinds: Collection[EntryKind],
    most: int,
    without: Collection[int] = (),
    boards: Boards = ALL_BOARDS,
) -> Sequence[tuple[int, WaitingEntry]]:
    """Return (truth, entry) of what is not yet scored against truths that are being prepared."""
    prepared = session.scalars(select(Truth.id).join(Board, Board.id == Truth.board_id).where(is_prepared()))
    truths = prepared.all()
    if not truths:  # as nearly always: no entry is looked at
        return []
    rows = session.execute(
        select(Truth.id, Entry.id, Entry.board_id, Entry.kind, BLOB, Truth.version)
        .join(Board, Board.id == Truth.board_id)
        .join(Entry, Entry.board_id == Truth.board_id)
        .outerjoin(Rescore, and_(Rescore.entry_id == Entry.id, Rescore.truth_id == Truth.id))
        .where(
            Truth.id.in_(truths),
            Rescore.entry_id.is_(None),
            Entry.kind.in_(kinds),
            Entry.id.not_in(without),
            Entry.blob.is_not(None),
            has_part_in_versions(),
            *_of(boards),
        )
        .order_by(Truth.id, Entry.sequence)
        .limit(most)
    )
    return [(row[0], WaitingEntry._make(row[1:])) for row in rows]


def is_prepared() -> Any:
    """Pick the truths, beside their boards, that may be published: of each board the newest one alone."""
    newer = aliased(Truth)
    return and_(
        Truth.published_at.is_(None),
        Truth.discarded_at.is_(None),
        Truth.version > Board.truth_version,
        ~exists().where(
            newer.board_id == Truth.board_id, newer.version > Truth.version, newer.discarded_at.is_(None)
        ),
    )


def prepared_truth(session: Session, board: Board) -> Truth | None:
    """Return the version of a board's truth that may be published, if one is prepared."""
    return session.scalar(select(Truth).join(Board).where(Truth.board_id == board.id, is_prepared()))


def has_part_in_versions() -> Any:
    """Pick the entries that every version of a truth scores.

    What has a score: also what is disqualified, as that may be lifted, and baselines. And what the
    organiser's own scorer failed on, as a corrected one is what it waits for.
    """
    return or_(
        Entry.state == EntryState.SCORED,
        and_(Entry.state == EntryState.DISQUALIFIED, Entry.public_score.is_not(None)),
        and_(Entry.state == EntryState.FAILED, Entry.failure == SCORER_FAILED),
    )


def scorer_failures(board: Board) -> Select[int]:
    """Return the statement for the entries of a board that its challenge's own scorer failed on."""
    return select(Entry.id).where(
        Entry.board_id == board.id, Entry.state == EntryState.FAILED, Entry.failure == SCORER_FAILED
    )


def number_scorer_failed(session: Session, board: Board) -> int:
    """Return how many entries of a board its challenge's own scorer failed on."""
    return session.scalar(select(func.count()).select_from(scorer_failures(board).subquery())) or 0


def ground_blob(session: Session, board_id: int, version: int) -> str | None:
    """Return the hash of one version of a board's ground."""
    return session.scalar(select(Truth.blob).where(Truth.board_id == board_id, Truth.version == version))


def challenge_of_board(session: Session, board_id: int) -> ChallengeFile:
    """Return the challenge of a board as it was published."""
    settings = session.scalars(
        select(Challenge.settings).join(Board, Board.challenge_id == Challenge.id).where(Board.id == board_id)
    ).one()
    return load_challenge(settings)


def file_blobs(session: Session, board_id: int) -> dict[str, str]:
    """Return name -> hash of the files that everyone may download with a board's challenge."""
    files = session.scalars(
        select(Challenge.files).join(Board, Board.challenge_id == Challenge.id).where(Board.id == board_id)
    ).one()
    return {name: str(file["sha256"]) for name, file in files.items()}


def boards_to_tie(session: Session, before: datetime) -> Sequence[int]:
    """Return the boards whose tie groups are not of the entries that stand, if those are older than a moment.

    Those of no date are looked at whatever they are of.

    What stands is compared with what was tied, and no times are: a score may be stamped long before it is
    committed, and a choice, a disqualification or a merge leaves no score at all.
    """
    due = or_(Board.tied_at.is_(None), Board.tied_at < before)
    return session.scalars(
        select(Board.id).where(due, or_(_untied(), _tied_before(), _tied_at_no_time()))
    ).all()


def _untied() -> Any:
    """Pick boards where something stands whose losses are kept, and that is in no tie group."""
    of = case((Standing.share == Share.PRIVATE, Share.PRIVATE.value), else_=Share.PUBLIC.value)
    has_losses = exists().where(EntryLosses.entry_id == Standing.entry_id, EntryLosses.share == of)
    return exists().where(Standing.board_id == Board.id, ~exists().where(_is_tied()), has_losses)


def _tied_before() -> Any:
    """Pick boards with a tie group of something that stands no more."""
    return exists().where(TieGroup.board_id == Board.id, ~exists().where(_is_tied()))


def _tied_at_no_time() -> Any:
    return and_(Board.tied_at.is_(None), exists().where(TieGroup.board_id == Board.id))


def _is_tied() -> Any:
    return and_(
        TieGroup.board_id == Standing.board_id,
        TieGroup.share == Standing.share,
        TieGroup.team_id == Standing.team_id,
        TieGroup.entry_id == Standing.entry_id,
    )


def number_waiting(session: Session, board: Board) -> int:
    """Return how many entries of a board wait to be scored."""
    count = select(func.count()).where(
        Entry.board_id == board.id, Entry.state.in_((EntryState.RECEIVED, EntryState.SCORING))
    )
    return session.scalar(count) or 0
