"""What a board's grade rule gives: computed from its entries, and as it was confirmed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from lms.accounts.models import User
from lms.courses.models import Cohort, Enrolment
from lms.errors import NotFound
from lms.grading.models import Grade, GradingRun, RunState, Submission
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.grade_rules import Award, Blended, Placed, RankedBoard, Rule, Sentence
from lms.leaderboards.models import Board, Challenge, Entry, EntryState, PrivateScore, Share, TeamMember
from lms.leaderboards.policy import course_of
from lms.leaderboards.queries.grouping import Grouping, Ranked, groups_of, kept_ranks, ranks_anew
from lms.leaderboards.queries.waiting import number_waiting
from lms.leaderboards.tables.grades import GradeConfirmation, GradeRule, Objection, RankAward


@dataclass(frozen=True)
class Line:
    """What a rule gives one student."""

    user: User
    team_id: int | None
    placed: Placed
    award: Award

    @property
    def points(self) -> float:
        """Return the points with two decimals."""
        return float(self.award.points)


@dataclass(frozen=True)
class Outcome:
    """What a rule gives the students of a board; without a rank last."""

    lines: Sequence[Line]
    grouping: Grouping

    @property
    def digest(self) -> str:
        """Return a hash of who gets what: the same only for the same awards."""
        rows = [
            [line.user.id, line.team_id, line.placed.rank, repr(line.placed.score), line.placed.tie_group,
             str(line.award.points), str(line.award.maximum)]
            for line in self.lines
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Unequal:
    """An award that was kept and is not what the entries say now."""

    kept: RankAward
    computed: Line


def rules_of(session: Session, board: Board) -> Sequence[GradeRule]:
    """Return all versions of a board's grade rule, the one that holds first."""
    return session.scalars(
        select(GradeRule)
        .where(GradeRule.board_id == board.id)
        .options(joinedload(GradeRule.declared_by))
        .order_by(GradeRule.version.desc())
    ).all()


def current_rule(session: Session, board: Board) -> GradeRule | None:
    """Return the grade rule that holds, if the board has one."""
    return session.scalars(
        select(GradeRule).where(GradeRule.board_id == board.id).order_by(GradeRule.version.desc()).limit(1)
    ).first()


def confirmation_of(session: Session, board: Board) -> GradeConfirmation | None:
    """Return the confirmation of a board's awards, if somebody confirmed them."""
    return session.scalar(select(GradeConfirmation).where(GradeConfirmation.board_id == board.id))


def uses_groups(rule: Rule) -> bool:
    """Say whether tie groups decide about points."""
    parts = [part.rule for part in rule.parts] if isinstance(rule, Blended) else [rule]
    return any(part.kind == "tie_group" for part in parts)


def ranked_board(
    session: Session, board: Board, share: Share, *, anew: bool = False
) -> tuple[RankedBoard, Grouping]:
    """Return all that any rule may look at, on one share of a board; teams by their number as text.

    Args:
        anew: from the entries alone, instead of from what was kept with each score.
    """
    ranked = (ranks_anew if anew else kept_ranks)(session, board, share)
    groups = groups_of(session, board, share, ranked, anew=anew)
    return _board(session, board, share, ranked, groups.numbers), groups.kind


def board_for_rule(session: Session, board: Board, rule: Rule, share: Share) -> RankedBoard:
    """Return what one rule looks at, from what was kept with each score: tie groups where they decide."""
    if uses_groups(rule):
        return ranked_board(session, board, share)[0]
    return _board(session, board, share, kept_ranks(session, board, share), {})


def _board(
    session: Session, board: Board, share: Share, ranked: Sequence[Ranked], numbers: Mapping[int, int]
) -> RankedBoard:
    teams = [
        Placed(str(each.team_id), rank, each.score, numbers.get(each.team_id))
        for rank, each in enumerate(ranked, start=1)
    ]
    return RankedBoard(teams, _baselines(session, board, share), board.direction.value, board.decimals)


def _baselines(session: Session, board: Board, share: Share) -> Mapping[str, float]:
    is_private = share is Share.PRIVATE
    score = PrivateScore.score if is_private else Entry.released_score
    rows = select(Entry.baseline, score).where(
        Entry.board_id == board.id, Entry.baseline.is_not(None), Entry.state == EntryState.SCORED
    )
    if is_private:
        rows = rows.join(PrivateScore, PrivateScore.entry_id == Entry.id)
    return {name: value for name, value in session.execute(rows) if name and value is not None}


