"""The gradebook: everybody of a cohort by every lab, and beside them what boards gave."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from lms.courses.models import Cohort, Course, Enrolment
from lms.grading.models import Grade, Lab, LabRelease, Submission
from lms.grading.queries.labs import labs_of
from lms.grading.queries.submissions import counting_rule

PAGE_ROWS = 50
COLUMNS = "gradebook.columns"  # the slot in which higher domains offer columns
WITH_BOARDS = "sum:boards"  # to sort by; no lab's name has a colon
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


@dataclass(frozen=True)
class Mark:
    """One cell of the gradebook. Units: points."""

    submission_id: int
    score: float
    maximum: float
    provisional: bool
    late: bool


@dataclass(frozen=True)
class Given:
    """What a board gave one person, after a person confirmed it. Units: points."""

    score: float
    maximum: float
    address: str  # of the page that says why


@dataclass(frozen=True)
class Column:
    """What one board gave the people of a cohort; no part of any lab's points."""

    key: str
    """To sort by, and its name in the CSV: with a colon, so that no lab has it."""
    title: Mapping[str, str]
    given: Mapping[int, Given]  # by user id; nobody whose points are not confirmed


@dataclass(frozen=True)
class Line:
    """One person of the cohort."""

    enrolment: Enrolment
    marks: Mapping[int, Mark]  # by lab id
    given: Mapping[str, Given] = field(default_factory=dict)  # by the key of the board's column

    @property
    def score(self) -> float:
        """Return the points of all labs together."""
        return sum(mark.score for mark in self.marks.values())

    @property
    def score_with_boards(self) -> float:
        """Return the points of all labs and all boards together; no certificate is made from it."""
        return self.score + sum(given.score for given in self.given.values())

    @property
    def provisional(self) -> bool:
        """Say whether an answer of this person still waits to be graded by hand."""
        return any(mark.provisional for mark in self.marks.values())

    @property
    def name(self) -> str:
        """Return the name that staff know the person by."""
        return self.enrolment.confirmed_name or self.enrolment.requested_name or self.enrolment.user.name


@dataclass(frozen=True)
class Gradebook:
    """The lines of one cohort, found, sorted and cut to one page."""

    labs: Sequence[Lab]
    lines: Sequence[Line]
    found: int
    page: int
    pages: int
    columns: Sequence[Column] = ()


def cohorts_of(session: Session, course: Course) -> list[Cohort]:
    """Return the course's cohorts, the newest first."""
    return list(
        session.scalars(
            select(Cohort).where(Cohort.course_id == course.id).order_by(Cohort.starts_at.desc(), Cohort.id)
        )
    )


def roster(session: Session, cohort: Cohort, columns: Sequence[Column] = ()) -> list[Line]:
    """Return everybody who is in the cohort with the counting grade of every lab, by name.

    Args:
        columns: what boards gave; kept with each line.
    """
    enrolments = session.scalars(
        select(Enrolment)
        .where(Enrolment.cohort_id == cohort.id, Enrolment.left_at.is_(None))
        .options(joinedload(Enrolment.user))
    ).all()
    marks = _marks(session, cohort)
    lines = [
        Line(enrolment, marks.get(enrolment.id, {}), _given(enrolment.user_id, columns))
        for enrolment in enrolments
    ]
    return sorted(lines, key=lambda line: (line.name.casefold(), line.enrolment.id))


def _given(user_id: int, columns: Iterable[Column]) -> dict[str, Given]:
    return {column.key: column.given[user_id] for column in columns if user_id in column.given}


def _marks(session: Session, cohort: Cohort) -> dict[int, dict[int, Mark]]:
    """Return enrolment id -> lab id -> the mark that counts, in one read of plain columns."""
    rows = session.execute(
        select(
            Grade.enrolment_id,
            Grade.lab_id,
            Submission.attempt,
            Submission.id,
            Grade.score,
            Grade.maximum,
            Grade.provisional,
            Submission.late,
        )
        .join(Submission, Grade.submission_id == Submission.id)
        .join(Enrolment, Grade.enrolment_id == Enrolment.id)
        .where(Enrolment.cohort_id == cohort.id)
        .order_by(Submission.attempt)
    )
    release = selectinload(Lab.current_release).load_only(LabRelease.settings)
    labs = session.scalars(select(Lab).where(Lab.course_id == cohort.course_id).options(release))
    rules = {lab.id: counting_rule(lab) for lab in labs}
    marks: dict[int, dict[int, Mark]] = {}
    for enrolment_id, lab_id, _attempt, submission_id, score, maximum, provisional, late in rows:
        mark = Mark(submission_id, score, maximum, provisional, late)
        known = marks.setdefault(enrolment_id, {}).get(lab_id)
        if known is None or rules[lab_id] == "last" or mark.score > known.score:
            marks[enrolment_id][lab_id] = mark
    return marks


