"""Grades by rank: declared before the end, confirmed by a person, objected to and corrected."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import AuditEvent, OutgoingMail
from lms.errors import Conflict, Invalid, NotAllowed, NotFound
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.losses import Losses, losses_of, pack
from lms.leaderboards.models import Entry, EntryLosses, EntryState, Share, Team
from lms.leaderboards.queries.awards import (
    Outcome,
    confirmed_boards,
    current_rule,
    explanation,
    number_unfinished,
    outcome,
    rules_of,
    unequal_awards,
)
from lms.leaderboards.queries.grade_pages import grades_page
from lms.leaderboards.queries.grouping import Grouping
from lms.leaderboards.services.awarding import (
    answer_objection,
    confirm_awards,
    correct_award,
    raise_objection,
)
from lms.leaderboards.services.declaring import declare_rule, rule_from_text
from lms.leaderboards.services.judging import disqualify_team
from lms.leaderboards.tables.grades import GradeConfirmation, GradeRule
from tests.factories.grades import BY_BASELINE, BY_GROUP, BY_RANK, Class, make_class
from tests.factories.grading import enrol, make_user
from tests.factories.leaderboards import NOW


@pytest.fixture
def group(session: Session) -> Class:
    return make_class(session)


def declare(group: Class, text: str = BY_RANK, **changes: object) -> GradeRule:
    settings = {"objection_days": 14, "at": NOW, **changes}
    return declare_rule(group.session, group.instructor, group.board, text, **settings)  # type: ignore[arg-type]


def computed(group: Class, share: Share = Share.PRIVATE) -> Outcome:
    declared = current_rule(group.session, group.board)
    assert declared is not None
    return outcome(group.session, group.board, read_rule(declared.rule), share, anew=True)


def confirm(group: Class) -> GradeConfirmation:
    seen = computed(group).digest
    return confirm_awards(group.session, group.instructor, group.board, seen=seen, at=group.after)


def points(found: Outcome) -> list[tuple[int | None, float]]:
    return [(line.placed.rank, line.points) for line in found.lines]


def letters(group: Class, to: str) -> list[str]:
    return list(
        group.session.scalars(
            select(OutgoingMail.subject).where(OutgoingMail.recipient == to).order_by(OutgoingMail.id)
        )
    )


def test_what_would_be_is_from_public_scores_and_what_is_from_private_ones(group: Class) -> None:
    first, second = group.team(0.9, 0.1), group.team(0.8, 0.7)
    outsider = group.contest.team()
    group.contest.enter(outsider, 0.99, 0.99)
    declare(group)
    for share, places in ((Share.PUBLIC, (2, 3)), (Share.PRIVATE, (3, 2))):
        found = computed(group, share)
        assert points(found) == [(2, 90), (3, 80), (None, 5)]
        by_person = {line.user.id: line.placed.rank for line in found.lines}
        assert by_person == {first.leader_id: places[0], second.leader_id: places[1], group.absent.id: None}


def test_a_student_sees_their_own_line_only_and_nothing_of_the_end_before_somebody_confirmed_it(
    group: Class,
) -> None:
    team = group.team(0.9, 0.1)
    group.team(0.8, 0.7)
    declare(group)
    student = group.contest.leader(team)
    page = grades_page(group.session, group.board, student, NOW)
    assert page.own is not None
    assert (page.own.points, page.outcome, page.awards) == (100, None, ())
    ended = grades_page(group.session, group.board, student, group.after)
    assert (ended.own, ended.outcome, ended.award) == (None, None, None)
    staff = grades_page(group.session, group.board, group.instructor, NOW)
    assert staff.outcome is not None
    assert len(staff.outcome.lines) == 3
    stranger = grades_page(group.session, group.board, make_user(group.session), NOW)
    assert (stranger.own, stranger.outcome) == (None, None)
    confirm(group)
    got = grades_page(group.session, group.board, student, group.after)
    assert got.award is not None
    assert (got.award.rank, got.award.points, got.awards) == (2, 80, ())


def test_the_preview_reads_no_private_score(group: Class, statements: list[str]) -> None:
    team = group.team(0.9, 0.1)
    declare(group, BY_BASELINE)
    statements.clear()
    for reader in (group.contest.leader(team), group.instructor):
        grades_page(group.session, group.board, reader, NOW)
    assert statements
    assert not [one for one in statements if "private" in one]


def test_a_changed_rule_is_another_version_with_a_reason_that_everyone_graded_reads(group: Class) -> None:
    first = declare(group)
    with pytest.raises(Invalid):
        declare(group, BY_BASELINE)
    second = declare(group, BY_BASELINE, reason="The board is too small for ranks.")
    assert [each.version for each in rules_of(group.session, group.board)] == [2, 1]
    assert (first.rule["kind"], second.rule["kind"]) == ("order", "threshold")
    assert len(letters(group, group.absent.email)) == 1
    events = group.session.scalars(select(AuditEvent.action)).all()
    assert events.count("board.declare_rule") == 2


def test_only_instructors_of_the_course_declare_and_confirm(group: Class) -> None:
    team = group.team(0.9)
    for person in (group.contest.leader(team), make_user(group.session)):
        with pytest.raises(NotAllowed):
            declare_rule(group.session, person, group.board, BY_RANK, objection_days=14, at=NOW)
    declare(group)
    with pytest.raises(NotAllowed):
        confirm_awards(group.session, group.absent, group.board, seen=computed(group).digest, at=group.after)
    group.contest.challenge.lab = None
    with pytest.raises(NotAllowed):
        declare(group, reason="a board of no course")


BAD_RULES = [
    "",
    "kind: order",
    "kind: [",
    "a: &a [*a]",
    "kind: threshold\nmaximum: 10\nsteps: [{baseline: nobody, points: 10}]",
    "x" * 10_001,
    "kind: order\nmaximum: .nan\nbands: [{top: 1, points: 1}]",
]


def test_a_rule_that_cannot_be_used_is_told_why(group: Class) -> None:
    for text in BAD_RULES:
        with pytest.raises(Invalid) as told:
            declare(group, text)
        assert told.value.field == "rule", text
    for days in (0, 61, -1):
        with pytest.raises(Invalid):
            declare(group, objection_days=days)
    assert current_rule(group.session, group.board) is None


def test_faults_of_a_rule_are_told_in_the_readers_language() -> None:
    assert "missing" in rule_from_text("kind: order", "en")[1][0]
    assert "없어요" in rule_from_text("kind: order", "ko")[1][0]


def test_nothing_is_declared_after_the_end(group: Class) -> None:
    with pytest.raises(Conflict):
        declare(group, at=group.after)


def test_nothing_is_confirmed_before_the_end_twice_without_a_rule_or_while_an_entry_waits(
    group: Class,
) -> None:
    team = group.team(0.9)
    session, board = group.session, group.board

    def refused(seen: str = "", *, hours: int = 0) -> None:
        with pytest.raises(Conflict):
            confirm_awards(
                session, group.instructor, board, seen=seen, at=group.after - timedelta(hours=hours)
            )

    refused()
    declare(group)
    refused(computed(group).digest, hours=2)
    waiting = group.contest.take(team)
    assert number_unfinished(session, board) == 1
    refused(computed(group).digest)
    group.contest.score(waiting, 0.95)
    refused("0" * 64)
    confirm(group)
    refused(computed(group).digest)


def test_points_that_changed_since_the_instructor_looked_are_not_confirmed(group: Class) -> None:
    team = group.team(0.9)
    declare(group)
    seen = computed(group).digest
    disqualify_team(group.session, None, team, "two accounts", at=group.after)
    with pytest.raises(Conflict):
        confirm_awards(group.session, group.instructor, group.board, seen=seen, at=group.after)
    confirm(group)
    assert (group.award(team).rank, group.award(team).points) == (None, 5)


def test_a_confirmed_award_says_why_in_both_languages_and_by_letter(group: Class) -> None:
    team = group.team(0.9)
    declare(group)
    confirmation = confirm(group)
    award = group.award(team)
    assert (award.rank, award.points, award.maximum) == (1, 100, 100)
    assert "Rank 1 of 1" in explanation(award, "en")[0]
    assert "1위" in explanation(award, "ko")[0]
    leader = group.contest.leader(team)
    assert len(letters(group, leader.email)) == len(letters(group, group.absent.email)) == 1
    assert confirmation.objections_until == group.after + timedelta(days=14)
    assert [each.id for each in confirmed_boards(group.session, group.cohort.id)] == [confirmation.id]
    assert unequal_awards(group.session, confirmation) == []


def test_every_member_of_a_team_gets_its_points_once_and_who_left_the_course_none(group: Class) -> None:
    team = group.team(0.9)
    gone = enrol(group.session, make_user(group.session), group.cohort)
    gone.left_at = NOW
    declare(group)
    people = [line.user.id for line in computed(group).lines]
    assert sorted(people) == sorted({team.leader_id, group.absent.id})


def test_tie_groups_are_worked_out_from_what_is_kept_of_each_row(group: Class) -> None:
    declare(group, BY_GROUP)
    best, near, far = group.team(1.0, 1.0), group.team(0.98, 0.98), group.team(0.5, 0.5)
    assert [line.points for line in computed(group).lines] == [100, 60, 60, 0]
    assert computed(group).grouping is Grouping.EQUAL
    for team, wrong in ((best, 0), (near, 2), (far, 50)):
        _lose(group, team, wrong)
    found = computed(group)
    assert found.grouping is Grouping.TESTED
    assert [(line.placed.tie_group, line.points) for line in found.lines[:3]] == [(1, 100), (1, 100), (2, 60)]
    confirm(group)
    assert group.award(near).points == 100


def _lose(group: Class, team: Team, wrong: int, share: Share = Share.PRIVATE) -> None:
    _keep(group, team, losses_of([1.0] * wrong + [0.0] * (100 - wrong)), share)


def _keep(group: Class, team: Team, losses: Losses, share: Share = Share.PRIVATE) -> None:
    entry = group.session.scalars(select(Entry).where(Entry.team_id == team.id)).one()
    group.session.add(EntryLosses(entry_id=entry.id, share=share, packed=pack(losses)))
    group.session.flush()


def test_what_a_ladder_hides_is_in_no_preview(group: Class) -> None:
    team = group.team(0.9)
    group.board.ladder = True
    declare(group, BY_GROUP)
    assert computed(group, Share.PUBLIC).grouping is Grouping.HIDDEN
    own = grades_page(group.session, group.board, group.contest.leader(team), NOW).own
    assert own is not None
    assert own.points == 100


def test_a_students_own_preview_reads_nothing_that_its_rule_does_not_need(
    group: Class, statements: list[str]
) -> None:
    team = group.team(0.9)
    _lose(group, team, 2, Share.PUBLIC)
    declare(group)
    student = group.contest.leader(team)
    for reader, points in ((student, 100), (group.absent, 5), (make_user(group.session), None)):
        statements.clear()
        own = grades_page(group.session, group.board, reader, NOW, whole=False).own
        assert (own and own.points) == points
        assert not [one for one in statements if "entry_losses" in one or "tie_groups" in one]
        assert not [one for one in statements if "FROM users" in one]
        members = [one for one in statements if "FROM team_members" in one]
        assert all("team_members.user_id = " in one for one in members)


def test_a_preview_by_groups_that_are_not_worked_out_yet_unpacks_no_table_of_losses(
    group: Class, statements: list[str]
) -> None:
    teams = [group.team(score) for score in (0.9, 0.8, 0.7)]
    rule, board = read_rule(declare(group, BY_GROUP).rule), group.board
    assert outcome(group.session, board, rule, Share.PUBLIC).grouping is Grouping.EQUAL
    for wrong, team in enumerate(teams[:2]):
        _lose(group, team, wrong, Share.PUBLIC)
    assert outcome(group.session, board, rule, Share.PUBLIC).grouping is Grouping.LOST
    _lose(group, teams[2], 3, Share.PUBLIC)
    statements.clear()
    assert outcome(group.session, board, rule, Share.PUBLIC).grouping is Grouping.AWAITED
    unpacked = [one for one in statements if "entry_losses.packed" in one]
    assert len(unpacked) <= 1
    assert all("entry_losses.entry_id = " in one for one in unpacked)


def test_points_by_groups_wait_where_the_results_of_some_entries_are_gone(group: Class) -> None:
    """Exactly equal scores would be other groups than those that everybody was shown."""
    teams = [group.team(score) for score in (1.0, 0.98, 0.5)]
    declare(group, BY_GROUP)
    for wrong, team in ((0, teams[0]), (2, teams[1])):
        _lose(group, team, wrong)
    assert computed(group).grouping is Grouping.LOST
    with pytest.raises(Conflict, match="results to compare them by"):
        confirm(group)
    declare(group, BY_RANK, reason="Rows were lost.")
    assert confirm(group)


def test_losses_on_resamples_make_tie_groups_too(group: Class) -> None:
    """Of a metric that is no mean over rows: the teams differ by no more than chance, or by far more."""
    best, near, far = group.team(0.9, 0.9), group.team(0.89, 0.89), group.team(0.5, 0.5)
    chance = np.random.default_rng(1).normal(0, 0.05, (3, 1000))
    rule = read_rule(declare(group, BY_GROUP).rule)
    for share in (Share.PUBLIC, Share.PRIVATE):
        for team, score, moved in zip((best, near, far), (0.9, 0.89, 0.5), chance, strict=True):
            _keep(group, team, Losses(moved - score, 100, whole=-score), share)
    assert outcome(group.session, group.board, rule, Share.PUBLIC).grouping is Grouping.AWAITED
    found = computed(group)
    assert found.grouping is Grouping.TESTED
    assert [(line.placed.tie_group, line.points) for line in found.lines[:3]] == [(1, 100), (1, 100), (2, 60)]


def test_losses_on_resamples_of_other_rows_are_not_compared(group: Class) -> None:
    teams = [group.team(0.9), group.team(0.8)]
    declare(group, BY_GROUP)
    for team, items in zip(teams, (100, 99), strict=True):
        _keep(group, team, Losses(np.full(1000, -0.9), items, whole=-0.9))
    assert computed(group).grouping is Grouping.LOST


def test_a_student_objects_once_at_a_time_and_reads_the_answer(group: Class) -> None:
    team = group.team(0.9)
    declare(group)
    confirm(group)
    session, award, student = group.session, group.award(team), group.contest.leader(team)
    raise_objection(session, student, award, "My second entry is missing.", at=group.after)
    assert len(letters(group, group.instructor.email)) == 1
    with pytest.raises(Conflict):
        raise_objection(session, student, award, "Again.", at=group.after)
    answered = answer_objection(session, group.instructor, award, "It came late.", 100, at=group.after)
    assert (answered.answer, award.points, award.changes) == ("It came late.", 100, [])
    assert len(letters(group, student.email)) == 2
    with pytest.raises(Conflict):
        answer_objection(session, group.instructor, award, "Again.", at=group.after)
    raise_objection(session, student, award, "It came in time.", at=group.after)
    answer_objection(session, group.instructor, award, "So it did.", 95.5, at=group.after)
    (change,) = award.changes
    assert (change.points_before, change.points_after, change.reason) == (100, 95.5, "So it did.")
    assert (award.points, award.computed) == (95.5, 100)
    events = set(session.scalars(select(AuditEvent.action)))
    assert {"board.confirm_grades", "board.object", "board.answer_objection", "board.correct_award"} <= events


def test_what_cannot_be_decided_leaves_the_objection_as_it_was(group: Class) -> None:
    team = group.team(0.9)
    declare(group)
    confirm(group)
    session, award = group.session, group.award(team)
    objection = raise_objection(session, group.contest.leader(team), award, "So.", at=group.after)
    for reason, points in (("Well.", 101.0), ("Well.", float("nan")), ("x" * 2001, 50.0)):
        with pytest.raises(Invalid):
            answer_objection(session, group.instructor, award, reason, points, at=group.after)
        assert (objection.answer, objection.answered_at, award.points) == ("", None, 100)


def test_objections_are_ones_own_say_something_and_come_in_time(group: Class) -> None:
    team = group.team(0.9)
    declare(group)
    confirm(group)
    award, student = group.award(team), group.contest.leader(team)
    with pytest.raises(NotFound):
        raise_objection(group.session, group.absent, award, "Theirs.", at=group.after)
    for text in ("", "  ", "x" * 2001):
        with pytest.raises(Invalid):
            raise_objection(group.session, student, award, text, at=group.after)
    with pytest.raises(Conflict):
        raise_objection(group.session, student, award, "Late.", at=group.after + timedelta(days=15))


def test_points_are_corrected_to_others_between_zero_and_the_maximum(group: Class) -> None:
    team = group.team(0.9)
    declare(group)
    confirm(group)
    award = group.award(team)
    for wrong in (-1, 100.01, float("nan"), float("inf"), 100):
        with pytest.raises(Invalid):
            correct_award(group.session, group.instructor, award, "A mistake.", wrong, at=group.after)
    with pytest.raises(Invalid):
        correct_award(group.session, group.instructor, award, "", 50, at=group.after)
    with pytest.raises(NotAllowed):
        correct_award(group.session, group.contest.leader(team), award, "Mine.", 100, at=group.after)
    assert award.points == 100


def test_nobody_decides_about_their_own_points(group: Class) -> None:
    enrol(group.session, group.instructor, group.cohort)
    declare(group)
    confirm(group)
    award = grades_page(group.session, group.board, group.instructor, group.after).award
    assert award is not None
    with pytest.raises(NotAllowed):
        correct_award(group.session, group.instructor, award, "For me.", 100, at=group.after)


def test_a_correction_by_hand_is_no_difference_and_a_changed_score_is_one(group: Class) -> None:
    team = group.team(0.9)
    declare(group)
    confirmation = confirm(group)
    award = group.award(team)
    correct_award(group.session, group.instructor, award, "They helped others.", 70, at=group.after)
    assert unequal_awards(group.session, confirmation) == []
    entry = group.session.scalars(select(Entry).where(Entry.team_id == team.id)).one()
    entry.state = EntryState.FAILED
    group.session.flush()
    (unequal,) = unequal_awards(group.session, confirmation)
    assert (unequal.kept.computed, unequal.computed.points) == (100, 5)
