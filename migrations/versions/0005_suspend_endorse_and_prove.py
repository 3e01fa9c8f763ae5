"""Suspend certificates, keep endorsements and evidence, and let a corrected certificate follow another."""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PURPOSE = sa.Enum(
    "revocation", "suspension", name="purpose", create_constraint=True, native_enum=False, length=40
)


def added():
    return (
        sa.Column("suspension_list_id", sa.Integer(), nullable=True),
        sa.Column("suspension_index", sa.Integer(), nullable=True),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspension_reason", sa.String(length=300), nullable=False, server_default=""),
        sa.Column("university_lifts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_lifts_at", sa.DateTime(timezone=True), nullable=True),
    )


def upgrade():
    with op.batch_alter_table("status_lists") as lists:
        lists.add_column(sa.Column("purpose", PURPOSE, nullable=False, server_default="revocation"))
    with op.batch_alter_table("issuance_requests") as requests:
        requests.add_column(sa.Column("edition", sa.Integer(), nullable=False, server_default="1"))
        requests.add_column(sa.Column("later_claim", sa.JSON(), nullable=True))
        requests.drop_constraint(op.f("uq_issuance_requests_enrolment_id"), type_="unique")
        requests.create_unique_constraint(
            op.f("uq_issuance_requests_enrolment_id_edition"), ["enrolment_id", "edition"]
        )
    with op.batch_alter_table("credentials") as credentials:
        for column in added():
            credentials.add_column(column)
        credentials.create_foreign_key(
            op.f("fk_credentials_suspension_list_id_status_lists"),
            "status_lists",
            ["suspension_list_id"],
            ["id"],
        )
        credentials.create_unique_constraint(
            op.f("uq_credentials_suspension_list_id_suspension_index"),
            ["suspension_list_id", "suspension_index"],
        )
    _create_endorsements()
    _create_evidence_files()


def _create_endorsements():
    op.create_table(
        "endorsements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["course_versions.id"], name=op.f("fk_endorsements_version_id_course_versions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endorsements")),
        sa.UniqueConstraint("version_id", "language", name=op.f("uq_endorsements_version_id_language")),
    )


def _create_evidence_files():
    op.create_table(
        "evidence_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["issuance_requests.id"],
            name=op.f("fk_evidence_files_request_id_issuance_requests"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_files")),
        sa.UniqueConstraint("request_id", "position", name=op.f("uq_evidence_files_request_id_position")),
    )


def _check_one_edition():
    requests = sa.table("issuance_requests", sa.column("enrolment_id"))
    several = (
        sa.select(requests.c.enrolment_id)
        .group_by(requests.c.enrolment_id)
        .having(sa.func.count() > 1)
        .subquery()
    )
    count = op.get_bind().scalar(sa.select(sa.func.count()).select_from(several))
    if count:
        raise CommandError(
            f"The schema before 0005 keeps one certificate for each enrolment, and {count} have a corrected "
            "one beside the first. They were left alone: stay at 0005 or later, or go back to a backup."
        )


def downgrade():
    """Go back, unless that would lose a certificate.

    Raises:
        CommandError: somebody has a corrected certificate, and the schema before has room for one only.
    """
    _check_one_edition()
    op.drop_table("evidence_files")
    op.drop_table("endorsements")
    with op.batch_alter_table("credentials") as credentials:
        credentials.drop_constraint(
            op.f("uq_credentials_suspension_list_id_suspension_index"), type_="unique"
        )
        credentials.drop_constraint(
            op.f("fk_credentials_suspension_list_id_status_lists"), type_="foreignkey"
        )
        for column in added():
            credentials.drop_column(column.name)
    with op.batch_alter_table("issuance_requests") as requests:
        requests.drop_constraint(op.f("uq_issuance_requests_enrolment_id_edition"), type_="unique")
        requests.create_unique_constraint(op.f("uq_issuance_requests_enrolment_id"), ["enrolment_id"])
        requests.drop_column("later_claim")
        requests.drop_column("edition")
    with op.batch_alter_table("status_lists") as lists:
        lists.drop_constraint(op.f("ck_status_lists_purpose"), type_="check")
        lists.drop_column("purpose")
