"""Keep what holders share: addresses for a while, and the form of which a part can be shown."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "share_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("secret", sa.String(length=43), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_share_links_credential_id_credentials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_links")),
        sa.UniqueConstraint("secret", name=op.f("uq_share_links_secret")),
    )
    op.create_index(op.f("ix_share_links_credential_id"), "share_links", ["credential_id"])
    op.create_table(
        "selective_forms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("disclosures", sa.JSON(), nullable=False),
        sa.Column("decoys", sa.JSON(), nullable=False),
        sa.Column("university_signature", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("company_signature", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusal", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_selective_forms_credential_id_credentials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_selective_forms")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_selective_forms_credential_id")),
    )


def downgrade():
    op.drop_table("selective_forms")
    op.drop_table("share_links")
