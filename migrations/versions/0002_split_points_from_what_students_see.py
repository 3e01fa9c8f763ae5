"""Split a run's points from what its student sees; give the queue priorities, machines and workers."""

import sqlalchemy as sa
from alembic import op

import lms.db

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATES = ("queued", "running", "done", "failed")
NAMED = {"native_enum": False, "length": 40}


def state(*values):
    return sa.Enum(*values, name="run_state", create_constraint=True, **NAMED)


def resource():
    return sa.Enum("cpu", "big-memory", "gpu", name="resource", create_constraint=True, **NAMED)


def upgrade():
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("started_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("isolation", sa.String(length=200), nullable=False),
        sa.Column("doing", sa.String(length=80), nullable=False),
        sa.Column("environments", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    op.create_table(
        "view_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("state", state(*STATES, "cancelled"), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("resource", resource(), nullable=False),
        sa.Column("queued_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("started_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("finished_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("lease_until", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("feedback_blob", sa.String(length=64), nullable=True),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("notices", sa.JSON(), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.Column("worker", sa.String(length=80), nullable=False),
        sa.Column("failure", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["grading_runs.id"], name=op.f("fk_view_runs_run_id_grading_runs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_view_runs")),
        sa.UniqueConstraint("run_id", name=op.f("uq_view_runs_run_id")),
    )
    op.create_index("ix_view_runs_queue", "view_runs", ["state", "priority", "queued_at"])
    op.execute(
        "INSERT INTO view_runs (run_id, state, priority, resource, queued_at, started_at, finished_at,"
        " token, tries, feedback_blob, messages, notices, cells, worker, failure)"
        " SELECT id, 'done', 50, 'cpu', queued_at, started_at, finished_at, 1, 1,"
        " feedback_blob, '{}', '[]', '[]', '', '' FROM grading_runs WHERE feedback_blob IS NOT NULL"
    )
    op.drop_index("ix_grading_runs_queue", "grading_runs")
    with op.batch_alter_table("grading_runs") as runs:
        runs.add_column(sa.Column("priority", sa.Integer(), nullable=False, server_default="30"))
        runs.add_column(sa.Column("resource", resource(), nullable=False, server_default="cpu"))
        runs.add_column(sa.Column("cpu_seconds", sa.Double(), nullable=True))
        runs.add_column(sa.Column("seed", sa.BigInteger(), nullable=False, server_default="0"))
        runs.add_column(sa.Column("phases", sa.JSON(), nullable=False, server_default="{}"))
        runs.add_column(sa.Column("cells", sa.JSON(), nullable=False, server_default="[]"))
        runs.add_column(sa.Column("record_blob", sa.String(length=64), nullable=True))
        runs.add_column(sa.Column("worker", sa.String(length=80), nullable=False, server_default=""))
        runs.drop_column("feedback_blob")
        runs.drop_constraint(op.f("ck_grading_runs_run_state"), type_="check")
        runs.create_check_constraint(
            op.f("ck_grading_runs_run_state"), sa.column("state").in_([*STATES, "cancelled"])
        )
    op.create_index("ix_grading_runs_queue", "grading_runs", ["state", "priority", "queued_at"])


def downgrade():
    op.execute("UPDATE grading_runs SET state = 'failed', failure = 'cancelled' WHERE state = 'cancelled'")
    op.drop_index("ix_grading_runs_queue", "grading_runs")
    with op.batch_alter_table("grading_runs") as runs:
        runs.add_column(sa.Column("feedback_blob", sa.String(length=64), nullable=True))
        runs.drop_constraint(op.f("ck_grading_runs_run_state"), type_="check")
        runs.create_check_constraint(op.f("ck_grading_runs_run_state"), sa.column("state").in_(STATES))
        runs.drop_constraint(op.f("ck_grading_runs_resource"), type_="check")
        for name in (
            "priority", "resource", "cpu_seconds", "seed", "phases", "cells", "record_blob", "worker",
        ):  # fmt: skip
            runs.drop_column(name)
    op.execute(
        "UPDATE grading_runs SET feedback_blob ="
        " (SELECT feedback_blob FROM view_runs WHERE view_runs.run_id = grading_runs.id)"
    )
    op.create_index("ix_grading_runs_queue", "grading_runs", ["state", "queued_at"])
    op.drop_table("view_runs")
    op.drop_table("workers")
