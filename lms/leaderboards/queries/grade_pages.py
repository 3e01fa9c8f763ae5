"""What a board's page of points shows to whom, and when."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.leaderboards import policy
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.grade_rules import Rule, RuleProblem
from lms.leaderboards.models import Board, Share
from lms.leaderboards.queries import awards
from lms.leaderboards.queries.awards import Line, Outcome
from lms.leaderboards.queries.grouping import keeps_groups
from lms.leaderboards.tables.grades import GradeConfirmation, GradeRule, RankAward


@dataclass(frozen=True)
class GradesPage:
    """A board's rule, and what this reader may see of what it gives."""

    board: Board
    declared: GradeRule | None
    rule: Rule | None
    confirmed: GradeConfirmation | None
    ended: bool
    staff: bool  # sees what everybody gets
    teaches: bool  # decides
    outcome: Outcome | None = None
    """What everybody would get now, or gets if somebody confirms it; for staff."""
    own: Line | None = None
    """What the reader would get if the board ended now."""
    award: RankAward | None = None
    """What the reader got."""
    awards: Sequence[RankAward] = ()
    """What everybody got; for staff."""
    problem: RuleProblem | None = None
    unfinished: int = 0

    @property
    def uses_groups(self) -> bool:
        """Say whether tie groups decide about points."""
        return self.rule is not None and awards.uses_groups(self.rule)

    @property
    def lacks_groups(self) -> bool:
        """Say whether a rule was declared by tie groups that the board never has; none can be any more."""
        return self.uses_groups and not keeps_groups(self.board)


def grades_page(
    session: Session, board: Board, reader: User | None, at: datetime, *, whole: bool = True
) -> GradesPage:
    """Return a board's page of points as somebody sees it; nothing of private scores before the end.

    Args:
        reader: None for a visitor.
        whole: also what everybody gets, for staff.
    """
    declared, confirmed = awards.current_rule(session, board), awards.confirmation_of(session, board)
    page = GradesPage(
        board=board,
        declared=declared,
        rule=read_rule(declared.rule) if declared is not None else None,
        confirmed=confirmed,
        ended=policy.share_at(board, at) is Share.PRIVATE,
        staff=policy.can_see_awards(reader, board),
        teaches=reader is not None and policy.can_grade(reader, board),
    )
    if reader is None or page.rule is None:
        return page
    if confirmed is not None:
        everyone = awards.awards_of(session, confirmed) if page.staff and whole else ()
        return replace(page, award=awards.own_award(session, board, reader), awards=everyone)
    try:
        return _computed(session, page, page.rule, reader, policy.share_at(board, at), whole=whole)
    except RuleProblem as problem:
        return replace(page, problem=problem)


def _computed(
    session: Session, page: GradesPage, rule: Rule, reader: User, share: Share, *, whole: bool
) -> GradesPage:
    """Add what the rule gives: before the end to everyone their own, after it to staff only."""
    board = page.board
    if page.staff and whole:
        found = awards.outcome(session, board, rule, share, anew=page.ended)
        return replace(
            page,
            outcome=found,
            unfinished=awards.number_unfinished(session, board) if page.ended else 0,
        )
    if page.staff or page.ended:
        return page
    return replace(page, own=awards.own_outcome(session, board, rule, share, reader))
