"""Give boards challenges, teams, receipts, private scores apart, and standings that are kept.

Entries of labs become entries of teams of one, with their standings; their private scores move into a table
of their own. On the way back what labs' boards show is kept, and challenges go.
"""

import secrets
import struct
from datetime import UTC

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def choice(name, *values):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


KIND = choice("entry_kind", "lab", "predictions", "notebook", "model")
STATE = choice("entry_state", "received", "scoring", "scored", "failed", "disqualified")
SHARE = choice("share", "public", "frozen", "private")
MOMENT = sa.DateTime(timezone=True)
WAITING = sa.text("state IN ('received', 'scoring')")
TEAM_OR_BASELINE = "(team_id IS NULL) <> (baseline IS NULL)"
WORK_OR_BASELINE = "(submission_id IS NULL) <> (baseline IS NULL)"
LAB_OR_CHALLENGE = (
    "(challenge_id IS NULL) = (lab_id IS NOT NULL) AND (lab_id IS NULL) = (cohort_id IS NULL)"
    " AND (lab_id IS NULL) = (release_id IS NULL)"
)


def upgrade():
    _create_challenges()
    _widen_boards()
    _create_teams()
    _create_quotas_and_merges()
    _add_to_entries()
    _create_standings()
    _create_evidence()
    _make_teams_of_one()
    _finish_entries()


def downgrade():
    for table in ("disqualifications", "rescores", "truths", "tie_groups", "standings", "entry_losses"):
        op.drop_table(table)
    _take_scores_back()
    op.drop_table("private_scores")
    _narrow_entries()
    for table in ("team_merges", "quota_days", "team_members", "team_invitations", "teams"):
        op.drop_table(table)
    op.execute("DELETE FROM boards WHERE challenge_id IS NOT NULL")
    _narrow_boards()
    op.drop_table("rules_acceptances")
    op.drop_table("challenges")


