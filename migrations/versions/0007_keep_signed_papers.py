"""Keep the signed PDFs of certificates, and know which are due."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "papers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("due", sa.Boolean(), nullable=False),
        sa.Column("wanted", sa.String(length=64), nullable=False),
        sa.Column("made", sa.String(length=64), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusal", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_papers_credential_id_credentials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_papers")),
        sa.UniqueConstraint("credential_id", "language", name=op.f("uq_papers_credential_id_language")),
    )
    op.create_index(op.f("ix_papers_due"), "papers", ["due"])


def downgrade():
    op.drop_table("papers")