def baseline_names(session: Session, board: Board) -> Sequence[str]:
    """Return the names by which a rule can speak of a board's baselines."""
    names = session.scalars(
        select(Entry.baseline).where(
            Entry.board_id == board.id, Entry.baseline.is_not(None), Entry.state == EntryState.SCORED
        )
    )
    return [name for name in names if name]


def outcome(session: Session, board: Board, rule: Rule, share: Share, *, anew: bool = False) -> Outcome:
    """Return what a rule gives each student who is graded by a board, on one share.

    Raises:
        lms.leaderboards.core.grade_rules.RuleProblem: the board has not what the rule names.
    """
    ranked, grouping = ranked_board(session, board, share, anew=anew)
    placed = {team.team: team for team in ranked.teams}
    teams = _teams(session, board)
    lines = [_line(rule, ranked, placed, user, teams.get(user.id)) for user in graded_people(session, board)]
    lines.sort(key=lambda line: (line.placed.rank is None, line.placed.rank or 0, line.user.id))
    return Outcome(lines, grouping)


def own_outcome(session: Session, board: Board, rule: Rule, share: Share, user: User) -> Line | None:
    """Return what a rule gives one student; None for who is not graded by the board.

    Raises:
        lms.leaderboards.core.grade_rules.RuleProblem: the board has not what the rule names.
    """
    graded = _graded(board)
    if graded is None or session.scalar(graded.where(Enrolment.user_id == user.id).limit(1)) is None:
        return None
    ranked = board_for_rule(session, board, rule, share)
    placed = {team.team: team for team in ranked.teams}
    return _line(rule, ranked, placed, user, _teams(session, board, user).get(user.id))


def _line(
    rule: Rule, ranked: RankedBoard, placed: Mapping[str, Placed], user: User, team_id: int | None
) -> Line:
    where = placed.get(str(team_id)) or Placed(str(team_id or ""), None, None, None)
    return Line(user, team_id, where, rule.award(where, ranked))


def _teams(session: Session, board: Board, user: User | None = None) -> dict[int, int]:
    """Return person -> team, of everybody on a board or of one person."""
    rows = select(TeamMember.user_id, TeamMember.team_id).where(TeamMember.board_id == board.id)
    if user is not None:
        rows = rows.where(TeamMember.user_id == user.id)
    return {row.user_id: row.team_id for row in session.execute(rows)}


def graded_people(session: Session, board: Board) -> Sequence[User]:
    """Return the students whom a board grades, on it or not.

    Those of its cohort; of a challenge's board those of all cohorts that run while the challenge does.
    """
    people = _graded(board)
    if people is None:
        return []
    return session.scalars(select(User).where(User.id.in_(people)).order_by(User.id)).all()


def _graded(board: Board) -> Select[int] | None:
    """Select the numbers of the people whom a board grades; None for a board of no course."""
    course = course_of(board)
    if course is None:
        return None
    people = select(Enrolment.user_id).where(Enrolment.left_at.is_(None))
    if board.challenge is None:
        return people.where(Enrolment.cohort_id == board.cohort_id)
    return people.join(Cohort, Cohort.id == Enrolment.cohort_id).where(
        Cohort.course_id == course.id, *_while_it_runs(Cohort, board.challenge)
    )


def _while_it_runs(cohort: Any, challenge: Challenge) -> tuple[Any, Any]:
    """Say whether a cohort runs while a challenge does: of the row, or of all rows of the table."""
    return cohort.starts_at <= challenge.ends_at, cohort.ends_at >= challenge.opens_at


def number_unfinished(session: Session, board: Board) -> int:
    """Return how much work that came in time is not on the board yet.

    Entries that wait; and submissions of its lab that are being graded, or whose grade has not come here yet.
    """
    waiting = number_waiting(session, board)
    if board.challenge_id is not None:
        return waiting
    runs = (
        select(func.count(Submission.id))
        .join(Enrolment, Enrolment.id == Submission.enrolment_id)
        .where(
            Submission.lab_id == board.lab_id,
            Submission.release_id == board.release_id,
            Submission.received_at <= board.ends_at,
            Enrolment.cohort_id == board.cohort_id,
            or_(
                exists().where(
                    GradingRun.submission_id == Submission.id,
                    GradingRun.state.in_((RunState.QUEUED, RunState.RUNNING)),
                ),
                exists().where(Grade.submission_id == Submission.id, Grade.settled_at.is_(None)),
            ),
        )
    )
    return waiting + (session.scalar(runs) or 0)


