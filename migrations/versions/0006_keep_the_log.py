"""Keep the transparency log: its tree, its entries, its heads, and notices of withdrawal."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
HASH = sa.String(length=64)


def choices(name, *values):
    return sa.Enum(*values, name=name, create_constraint=True, native_enum=False, length=40)


def upgrade():
    op.create_index(op.f("ix_credentials_revoked_at"), "credentials", ["revoked_at"])
    op.create_index(op.f("ix_credentials_suspended_at"), "credentials", ["suspended_at"])
    op.create_table(
        "log_trees",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_trees")),
    )
    op.create_table(
        "log_entries",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("kind", choices("entry_kind", "issued", "revoked", "suspended", "lifted"), nullable=False),
        sa.Column("document", HASH, nullable=False),
        sa.Column("signed", HASH, nullable=False),
        sa.Column("logged_at", MOMENT, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.Column("nodes", sa.JSON(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_log_entries_credential_id_credentials")
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_log_entries")),
        sa.UniqueConstraint("hash", name=op.f("uq_log_entries_hash")),
    )
    op.create_index("ix_log_entries_of_credential", "log_entries", ["kind", "credential_id"])
    op.create_index(op.f("ix_log_entries_document"), "log_entries", ["document"])
    op.create_table(
        "tree_heads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("root", HASH, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("signature", sa.JSON(), nullable=False),
        sa.Column("university_signature", sa.JSON(), nullable=True),
        sa.Column("company_signature", sa.JSON(), nullable=True),
        sa.Column("signed_at", MOMENT, nullable=True),
        sa.Column("next_try_at", MOMENT, nullable=True),
        sa.Column("refusal", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tree_heads")),
    )
    op.create_index(op.f("ix_tree_heads_size"), "tree_heads", ["size"])
    op.create_index(op.f("ix_tree_heads_signed_at"), "tree_heads", ["signed_at"])
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("role", choices("role", "university", "company"), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("next_try_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_notices_credential_id_credentials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("credential_id", "role", name=op.f("uq_notices_credential_id_role")),
    )


def downgrade():
    op.drop_table("notices")
    op.drop_index(op.f("ix_tree_heads_signed_at"), "tree_heads")
    op.drop_index(op.f("ix_tree_heads_size"), "tree_heads")
    op.drop_table("tree_heads")
    op.drop_index(op.f("ix_log_entries_document"), "log_entries")
    op.drop_index("ix_log_entries_of_credential", "log_entries")
    op.drop_table("log_entries")
    op.drop_table("log_trees")
    op.drop_index(op.f("ix_credentials_suspended_at"), "credentials")
    op.drop_index(op.f("ix_credentials_revoked_at"), "credentials")
