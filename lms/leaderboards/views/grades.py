"""What a board gives: its rule, the preview, the confirmed points, objections to them and answers."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response

from lms.accounts.models import User
from lms.db import now
from lms.errors import N_, Conflict, Invalid, NotFound
from lms.leaderboards import policy
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.grade_rules import Rule, RuleProblem, written_out
from lms.leaderboards.forms import ConfirmForm, DecisionForm, GradeRuleForm, ObjectionForm
from lms.leaderboards.models import Board
from lms.leaderboards.queries import awards as queries
from lms.leaderboards.queries import boards
from lms.leaderboards.queries.grade_pages import grades_page
from lms.leaderboards.queries.grouping import keeps_groups
from lms.leaderboards.services import awarding
from lms.leaderboards.services.declaring import check_groups, declare_rule, rule_from_text
from lms.leaderboards.tables.grades import GradeRule, RankAward
from lms.leaderboards.views.boards import reader
from lms.web.errors import put_beside, translated
from lms.web.forms import text
from lms.web.language import language
from lms.web.session import session
from lms.web.shapes import row_number

blueprint = Blueprint("leaderboards_grades", __name__, template_folder="../templates")


@blueprint.app_template_filter("rule_sentences")
def rule_sentences(rule: GradeRule | Rule, wanted: str) -> list[str]:
    """Write a rule out in one language."""
    return written_out(read_rule(rule.rule) if isinstance(rule, GradeRule) else rule, wanted)


@blueprint.app_template_filter("award_reasons")
def award_reasons(award: RankAward) -> list[str]:
    """Say in the reader's language why the rule gave this."""
    return queries.explanation(award, language())


@blueprint.app_template_global()
def grades_panel(board: Board) -> Markup:
    """Show a board's rule, and what the reader would get by it, on another page of the board."""
    if policy.course_of(board) is None:
        return Markup()
    page = grades_page(session(), board, reader(), now(), whole=False)
    if page.declared is None and not page.teaches:
        return Markup()
    return Markup(render_template("leaderboards/grades_panel.html", page=page))  # noqa: S704 - a template escapes


@blueprint.get("/boards/<int:board_id>/grades")
def show(board_id: int) -> str:
    """Show the rule, and what the reader, or for staff everybody, gets or would get."""
    return _page(_opened(board_id), ObjectionForm(), ConfirmForm())


@blueprint.get("/boards/<int:board_id>/grades/rule")
def rule(board_id: int) -> str:
    """Ask for a rule, with the one that holds and examples."""
    board = _graded(board_id)
    declared = queries.current_rule(session(), board)
    form = GradeRuleForm(obj=None)
    if declared is not None:
        form.rule.data, form.objection_days.data = declared.text, declared.objection_days
    return _rule_page(board, form)


@blueprint.post("/boards/<int:board_id>/grades/rule")
def declare(board_id: int) -> Response | tuple[str, int] | str:
    """Declare a rule, or only show what it says and gives."""
    board, form = _graded(board_id), GradeRuleForm()
    if not form.validate_on_submit():
        return _rule_page(board, form), Invalid.status
    if request.form.get("step") != "declare":
        return _looked_at(board, form, text(form.rule))
    try:
        declare_rule(
            session(), _user(), board, text(form.rule), objection_days=form.objection_days.data or 0,
            reason=text(form.reason), at=g.received_at,
        )  # fmt: skip
    except Invalid as problem:
        put_beside(form, problem)
        return _rule_page(board, form), problem.status
    flash(gettext("The rule is declared. Everyone who sees the board can read it."), "success")
    return redirect(url_for(".show", board_id=board.id), 303)


@blueprint.post("/boards/<int:board_id>/grades/confirm")
def confirm(board_id: int) -> Response | tuple[str, int]:
    """Let the points on the page count."""
    board, form = _graded(board_id), ConfirmForm()
    if not form.validate_on_submit():
        return _page(board, ObjectionForm(formdata=None), form), Invalid.status
    awarding.confirm_awards(session(), _user(), board, seen=text(form.seen), at=g.received_at)
    said = gettext("The points stand in the gradebook now. Each student gets a letter with the reason.")
    flash(said, "success")
    return redirect(url_for(".show", board_id=board.id), 303)


