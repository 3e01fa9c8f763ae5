"""Every address that the application has, taken from its own map: who may come in, and who may not."""

import pytest

from lms.web.guard import is_public
from tests.house.conftest import Visit

PUBLIC = {
    "accounts.check_mail",
    "accounts.confirm",
    "accounts.request_reset",
    "accounts.reset",
    "accounts.sign_in",
    "accounts.sign_up",
    "bootstrap.static",
    "certs.paper",
    "certs.show",
    "certs.static",
    "certs.verify",
    "certs.verify_file",
    "certs.verify_one",
    "certs_api.credential",
    "certs_api.status_list",
    "certs_api.verify",
    "certs_api.verify_many",
    "certs_badges.png",
    "certs_badges.svg",
    "certs_connecting.terms",
    "certs_log.consistency",
    "certs_log.entries",
    "certs_log.head",
    "certs_log.heads",
    "certs_log.notices",
    "certs_log.proof",
    "certs_oauth.description",
    "certs_oauth.register",
    "certs_oauth.revoke",
    "certs_oauth.token",
    "certs_open_badges.closed",
    "certs_open_badges.credentials",  # only with an application's token
    "certs_open_badges.discovery",
    "certs_open_badges.profile",  # likewise
    "certs_sharing.show",
    "courses.asset",
    "courses.catalogue",
    "courses.course",
    "courses.version",
    "grading.metrics",  # only with the token, or for the operator
    "grading.record_keys",
    "htmx.static",
    "leaderboards.challenge",
    "leaderboards.challenge_board",
    "leaderboards.challenge_climbs",
    "leaderboards.challenge_csv",
    "leaderboards.challenge_file",
    "leaderboards.challenge_writeup",
    "leaderboards.challenge_writeup_notebook",
    "leaderboards.challenge_writeups",
    "leaderboards.challenges",
    "leaderboards.framed_board",
    "leaderboards_api.board",
    "leaderboards_api.challenge",
    "leaderboards_api.challenges",
    "leaderboards_api.enter",  # only with a token
    "leaderboards_api.entries",  # likewise
    "leaderboards_api.people",
    "leaderboards_honours.countries",
    "leaderboards_honours.organisations",
    "leaderboards_honours.people",
    "leaderboards_honours.person",
    "site.outbox",
    "web.favicon",
    "web.healthz",
    "web.home",
    "web.static",
}
"""What unknown visitors may open. Whoever adds a line here says that everyone in the world may."""
OWN = {
    "accounts.sign_out",
    "certs.wallet",
    "certs_bulk.check",
    "certs_bulk.many",
    "certs_bulk.token",
    "certs_connecting.applications",
    "certs_connecting.authorize",
    "certs_connecting.decide",
    "courses.enrol",
    "grading.labs",
    "leaderboards.boards",
    "leaderboards.challenge_answer_topic",
    "leaderboards.challenge_discussion",
    "leaderboards.challenge_join",
    "leaderboards.challenge_new_topic",
    "leaderboards.challenge_rules",
    "leaderboards.challenge_start_topic",
    "leaderboards.challenge_topic",
    "leaderboards_honours.mine",
    "profile.password",
    "profile.send_confirmation",
    "profile.show",
}
"""What everybody who signed in may open: it shows nothing but their own."""
FELLOW = {
    "certs.choose_language",  # the request of the campus that waits is the fellow student's
    "courses.leave",
    "courses.lesson",
    "courses.name",
    "courses.read_lesson",
    "grading.download_data",
    "grading.download_environment",
    "grading.download_notebook",
    "grading.lab",
    "grading.submit",
    "leaderboards.challenge_answer",  # it is the fellow student whom the team asks to come in
    "leaderboards.show",
    "leaderboards.show_climbs",
    "leaderboards.show_csv",
    "leaderboards_grades.objection",
    "leaderboards_grades.show",
}
"""What every student of the course may open besides."""
STUDENT = (FELLOW - {"certs.choose_language", "leaderboards.challenge_answer"}) | {
    "certs.bundle",
    "certs_connecting.end",
    "certs_sharing.end",
    "certs_sharing.share",
    "certs_transcript.transcript",
    "certs_wallet.ask",
    "certs_wallet.choose",
    "certs_wallet.present",
    "grading.download_record",
    "grading.download_submission",
    "grading.feedback",
    "grading.submission",
    "grading.submission_state",
    "grading_api.submission",
    "leaderboards.challenge_come_in",
    "leaderboards.challenge_delete_post",
    "leaderboards.challenge_edit_post",
    "leaderboards.challenge_enter",
    "leaderboards.challenge_entries",
    "leaderboards.challenge_entry_log",
    "leaderboards.challenge_hand_in_evidence",
    "leaderboards.challenge_invite",
    "leaderboards.challenge_keep_post",
    "leaderboards.challenge_leave",
    "leaderboards.challenge_own_writeup",
    "leaderboards.challenge_publish_writeup",
    "leaderboards.challenge_rename",
    "leaderboards.challenge_select",
    "leaderboards.challenge_show_member",
    "leaderboards.challenge_team",
    "leaderboards.challenge_token",
    "leaderboards.challenge_verification",
    "leaderboards.challenge_withdraw_writeup",
    "profile.accept",
}
"""What the student may open whose submission and invitation the campus holds."""
LETTERS = {("profile.accept", "GET"), ("leaderboards.challenge_come", "GET")}
"""Whoever holds the secret of a letter may read what it offers; only its addressee may take it."""
WITHOUT_TOKEN = {
    "certs_api.verify",
    "certs_api.verify_many",
    "certs_oauth.register",
    "certs_oauth.revoke",
    "certs_oauth.token",
    "certs_open_badges.closed",
    "leaderboards_api.enter",
}
"""Posts of programs, which act in nobody's name, or say in whose without a cookie."""
BARE = {"certs_oauth.register", "certs_oauth.token"}
"""What answers 400 to a request without a body, token or not."""
CLOSED = {403, 404}


