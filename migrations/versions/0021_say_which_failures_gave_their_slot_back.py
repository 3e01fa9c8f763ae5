"""Say of each failed entry whether it gave its slot back.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

GAVE_BACK = sa.text(
    "INSERT INTO returned_slots (entry_id, counted) SELECT id, :counted FROM entries "
    "WHERE state = 'failed' AND day IS NOT NULL AND blob IS NOT NULL"
).bindparams(sa.bindparam("counted", True, type_=sa.Boolean()))


def upgrade() -> None:
    """Every failure gave its slot back so far, and counted; what came without a file held none."""
    op.create_table(
        "returned_slots",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_returned_slots_entry_id_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_returned_slots")),
    )
    op.execute(GAVE_BACK)


def downgrade() -> None:
    """Counters stay: what failed and kept its slot stays used."""
    op.drop_table("returned_slots")
