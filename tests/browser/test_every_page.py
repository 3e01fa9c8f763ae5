"""Every page in Korean and English, light and dark, on the narrowest phone and with doubled text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from _pytest.mark import ParameterSet
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import LinkPurpose, Organisation, Role
from lms.accounts.services.links import make_link
from lms.accounts.services.people import create_user
from lms.certs.services import connecting
from lms.certs.services.sharing import share
from lms.db import now
from lms.demo.seed import PASSWORD, person
from lms.grading.models import Lab
from lms.leaderboards.core.failures import EntryFailed, write_failure
from lms.leaderboards.core.run_logs import CellLog, RunLog
from lms.leaderboards.core.schedule import MOVABLE, as_shown
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Challenge, EntryKind
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.queries.dates import schedule_of
from lms.leaderboards.services.asking import make_ticket
from lms.leaderboards.services.awarding import answer_objection, raise_objection
from lms.leaderboards.services.challenges import accept_rules, publish_challenge
from lms.leaderboards.services.comparing import compare_truth
from lms.leaderboards.services.declaring import declare_rule
from lms.leaderboards.services.discussing import answer, delete, hide, pin, start_topic
from lms.leaderboards.services.flagging import Finding, keep_findings
from lms.leaderboards.services.judging import disqualify_entry
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.rescheduling import reschedule
from lms.leaderboards.services.rescoring import prepare_rescore, rescore_entry
from lms.leaderboards.services.retracing import ask_for_log, begin_log, keep_log
from lms.leaderboards.services.scoring import fail_entry, score_entry
from lms.leaderboards.services.teams import join
from lms.leaderboards.tables.flags import Flag, FlagKind
from lms.leaderboards.tables.winners import WinnerClaim
from lms.leaderboards.tables.writeups import Writeup
from tests.chromium import axe_findings
from tests.factories.aftermath import make_over
from tests.factories.applications import RETURN, SCOPE, VERIFIER, authorize, challenge, registration
from tests.factories.grades import BY_RANK, give_points
from tests.factories.leaderboards import challenge_document, give_honours
from tests.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.jail]
VISITOR = ""
STUDENT, WRITER, NEWCOMER = (f"{name}@every.example" for name in ("student", "writer", "newcomer"))
PROFESSOR, REGISTRAR = "professor@hangang.example", "registrar@hangang.example"
ADMIN = "admin@duri.example"
ENGINEER = "engineer@nuri.example"
COURSE = "/courses/small-steps"
CONTEST, OVER = "/challenges/sorted-parcels", "/challenges/lost-parcels"
PRIZES = [{"place": 1, "title": {"ko": "현장 견학", "en": "A day on site"}}]
MODEL = {
    "columns": [f"hour_{number:02d}" for number in range(48)],
    "tensors": [{"name": "a.layer.with.a.long.name.weight", "shape": [None, 48]}],
}
BASELINES = [{"key": "north", "title": {"ko": "모두 북쪽", "en": "Always north"}}]

# (endpoint, what it shows, who looks, address); {…} is filled in from the scenery.
PAGES = [
    ("web.home", "welcome", VISITOR, "/"),
    ("web.home", "of a student", STUDENT, "/"),
    ("web.home", "of staff", PROFESSOR, "/"),
    ("web.home", "of somebody new", NEWCOMER, "/"),
    ("", "no such page", VISITOR, "/not-here"),
    ("", "not open to you", STUDENT, f"{COURSE}/gradebook"),
    ("accounts.sign_in", "form", VISITOR, "/sign-in"),
    ("accounts.sign_up", "form", VISITOR, "/sign-up"),
    ("accounts.check_mail", "after signing up", VISITOR, "/check-mail/sign-up"),
    ("accounts.check_mail", "after asking for a link", VISITOR, "/check-mail/reset"),
    ("accounts.confirm", "button", VISITOR, "/confirm/{confirm}"),
    ("accounts.request_reset", "form", VISITOR, "/reset"),
    ("accounts.reset", "form", VISITOR, "/reset/{reset}"),
    ("profile.show", "form", STUDENT, "/profile"),
    ("profile.show", "of staff", PROFESSOR, "/profile"),
    ("profile.password", "form", STUDENT, "/profile/password"),
    ("profile.accept", "invitation", STUDENT, "/invitations/{invite}"),
    ("profile.accept", "invitation of another", NEWCOMER, "/invitations/{invite}"),
    ("organisations.index", "list", ADMIN, "/organisations"),
    ("organisations.new", "form", ADMIN, "/organisations/new"),
    ("organisations.show", "members", ADMIN, "/organisations/hangang-university"),
    ("site.audit", "log", ADMIN, "/audit"),
    ("site.audit", "nothing found", ADMIN, "/audit?q=zebra"),
    ("site.outbox", "letters", VISITOR, "/outbox"),
    ("courses.catalogue", "courses", VISITOR, "/courses"),
    ("courses.catalogue", "nothing found", VISITOR, "/courses?q=zebra"),
    ("courses.catalogue", "of staff", PROFESSOR, "/courses"),
    ("courses.course", "for a visitor", VISITOR, COURSE),
    ("courses.course", "for a student", STUDENT, COURSE),
    ("courses.course", "for staff", PROFESSOR, COURSE),
    ("courses.lesson", "lesson", STUDENT, f"{COURSE}/lessons/01-sums"),
    ("courses.enrol", "form", NEWCOMER, "{enrol}"),
    ("courses.name", "form", WRITER, "/courses/words-and-numbers/name"),
    ("courses.version", "what it certifies", VISITOR, f"{COURSE}/versions/1"),
    ("courses.versions", "versions", PROFESSOR, f"{COURSE}/versions"),
    ("courses.cohorts", "cohorts", PROFESSOR, f"{COURSE}/cohorts"),
    ("courses.new_cohort", "form", PROFESSOR, f"{COURSE}/cohorts/new"),
    ("courses.edit_cohort", "form", PROFESSOR, "{cohort}/edit"),
    ("courses.roster", "people", PROFESSOR, "{cohort}/roster"),
    ("grading.labs", "of a student", STUDENT, "/labs"),
    ("grading.labs", "of somebody new", NEWCOMER, "/labs"),
    ("grading.lab", "for a student", STUDENT, f"{COURSE}/labs/two-numbers"),
    ("grading.lab", "for staff", PROFESSOR, f"{COURSE}/labs/two-numbers"),
    ("grading.submission", "graded", STUDENT, "/submissions/{work}"),
    ("grading.submission", "with a mistake", WRITER, "/submissions/{wrong}"),
    ("grading.submission", "provisional", WRITER, "/submissions/{written}"),
    ("grading.submission", "for staff", PROFESSOR, "/submissions/{work}"),
    ("grading.feedback", "notebook", STUDENT, "/submissions/{work}/feedback"),
    ("grading.executed", "notebook", PROFESSOR, "/submissions/{work}/runs/1/executed"),
    ("grading.gradebook", "table", PROFESSOR, f"{COURSE}/gradebook"),
    ("grading.releases", "releases", PROFESSOR, f"{COURSE}/releases"),
    ("grading.regrade_lab", "question", PROFESSOR, f"{COURSE}/labs/two-numbers/regrade"),
    ("grading.regrade_submission", "question", PROFESSOR, "/submissions/{work}/regrade"),
    ("grading.marking_queue", "answers", PROFESSOR, "/grading/queue"),
    ("grading.mark", "answer", PROFESSOR, "/submissions/{written}/answers/why"),
    ("grading.course_runs", "nothing to do", PROFESSOR, f"{COURSE}/grading-runs"),
    ("grading.fleet", "board", ADMIN, "/operator/grading"),
    ("grading.fleet_queue", "nothing waits", ADMIN, "/operator/grading/queue"),
    ("grading.fleet_dead_letters", "nothing failed", ADMIN, "/operator/grading/dead-letters"),
    ("leaderboards.boards", "boards", STUDENT, "/boards"),
    ("leaderboards.boards", "of somebody new", NEWCOMER, "/boards"),
    ("leaderboards.show", "board", STUDENT, "/boards/{board}"),
    ("leaderboards.show_climbs", "chart", STUDENT, "/boards/{board}/climbs"),
    ("leaderboards_grades.show", "preview of a student", STUDENT, "/boards/{contest}/grades"),
    ("leaderboards_grades.show", "preview of staff", PROFESSOR, "/boards/{contest}/grades"),
    ("leaderboards_grades.rule", "form", PROFESSOR, "/boards/{contest}/grades/rule"),
    ("leaderboards_grades.show", "confirmed", STUDENT, "/boards/{given}/grades"),
    ("leaderboards_grades.show", "confirmed for staff", PROFESSOR, "/boards/{given}/grades"),
    ("leaderboards_grades.award", "of a student", PROFESSOR, "/boards/{given}/grades/{award}"),
    ("leaderboards.challenges", "list", VISITOR, "/challenges"),
    ("leaderboards.challenge", "of a visitor", VISITOR, CONTEST),
    ("leaderboards.challenge", "of a member", STUDENT, CONTEST),
    ("leaderboards.challenge", "joining", NEWCOMER, CONTEST),
    ("leaderboards.challenge", "for models", VISITOR, "/challenges/small-models"),
    ("leaderboards.challenge_entries", "entries", STUDENT, f"{CONTEST}/entries"),
    ("leaderboards.challenge_entry_log", "of the team", STUDENT, f"{CONTEST}/entries/{{stopped}}/log"),
    ("leaderboards.challenge_entry_log", "to come", STUDENT, f"{CONTEST}/entries/{{queued}}/log"),
    ("leaderboards.challenge_entry_log", "for organisers", ENGINEER, f"{CONTEST}/entries/{{stopped}}/log"),
    ("leaderboards.challenge_team", "team", STUDENT, f"{CONTEST}/team"),
    ("leaderboards.challenge_come", "somebody new", NEWCOMER, f"{CONTEST}/come/{{ticket}}"),
    ("leaderboards.challenge_organise", "everything", ENGINEER, f"{CONTEST}/organise"),
    ("leaderboards.challenge_dates", "moved", ENGINEER, f"{CONTEST}/organise/dates"),
    ("leaderboards.challenge_dates", "over", ENGINEER, f"{OVER}/organise/dates"),
    ("leaderboards.challenge_organise_team", "a team", ENGINEER, f"{CONTEST}/organise/teams/{{team}}"),
    ("leaderboards.challenge_difference", "changes", ENGINEER, f"{CONTEST}/organise/rescores/2"),
    ("leaderboards_honours.people", "list", VISITOR, "/honours"),
    ("leaderboards_honours.people", "with mine", STUDENT, "/honours?country=KR"),
    ("leaderboards_honours.people", "nothing found", VISITOR, "/honours?q=zebra"),
    ("leaderboards_honours.organisations", "list", VISITOR, "/honours/organisations"),
    ("leaderboards_honours.countries", "list", VISITOR, "/honours/countries"),
    ("leaderboards_honours.person", "for anyone", VISITOR, "/honours/people/{winner}"),
    ("leaderboards_honours.person", "own", STUDENT, "/honours/people/{winner}"),
    ("leaderboards_honours.mine", "shown", STUDENT, "/honours/mine"),
    ("leaderboards_honours.mine", "empty", NEWCOMER, "/honours/mine"),
    ("leaderboards.challenge_discussion", "topics", STUDENT, f"{CONTEST}/discussion"),
    ("leaderboards.challenge_discussion", "nothing found", STUDENT, f"{CONTEST}/discussion?q=zebra"),
    ("leaderboards.challenge_discussion", "empty", NEWCOMER, f"{OVER}/discussion"),
    ("leaderboards.challenge_new_topic", "form", STUDENT, f"{CONTEST}/discussion/new"),
    ("leaderboards.challenge_topic", "answers", STUDENT, f"{CONTEST}/discussion/{{topic}}"),
    ("leaderboards.challenge_topic", "for organisers", ENGINEER, f"{CONTEST}/discussion/{{topic}}"),
    ("leaderboards.challenge_edit_post", "form", STUDENT, f"{CONTEST}/discussion/{{topic}}/edit"),
    ("leaderboards.challenge_writeups", "before the end", VISITOR, f"{CONTEST}/write-ups"),
    ("leaderboards.challenge_writeups", "list", STUDENT, f"{OVER}/write-ups"),
    ("leaderboards.challenge_writeup", "for a visitor", VISITOR, f"{OVER}/write-ups/{{writeup}}"),
    ("leaderboards.challenge_writeup", "for organisers", ENGINEER, f"{OVER}/write-ups/{{writeup}}"),
    ("leaderboards.challenge_own_writeup", "form", STUDENT, f"{OVER}/write-up"),
    ("leaderboards.challenge_verification", "handed in", STUDENT, f"{OVER}/verification"),
    ("leaderboards.challenge_winners", "too early", ENGINEER, f"{CONTEST}/organise/winners"),
    ("leaderboards.challenge_winners", "claims", ENGINEER, f"{OVER}/organise/winners"),
    ("leaderboards.challenge_claim", "evidence", ENGINEER, f"{OVER}/organise/winners/{{claim}}"),
    ("leaderboards_flags.flags", "open ones", ENGINEER, "/boards/{contest}/flags"),
    ("leaderboards_flags.flags", "none", ENGINEER, "/boards/{contest}/flags?state=upheld"),
    ("leaderboards_flags.flag", "evidence", ENGINEER, "/boards/{contest}/flags/{flag}"),
    ("certs.wallet", "with a certificate", STUDENT, "/certificates"),
    ("certs.wallet", "empty", NEWCOMER, "/certificates"),
    ("certs.show", "for anyone", VISITOR, "/c/{uuid}"),
    ("certs.of_course", "for staff", PROFESSOR, f"{COURSE}/certificates"),
    ("certs.withdraw", "question", REGISTRAR, "/c/{uuid}/withdraw"),
    ("certs.suspend", "question", REGISTRAR, "/c/{uuid}/suspend"),
    ("certs.correct", "form", REGISTRAR, "/c/{uuid}/correct"),
    ("certs.verify", "form", VISITOR, "/verify"),
    ("certs.verify_one", "valid", VISITOR, "/verify/{uuid}"),
    ("certs_bulk.many", "form", STUDENT, "/verify/many"),
    ("certs_sharing.share", "links", STUDENT, "/c/{uuid}/share"),
    ("certs_wallet.choose", "question", STUDENT, "/c/{uuid}/present"),
    ("certs_sharing.show", "shared", VISITOR, "/s/{share}"),
    ("certs_connecting.authorize", "question", STUDENT, "{authorize}"),
    ("certs_connecting.authorize", "refused", STUDENT, "/oauth/authorize"),
    ("certs_connecting.authorize", "not given", STUDENT, "{authorize}&code_challenge_method=plain"),
    ("certs_connecting.applications", "list", STUDENT, "/certificates/applications"),
    ("certs_connecting.applications", "empty", NEWCOMER, "/certificates/applications"),
    ("certs_connecting.terms", "for anyone", VISITOR, "/certificates/applications/terms"),
]
NO_PAGES = {
    "files": {
        "bootstrap.static",
        "certs.bundle",
        "certs.paper",
        "certs.static",
        "certs_badges.png",
        "certs_badges.svg",
        "certs_transcript.transcript",
        "courses.asset",
        "grading.download_data",
        "grading.download_environment",
        "grading.download_notebook",
        "grading.download_record",
        "grading.download_submission",
        "grading.gradebook_csv",
        "htmx.static",
        "leaderboards.challenge_csv",
        "leaderboards.challenge_entry_file",
        "leaderboards.challenge_claim_file",
        "leaderboards.challenge_file",
        "leaderboards.challenge_writeup_notebook",
        "leaderboards.show_csv",
        "web.favicon",
        "web.static",
    },
    "JSON": {
        "certs_api.credential",
        "certs_api.status_list",
        "certs_log.consistency",
        "certs_log.entries",
        "certs_log.head",
        "certs_log.heads",
        "certs_log.notices",
        "certs_log.proof",
        "certs_oauth.description",
        "certs_open_badges.credentials",
        "certs_open_badges.discovery",
        "certs_open_badges.profile",
        "grading.record_keys",
        "grading_api.submission",
        "leaderboards_api.board",
        "leaderboards_api.challenge",
        "leaderboards_api.challenges",
        "leaderboards_api.entries",
        "leaderboards_api.people",
        "web.healthz",
    },
    "a part of a page that has it": {"grading.fleet_state", "grading.submission_state"},
    "figures for programs": {"grading.metrics"},
    "looked at in test_board_pages": {
        "leaderboards.challenge_board",
        "leaderboards.challenge_climbs",
        "leaderboards.framed_board",
    },
}
# Buttons whose words are cut off, and boxes that hide what no longer fits.
CLIPPED = """() => [...document.querySelectorAll('.btn, button, .tag, .org, .strip li > *')]
  .filter(e => e.offsetParent && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 2)
               && getComputedStyle(e).overflow !== 'visible')
  .map(e => e.outerHTML.slice(0, 120))"""
NOTEBOOKS = re.compile(r"/submissions/.*/(feedback|executed)$")
# Captions that stand in a column of single letters above a table that became cards.
SQUEEZED = """() => [...document.querySelectorAll('caption:not(.visually-hidden)')]
  .filter(e => e.clientWidth < e.parentElement.clientWidth / 2).map(e => e.innerText)"""
OVERFLOWING = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class Scenery:
    """What stands on the pages, and a browser in each language to look at them."""

    stage: Stage
    addresses: dict[str, object]
    pages: dict[str, Page]
    faults: list[str] = field(default_factory=list)

    def show(self, language: str, who: str, path: str) -> Page:
        page = self.pages[language]
        page.context.clear_cookies()
        page.context.add_cookies([{"name": "language", "value": language, "url": self.stage.address}])
        if who:
            self.stage.sign_in(page.context, who)
        self.faults.clear()
        page.goto(path.format(**self.addresses))
        return page


@pytest.fixture(scope="module")
def scenery(installed: Stage, browser: Browser) -> Iterator[Scenery]:
    found = Scenery(installed, _addresses(installed), {})
    contexts = []
    for language, locale in (("ko", "ko-KR"), ("en", "en-GB")):
        context = browser.new_context(base_url=installed.address, locale=locale, reduced_motion="reduce")
        contexts.append(context)
        context.route(NOTEBOOKS, _without_sandbox)
        page = found.pages[language] = context.new_page()
        page.on("pageerror", lambda error: found.faults.append(str(error)))
        page.on("console", lambda note: _hear(found, note.type, note.text))
    yield found
    for context in contexts:
        context.close()


def _without_sandbox(route: Route) -> None:
    """Let axe run on the notebook pages, whose own policy forbids every script; frames keep theirs."""
    if route.request.frame.parent_frame is not None:
        route.continue_()
        return
    response = route.fetch()
    assert "sandbox" in response.headers["content-security-policy"]
    kept = {name: text for name, text in response.headers.items() if name != "content-security-policy"}
    route.fulfill(response=response, headers=kept)


def _hear(scenery: Scenery, kind: str, text: str) -> None:
    if kind == "error" and "the server responded with a status of 4" not in text:
        scenery.faults.append(text)


def _addresses(stage: Stage) -> dict[str, object]:
    """Put something real on every page; return what its address needs."""
    stage.wait_for_lab("small-steps", "two-numbers")
    stage.wait_for_lab("words-and-numbers", "short-answer")
    student = stage.newcomer("김하늘", STUDENT, "small-steps")
    writer = stage.newcomer("이바다", WRITER, "words-and-numbers", confirmed=False)
    second = stage.enrol(WRITER, "small-steps")
    work = stage.hand_in(student, "two-numbers")
    written = stage.hand_in(writer, "short-answer")
    wrong = stage.hand_in(second, "two-numbers", answer_add="def add(a, b):\n    return a - b")
    with stage.writing.begin() as session:
        user = create_user(session, None, email=NEWCOMER, name="오새롬", password=PASSWORD)
        university = session.scalars(
            select(Organisation).where(Organisation.slug == "hangang-university")
        ).one()
        links = {
            "confirm": make_link(session, LinkPurpose.CONFIRM, NEWCOMER, user=user),
            "reset": make_link(session, LinkPurpose.RESET, NEWCOMER, user=user),
            "invite": make_link(
                session,
                LinkPurpose.INVITE,
                STUDENT,
                invited_to=(university, Role.ASSISTANT),
                actor=person(session, ADMIN),
            ),
        }
    for submission in (work, written, wrong):
        stage.grade_of(submission)
    cohort = stage.cohort_of("small-steps")
    uuid = stage.certificate_of(student)
    with stage.writing.begin() as session:
        shared = share(
            session, person(session, STUDENT), uuid, days=30, label="누리에이아이 채용팀", at=now()
        )
        links["share"] = shared.secret
        wallet = connecting.register(session, registration(), client_id="sky", secret="secret", at=now())
        wish = connecting.Wish(SCOPE, RETURN, challenge(VERIFIER))
        connection = connecting.approve(
            session, person(session, STUDENT), wallet, wish, code="code", at=now()
        )
        connecting.use_code(session, connection, at=now())
        links["authorize"] = authorize("sky")
        links |= _contest(session, stage)
    return links | {
        "work": work,
        "written": written,
        "wrong": wrong,
        "uuid": uuid,
        "board": stage.wait(lambda session: session.scalar(select(Board.id)), "a board"),
        "cohort": f"{COURSE}/cohorts/{cohort}",
        "enrol": f"{COURSE}/cohorts/{cohort}/enrol",
    }


def _contest(session: Session, stage: Stage) -> dict[str, str]:
    """A challenge in which the student's team has entries of every kind, and a truth is prepared."""
    student, at = person(session, STUDENT), now()
    said = {"prizes": PRIZES, "baselines": BASELINES, "logs": True}
    document = challenge_document("nuri-ai", slug="sorted-parcels", **said)
    found = publish_challenge(session, None, document, at=at)
    found.files = {"train.csv": {"sha256": "a" * 64, "bytes": 12_345}}
    _move_dates(session, found)
    models = challenge_document("nuri-ai", slug="small-models", kind="model", model=MODEL)
    publish_challenge(session, None, models, at=at)
    accept_rules(session, student, found, found.rules_version, at=at)
    team = join(session, student, found, "하늘 팀", at=at)
    work = Work(EntryKind.PREDICTIONS, "b" * 64, "predictions.csv")
    good, bad, copied = (take_entry(session, student, found, work, received_at=at) for _ in range(3))
    score_entry(session, good.id, Scores(0.75, 0.5), at=at)
    fail_entry(session, bad.id, write_failure(EntryFailed("not_finite")))
    disqualify_entry(session, None, copied, "copied from another team", at=at)
    truth = prepare_rescore(session, None, good.board, "a wrong label", blob=None, at=at)
    rescore_entry(session, truth, good.id, Scores(0.8, 0.5))
    compare_truth(session, truth, at=at)
    alike: dict[str, object] = {"measure": "correlation", "rows": 400, "share": 0.9991, "chance": -31.0}
    finding = Finding(FlagKind.NEAR_DUPLICATE, "1", (team.id,), (good.id, copied.id), alike)
    keep_findings(session, good.board, [finding], at)
    return {
        "ticket": make_ticket(team, stage.app.extensions["settings"].session_key()),
        "team": str(team.id),
        "contest": str(good.board_id),
        "flag": str(session.scalars(select(Flag.id)).one()),
        "winner": _winner(session),
        **_logs(session, found),
        **_grades(session, found),
        **_talk(session, found),
        **_over(session, stage),
    }


