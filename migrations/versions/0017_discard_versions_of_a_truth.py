"""Discard versions of a truth, decide about entries without a file, compare by the mistakes against each.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was discarded or decided so far."""
    with op.batch_alter_table("truths") as batch:
        batch.add_column(sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("keeps_unfiled", sa.Boolean(), nullable=True))
    with op.batch_alter_table("rescores") as batch:
        batch.add_column(sa.Column("mistakes", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """What was discarded is gone, as it would be scored again otherwise."""
    discarded = sa.text("SELECT id FROM truths WHERE discarded_at IS NOT NULL")
    for (truth_id,) in op.get_bind().execute(discarded).all():
        for table in ("truth_changes", "truth_comparisons", "rescores"):
            op.execute(sa.text(f"DELETE FROM {table} WHERE truth_id = {int(truth_id)}"))  # noqa: S608
        op.execute(sa.text(f"DELETE FROM truths WHERE id = {int(truth_id)}"))  # noqa: S608
    with op.batch_alter_table("rescores") as batch:
        batch.drop_column("mistakes")
    with op.batch_alter_table("truths") as batch:
        batch.drop_column("keeps_unfiled")
        batch.drop_column("discarded_at")
