"""Keep what people say about a challenge, how teams did it, and how winners prove their place.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATES = ("asked", "handed_in", "accepted", "refused")
TOLD = {"type_": sa.String(length=1000), "nullable": False}


def upgrade() -> None:
    """Nothing is there yet of any of it."""
    _create_posts()
    _create_writeups()
    _create_winners()


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _link(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def _create_posts() -> None:
    table = "discussion_posts"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("challenge_id", sa.Integer(), nullable=False),
        sa.Column("topic_id", sa.Integer(), nullable=True),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("by_organiser", sa.Boolean(), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _moment("said_at", nullable=False),
        _moment("edited_at"),
        _moment("deleted_at"),
        _moment("hidden_at"),
        sa.Column("hidden_by_id", sa.Integer(), nullable=True),
        sa.Column("hidden_reason", **TOLD),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        _moment("closed_at"),
        sa.Column("answers", sa.Integer(), nullable=False),
        _moment("last_said_at"),
        sa.CheckConstraint(
            "(topic_id IS NULL) = (last_said_at IS NOT NULL)", name=op.f(f"ck_{table}_topic_or_answer")
        ),
        sa.CheckConstraint(
            "deleted_at IS NULL OR (text = '' AND title = '')", name=op.f(f"ck_{table}_deleted_is_gone")
        ),
        sa.CheckConstraint(
            "hidden_at IS NULL OR hidden_reason <> ''", name=op.f(f"ck_{table}_hidden_for_a_reason")
        ),
        _link(table, "challenge_id", "challenges"),
        _link(table, "topic_id", table),
        _link(table, "author_id", "users"),
        _link(table, "hidden_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index("ix_discussion_posts_topics", table, ["challenge_id", "pinned", "last_said_at"])
    op.create_index(op.f("ix_discussion_posts_topic_id"), table, ["topic_id"])


def _create_writeups() -> None:
    op.create_table(
        "writeups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=True),
        sa.Column("written_by_id", sa.Integer(), nullable=False),
        _moment("written_at", nullable=False),
        _moment("edited_at"),
        _moment("withdrawn_at"),
        _moment("hidden_at"),
        sa.Column("hidden_by_id", sa.Integer(), nullable=True),
        sa.Column("hidden_reason", **TOLD),
        sa.CheckConstraint(
            "withdrawn_at IS NULL OR (text = '' AND title = '')", name=op.f("ck_writeups_withdrawn_is_gone")
        ),
        sa.CheckConstraint(
            "hidden_at IS NULL OR hidden_reason <> ''", name=op.f("ck_writeups_hidden_for_a_reason")
        ),
        _link("writeups", "board_id", "boards"),
        _link("writeups", "team_id", "teams"),
        _link("writeups", "entry_id", "entries"),
        _link("writeups", "written_by_id", "users"),
        _link("writeups", "hidden_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_writeups")),
        sa.UniqueConstraint("team_id", name=op.f("uq_writeups_team_id")),
    )
    op.create_index(op.f("ix_writeups_board_id"), "writeups", ["board_id"])


def _create_winners() -> None:
    op.create_table(
        "winner_rounds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("winners", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.String(length=2000), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("opened_by_id", sa.Integer(), nullable=False),
        _moment("opened_at", nullable=False),
        sa.CheckConstraint(
            "winners BETWEEN 1 AND 100 AND days BETWEEN 1 AND 60", name=op.f("ck_winner_rounds_limits")
        ),
        _link("winner_rounds", "board_id", "boards"),
        _link("winner_rounds", "opened_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_winner_rounds")),
        sa.UniqueConstraint("board_id", name=op.f("uq_winner_rounds_board_id")),
    )
    state = sa.Enum(*STATES, name="claim_state", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "winner_claims",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("state", state, nullable=False),
        _moment("asked_at", nullable=False),
        _moment("due_at", nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=True),
        sa.Column("filename", sa.String(length=200), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        _moment("handed_in_at"),
        sa.Column("handed_in_by_id", sa.Integer(), nullable=True),
        sa.Column("reason", **TOLD),
        _moment("decided_at"),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('accepted', 'refused')) = (decided_at IS NOT NULL)",
            name=op.f("ck_winner_claims_decided"),
        ),
        sa.CheckConstraint(
            "state IN ('asked', 'refused') OR handed_in_at IS NOT NULL",
            name=op.f("ck_winner_claims_has_evidence"),
        ),
        _link("winner_claims", "round_id", "winner_rounds"),
        _link("winner_claims", "team_id", "teams"),
        _link("winner_claims", "handed_in_by_id", "users"),
        _link("winner_claims", "decided_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_winner_claims")),
        sa.UniqueConstraint("team_id", name=op.f("uq_winner_claims_team_id")),
    )
    op.create_index(op.f("ix_winner_claims_round_id"), "winner_claims", ["round_id"])


def downgrade() -> None:
    """Forget what was said, written up and verified."""
    for table in ("winner_claims", "winner_rounds", "writeups", "discussion_posts"):
        op.drop_table(table)
