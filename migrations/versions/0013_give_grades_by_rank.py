"""Keep what boards give: rules, confirmed awards, objections and corrections.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
UNANSWERED = sa.text("answered_at IS NULL")
WITHIN = "points >= 0 AND points <= maximum AND computed >= 0 AND computed <= maximum"


def upgrade() -> None:
    """No board gives anything yet."""
    _create_rules()
    _create_awards()
    _create_objections()


def _create_rules() -> None:
    op.create_table(
        "grade_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("objection_days", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("declared_by_id", sa.Integer(), nullable=False),
        sa.Column("declared_at", MOMENT, nullable=False),
        sa.CheckConstraint("objection_days BETWEEN 1 AND 60", name=op.f("ck_grade_rules_objection_days")),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_grade_rules_board_id_boards")),
        sa.ForeignKeyConstraint(
            ["declared_by_id"], ["users.id"], name=op.f("fk_grade_rules_declared_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade_rules")),
        sa.UniqueConstraint("board_id", "version", name=op.f("uq_grade_rules_board_id_version")),
    )
    op.create_table(
        "grade_confirmations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("truth_version", sa.Integer(), nullable=False),
        sa.Column("confirmed_by_id", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=False),
        sa.Column("objections_until", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["board_id"], ["boards.id"], name=op.f("fk_grade_confirmations_board_id_boards")
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["grade_rules.id"], name=op.f("fk_grade_confirmations_rule_id_grade_rules")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by_id"], ["users.id"], name=op.f("fk_grade_confirmations_confirmed_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade_confirmations")),
        sa.UniqueConstraint("board_id", name=op.f("uq_grade_confirmations_board_id")),
    )


def _create_awards() -> None:
    op.create_table(
        "rank_awards",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("confirmation_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("tie_group", sa.Integer(), nullable=True),
        sa.Column("computed", sa.Double(), nullable=False),
        sa.Column("points", sa.Double(), nullable=False),
        sa.Column("maximum", sa.Double(), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.CheckConstraint(WITHIN, name=op.f("ck_rank_awards_within_maximum")),
        sa.ForeignKeyConstraint(
            ["confirmation_id"],
            ["grade_confirmations.id"],
            name=op.f("fk_rank_awards_confirmation_id_grade_confirmations"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_rank_awards_user_id_users")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_rank_awards_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rank_awards")),
        sa.UniqueConstraint(
            "confirmation_id", "user_id", name=op.f("uq_rank_awards_confirmation_id_user_id")
        ),
    )
    op.create_index(op.f("ix_rank_awards_user_id"), "rank_awards", ["user_id"])


def _create_objections() -> None:
    op.create_table(
        "award_objections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("award_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("answer", sa.String(length=2000), nullable=False),
        sa.Column("answered_by_id", sa.Integer(), nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["award_id"], ["rank_awards.id"], name=op.f("fk_award_objections_award_id_rank_awards")
        ),
        sa.ForeignKeyConstraint(
            ["answered_by_id"], ["users.id"], name=op.f("fk_award_objections_answered_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_award_objections")),
    )
    op.create_index(op.f("ix_award_objections_award_id"), "award_objections", ["award_id"])
    op.create_index(
        "ix_award_objections_unanswered",
        "award_objections",
        ["award_id"],
        unique=True,
        sqlite_where=UNANSWERED,
        postgresql_where=UNANSWERED,
    )
    op.create_table(
        "award_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("award_id", sa.Integer(), nullable=False),
        sa.Column("objection_id", sa.Integer(), nullable=True),
        sa.Column("points_before", sa.Double(), nullable=False),
        sa.Column("points_after", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("changed_by_id", sa.Integer(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["award_id"], ["rank_awards.id"], name=op.f("fk_award_changes_award_id_rank_awards")
        ),
        sa.ForeignKeyConstraint(
            ["objection_id"],
            ["award_objections.id"],
            name=op.f("fk_award_changes_objection_id_award_objections"),
        ),
        sa.ForeignKeyConstraint(
            ["changed_by_id"], ["users.id"], name=op.f("fk_award_changes_changed_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_award_changes")),
    )
    op.create_index(op.f("ix_award_changes_award_id"), "award_changes", ["award_id"])


def downgrade() -> None:
    """Forget what boards gave."""
    for table in (
        "award_changes",
        "award_objections",
        "rank_awards",
        "grade_confirmations",
        "grade_rules",
    ):
        op.drop_table(table)