def test_the_list_of_public_addresses_is_what_the_views_say(visit: Visit) -> None:
    with visit.app.app_context():
        said = {rule.endpoint for rule in visit.app.url_map.iter_rules() if is_public(rule.endpoint)}
    assert said == PUBLIC


def test_an_unknown_visitor_is_led_to_sign_in_everywhere_else(visit: Visit) -> None:
    wrong = {}
    for (endpoint, method), answer in visit.statuses(None, visit.routes()).items():
        led = answer.status == 302 and answer.location.startswith("/sign-in")
        expected = answer.status == 401 if endpoint.startswith("grading_api.") else led
        if expected == (endpoint in PUBLIC):
            wrong[endpoint, method] = answer
    assert wrong == {}


@pytest.mark.parametrize("word", ["unknown", "admin"])
def test_no_post_is_taken_without_its_token(visit: Visit, word: str) -> None:
    visit.app.config["WTF_CSRF_ENABLED"] = True
    writing = [route for route in visit.routes() if route.method not in {"GET", "HEAD", "OPTIONS"}]
    assert {route.endpoint for route in writing} > WITHOUT_TOKEN
    found = visit.statuses(visit.campus.people.get(word), writing)
    taken = {route for route, answer in found.items() if answer.status != 400 or route[0] in BARE}
    assert {endpoint for endpoint, _ in taken} == WITHOUT_TOKEN


@pytest.mark.parametrize(
    ("word", "open_to"),
    [("stranger", OWN), ("other_instructor", OWN), ("fellow", OWN | FELLOW), ("student", OWN | STUDENT)],
)
def test_nobody_gets_at_what_is_not_theirs(visit: Visit, word: str, open_to: set[str]) -> None:
    guarded = [route for route in visit.routes() if route.endpoint not in PUBLIC]
    wrong = {
        route: answer.status
        for route, answer in visit.statuses(visit.campus.people[word], guarded).items()
        if (answer.status in CLOSED) == (route[0] in open_to or route in LETTERS)
    }
    assert wrong == {}


def walk(visit: Visit) -> tuple[dict[tuple[str, ...], int], set[tuple[str, str]]]:
    """Return where anybody met a fault of ours, and what nobody at all could open."""
    routes = [route for route in visit.routes() if not route.endpoint.endswith(".static")]
    faults: dict[tuple[str, ...], int] = {}
    closed = {(route.endpoint, route.method) for route in routes}
    for word in ("student", "fellow", "instructor", "admin", "site_admin"):
        found = visit.statuses(visit.campus.people[word], routes)
        faults |= {(word, *route): answer.status for route, answer in found.items() if answer.status >= 500}
        closed -= {route for route, answer in found.items() if answer.status not in CLOSED}
    return faults, closed


def test_every_address_leads_somewhere_for_somebody_and_to_no_fault_for_anybody(visit: Visit) -> None:
    """Otherwise the refusals above would prove nothing: a wrong id is refused to everyone."""
    assert walk(visit) == ({}, set())


@pytest.mark.postgres
def test_every_address_leads_somewhere_on_postgresql_too(postgres_visit: Visit) -> None:
    assert walk(postgres_visit) == ({}, set())
