"""Keep what publishing a prepared truth would change on its board.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SHARE = sa.Enum(
    "public", "frozen", "private", name="share", create_constraint=True, native_enum=False, length=40
)


def upgrade() -> None:
    """What is prepared now is worked out at the scorer's next look."""
    op.create_table(
        "truth_comparisons",
        sa.Column("truth_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["truth_id"], ["truths.id"], name=op.f("fk_truth_comparisons_truth_id_truths")
        ),
        sa.PrimaryKeyConstraint("truth_id", name=op.f("pk_truth_comparisons")),
    )
    op.create_table(
        "truth_changes",
        sa.Column("truth_id", sa.Integer(), nullable=False),
        sa.Column("share", SHARE, nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("rank_before", sa.Integer(), nullable=True),
        sa.Column("rank_after", sa.Integer(), nullable=True),
        sa.Column("score_before", sa.Double(), nullable=True),
        sa.Column("score_after", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_truth_changes_team_id_teams")),
        sa.ForeignKeyConstraint(["truth_id"], ["truths.id"], name=op.f("fk_truth_changes_truth_id_truths")),
        sa.PrimaryKeyConstraint("truth_id", "share", "team_id", name=op.f("pk_truth_changes")),
    )


def downgrade() -> None:
    """Nothing is lost: it can be worked out again."""
    op.drop_table("truth_changes")
    op.drop_table("truth_comparisons")