def gradebook(
    session: Session,
    cohort: Cohort,
    *,
    columns: Sequence[Column] = (),
    words: str = "",
    sort: str = "name",
    page: int = 1,
) -> Gradebook:
    """Return one page of the gradebook.

    Args:
        columns: what boards gave
        words: part of a name or address
        sort: name | points | a lab's name | a column's key | sum:boards; with a leading `-` the
            other way round
    """
    labs = labs_of(session, cohort.course)
    lines = [line for line in roster(session, cohort, columns) if _matches(line, words)]
    lines = _sorted(lines, labs, sort)
    pages = max(1, -(-len(lines) // PAGE_ROWS))
    page = min(max(page, 1), pages)
    start = (page - 1) * PAGE_ROWS
    return Gradebook(labs, lines[start : start + PAGE_ROWS], len(lines), page, pages, columns)


def _matches(line: Line, words: str) -> bool:
    place = f"{line.name} {line.enrolment.user.name} {line.enrolment.user.email}".casefold()
    return all(word in place for word in words.casefold().split())


def _sorted(lines: list[Line], labs: Iterable[Lab], sort: str) -> list[Line]:
    key, backwards = sort.removeprefix("-"), sort.startswith("-")
    by_slug = {lab.slug: lab.id for lab in labs}
    if key == "points":
        return sorted(lines, key=lambda line: line.score, reverse=backwards)
    if key == WITH_BOARDS:
        return sorted(lines, key=lambda line: line.score_with_boards, reverse=backwards)
    if any(key in line.given for line in lines):
        return sorted(lines, key=lambda line: _given_score(line, key), reverse=backwards)
    if key in by_slug:
        lab_id = by_slug[key]
        return sorted(lines, key=lambda line: _score(line, lab_id), reverse=backwards)
    return list(reversed(lines)) if backwards else lines


def _score(line: Line, lab_id: int) -> float:
    mark = line.marks.get(lab_id)
    return -1 if mark is None else mark.score


def _given_score(line: Line, key: str) -> float:
    given = line.given.get(key)
    return -1 if given is None else given.score


def gradebook_csv(
    lines: Iterable[Line], labs: Sequence[Lab], columns: Sequence[Column] = ()
) -> Iterator[str]:
    """Yield the gradebook as CSV with a byte order mark; no cell of it is read as a formula.

    What boards gave follows behind, each with its maximum, and one more sum: a program that knows the
    columns of the labs finds them where they are without boards.

    Source: OWASP, CSV Injection.
    """
    yield "\ufeff"
    header = ["name", "email", *(lab.slug for lab in labs), "points", "provisional"]
    yield _csv_line(header + _board_names(columns))
    for line in lines:
        scores = [_figure(line.marks.get(lab.id)) for lab in labs]
        provisional = "yes" if line.provisional else "no"
        own = [line.name, line.enrolment.user.email, *scores, f"{line.score:g}", provisional]
        yield _csv_line(own + _board_cells(line, columns))


def _figure(mark: Mark | None) -> str:
    return "" if mark is None else f"{mark.score:g}"


def _board_names(columns: Sequence[Column]) -> list[str]:
    if not columns:
        return []
    names = [name for column in columns for name in (column.key, f"{column.key}:maximum")]
    return [*names, "points_with_boards"]


def _board_cells(line: Line, columns: Sequence[Column]) -> list[str]:
    if not columns:
        return []
    found = [line.given.get(column.key) for column in columns]
    pairs = [(each.score, each.maximum) if each is not None else (None, None) for each in found]
    figures = [figure for pair in pairs for figure in pair]
    return ["" if each is None else f"{each:.10g}" for each in (*figures, line.score_with_boards)]


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