def _move_dates(session: Session, found: Challenge) -> None:
    """Both ways in which dates come to be moved."""
    engineer, dates, at = person(session, ENGINEER), schedule_of(found), now()
    typed = {name: as_shown(dates.ends_at, found.timezone) for name in MOVABLE}
    reschedule(session, engineer, found, typed, "채점 서버가 하루 동안 멈췄어요.", seen=dates.mark, clock=now)
    later = found.settings["dates"] | {"ends": {"after_days": 60}}
    publish_challenge(session, None, found.settings | {"dates": later}, at=at)


def _logs(session: Session, found: Challenge) -> dict[str, str]:
    """A notebook that failed, with the log of its run on public files, and one whose log is to come."""
    student, at = person(session, STUDENT), now()
    work = Work(EntryKind.NOTEBOOK, "c" * 64, "lookup.ipynb")
    stopped, queued = (take_entry(session, student, found, work, received_at=at) for _ in range(2))
    for entry in (stopped, queued):
        fail_entry(session, entry.id, write_failure(EntryFailed("cell_failed", cell=4, error="KeyError")))
        ask_for_log(session, entry, at=at)
    wide = "   ".join(f"hour_{number:02d}" for number in range(24))
    cells = (
        CellLog(2, f"읽은 행: 40\n{wide}\n<script>alert(1)</script>", cut=True),
        CellLog(4, "", "----> 3 rows['weight']\n\nKeyError: 'weight'"),
    )
    begin_log(session, stopped.id, at=at)
    log = RunLog("failed", {"cell": 4, "error": "KeyError"}, cells, 30)
    keep_log(session, stopped.id, log, at=at)
    queued.blob = None  # whose log nobody will write
    return {"stopped": str(stopped.id), "queued": str(queued.id)}


