"""Keep what finished challenges give, who shows it, and the country that a person names.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
MEDALS = ("gold", "silver", "bronze")
TIERS = ("novice", "contributor", "expert", "master", "grandmaster")


def upgrade() -> None:
    """Nobody shows anything yet; boards that have ended are counted at the next nightly look."""
    with op.batch_alter_table("users") as batch:
        batch.add_column(sa.Column("country", sa.String(length=2), nullable=True))
    _create_results()
    _create_honours()


def _create_results() -> None:
    op.create_table(
        "board_results",
        sa.Column("board_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Column("teams", sa.Integer(), nullable=False),
        sa.Column("shake_up", sa.Double(), nullable=True),
        sa.Column("shake_up_of_top", sa.Double(), nullable=True),
        sa.Column("counted_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_board_results_board_id_boards")),
        sa.PrimaryKeyConstraint("board_id", name=op.f("pk_board_results")),
    )
    op.create_table(
        "team_results",
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("public_rank", sa.Integer(), nullable=True),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("points", sa.Double(), nullable=False),
        sa.Column(
            "medal", sa.Enum(*MEDALS, name="medal", native_enum=False, length=40, create_constraint=True)
        ),
        sa.ForeignKeyConstraint(
            ["board_id"], ["board_results.board_id"], name=op.f("fk_team_results_board_id_board_results")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_results_team_id_teams")),
        sa.PrimaryKeyConstraint("board_id", "team_id", name=op.f("pk_team_results")),
    )
    op.create_index(op.f("ix_team_results_team_id"), "team_results", ["team_id"])


def _create_honours() -> None:
    op.create_table(
        "honours",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=16), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("weight", sa.Double(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("gold", "silver", "bronze", "solo_gold", "challenges")
        ),
        sa.Column(
            "tier",
            sa.Enum(*TIERS, name="tier", native_enum=False, length=40, create_constraint=True),
            nullable=False,
        ),
        sa.Column("best_rank", sa.Integer(), nullable=True),
        sa.Column("best_of", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_honours_user_id_users")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_honours_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_honours")),
        sa.UniqueConstraint("address", name=op.f("uq_honours_address")),
    )
    op.create_index("ix_honours_order", "honours", ["shown", "weight"])


def downgrade() -> None:
    """Forget what challenges gave and which countries people named."""
    for table in ("honours", "team_results", "board_results"):
        op.drop_table(table)
    with op.batch_alter_table("users") as batch:
        batch.drop_column("country")
