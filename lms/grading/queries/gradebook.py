"""The gradebook: everybody of a cohort by every lab."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from lms.courses.models import Cohort, Course, Enrolment
from lms.grading.models import Grade, Lab, LabRelease, Submission
from lms.grading.queries.labs import labs_of
from lms.grading.queries.submissions import counting_rule

PAGE_ROWS = 50
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
class Line:
    """One person of the cohort."""

    enrolment: Enrolment
    marks: Mapping[int, Mark]  # by lab id

    @property
    def score(self) -> float:
        """Return the points of all labs together."""
        return sum(mark.score for mark in self.marks.values())

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


def cohorts_of(session: Session, course: Course) -> list[Cohort]:
    """Return the course's cohorts, the newest first."""
    return list(
        session.scalars(
            select(Cohort).where(Cohort.course_id == course.id).order_by(Cohort.starts_at.desc(), Cohort.id)
        )
    )


def roster(session: Session, cohort: Cohort) -> list[Line]:
    """Return everybody who is in the cohort with the counting grade of every lab, by name."""
    enrolments = session.scalars(
        select(Enrolment)
        .where(Enrolment.cohort_id == cohort.id, Enrolment.left_at.is_(None))
        .options(joinedload(Enrolment.user))
    ).all()
    marks = _marks(session, cohort)
    lines = [Line(enrolment, marks.get(enrolment.id, {})) for enrolment in enrolments]
    return sorted(lines, key=lambda line: (line.name.casefold(), line.enrolment.id))


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
    session: Session, cohort: Cohort, *, words: str = "", sort: str = "name", page: int = 1
) -> Gradebook:
    """Return one page of the gradebook.

    Args:
        words: part of a name or address
        sort: name | points | a lab's name; with a leading `-` the other way round
    """
    labs = labs_of(session, cohort.course)
    lines = [line for line in roster(session, cohort) if _matches(line, words)]
    lines = _sorted(lines, labs, sort)
    pages = max(1, -(-len(lines) // PAGE_ROWS))
    page = min(max(page, 1), pages)
    start = (page - 1) * PAGE_ROWS
    return Gradebook(labs, lines[start : start + PAGE_ROWS], len(lines), page, pages)


def _matches(line: Line, words: str) -> bool:
    place = f"{line.name} {line.enrolment.user.name} {line.enrolment.user.email}".casefold()
    return all(word in place for word in words.casefold().split())


def _sorted(lines: list[Line], labs: Iterable[Lab], sort: str) -> list[Line]:
    key, backwards = sort.removeprefix("-"), sort.startswith("-")
    by_slug = {lab.slug: lab.id for lab in labs}
    if key == "points":
        return sorted(lines, key=lambda line: line.score, reverse=backwards)
    if key in by_slug:
        lab_id = by_slug[key]
        return sorted(lines, key=lambda line: _score(line, lab_id), reverse=backwards)
    return list(reversed(lines)) if backwards else lines


def _score(line: Line, lab_id: int) -> float:
    mark = line.marks.get(lab_id)
    return -1 if mark is None else mark.score


def gradebook_csv(lines: Iterable[Line], labs: Sequence[Lab]) -> Iterator[str]:
    """Yield the gradebook as CSV with a byte order mark; no cell of it is read as a formula.

    Source: OWASP, CSV Injection.
    """
    yield "\ufeff"
    header = ["name", "email", *(lab.slug for lab in labs), "points", "provisional"]
    yield _csv_line(header)
    for line in lines:
        scores = [_figure(line.marks.get(lab.id)) for lab in labs]
        provisional = "yes" if line.provisional else "no"
        yield _csv_line([line.name, line.enrolment.user.email, *scores, f"{line.score:g}", provisional])


def _figure(mark: Mark | None) -> str:
    return "" if mark is None else f"{mark.score:g}"


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