def _create_challenges():
    op.create_table(
        "challenges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("sponsor_id", sa.Integer(), nullable=False),
        sa.Column("lab_id", sa.Integer(), nullable=True),
        sa.Column("kind", KIND, nullable=False),
        sa.Column(
            "visibility",
            sa.Enum(
                "everyone",
                "signed-in",
                "course",
                name="visibility",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("rules_version", sa.String(length=40), nullable=False),
        sa.Column("licence", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merge_deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("freezes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=False),
        sa.Column("total_limit", sa.Integer(), nullable=True),
        sa.Column("failures_per_day", sa.Integer(), nullable=False),
        sa.Column("team_size", sa.Integer(), nullable=False),
        sa.Column("selections", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("published_by_id", sa.Integer(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "daily_limit >= 1 AND team_size >= 1 AND selections >= 0", name=op.f("ck_challenges_limits")
        ),
        sa.CheckConstraint("opens_at < ends_at", name=op.f("ck_challenges_ends_after_opening")),
        sa.ForeignKeyConstraint(["lab_id"], ["labs.id"], name=op.f("fk_challenges_lab_id_labs")),
        sa.ForeignKeyConstraint(
            ["published_by_id"], ["users.id"], name=op.f("fk_challenges_published_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["sponsor_id"], ["organisations.id"], name=op.f("fk_challenges_sponsor_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenges")),
        sa.UniqueConstraint("slug", name=op.f("uq_challenges_slug")),
    )
    op.create_table(
        "rules_acceptances",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("challenge_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["challenge_id"], ["challenges.id"], name=op.f("fk_rules_acceptances_challenge_id_challenges")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_rules_acceptances_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules_acceptances")),
        sa.UniqueConstraint(
            "challenge_id",
            "user_id",
            "version",
            name=op.f("uq_rules_acceptances_challenge_id_user_id_version"),
        ),
    )


def _create_teams():
    op.create_table(
        "teams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=120), nullable=True),
        sa.Column("alias", sa.String(length=12), nullable=False),
        sa.Column("leader_id", sa.Integer(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_into_id", sa.Integer(), nullable=True),
        sa.Column("disqualified", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_teams_board_id_boards")),
        sa.ForeignKeyConstraint(["leader_id"], ["users.id"], name=op.f("fk_teams_leader_id_users")),
        sa.ForeignKeyConstraint(["merged_into_id"], ["teams.id"], name=op.f("fk_teams_merged_into_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("board_id", "name_key", name=op.f("uq_teams_board_id_name_key")),
    )
    op.create_index(op.f("ix_teams_board_id"), "teams", ["board_id"])
    op.create_table(
        "team_invitations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("invited_by_id", sa.Integer(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invited_by_id"], ["users.id"], name=op.f("fk_team_invitations_invited_by_id_users")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_invitations_team_id_teams")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_invitations_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_invitations")),
        sa.UniqueConstraint("team_id", "user_id", name=op.f("uq_team_invitations_team_id_user_id")),
    )
    op.create_index(op.f("ix_team_invitations_user_id"), "team_invitations", ["user_id"])
    op.create_table(
        "team_members",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_team_members_board_id_boards")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_members_team_id_teams")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_members_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_members")),
        sa.UniqueConstraint("board_id", "user_id", name=op.f("uq_team_members_board_id_user_id")),
    )
    op.create_index(op.f("ix_team_members_team_id"), "team_members", ["team_id"])
    op.create_index(op.f("ix_team_members_user_id"), "team_members", ["user_id"])


def _create_quotas_and_merges():
    op.create_table(
        "quota_days",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0 AND failed >= 0", name=op.f("ck_quota_days_not_negative")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_quota_days_team_id_teams")),
        sa.PrimaryKeyConstraint("team_id", "day", name=op.f("pk_quota_days")),
    )
    op.create_table(
        "team_merges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("from_id", sa.Integer(), nullable=False),
        sa.Column("into_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.Column("merged_by_id", sa.Integer(), nullable=True),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_team_merges_board_id_boards")),
        sa.ForeignKeyConstraint(["from_id"], ["teams.id"], name=op.f("fk_team_merges_from_id_teams")),
        sa.ForeignKeyConstraint(["into_id"], ["teams.id"], name=op.f("fk_team_merges_into_id_teams")),
        sa.ForeignKeyConstraint(
            ["merged_by_id"], ["users.id"], name=op.f("fk_team_merges_merged_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_merges")),
    )
    op.create_index(op.f("ix_team_merges_board_id"), "team_merges", ["board_id"])


def _create_standings():
    op.create_table(
        "private_scores",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_private_scores_entry_id_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_private_scores")),
    )
    op.create_table(
        "entry_losses",
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("share", SHARE, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_entry_losses_entry_id_entries")),
        sa.PrimaryKeyConstraint("entry_id", "share", name=op.f("pk_entry_losses")),
    )
    op.create_table(
        "standings",
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("share", SHARE, nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("rank_before", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_standings_board_id_boards")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_standings_entry_id_entries")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_standings_team_id_teams")),
        sa.PrimaryKeyConstraint("board_id", "share", "team_id", name=op.f("pk_standings")),
    )
    op.create_index("ix_standings_order", "standings", ["board_id", "share", "key"])
    op.create_table(
        "tie_groups",
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("share", SHARE, nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("best_rank", sa.Integer(), nullable=False),
        sa.Column("worst_rank", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_tie_groups_board_id_boards")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_tie_groups_entry_id_entries")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_tie_groups_team_id_teams")),
        sa.PrimaryKeyConstraint("board_id", "share", "team_id", name=op.f("pk_tie_groups")),
    )


def _create_evidence():
    op.create_table(
        "truths",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_truths_board_id_boards")),
        sa.ForeignKeyConstraint(["made_by_id"], ["users.id"], name=op.f("fk_truths_made_by_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_truths")),
        sa.UniqueConstraint("board_id", "version", name=op.f("uq_truths_board_id_version")),
    )
    op.create_table(
        "rescores",
        sa.Column("truth_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("public_score", sa.Double(), nullable=True),
        sa.Column("private_score", sa.Double(), nullable=True),
        sa.Column("public_metrics", sa.JSON(), nullable=False),
        sa.Column("private_metrics", sa.JSON(), nullable=False),
        sa.Column("public_losses", sa.LargeBinary(), nullable=True),
        sa.Column("private_losses", sa.LargeBinary(), nullable=True),
        sa.Column("failure", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_rescores_entry_id_entries")),
        sa.ForeignKeyConstraint(["truth_id"], ["truths.id"], name=op.f("fk_rescores_truth_id_truths")),
        sa.PrimaryKeyConstraint("truth_id", "entry_id", name=op.f("pk_rescores")),
    )
    op.create_table(
        "disqualifications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("board_id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=True),
        sa.Column("state_before", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_reason", sa.String(length=1000), nullable=False),
        sa.Column("lifted_by_id", sa.Integer(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["board_id"], ["boards.id"], name=op.f("fk_disqualifications_board_id_boards")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_disqualifications_entry_id_entries")
        ),
        sa.ForeignKeyConstraint(
            ["lifted_by_id"], ["users.id"], name=op.f("fk_disqualifications_lifted_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["users.id"], name=op.f("fk_disqualifications_made_by_id_users")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_disqualifications_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disqualifications")),
    )
    op.create_index(op.f("ix_disqualifications_board_id"), "disqualifications", ["board_id"])


def _widen_boards():
    with op.batch_alter_table("boards") as boards:
        boards.add_column(sa.Column("challenge_id", sa.Integer(), nullable=True))
        boards.add_column(sa.Column("freezes_at", MOMENT, nullable=True))
        boards.add_column(sa.Column("selections", sa.Integer(), nullable=False, server_default="0"))
        boards.add_column(sa.Column("ladder", sa.Boolean(), nullable=False, server_default=sa.false()))
        boards.add_column(sa.Column("anonymous", sa.Boolean(), nullable=False, server_default=sa.false()))
        boards.add_column(sa.Column("truth_version", sa.Integer(), nullable=False, server_default="1"))
        boards.add_column(sa.Column("tied_at", MOMENT, nullable=True))
        boards.add_column(sa.Column("looked_at", MOMENT, nullable=True))
        for name in ("lab_id", "cohort_id", "release_id"):
            boards.alter_column(name, existing_type=sa.Integer(), nullable=True)
        boards.create_unique_constraint(op.f("uq_boards_challenge_id"), ["challenge_id"])
        boards.create_foreign_key(
            op.f("fk_boards_challenge_id_challenges"), "challenges", ["challenge_id"], ["id"]
        )
        boards.create_check_constraint(op.f("ck_boards_lab_or_challenge"), LAB_OR_CHALLENGE)


def _narrow_boards():
    with op.batch_alter_table("boards") as boards:
        boards.drop_constraint(op.f("ck_boards_lab_or_challenge"), type_="check")
        boards.drop_constraint(op.f("fk_boards_challenge_id_challenges"), type_="foreignkey")
        boards.drop_constraint(op.f("uq_boards_challenge_id"), type_="unique")
        for name in ("lab_id", "cohort_id", "release_id"):
            boards.alter_column(name, existing_type=sa.Integer(), nullable=False)
        for name in (
            "challenge_id",
            "freezes_at",
            "selections",
            "ladder",
            "anonymous",
            "truth_version",
            "tied_at",
            "looked_at",
        ):
            boards.drop_column(name)


def _columns_of_entries():
    return (
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("origin_id", sa.Integer(), nullable=True),
        sa.Column("submitted_by_id", sa.Integer(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("kind", KIND, nullable=False, server_default="lab"),
        sa.Column("blob", sa.String(length=64), nullable=True),
        sa.Column("filename", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("size_bytes", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("state", STATE, nullable=False, server_default="scored"),
        sa.Column("failure", sa.String(length=300), nullable=False, server_default=""),
        sa.Column("released_score", sa.Double(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("scored_at", MOMENT, nullable=True),
        sa.Column("selected", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("truth_version", sa.Integer(), nullable=False, server_default="1"),
    )


def _add_to_entries():
    with op.batch_alter_table("entries") as entries:
        for column in _columns_of_entries():
            entries.add_column(column)


def _finish_entries():
    with op.batch_alter_table("entries") as entries:
        entries.alter_column("sequence", existing_type=sa.BigInteger(), nullable=False)
        entries.alter_column("public_score", existing_type=sa.Double(), nullable=True)
        for name in ("kind", "state"):
            entries.alter_column(name, existing_type=sa.String(length=40), server_default=None)
        entries.drop_constraint(op.f("ck_entries_work_or_baseline"), type_="check")
        entries.drop_index("ix_entries_board_enrolment")
        entries.drop_constraint(op.f("fk_entries_enrolment_id_enrolments"), type_="foreignkey")
        entries.drop_column("enrolment_id")
        entries.drop_column("private_score")
        entries.create_unique_constraint(op.f("uq_entries_board_id_sequence"), ["board_id", "sequence"])
        entries.create_check_constraint(op.f("ck_entries_team_or_baseline"), TEAM_OR_BASELINE)
        for column, table in (("team_id", "teams"), ("origin_id", "teams"), ("submitted_by_id", "users")):
            entries.create_foreign_key(op.f(f"fk_entries_{column}_{table}"), table, [column], ["id"])
        entries.create_index("ix_entries_team", ["team_id", "sequence"])
        entries.create_index(
            "ix_entries_waiting", ["received_at"], sqlite_where=WAITING, postgresql_where=WAITING
        )


def _take_scores_back():
    """Put enrolment and private score back; remove what the schema before cannot hold."""
    with op.batch_alter_table("entries") as entries:
        entries.add_column(sa.Column("enrolment_id", sa.Integer(), nullable=True))
        entries.add_column(sa.Column("private_score", sa.Double(), nullable=True))
    op.execute(
        "UPDATE entries SET enrolment_id ="
        " (SELECT enrolment_id FROM submissions WHERE submissions.id = entries.submission_id),"
        " private_score = (SELECT score FROM private_scores WHERE private_scores.entry_id = entries.id)"
    )
    op.execute("DELETE FROM private_scores")
    op.execute(
        "DELETE FROM entries WHERE state <> 'scored' OR public_score IS NULL OR private_score IS NULL"
        " OR board_id IN (SELECT id FROM boards WHERE challenge_id IS NOT NULL)"
    )


def _narrow_entries():
    with op.batch_alter_table("entries") as entries:
        entries.drop_index("ix_entries_waiting")
        entries.drop_index("ix_entries_team")
        entries.drop_constraint(op.f("uq_entries_board_id_sequence"), type_="unique")
        entries.drop_constraint(op.f("ck_entries_team_or_baseline"), type_="check")
        entries.drop_constraint(op.f("ck_entries_entry_kind"), type_="check")
        entries.drop_constraint(op.f("ck_entries_entry_state"), type_="check")
        for column, table in (("team_id", "teams"), ("origin_id", "teams"), ("submitted_by_id", "users")):
            entries.drop_constraint(op.f(f"fk_entries_{column}_{table}"), type_="foreignkey")
        for column in _columns_of_entries():
            entries.drop_column(column.name)
        entries.alter_column("public_score", existing_type=sa.Double(), nullable=False)
        entries.alter_column("private_score", existing_type=sa.Double(), nullable=False)
        entries.create_check_constraint(op.f("ck_entries_work_or_baseline"), WORK_OR_BASELINE)
        entries.create_foreign_key(
            op.f("fk_entries_enrolment_id_enrolments"), "enrolments", ["enrolment_id"], ["id"]
        )
        entries.create_index("ix_entries_board_enrolment", ["board_id", "enrolment_id"])


def _make_teams_of_one():
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT entries.id, entries.board_id, entries.enrolment_id, enrolments.user_id, users.name,"
            " entries.public_score, entries.private_score, boards.direction, entries.baseline,"
            " entries.received_at FROM entries JOIN boards ON boards.id = entries.board_id"
            " LEFT JOIN enrolments ON enrolments.id = entries.enrolment_id"
            " LEFT JOIN users ON users.id = enrolments.user_id"
            " ORDER BY entries.board_id, entries.received_at, entries.id"
        ).columns(received_at=MOMENT)
    ).all()
    teams, taken = {}, set()
    standings = {}
    for row in rows:
        sequence = _free(taken, row.board_id, row.received_at)
        team = None
        if row.baseline is None:
            at = (row.board_id, row.enrolment_id)
            if at not in teams:
                teams[at] = _make_team(connection, row)
            team = teams[at]
            _count(connection, team, row.received_at)
            for share, score in (("public", row.public_score), ("private", row.private_score)):
                key = _key(score, sequence, row.direction)
                known = standings.get((row.board_id, share, team))
                entries = 1 if known is None else known["entries"] + 1
                if known is None or key < known["key"]:
                    known = {"key": key, "entry": row.id, "score": score}
                standings[row.board_id, share, team] = known | {"entries": entries}
        _complete_entry(connection, row, team, sequence)
    for (board, share, team), known in standings.items():
        connection.execute(
            sa.text(
                "INSERT INTO standings (board_id, share, team_id, key, entry_id, score, entries)"
                " VALUES (:board, :share, :team, :key, :entry, :score, :entries)"
            ),
            {"board": board, "share": share, "team": team, **known},
        )


def _make_team(connection, row):
    made = {"board": row.board_id, "user": row.user_id, "at": row.received_at}
    team = connection.execute(
        sa.text(
            "INSERT INTO teams (board_id, name, alias, leader_id, taken, disqualified, created_at)"
            " VALUES (:board, :name, :alias, :user, 0, :no, :at) RETURNING id"
        ).bindparams(sa.bindparam("at", type_=MOMENT), sa.bindparam("no", type_=sa.Boolean())),
        {**made, "name": row.name, "alias": secrets.token_hex(3), "no": False},
    ).scalar_one()
    connection.execute(
        sa.text(
            "INSERT INTO team_members (team_id, board_id, user_id, shown, joined_at)"
            " VALUES (:team, :board, :user, :yes, :at)"
        ).bindparams(sa.bindparam("at", type_=MOMENT), sa.bindparam("yes", type_=sa.Boolean())),
        {**made, "team": team, "yes": True},
    )
    return team


def _count(connection, team, received_at):
    connection.execute(
        sa.text("UPDATE teams SET taken = taken + 1, last_received_at = :at WHERE id = :team").bindparams(
            sa.bindparam("at", type_=MOMENT)
        ),
        {"team": team, "at": received_at},
    )


def _complete_entry(connection, row, team, sequence):
    connection.execute(
        sa.text(
            "UPDATE entries SET team_id = :team, origin_id = :team, submitted_by_id = :user,"
            " sequence = :sequence, released_score = public_score, scored_at = received_at WHERE id = :id"
        ),
        {"team": team, "user": row.user_id, "sequence": sequence, "id": row.id},
    )
    connection.execute(
        sa.text("INSERT INTO private_scores (entry_id, score, metrics) VALUES (:id, :score, '{}')"),
        {"id": row.id, "score": row.private_score},
    )


def _free(taken, board, received_at):
    moment = received_at if received_at.tzinfo else received_at.replace(tzinfo=UTC)
    whole = round(moment.timestamp()) if moment.microsecond == 0 else int(moment.timestamp())
    sequence = whole * 1_000_000 + moment.microsecond
    while (board, sequence) in taken:
        sequence += 1
    taken.add((board, sequence))
    return sequence


def _key(score, sequence, direction):
    """Order by score, the better first, then by receipt; as bytes, which every database orders alike."""
    ahead = (-score if direction == "max" else score) + 0.0
    (bits,) = struct.unpack(">Q", struct.pack(">d", ahead))
    ordered = bits ^ (2**64 - 1) if bits >> 63 else bits | 1 << 63
    return struct.pack(">QQ", ordered, sequence)
