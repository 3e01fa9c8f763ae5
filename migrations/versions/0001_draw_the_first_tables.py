"""Draw the first tables."""

import sqlalchemy as sa
from alembic import op

import lms.db

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id > 0", name=op.f("ck_audit_events_counted_from_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_events_hash")),
    )
    op.create_table(
        "organisations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "university",
                "company",
                "operator",
                name="organisation_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.JSON(), nullable=False),
        sa.Column("website", sa.String(length=300), nullable=False),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("slug", name=op.f("uq_organisations_slug")),
    )
    op.create_table(
        "outgoing_mails",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sent_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_mails")),
    )
    with op.batch_alter_table("outgoing_mails", schema=None) as batch_op:
        batch_op.create_index("ix_outgoing_mails_unsent", ["sent_at", "id"], unique=False)

    op.create_table(
        "rate_windows",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_windows")),
    )
    with op.batch_alter_table("rate_windows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rate_windows_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("session_token", sa.String(length=64), nullable=False),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("session_token", name=op.f("uq_users_session_token")),
    )
    op.create_table(
        "courses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("university_id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("current_version_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id"], ["organisations.id"], name=op.f("fk_courses_company_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["current_version_id"], ["course_versions.id"], name="fk_courses_current_version", use_alter=True
        ),
        sa.ForeignKeyConstraint(
            ["university_id"], ["organisations.id"], name=op.f("fk_courses_university_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_courses")),
        sa.UniqueConstraint("slug", name=op.f("uq_courses_slug")),
    )
    op.create_table(
        "memberships",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "student",
                "assistant",
                "instructor",
                "signatory",
                "admin",
                "employer",
                "site_admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("granted_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["granted_by_id"], ["users.id"], name=op.f("fk_memberships_granted_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_memberships_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint(
            "user_id", "organisation_id", "role", name=op.f("uq_memberships_user_id_organisation_id_role")
        ),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_memberships_organisation_id"), ["organisation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_memberships_user_id"), ["user_id"], unique=False)

    op.create_table(
        "single_use_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "confirm",
                "reset",
                "invite",
                name="link_purpose",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "student",
                "assistant",
                "instructor",
                "signatory",
                "admin",
                "employer",
                "site_admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_single_use_links_created_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_single_use_links_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_single_use_links_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_single_use_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_single_use_links_token_hash")),
    )
    with op.batch_alter_table("single_use_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_single_use_links_user_id"), ["user_id"], unique=False)

    op.create_table(
        "cohorts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("starts_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ends_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_cohorts_ends_after_start")),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_cohorts_course_id_courses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cohorts")),
        sa.UniqueConstraint("course_id", "slug", name=op.f("uq_cohorts_course_id_slug")),
    )
    op.create_table(
        "course_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("outline", sa.JSON(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("published_by_id", sa.Integer(), nullable=True),
        sa.Column("published_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["courses.id"], name=op.f("fk_course_versions_course_id_courses")
        ),
        sa.ForeignKeyConstraint(
            ["published_by_id"], ["users.id"], name=op.f("fk_course_versions_published_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_versions")),
        sa.UniqueConstraint("course_id", "digest", name=op.f("uq_course_versions_course_id_digest")),
        sa.UniqueConstraint("course_id", "number", name=op.f("uq_course_versions_course_id_number")),
    )
    op.create_table(
        "labs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("current_release_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_labs_course_id_courses")),
        sa.ForeignKeyConstraint(
            ["current_release_id"], ["lab_releases.id"], name="fk_labs_current_release", use_alter=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labs")),
        sa.UniqueConstraint("course_id", "slug", name=op.f("uq_labs_course_id_slug")),
    )
    op.create_table(
        "status_lists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("next_index", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("valid_until", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["course_id"], ["courses.id"], name=op.f("fk_status_lists_course_id_courses")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_lists")),
    )
    op.create_table(
        "course_approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("approved_by_id", sa.Integer(), nullable=False),
        sa.Column("approved_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["approved_by_id"], ["users.id"], name=op.f("fk_course_approvals_approved_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_course_approvals_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["course_versions.id"],
            name=op.f("fk_course_approvals_version_id_course_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_approvals")),
        sa.UniqueConstraint(
            "version_id", "organisation_id", name=op.f("uq_course_approvals_version_id_organisation_id")
        ),
    )
    op.create_table(
        "enrolments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("enrolled_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("left_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("requested_name", sa.String(length=120), nullable=False),
        sa.Column("confirmed_name", sa.String(length=120), nullable=True),
        sa.Column("name_confirmed_by_id", sa.Integer(), nullable=True),
        sa.Column("name_confirmed_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("completed_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name=op.f("fk_enrolments_cohort_id_cohorts")),
        sa.ForeignKeyConstraint(
            ["name_confirmed_by_id"], ["users.id"], name=op.f("fk_enrolments_name_confirmed_by_id_users")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_enrolments_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolments")),
        sa.UniqueConstraint("user_id", "cohort_id", name=op.f("uq_enrolments_user_id_cohort_id")),
    )
    with op.batch_alter_table("enrolments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrolments_cohort_id"), ["cohort_id"], unique=False)

    op.create_table(
        "lab_releases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lab_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "building",
                "ready",
                "refused",
                name="release_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("environment_name", sa.String(length=80), nullable=False),
        sa.Column("environment_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=False),
        sa.Column("student_blob", sa.String(length=64), nullable=True),
        sa.Column("source_blob", sa.String(length=64), nullable=True),
        sa.Column("board_blob", sa.String(length=64), nullable=True),
        sa.Column("board_seed", sa.Integer(), nullable=True),
        sa.Column("lease_until", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ready_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_lab_releases_lab_id_labs")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["course_versions.id"], name=op.f("fk_lab_releases_version_id_course_versions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_releases")),
        sa.UniqueConstraint("lab_id", "digest", name=op.f("uq_lab_releases_lab_id_digest")),
        sa.UniqueConstraint("lab_id", "number", name=op.f("uq_lab_releases_lab_id_number")),
    )
    op.create_table(
        "boards",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lab_id", sa.Integer(), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("metric", sa.String(length=60), nullable=False),
        sa.Column(
            "direction",
            sa.Enum("max", "min", name="direction", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.Column("ends_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name=op.f("fk_boards_cohort_id_cohorts")),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_boards_lab_id_labs")),
        sa.ForeignKeyConstraint(
            ["release_id"], ["lab_releases.id"], name=op.f("fk_boards_release_id_lab_releases")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_boards")),
        sa.UniqueConstraint("lab_id", "cohort_id", name=op.f("uq_boards_lab_id_cohort_id")),
    )
    op.create_table(
        "issuance_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("claim", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "requested",
                "waiting_for_name",
                "waiting_for_university",
                "waiting_for_company",
                "refused",
                "issued",
                name="request_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("proofs", sa.JSON(), nullable=False),
        sa.Column("refusal", sa.String(length=300), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("created_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_issuance_requests_enrolment_id_enrolments")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["course_versions.id"],
            name=op.f("fk_issuance_requests_version_id_course_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuance_requests")),
        sa.UniqueConstraint("enrolment_id", name=op.f("uq_issuance_requests_enrolment_id")),
    )
    op.create_table(
        "lesson_readings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("lesson", sa.String(length=80), nullable=False),
        sa.Column("read_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_lesson_readings_enrolment_id_enrolments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lesson_readings")),
        sa.UniqueConstraint("enrolment_id", "lesson", name=op.f("uq_lesson_readings_enrolment_id_lesson")),
    )
    op.create_table(
        "submissions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("lab_id", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=200), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("received_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("notices", sa.JSON(), nullable=False),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_submissions_counted_from_one")),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_submissions_enrolment_id_enrolments")
        ),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_submissions_lab_id_labs")),
        sa.ForeignKeyConstraint(
            ["release_id"], ["lab_releases.id"], name=op.f("fk_submissions_release_id_lab_releases")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint(
            "enrolment_id", "lab_id", "attempt", name=op.f("uq_submissions_enrolment_id_lab_id_attempt")
        ),
    )
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_submissions_enrolment_id"), ["enrolment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_submissions_lab_id"), ["lab_id"], unique=False)

    op.create_table(
        "credentials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("status_list_id", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("issued_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revocation_reason", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_credentials_enrolment_id_enrolments")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["issuance_requests.id"], name=op.f("fk_credentials_request_id_issuance_requests")
        ),
        sa.ForeignKeyConstraint(
            ["status_list_id"], ["status_lists.id"], name=op.f("fk_credentials_status_list_id_status_lists")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("request_id", name=op.f("uq_credentials_request_id")),
        sa.UniqueConstraint("sha256", name=op.f("uq_credentials_sha256")),
        sa.UniqueConstraint(
            "status_list_id", "status_index", name=op.f("uq_credentials_status_list_id_status_index")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_credentials_uuid")),
    )
    with op.batch_alter_table("credentials", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_credentials_enrolment_id"), ["enrolment_id"], unique=False)

    op.create_table(
        "entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=True),
        sa.Column("submission_id", sa.Integer(), nullable=True),
        sa.Column("baseline", sa.String(length=60), nullable=True),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("public_score", sa.Double(), nullable=False),
        sa.Column("private_score", sa.Double(), nullable=False),
        sa.Column("received_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("assurance", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "(submission_id IS NULL) <> (baseline IS NULL)", name=op.f("ck_entries_work_or_baseline")
        ),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_entries_board_id_boards")),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_entries_enrolment_id_enrolments")
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_entries_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("board_id", "baseline", name=op.f("uq_entries_board_id_baseline")),
        sa.UniqueConstraint("board_id", "submission_id", name=op.f("uq_entries_board_id_submission_id")),
    )
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.create_index("ix_entries_board_enrolment", ["board_id", "enrolment_id"], unique=False)

    op.create_table(
        "grading_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "done",
                "failed",
                name="run_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.Column("requested_by_id", sa.Integer(), nullable=True),
        sa.Column("queued_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("started_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("finished_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("lease_until", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("notices", sa.JSON(), nullable=False),
        sa.Column("executed_blob", sa.String(length=64), nullable=True),
        sa.Column("feedback_blob", sa.String(length=64), nullable=True),
        sa.Column("wall_seconds", sa.Double(), nullable=True),
        sa.Column("peak_memory_bytes", sa.Integer(), nullable=True),
        sa.Column("assurance", sa.String(length=40), nullable=False),
        sa.Column("isolation", sa.String(length=200), nullable=False),
        sa.Column("environment_sha256", sa.String(length=64), nullable=True),
        sa.Column("board", sa.JSON(), nullable=True),
        sa.Column("failure", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["requested_by_id"], ["users.id"], name=op.f("fk_grading_runs_requested_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_grading_runs_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grading_runs")),
        sa.UniqueConstraint("submission_id", "ordinal", name=op.f("uq_grading_runs_submission_id_ordinal")),
    )
    with op.batch_alter_table("grading_runs", schema=None) as batch_op:
        batch_op.create_index("ix_grading_runs_queue", ["state", "queued_at"], unique=False)

    op.create_table(
        "manual_marks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("grade_id", sa.String(length=120), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("marked_by_id", sa.Integer(), nullable=False),
        sa.Column("marked_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["marked_by_id"], ["users.id"], name=op.f("fk_manual_marks_marked_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_manual_marks_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manual_marks")),
    )
    with op.batch_alter_table("manual_marks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_manual_marks_submission_id"), ["submission_id"], unique=False)

    op.create_table(
        "grades",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("lab_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("maximum", sa.Double(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("graded_at", lms.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("settled_at", lms.db.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("score >= 0 AND score <= maximum", name=op.f("ck_grades_within_maximum")),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_grades_enrolment_id_enrolments")
        ),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_grades_lab_id_labs")),
        sa.ForeignKeyConstraint(["run_id"], ["grading_runs.id"], name=op.f("fk_grades_run_id_grading_runs")),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_grades_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grades")),
        sa.UniqueConstraint("submission_id", name=op.f("uq_grades_submission_id")),
    )
    with op.batch_alter_table("grades", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grades_enrolment_id"), ["enrolment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_grades_lab_id"), ["lab_id"], unique=False)
        batch_op.create_index("ix_grades_unsettled", ["settled_at", "id"], unique=False)
    # two tables point at each other's newest row, so these keys come last
    with op.batch_alter_table("courses") as courses:
        courses.create_foreign_key(
            "fk_courses_current_version", "course_versions", ["current_version_id"], ["id"]
        )
    with op.batch_alter_table("labs") as labs:
        labs.create_foreign_key("fk_labs_current_release", "lab_releases", ["current_release_id"], ["id"])


def downgrade():
    with op.batch_alter_table("labs") as labs:
        labs.drop_constraint("fk_labs_current_release", type_="foreignkey")
    with op.batch_alter_table("courses") as courses:
        courses.drop_constraint("fk_courses_current_version", type_="foreignkey")
    with op.batch_alter_table("grades", schema=None) as batch_op:
        batch_op.drop_index("ix_grades_unsettled")
        batch_op.drop_index(batch_op.f("ix_grades_lab_id"))
        batch_op.drop_index(batch_op.f("ix_grades_enrolment_id"))

    op.drop_table("grades")
    with op.batch_alter_table("manual_marks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_manual_marks_submission_id"))

    op.drop_table("manual_marks")
    with op.batch_alter_table("grading_runs", schema=None) as batch_op:
        batch_op.drop_index("ix_grading_runs_queue")

    op.drop_table("grading_runs")
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.drop_index("ix_entries_board_enrolment")

    op.drop_table("entries")
    with op.batch_alter_table("credentials", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_credentials_enrolment_id"))

    op.drop_table("credentials")
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_submissions_lab_id"))
        batch_op.drop_index(batch_op.f("ix_submissions_enrolment_id"))

    op.drop_table("submissions")
    op.drop_table("lesson_readings")
    op.drop_table("issuance_requests")
    op.drop_table("boards")
    op.drop_table("lab_releases")
    with op.batch_alter_table("enrolments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrolments_cohort_id"))

    op.drop_table("enrolments")
    op.drop_table("course_approvals")
    op.drop_table("status_lists")
    op.drop_table("labs")
    op.drop_table("course_versions")
    op.drop_table("cohorts")
    with op.batch_alter_table("single_use_links", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_single_use_links_user_id"))

    op.drop_table("single_use_links")
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_memberships_user_id"))
        batch_op.drop_index(batch_op.f("ix_memberships_organisation_id"))

    op.drop_table("memberships")
    op.drop_table("courses")
    op.drop_table("users")
    with op.batch_alter_table("rate_windows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_windows_expires_at"))

    op.drop_table("rate_windows")
    with op.batch_alter_table("outgoing_mails", schema=None) as batch_op:
        batch_op.drop_index("ix_outgoing_mails_unsent")

    op.drop_table("outgoing_mails")
    op.drop_table("organisations")
    op.drop_table("audit_events")
