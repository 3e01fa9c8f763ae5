"""One course in which everything happened: for tests that walk all addresses of the site."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import LinkPurpose, OrganisationKind, Role, User
from lms.accounts.services.links import make_link
from lms.blobs import BlobStore, FolderBlobs
from lms.certs.core.trust import write_trust
from lms.certs.services.batches import issue
from lms.certs.services.connecting import Wish, register
from lms.certs.services.connecting import approve as connect
from lms.certs.services.log import keep_heads_signed
from lms.certs.services.requests import request_issuance
from lms.certs.services.sharing import share
from lms.config import Settings
from lms.courses.models import Course, CourseVersion, Enrolment
from lms.courses.services.enrolling import confirm_name
from lms.courses.services.publishing import approve
from lms.db import Base, make_engine, make_sessions, now
from lms.grading.models import Grade, Submission
from lms.grading.queries.labs import labs_of
from lms.grading.services.releases import claim_release, queue_releases, record_build
from lms.grading.services.running import claim_run, record_grade, settled
from lms.grading.services.submitting import submit
from lms.leaderboards.core.failures import EntryFailed, write_failure
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Challenge, Entry, EntryKind
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.services.asking import make_ticket
from lms.leaderboards.services.boards import open_board
from lms.leaderboards.services.challenges import accept_rules, publish_challenge
from lms.leaderboards.services.discussing import start_topic
from lms.leaderboards.services.flagging import Finding, keep_findings
from lms.leaderboards.services.judging import disqualify_entry
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.rescoring import prepare_rescore
from lms.leaderboards.services.retracing import ask_for_log
from lms.leaderboards.services.scoring import fail_entry, score_entry
from lms.leaderboards.services.teams import invite, join
from lms.leaderboards.tables.flags import Flag, FlagKind
from lms.leaderboards.tables.winners import WinnerClaim
from lms.leaderboards.tables.writeups import Writeup
from lms.workflows import open_what_is_ready
from tests.factories.accounts import make_member, make_organisation, make_user
from tests.factories.aftermath import make_over
from tests.factories.applications import RETURN, SCOPE, VERIFIER, challenge, registration
from tests.factories.certs import Pair, facts
from tests.factories.courses import lab_file, make_cohort, make_enrolment, make_version
from tests.factories.grades import give_points
from tests.factories.grading import build_report, grading_report, notebook
from tests.factories.leaderboards import challenge_document, give_honours
from tests.factories.records import recording

BOARD = {
    "title": {"ko": "숫자 읽기", "en": "Reading digits"},
    "predict": "predict",
    "metric": "accuracy",
    "direction": "max",
    "ends": {"after_days": 28, "at": "23:59"},
}


AFTER_THE_END = """
    writeup writeup_notebook own_writeup publish_writeup withdraw_writeup hide_writeup show_writeup
    verification hand_in_evidence winners ask_winners ask_next claim decide_claim claim_file
