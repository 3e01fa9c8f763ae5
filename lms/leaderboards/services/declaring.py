"""Declaring what a board gives, before its end; each change is a version of its own."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.courses.core.yaml_file import read_yaml
from lms.errors import N_, Invalid
from lms.leaderboards import policy
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.grade_rules import Placed, Rule, RuleProblem, Sentence
from lms.leaderboards.models import Board
from lms.leaderboards.queries.awards import board_for_rule, confirmation_of, current_rule, uses_groups
from lms.leaderboards.queries.grouping import keeps_groups
from lms.leaderboards.services import grade_letters
from lms.leaderboards.tables.grades import LONGEST, GradeRule

LONGEST_RULE = 10_000
MOST_DAYS = 60
NOBODY = Placed("", None, None, None)


def rule_from_text(text: str, language: str) -> tuple[Rule | None, list[str]]:
    """Read a rule as it is written in YAML; without one, what is wrong with it in a reader's language."""
    if len(text) > LONGEST_RULE:
        return None, [_TOO_LONG["ko" if language == "ko" else "en"]]
    parsed = read_yaml("rule", text)
    if parsed.problems:
        return None, [f"{one.line}:{one.column} {one.sentence(language)}" for one in parsed.problems]
    try:
        return read_rule(parsed.value), []
    except RuleProblem as problem:
        return None, problem.sentences(language)


_TOO_LONG = {
    "ko": f"규칙은 {LONGEST_RULE}자까지 쓸 수 있어요.",
    "en": f"A rule has at most {LONGEST_RULE} characters.",
}


def check_groups(board: Board, rule: Rule) -> None:
    """Refuse a rule by tie groups on a board that never has other groups than of exactly equal scores.

    Its sentence for students, that a difference which may be chance changes nothing, would be false there.

    Raises:
        RuleProblem: it is such a rule and such a board.
    """
    if uses_groups(rule) and not keeps_groups(board):
        raise RuleProblem([Sentence("bad.no_groups", {})])


def declare_rule(
    session: Session,
    actor: User,
    board: Board,
    text: str,
    *,
    objection_days: int,
    reason: str = "",
    at: datetime,
) -> GradeRule:
    """Declare a board's grade rule, or the next version of it; who is graded by it hears of a change.

    Raises:
        NotAllowed: the actor is no instructor of the board's course.
        Conflict: the board has ended.
        Invalid: the rule cannot be read or used on this board, or a change has no reason.
    """
    policy.check_can_grade(actor, board)
    session.execute(select(Board.id).where(Board.id == board.id).with_for_update())
    policy.check_can_declare(board, confirmation_of(session, board), at)
    rule = _usable(session, actor, board, text, at)
    before = current_rule(session, board)
    if before is not None and not reason.strip():
        raise Invalid(N_("Say why the rule changes: the students read it."), field="reason")
    if not 1 <= objection_days <= MOST_DAYS:
        raise Invalid(N_("Give between 1 and %(most)d days."), field="objection_days", most=MOST_DAYS)
    made = GradeRule(
        board_id=board.id,
        version=1 if before is None else before.version + 1,
        rule=rule.to_dict(),
        text=text,
        objection_days=objection_days,
        reason=reason.strip()[:LONGEST] if before is not None else "",
        declared_by_id=actor.id,
        declared_at=at,
    )
    session.add(made)
    session.flush()
    record(session, actor, "board.declare_rule", f"board:{board.id}", rule=made.id, version=made.version)
    if before is not None:
        grade_letters.tell_changed(session, board, made)
    return made


def _usable(session: Session, actor: User, board: Board, text: str, at: datetime) -> Rule:
    rule, problems = rule_from_text(text, actor.language)
    if rule is None:
        raise Invalid(N_("This rule cannot be used: %(why)s"), field="rule", why=" ".join(problems))
    try:
        check_groups(board, rule)
        rule.award(NOBODY, board_for_rule(session, board, rule, policy.share_at(board, at)))
    except RuleProblem as problem:
        why = " ".join(problem.sentences(actor.language))
        raise Invalid(N_("This rule cannot be used: %(why)s"), field="rule", why=why) from problem
    return rule