def _talk(session: Session, found: Challenge) -> dict[str, str]:
    """A pinned topic with answers, one of which is hidden, and one deleted."""
    student, other, engineer, at = *(person(session, who) for who in (STUDENT, WRITER, ENGINEER)), now()
    text = "무게가 **그램**인가요?\n\n| 열 | 단위 |\n|---|---|\n| `weight` | ? |\n\n$w = m g$"
    topic = start_topic(session, student, found, "무게의 단위가 궁금해요", text, at=at)
    answer(session, engineer, topic, "네, **그램**이에요.", at=at)
    spam, gone = (answer(session, other, topic, words, at=at) for words in ("배 사세요", "제가 틀렸어요"))
    hide(session, engineer, spam, "과제와 상관없는 광고예요.", at=at)
    delete(session, other, gone, at=at)
    pin(session, engineer, topic, pinned=True)
    return {"topic": str(topic.id)}


def _over(session: Session, stage: Stage) -> dict[str, str]:
    """A challenge that has ended: the student's team wrote it up, and proves to have won."""
    make_over(
        session,
        stage.installation.blobs,
        person(session, STUDENT),
        person(session, ENGINEER),
        "nuri-ai",
        slug="lost-parcels",
    )
    return {
        "writeup": str(session.scalars(select(Writeup.id)).one()),
        "claim": str(session.scalars(select(WinnerClaim.id)).one()),
    }


