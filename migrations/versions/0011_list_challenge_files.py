"""List the files that everyone may download with a challenge.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the list; challenges that are there already have no files yet."""
    with op.batch_alter_table("challenges") as batch:
        batch.add_column(sa.Column("files", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    """Forget which files there were; they stay in the store."""
    with op.batch_alter_table("challenges") as batch:
        batch.drop_column("files")