"""
"""What happens in the challenge that is over."""


class ByEndpoint(dict[str, str]):
    """A name that is another one at some endpoints."""

    def __init__(self, usual: str, others: dict[str, str]) -> None:
        super().__init__(others)
        self.usual = usual

    def __missing__(self, endpoint: str) -> str:
        return self.usual


@dataclass
class Campus:
    """The people, and what an address of the site can name, by the name it has in the route."""

    student: User
    fellow: User
    instructor: User
    admin: User
    site_admin: User
    stranger: User
    other_instructor: User
    names: dict[str, Any]
    course: Course

    @property
    def people(self) -> dict[str, User]:
        return {name: value for name, value in vars(self).items() if isinstance(value, User)}


@dataclass(frozen=True)
class Place:
    """One installation with its campus, before anybody visits."""

    engine: Engine
    settings: Settings
    blobs: FolderBlobs
    campus: Campus


def make_place(folder: Path, url: str) -> Place:
    """Build a campus in an empty database."""
    settings = Settings(
        instance=folder / "instance",
        secret_key="not secret in a test",
        demo=True,
        environments_root=folder,
        metrics_token="not secret either",
    )
    blobs = FolderBlobs(folder / "blobs")
    engine = make_engine(url)
    Base.metadata.create_all(engine)
    sessions = make_sessions(engine)
    with sessions() as session:
        campus = make_campus(session, sessions, blobs, folder, settings)
    return Place(engine, settings, blobs, campus)


def make_campus(
    session: Session, sessions: sessionmaker[Session], blobs: BlobStore, folder: Path, settings: Settings
) -> Campus:
    """A joint course with a graded submission, a board, a certificate and one that waits."""
    campus = _people(session, _version(session, blobs, folder))
    course = campus.course
    environments = folder / "environments"
    environments.mkdir(parents=True, exist_ok=True)
    (environments / "ml-basics.txt").write_text("numpy==2.0\n")
    _open_lab(session, blobs, course, environments)
    cohort = make_cohort(session, course, starts_in_days=-3)
    enrolment = make_enrolment(session, cohort, campus.student)
    waiting = make_enrolment(session, cohort, campus.fellow, "이바다")
    open_what_is_ready(session, environments, now())
    work = _graded(session, blobs, enrolment)
    board = open_board(session, cohort, work.release)
    assert board is not None
    confirm_name(session, campus.instructor, enrolment, enrolment.requested_name)
    credential, pending = _certified(session, sessions, settings, enrolment, waiting)
    link = share(session, campus.student, credential.uuid, days=7, label="", at=now())
    application = register(session, registration(), client_id="wallet", secret="secret", at=now())
    wish = Wish(SCOPE, RETURN, challenge(VERIFIER))
    connection = connect(session, campus.student, application, wish, code="code", at=now())
    contest = _contest(session, blobs, campus)
    membership = next(each for each in campus.instructor.memberships if each.ended_at is None)
    campus.names = {
        "course": course.slug,
        "slug": course.slug,
        "lab": work.lab.slug,
        "cohort": cohort.slug,
        "lesson": "01-vectors",
        "number": 1,
        "path": "v.svg",
        "enrolment": waiting.id,
        "submission_id": work.id,
        "ordinal": 1,
        "grade_id": "essay",
        "board_id": board.id,
        "flag_id": _flag(session, board),
        "award_id": give_points(session, campus.instructor, board, campus.student, at=now()).id,
        **_within(session, campus, contest, settings),
        "address": give_honours(session, campus.student, others=0).address,
        **_after(session, blobs, campus, contest),
        "request_id": pending,
        "uuid": credential.uuid,
        "sha256": credential.sha256,
        "list_id": credential.status_list_id,
        "membership_id": membership.id,
        "link_id": link.id,
        "connection_id": connection.id,
        "secret": _secrets(session, campus) | {"certs_sharing.show": link.secret},
        "reason": "reset",
        "filename": "duri.css",
    }
    session.commit()
    return campus


def _version(session: Session, blobs: BlobStore, folder: Path) -> CourseVersion:
    lab = yaml.safe_dump(lab_file(board=BOARD), allow_unicode=True, sort_keys=False)
    return make_version(
        session,
        blobs,
        folder,
        files={
            "labs/products/lab.yml": lab,
            "labs/products/hidden/board.py": "def make_hidden(seed):\n    return [], []\n",
            "labs/products/data/rows.csv": "a,b\n1,2\n",
        },
    )


def _people(session: Session, version: CourseVersion) -> Campus:
    university, company = version.course.university, version.course.company
    operator = make_organisation(session, kind=OrganisationKind.OPERATOR)
    instructor = make_member(session, organisation=university, role=Role.INSTRUCTOR).user
    partner = make_member(session, organisation=company, role=Role.INSTRUCTOR).user
    approve(session, instructor, version)
    approve(session, partner, version)
    return Campus(
        student=make_user(session, name="김하늘"),
        fellow=make_user(session, name="이바다"),
        instructor=instructor,
        admin=make_member(session, organisation=university, role=Role.ADMIN).user,
        site_admin=make_member(session, organisation=operator, role=Role.SITE_ADMIN).user,
        stranger=make_user(session, name="박바람"),
        other_instructor=make_member(session, role=Role.INSTRUCTOR).user,
        names={},
        course=version.course,
    )


def _open_lab(session: Session, blobs: BlobStore, course: Course, environments: Path) -> None:
    assert course.current_version is not None
    queue_releases(session, course.current_version, environments=environments)
    release = claim_release(session, at=now(), lease_seconds=30)
    assert release is not None
    report = replace(build_report(), board_archive=b"hidden set")
    record_build(session, release.id, release.token, report, blobs=blobs)


def _graded(session: Session, blobs: BlobStore, enrolment: Enrolment) -> Submission:
    lab = labs_of(session, enrolment.cohort.course)[0]
    work = submit(
        session, enrolment, lab, filename="x.ipynb", content=notebook(), received_at=now(), blobs=blobs
    )
    run = claim_run(session, at=now(), lease_seconds=30)
    assert run is not None
    recorded = recording(run, blobs)
    report = grading_report()
    assert record_grade(session, run.id, run.token, report, blobs=blobs, at=now(), recording=recorded)
    grade = session.scalars(select(Grade).where(Grade.submission_id == work.id)).one()
    settled(session, grade, at=now())  # what follows from it is made by hand: a board, a certificate
    return work


def _contest(session: Session, blobs: BlobStore, campus: Campus) -> Challenge:
    """A challenge of the company, in which the student is on a team with a scored entry."""
    document = challenge_document(campus.course.company.slug, logs=True)
    contest = publish_challenge(session, None, document, at=now())
    sample = b"id,place\na,north\n"
    contest.files = {"duri.css": {"sha256": blobs.put(sample), "bytes": len(sample)}}
    accept_rules(session, campus.student, contest, contest.rules_version, at=now())
    join(session, campus.student, contest, "하늘 팀", at=now())
    work = Work(EntryKind.PREDICTIONS, blobs.put(sample))
    entry = take_entry(session, campus.student, contest, work, received_at=now())
    score_entry(session, entry.id, Scores(0.75, 0.5), at=now())
    return contest


def _within(session: Session, campus: Campus, contest: Challenge, settings: Settings) -> dict[str, Any]:
    """What else happens in the challenge: the fellow is asked in, one entry is off, one failed with a log."""
    entry = session.scalars(select(Entry).where(Entry.team_id.is_not(None))).one()
    team, board, work = entry.team, entry.board, Work(EntryKind.PREDICTIONS, entry.blob or "")
    assert team is not None
    copied = take_entry(session, campus.student, contest, work, received_at=now())
    taken_off = disqualify_entry(session, None, copied, "copied", at=now())
    work = Work(EntryKind.NOTEBOOK, entry.blob or "")
    stopped = take_entry(session, campus.student, contest, work, received_at=now())
    fail_entry(session, stopped.id, write_failure(EntryFailed("cell_failed", cell=2, error="KeyError")))
    ask_for_log(session, stopped, at=now())
    return {
        "team_id": team.id,
        "entry_id": ByEndpoint(str(entry.id), {"leaderboards.challenge_entry_log": str(stopped.id)}),
        "disqualification_id": taken_off.id,
        "version": prepare_rescore(session, None, board, "a wrong label", blob=None, at=now()).version,
        "invitation_id": invite(session, campus.student, team, campus.fellow, at=now()).id,
        "ticket": make_ticket(team, settings.session_key()),
    }


def _after(session: Session, blobs: BlobStore, campus: Campus, contest: Challenge) -> dict[str, Any]:
    """What was said about the challenge; the write-up in another one that is over, its winner's claim."""
    ended = make_over(session, blobs, campus.student, campus.site_admin, campus.course.company.slug)
    board = board_of_challenge(session, ended)
    there = (f"leaderboards.challenge_{what}" for what in AFTER_THE_END.split())
    return {
        "challenge_slug": ByEndpoint(contest.slug, dict.fromkeys(there, ended.slug)),
        "post_id": start_topic(session, campus.student, contest, "Weights", "In grams?", at=now()).id,
        "writeup_id": session.scalars(select(Writeup.id).where(Writeup.board_id == board.id)).one(),
        "claim_id": session.scalars(select(WinnerClaim.id)).one(),
    }


