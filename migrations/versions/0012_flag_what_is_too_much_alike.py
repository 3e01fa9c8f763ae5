"""Keep what entries are compared by, and flags for those who run a board.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NOT_LOOKED_AT = sa.text("looked_at IS NULL")
KINDS = ("duplicate", "near-duplicate", "perfect", "burst", "address", "quota")
STATES = ("open", "dismissed", "upheld")


def upgrade() -> None:
    """Entries that are there already are not compared: nothing of their predictions was kept."""
    _create_prints()
    _create_flags()


def _create_prints() -> None:
    op.create_table(
        "entry_prints",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("mistakes", sa.LargeBinary(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_entry_prints_board_id_boards")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_entry_prints_entry_id_entries")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_entry_prints")),
    )
    op.create_index("ix_entry_prints_digest", "entry_prints", ["board_id", "digest"])
    op.create_index("ix_entry_prints_blob", "entry_prints", ["board_id", "blob"])
    op.create_index(
        "ix_entry_prints_waiting",
        "entry_prints",
        ["board_id"],
        sqlite_where=NOT_LOOKED_AT,
        postgresql_where=NOT_LOOKED_AT,
    )
    op.create_table(
        "entry_addresses",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=32), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_entry_addresses_board_id_boards")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_entry_addresses_entry_id_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_entry_addresses")),
    )
    op.create_index("ix_entry_addresses_address", "entry_addresses", ["board_id", "address"])
    op.create_index(op.f("ix_entry_addresses_received_at"), "entry_addresses", ["received_at"])


def _create_flags() -> None:
    kind = sa.Enum(*KINDS, name="flag_kind", native_enum=False, create_constraint=True, length=40)
    state = sa.Enum(*STATES, name="flag_state", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "flags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("occasion", sa.Integer(), nullable=False),
        sa.Column("teams", sa.JSON(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grown_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_flags_decided_or_open")),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_flags_board_id_boards")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["users.id"], name=op.f("fk_flags_decided_by_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags")),
        sa.UniqueConstraint(
            "board_id", "kind", "key", "occasion", name=op.f("uq_flags_board_id_kind_key_occasion")
        ),
    )


def downgrade() -> None:
    """Forget what was noticed, and what people decided about it."""
    for table in ("flags", "entry_addresses", "entry_prints"):
        op.drop_table(table)