def _winner(session: Session) -> str:
    """Medals of the student, with university and country, and of a team mate; return their address."""
    student = person(session, STUDENT)
    student.country = "KR"
    kept = give_honours(session, student, slug="won-before")
    kept.organisation_id = next(each.organisation_id for each in student.memberships)
    other = create_user(session, None, email="second@every.example", name="긴 이름을 가진 두 번째 사람 " * 3)
    give_honours(session, other, others=2, slug="won-later")
    return kept.address


def _grades(session: Session, found: Challenge) -> dict[str, str]:
    """Points from the challenge's board as a preview, and confirmed ones with an objection from another."""
    student, professor, at = person(session, STUDENT), person(session, PROFESSOR), now()
    document = challenge_document("nuri-ai", slug="given-points")
    given = publish_challenge(session, None, document, at=at)
    found.lab = given.lab = session.scalars(select(Lab).where(Lab.slug == "two-numbers")).one()
    session.flush()
    declare_rule(session, professor, board_of_challenge(session, found), BY_RANK, objection_days=14, at=at)
    accept_rules(session, student, given, given.rules_version, at=at)
    join(session, student, given, "하늘 팀", at=at)
    work = Work(EntryKind.PREDICTIONS, "b" * 64, "predictions.csv")
    score_entry(
        session, take_entry(session, student, given, work, received_at=at).id, Scores(0.75, 0.5), at=at
    )
    award = give_points(session, professor, board_of_challenge(session, given), student, at=at)
    raise_objection(session, student, award, "두 번째 제출이 빠졌어요.", at=at)
    answer_objection(session, professor, award, "늦게 왔지만 반영했어요.", 95, at=at)
    raise_objection(session, student, award, "세 번째 제출도 빠졌어요.", at=at)
    return {"given": str(award.confirmation.board_id), "award": str(award.id)}


