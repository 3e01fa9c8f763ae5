"""Keep how long a run was first said to wait; find what ended lately, and count all without reading them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("grading_runs", sa.Column("first_wait_seconds", sa.Double(), nullable=True))
    op.create_index("ix_grading_runs_finished_at", "grading_runs", ["finished_at"])
    op.create_index("ix_grading_runs_totals", "grading_runs", ["state", "assurance"])
    op.create_index("ix_view_runs_finished_at", "view_runs", ["finished_at"])


def downgrade():
    op.drop_index("ix_view_runs_finished_at", "view_runs")
    op.drop_index("ix_grading_runs_totals", "grading_runs")
    op.drop_index("ix_grading_runs_finished_at", "grading_runs")
    op.drop_column("grading_runs", "first_wait_seconds")
