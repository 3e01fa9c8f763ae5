"""Tell between which scores the middle 95 % of similar test sets would put a team.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Tie groups follow from losses that are kept: the scorer works all of them out anew, within a minute."""
    op.execute(sa.text("DELETE FROM tie_groups"))
    with op.batch_alter_table("tie_groups") as batch:
        batch.add_column(sa.Column("least_score", sa.Double(), nullable=True))
        batch.add_column(sa.Column("most_score", sa.Double(), nullable=True))


def downgrade() -> None:
    """Tie groups and ranges of ranks stay."""
    with op.batch_alter_table("tie_groups") as batch:
        batch.drop_column("most_score")
        batch.drop_column("least_score")