def test_no_page_is_forgotten(installed: Stage) -> None:
    readable = {rule.endpoint for rule in installed.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    seen = {endpoint for endpoint, _, _, _ in PAGES if endpoint}
    left_out = set().union(*NO_PAGES.values())
    assert readable == seen | left_out
    assert not seen & left_out


def _looks() -> Iterator[ParameterSet]:
    """Yield each page in both languages: by default in one of them, in turns, the other in the long tests."""
    for number, (name, what, who, path) in enumerate(PAGES):
        for order, language in enumerate(("ko", "en")):
            marks = [pytest.mark.long] if (number + order) % 2 else []
            yield pytest.param(who, path, language, id=f"{name or 'error'}, {what}-{language}", marks=marks)


@pytest.mark.parametrize(("who", "path", "language"), list(_looks()))
def test_axe_finds_nothing_and_nothing_is_cut_off(
    scenery: Scenery, who: str, path: str, language: str
) -> None:
    page = scenery.show(language, who, path)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    assert page.locator("html").get_attribute("lang") == language
    assert axe_findings(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe_findings(page, ["color-contrast"]) == [], "in the dark"
    page.set_viewport_size({"width": 320, "height": 640})
    assert not page.evaluate(OVERFLOWING), "wider than a phone"
    assert page.evaluate(SQUEEZED) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert not page.evaluate(OVERFLOWING), "wider than its window with doubled text"
    assert page.evaluate(CLIPPED) == []
    assert scenery.faults == []