def _flag(session: Session, board: Board) -> int:
    """Something that those who run the board should look at."""
    finding = Finding(FlagKind.BURST, "at-once:1", (), (), {"most": 12, "seconds": 60})
    keep_findings(session, board, [finding], now())
    return session.scalars(select(Flag.id).where(Flag.board_id == board.id)).one()


def _secrets(session: Session, campus: Campus) -> dict[str, str]:
    """One open link of each purpose, by its endpoint."""
    to, email = campus.student, campus.student.email
    role = (campus.course.university, Role.ASSISTANT)
    return {
        "accounts.confirm": make_link(session, LinkPurpose.CONFIRM, email, user=to),
        "accounts.reset": make_link(session, LinkPurpose.RESET, email, user=to),
        "profile.accept": make_link(session, LinkPurpose.INVITE, email, invited_to=role, actor=campus.admin),
    }


def _certified(
    session: Session,
    sessions: sessionmaker[Session],
    settings: Settings,
    enrolment: Enrolment,
    waiting: Enrolment,
) -> tuple[Any, int]:
    version = enrolment.cohort.course.current_version
    assert version is not None
    pair = Pair()
    settings.trust.parent.mkdir(parents=True, exist_ok=True)
    settings.trust.write_bytes(write_trust(pair.trust.parties))
    asked, pending = (
        request_issuance(session, each, version, facts=facts(), language="ko", at=now())
        for each in (enrolment, waiting)
    )
    session.commit()
    credential = issue(sessions, asked.id, pair.signing, now())
    assert credential is not None
    assert keep_heads_signed(sessions, pair.signing, now()) == []
    return credential, pending.id