WHOLE = (
    joinedload(RankAward.user),
    selectinload(RankAward.objections).joinedload(Objection.answered_by),
    selectinload(RankAward.changes),
)


def awards_of(session: Session, confirmation: GradeConfirmation) -> Sequence[RankAward]:
    """Return the awards that count, by rank, with what was said about them."""
    return session.scalars(
        select(RankAward)
        .where(RankAward.confirmation_id == confirmation.id)
        .options(*WHOLE)
        .order_by(RankAward.rank.is_(None), RankAward.rank, RankAward.user_id)
    ).all()


def own_award(session: Session, board: Board, user: User) -> RankAward | None:
    """Return a student's own award on a board, if it is confirmed."""
    return session.scalar(
        select(RankAward)
        .join(RankAward.confirmation)
        .where(GradeConfirmation.board_id == board.id, RankAward.user_id == user.id)
        .options(*WHOLE)
    )


def award_on(session: Session, board: Board, award_id: int) -> RankAward:
    """Return an award of a board.

    Raises:
        NotFound: the board has none of this number.
    """
    found = session.scalar(
        select(RankAward)
        .join(RankAward.confirmation)
        .where(GradeConfirmation.board_id == board.id, RankAward.id == award_id)
        .options(*WHOLE)
    )
    if found is None:
        raise NotFound
    return found


def waiting_objection(award: RankAward) -> Objection | None:
    """Return the objection to an award that nobody has answered yet; there is one at most."""
    return next((each for each in award.objections if each.answered_at is None), None)


def confirmed_boards(session: Session, cohort_id: int) -> Sequence[GradeConfirmation]:
    """Return the confirmed awards that belong beside a cohort's gradebook, the newest first.

    Those of its own boards, and of challenges of its course that ran while it did: who takes a course again
    has the points of the first time there.
    """
    students = select(Enrolment.user_id).where(Enrolment.cohort_id == cohort_id, Enrolment.left_at.is_(None))
    cohort = session.get_one(Cohort, cohort_id)
    found = session.scalars(
        select(GradeConfirmation)
        .where(
            exists().where(RankAward.confirmation_id == GradeConfirmation.id, RankAward.user_id.in_(students))
        )
        .options(
            joinedload(GradeConfirmation.board).options(
                joinedload(Board.lab), joinedload(Board.challenge).joinedload(Challenge.lab)
            )
        )
        .order_by(GradeConfirmation.confirmed_at.desc(), GradeConfirmation.id.desc())
    ).all()
    return [each for each in found if _grades(each.board, cohort)]


def _grades(board: Board, cohort: Cohort) -> bool:
    if board.challenge is None:
        return board.cohort_id == cohort.id
    lab = board.challenge.lab
    return (
        lab is not None and lab.course_id == cohort.course_id and all(_while_it_runs(cohort, board.challenge))
    )


def unequal_awards(session: Session, confirmation: GradeConfirmation) -> list[Unequal]:
    """Work the awards of a board out anew from its entries, and return which differ from what was kept.

    What a person changed by hand does not differ: the computed points are compared.

    Raises:
        lms.leaderboards.core.grade_rules.RuleProblem: the board has not what the rule names any more.
    """
    rule = read_rule(confirmation.rule.rule)
    ranked, _ = ranked_board(session, confirmation.board, Share.PRIVATE, anew=True)
    placed = {team.team: team for team in ranked.teams}
    compared = [
        (award, _line(rule, ranked, placed, award.user, award.team_id))
        for award in awards_of(session, confirmation)
    ]
    return [
        Unequal(award, line)
        for award, line in compared
        if (award.rank, award.computed) != (line.placed.rank, line.points)
    ]


def explanation(award: RankAward, language: str) -> list[str]:
    """Return why an award is what the rule gave, in Korean or English."""
    return [Sentence(each["code"], each["params"]).text(language) for each in award.why]
