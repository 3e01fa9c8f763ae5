"""Tables of leaderboards: challenges, teams, boards, entries, standings, quotas, truths, evidence."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Organisation, User
from lms.courses.models import Cohort
from lms.db import Base, Document, Sha256, UtcDateTime, enum_column
from lms.grading.models import Lab, LabRelease, Submission

WAITING = sa.text("state IN ('received', 'scoring')")


class Direction(StrEnum):
    """Which way is better."""

    MAX = "max"
    MIN = "min"


class Share(StrEnum):
    """Which part of the scores a standing is of."""

    PUBLIC = "public"
    FROZEN = "frozen"  # public scores of what came before the freeze; shown from the freeze to the end
    PRIVATE = "private"


class EntryKind(StrEnum):
    """What was handed in."""

    LAB = "lab"  # a submission of a course's lab
    PREDICTIONS = "predictions"
    NOTEBOOK = "notebook"
    MODEL = "model"


class EntryState(StrEnum):
    """Where an entry is."""

    RECEIVED = "received"
    SCORING = "scoring"
    SCORED = "scored"
    FAILED = "failed"  # gave its slot back, unless the day had too many that failed
    DISQUALIFIED = "disqualified"  # kept as evidence; never ranks


class Visibility(StrEnum):
    """Who sees a challenge and its board."""

    EVERYONE = "everyone"
    SIGNED_IN = "signed-in"
    COURSE = "course"  # who takes or teaches the course of its lab


class Challenge(Base):
    """A contest on hidden data, sponsored by an organisation; stands alone or belongs to a course's lab."""

    __tablename__ = "challenges"
    __table_args__ = (
        sa.CheckConstraint("opens_at < ends_at", name="ends_after_opening"),
        sa.CheckConstraint("daily_limit >= 1 AND team_size >= 1 AND selections >= 0", name="limits"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    sponsor_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    lab_id: Mapped[int | None] = mapped_column(ForeignKey("labs.id"))
    kind: Mapped[EntryKind] = mapped_column(enum_column(EntryKind))
    visibility: Mapped[Visibility] = mapped_column(enum_column(Visibility), default=Visibility.EVERYONE)
    title: Mapped[dict[str, str]] = mapped_column(Document)
    texts: Mapped[dict[str, dict[str, str]]] = mapped_column(Document)
    """Section (summary, description, rules, eligibility) -> language -> Markdown."""
    rules_version: Mapped[str] = mapped_column(String(40))
    licence: Mapped[str] = mapped_column(String(200), default="")
    """Of the data."""
    timezone: Mapped[str] = mapped_column(String(64))  # a day of the quota is a day on its calendar
    opens_at: Mapped[datetime] = mapped_column(UtcDateTime)
    entry_deadline: Mapped[datetime] = mapped_column(UtcDateTime)
    """The last moment to join."""
    merge_deadline: Mapped[datetime] = mapped_column(UtcDateTime)
    freezes_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    daily_limit: Mapped[int]
    total_limit: Mapped[int | None]
    failures_per_day: Mapped[int]
    team_size: Mapped[int]
    selections: Mapped[int]
    """How many entries a team may select for the end; 0: every entry counts."""
    settings: Mapped[dict[str, Any]] = mapped_column(Document)
    """The whole of it as published: metrics, form, limits, baselines."""
    files: Mapped[dict[str, dict[str, Any]]] = mapped_column(Document, default=dict, server_default="{}")
    """What everyone may download: name -> `sha256` and `bytes`."""
    published_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)

    sponsor: Mapped[Organisation] = relationship()
    lab: Mapped[Lab | None] = relationship()


class RulesAcceptance(Base):
    """Who accepted which version of the rules, and when."""

    __tablename__ = "rules_acceptances"
    __table_args__ = (UniqueConstraint("challenge_id", "user_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    challenge_id: Mapped[int] = mapped_column(ForeignKey("challenges.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    version: Mapped[str] = mapped_column(String(40))
    accepted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Board(Base):
    """A leaderboard: of one lab in one cohort, or of one challenge."""

    __tablename__ = "boards"
    __table_args__ = (
        UniqueConstraint("lab_id", "cohort_id"),
        UniqueConstraint("challenge_id"),
        sa.CheckConstraint(
            "(challenge_id IS NULL) = (lab_id IS NOT NULL) AND (lab_id IS NULL) = (cohort_id IS NULL)"
            " AND (lab_id IS NULL) = (release_id IS NULL)",
            name="lab_or_challenge",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    lab_id: Mapped[int | None] = mapped_column(ForeignKey("labs.id"))
    cohort_id: Mapped[int | None] = mapped_column(ForeignKey("cohorts.id"))
    release_id: Mapped[int | None] = mapped_column(ForeignKey("lab_releases.id"))
    """The release whose hidden set scores it; entries of other releases do not mix in."""
    challenge_id: Mapped[int | None] = mapped_column(ForeignKey("challenges.id"))
    title: Mapped[dict[str, str]] = mapped_column(Document)
    metric: Mapped[str] = mapped_column(String(60))
    direction: Mapped[Direction] = mapped_column(enum_column(Direction))
    decimals: Mapped[int] = mapped_column(default=4)  # shown; ranking uses the unrounded value
    freezes_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From then to the end the board shows what came before."""
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The public score until then, the private one after."""
    selections: Mapped[int] = mapped_column(default=0)  # of a team that count at the end; 0: every one
    ladder: Mapped[bool] = mapped_column(default=False)  # the public board releases the Ladder's score
    anonymous: Mapped[bool] = mapped_column(default=False)  # others see an alias instead of a name
    truth_version: Mapped[int] = mapped_column(default=1)  # of the ground truth that scores are against
    tied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when tie groups were worked out
    looked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it was last worked out anew

    lab: Mapped[Lab | None] = relationship()
    cohort: Mapped[Cohort | None] = relationship()
    release: Mapped[LabRelease | None] = relationship()
    challenge: Mapped[Challenge | None] = relationship()


class Team(Base):
    """Who stands on a board: one or several people. A lab's student is a team of one."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("board_id", "name_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str | None] = mapped_column(String(120))
    """The name as compared with others; empty on a lab's board, where people share names."""
    alias: Mapped[str] = mapped_column(String(12))  # on an anonymous board; says nothing about the team
    leader_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    taken: Mapped[int] = mapped_column(default=0)
    """How many slots its entries hold or used, of the total limit; changed under the row's lock only."""
    last_received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))  # no members, no standing
    disqualified: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    board: Mapped[Board] = relationship()
    members: Mapped[list["TeamMember"]] = relationship(back_populates="team", order_by="TeamMember.id")


class TeamMember(Base):
    """A person in a team; in one team of a board at most."""

    __tablename__ = "team_members"
    __table_args__ = (UniqueConstraint("board_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    shown: Mapped[bool] = mapped_column(default=True)  # the person's name, to others
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)

    team: Mapped[Team] = relationship(back_populates="members")
    user: Mapped[User] = relationship()


class TeamInvitation(Base):
    """A leader's offer to a person; who leads a team brings it along."""

    __tablename__ = "team_invitations"
    __table_args__ = (UniqueConstraint("team_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    invited_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    invited_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted: Mapped[bool] = mapped_column(default=False)

    team: Mapped[Team] = relationship()


class TeamMerge(Base):
    """When one team went into another; the Ladder replays it."""

    __tablename__ = "team_merges"

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), index=True)
    from_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    into_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    sequence: Mapped[int] = mapped_column(sa.BigInteger)  # its place among the entries of the board
    entries: Mapped[int]
    allowed: Mapped[int]
    """What both had used together, and what one team could have by then."""
    merged_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    merged_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Entry(Base):
    """One piece of work on a board, or a baseline, which has no team and takes no rank."""

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("board_id", "sequence"),
        UniqueConstraint("board_id", "submission_id"),
        UniqueConstraint("board_id", "baseline"),
        sa.Index("ix_entries_team", "team_id", "sequence"),
        sa.Index("ix_entries_waiting", "received_at", sqlite_where=WAITING, postgresql_where=WAITING),
        sa.CheckConstraint("(team_id IS NULL) <> (baseline IS NULL)", name="team_or_baseline"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))  # whose it is now
    origin_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    """Whose it was when it came, before teams merged."""
    submitted_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    sequence: Mapped[int] = mapped_column(sa.BigInteger)  # of receipt: its microsecond, or the next free
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the request arrived; counts for deadlines and ties."""
    day: Mapped[date | None]  # of the quota, whose slot it holds
    kind: Mapped[EntryKind] = mapped_column(enum_column(EntryKind))
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submissions.id"))
    baseline: Mapped[str | None] = mapped_column(String(60))
    title: Mapped[dict[str, str]] = mapped_column(Document, default=dict)
    """Shown name of a baseline, by language."""
    source: Mapped[str] = mapped_column(String(300), default="")  # of a baseline not computed here
    blob: Mapped[str | None] = mapped_column(Sha256)  # of the file as it came
    filename: Mapped[str] = mapped_column(String(200), default="")
    size_bytes: Mapped[int] = mapped_column(default=0)
    state: Mapped[EntryState] = mapped_column(enum_column(EntryState), default=EntryState.RECEIVED)
    failure: Mapped[str] = mapped_column(String(300), default="")  # a code; never what a program printed
    public_score: Mapped[float | None]
    """Unrounded; on a board with the Ladder for organisers only."""
    released_score: Mapped[float | None]
    """What participants see, and what the public board ranks: the public score, or the Ladder's."""
    metrics: Mapped[dict[str, float]] = mapped_column(Document, default=dict)  # others, on the public part
    scored_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    selected: Mapped[bool] = mapped_column(default=False)
    assurance: Mapped[str] = mapped_column(String(40), default="shared-kernel")
    truth_version: Mapped[int] = mapped_column(default=1)

    board: Mapped[Board] = relationship()
    team: Mapped[Team | None] = relationship(foreign_keys=[team_id])
    submission: Mapped[Submission | None] = relationship()


class PrivateScore(Base):
    """The private score of an entry, apart, so that nothing that shows the public board can read it."""

    __tablename__ = "private_scores"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True, autoincrement=False)
    score: Mapped[float]
    metrics: Mapped[dict[str, float]] = mapped_column(Document, default=dict)


class EntryLosses(Base):
    """What an entry lost on each row of a share; by a metric that is no mean over rows, on resamples."""

    __tablename__ = "entry_losses"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    share: Mapped[Share] = mapped_column(enum_column(Share), primary_key=True)
    packed: Mapped[bytes]  # `lms.leaderboards.core.losses`


class Standing(Base):
    """Where a team's counting entry stands; written in the transaction that scores."""

    __tablename__ = "standings"
    __table_args__ = (sa.Index("ix_standings_order", "board_id", "share", "key"),)

    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), primary_key=True)
    share: Mapped[Share] = mapped_column(enum_column(Share), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    key: Mapped[bytes] = mapped_column(sa.LargeBinary(16))
    """Sorts by score, better first, then by receipt (`lms.leaderboards.core.keys`)."""
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"))
    score: Mapped[float]
    entries: Mapped[int]  # how many it is the best of
    rank_before: Mapped[int | None]  # at the last nightly look


class TieGroup(Base):
    """Which ranks a team's score cannot be told apart from; worked out apart from ranking, and dated."""

    __tablename__ = "tie_groups"

    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), primary_key=True)
    share: Mapped[Share] = mapped_column(enum_column(Share), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"))
    number: Mapped[int]  # 1, 2, 3 down the board
    best_rank: Mapped[int]
    worst_rank: Mapped[int]
    least_score: Mapped[float | None]  # of the middle 95 % of similar test sets; Wilson's where all is right
    most_score: Mapped[float | None]


class QuotaDay(Base):
    """What a team used of one day; changed under the team's lock only."""

    __tablename__ = "quota_days"
    __table_args__ = (sa.CheckConstraint("used >= 0 AND failed >= 0", name="not_negative"),)

    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)  # on the calendar of the challenge's zone
    used: Mapped[int] = mapped_column(default=0)  # slots held by entries in flight, or used
    failed: Mapped[int] = mapped_column(default=0)  # slots given back by entries that failed by themselves


