"""Keep what failed notebooks say on the files that everybody has.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

NOT_WRITTEN = sa.text("written_at IS NULL")


def upgrade() -> None:
    """What has failed already is not run again: its team has long sent another one."""
    op.create_table(
        "entry_logs",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_entry_logs_entry_id_entries")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_entry_logs")),
    )
    op.create_index(
        "ix_entry_logs_waiting",
        "entry_logs",
        ["asked_at"],
        sqlite_where=NOT_WRITTEN,
        postgresql_where=NOT_WRITTEN,
    )


def downgrade() -> None:
    """Logs are gone; why the entries failed stays with them."""
    op.drop_table("entry_logs")
