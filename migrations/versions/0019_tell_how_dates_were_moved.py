"""Tell everybody which dates of a challenge were moved, and why.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLE = "challenge_date_changes"
ORIGIN = sa.Enum(
    "page", "publication", name="date_change_origin", native_enum=False, create_constraint=True, length=40
)


def _link(column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{TABLE}_{column}_{to}"))


def upgrade() -> None:
    """What was moved before was not written down."""
    op.create_table(
        TABLE,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("challenge_id", sa.Integer(), nullable=False),
        sa.Column("origin", ORIGIN, nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("changed_by_id", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(origin = 'page') = (reason <> '')", name=op.f(f"ck_{TABLE}_reason")),
        _link("challenge_id", "challenges"),
        _link("organisation_id", "organisations"),
        _link("changed_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
    )
    op.create_index(op.f(f"ix_{TABLE}_challenge_id"), TABLE, ["challenge_id"])


def downgrade() -> None:
    """The dates stay as they stand; how they were moved is forgotten."""
    op.drop_table(TABLE)