@blueprint.post("/boards/<int:board_id>/grades/objection")
def objection(board_id: int) -> Response | tuple[str, int]:
    """Take a student's objection to their own points."""
    board, form = _opened(board_id), ObjectionForm()
    award = queries.own_award(session(), board, _user())
    if award is None:
        raise NotFound(N_("You have no confirmed points on this board, so there is nothing to object to."))
    if not form.validate_on_submit():
        return _page(board, form, ConfirmForm(formdata=None)), Invalid.status
    try:
        awarding.raise_objection(session(), _user(), award, text(form.text), at=g.received_at)
    except (Invalid, Conflict) as problem:
        put_beside(form, problem)
        return _page(board, form, ConfirmForm(formdata=None)), problem.status
    flash(gettext("Your objection has arrived. An instructor answers it here."), "success")
    return redirect(url_for(".show", board_id=board.id), 303)


@blueprint.get("/boards/<int:board_id>/grades/<int:award_id>")
def award(board_id: int, award_id: int) -> str:
    """Show an instructor one student's points, and what was said about them."""
    found = queries.award_on(session(), _graded(board_id), award_id)
    return _award_page(found, DecisionForm(data={"points": found.points}))


@blueprint.post("/boards/<int:board_id>/grades/<int:award_id>")
def decide(board_id: int, award_id: int) -> Response | tuple[str, int]:
    """Answer the objection that waits, or correct the points."""
    found, form = queries.award_on(session(), _graded(board_id), award_id), DecisionForm()
    if not form.validate_on_submit():
        return _award_page(found, form), Invalid.status
    points = form.points.data if form.points.data is not None else found.points
    try:
        awarding.decide(
            session(), _user(), found, text(form.reason), points,
            seen=request.form.get("seen", type=row_number), at=g.received_at,
        )  # fmt: skip
    except (Invalid, Conflict) as problem:
        put_beside(form, problem)
        return _award_page(found, form), problem.status
    flash(gettext("Kept. The student gets a letter."), "success")
    return redirect(url_for(".award", board_id=board_id, award_id=award_id), 303)


def _user() -> User:
    user: User = current_user._get_current_object()  # noqa: SLF001 - the user behind flask_login's proxy
    return user


def _opened(board_id: int) -> Board:
    """Return a board of a course that the reader may see.

    Raises:
        NotFound: it is not there for this person, or gives no grades.
    """
    board = boards.seen_board(session(), boards.board(session(), board_id), _user())
    if policy.course_of(board) is None:
        raise NotFound
    return board


def _graded(board_id: int) -> Board:
    """Return a board about whose grades the reader decides."""
    board = _opened(board_id)
    policy.check_can_grade(_user(), board)
    return board


def _page(board: Board, form: ObjectionForm, confirming: ConfirmForm) -> str:
    page = grades_page(session(), board, reader(), now())
    if page.outcome is not None and not confirming.errors:
        confirming.seen.data = page.outcome.digest
    return render_template(
        "leaderboards/grades.html",
        page=page,
        versions=queries.rules_of(session(), board),
        form=form,
        confirming=confirming,
        waits=page.award is not None and queries.waiting_objection(page.award) is not None,
        at=now(),
    )


def _looked_at(board: Board, form: GradeRuleForm, written: str) -> str | tuple[str, int]:
    """Show what a rule that is not declared says, and what it would give now."""
    found, problems = rule_from_text(written, language())
    try:
        given = found and _outcome(board, found)
    except RuleProblem as problem:
        found, given, problems = None, None, problem.sentences(language())
    if found is None:
        form.rule.errors = [*form.rule.errors, *problems]
        return _rule_page(board, form), Invalid.status
    return _rule_page(board, form, looked_at=found, outcome=given)


def _outcome(board: Board, found: Rule) -> queries.Outcome:
    check_groups(board, found)
    return queries.outcome(session(), board, found, policy.share_at(board, now()))


def _rule_page(board: Board, form: GradeRuleForm, **shown: object) -> str:
    closed = ""
    try:
        policy.check_can_declare(board, queries.confirmation_of(session(), board), now())
    except Conflict as reason:
        closed = translated(reason)
    baselines = sorted(queries.baseline_names(session(), board))
    return render_template(
        "leaderboards/grades_rule.html",
        board=board,
        form=form,
        closed=closed,
        baselines=baselines,
        keeps_groups=keeps_groups(board),
        **shown,
    )


def _award_page(found: RankAward, form: DecisionForm) -> str:
    waiting = queries.waiting_objection(found)
    form.seen.data = str(waiting.id) if waiting is not None else ""
    return render_template(
        "leaderboards/grades_award.html",
        board=found.confirmation.board,
        award=found,
        form=form,
        waits=waiting is not None,
        own=found.user_id == current_user.id,
    )