class Truth(Base):
    """One version of a board's ground truth or scorer, from its preparation on."""

    __tablename__ = "truths"
    __table_args__ = (UniqueConstraint("board_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    version: Mapped[int]
    blob: Mapped[str | None] = mapped_column(Sha256)
    reason: Mapped[str] = mapped_column(String(300))
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    discarded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    keeps_unfiled: Mapped[bool | None]  # scores of entries without a file; empty: nobody has decided


class Rescore(Base):
    """What an entry scores against one version of the truth, before or after it counted; for organisers."""

    __tablename__ = "rescores"

    truth_id: Mapped[int] = mapped_column(ForeignKey("truths.id"), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    public_score: Mapped[float | None]
    private_score: Mapped[float | None]
    public_metrics: Mapped[dict[str, float]] = mapped_column(Document, default=dict)
    private_metrics: Mapped[dict[str, float]] = mapped_column(Document, default=dict)
    public_losses: Mapped[bytes | None]
    private_losses: Mapped[bytes | None]
    mistakes: Mapped[bytes | None]  # as `EntryPrint.mistakes`
    failure: Mapped[str] = mapped_column(String(300), default="")


class Disqualification(Base):
    """Why an entry, or a whole team, was taken off a board; stays when it is lifted."""

    __tablename__ = "disqualifications"

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), index=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"))
    """Empty: the whole team."""
    state_before: Mapped[str] = mapped_column(String(40), default="")
    reason: Mapped[str] = mapped_column(String(1000))
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lifted_reason: Mapped[str] = mapped_column(String(1000), default="")
    lifted_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
