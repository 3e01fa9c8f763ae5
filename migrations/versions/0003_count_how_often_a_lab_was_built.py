"""Let a lab's build wait for its kind of machine, and end after as many tries as a run."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    resource = sa.Enum(
        "cpu", "big-memory", "gpu", name="resource", create_constraint=True, native_enum=False, length=40
    )
    with op.batch_alter_table("lab_releases") as releases:
        releases.add_column(sa.Column("resource", resource, nullable=False, server_default="cpu"))
        releases.add_column(sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
        releases.add_column(sa.Column("worker", sa.String(length=80), nullable=False, server_default=""))
    op.create_index("ix_lab_releases_queue", "lab_releases", ["state"])


def downgrade():
    op.drop_index("ix_lab_releases_queue", "lab_releases")
    with op.batch_alter_table("lab_releases") as releases:
        releases.drop_constraint(op.f("ck_lab_releases_resource"), type_="check")
        for name in ("resource", "tries", "worker"):
            releases.drop_column(name)
