from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OrganisationKind, Role, User
from lms.accounts.services.mail import queue_mail
from tests.factories.accounts import make_member, make_organisation, make_user

pytestmark = pytest.mark.browser
VISITOR = ["/", "/sign-in", "/sign-up", "/reset", "/check-mail/sign-up", "/outbox", "/not-here"]
LOOKS = [("ko", "light", 1200), ("en", "dark", 1200), ("ko", "dark", 390), ("en", "light", 320)]


def administrator(sessions: sessionmaker[Session]) -> User:
    with sessions.begin() as session:
        operator = make_organisation(session, kind=OrganisationKind.OPERATOR, slug="duri")
        university = make_organisation(session, slug="hangang-university")
        admin = make_member(session, organisation=operator, role=Role.SITE_ADMIN).user
        for name, role in [("이바다", Role.INSTRUCTOR), ("박나무", Role.SIGNATORY)]:
            make_member(session, user=make_user(session, name=name), organisation=university, role=role)
        queue_mail(
            session,
            "sky@example.org",
            "[두리] 메일 주소를 확인해 주세요",
            "아래 주소를 열어 주세요.\n\nhttp://127.0.0.1:8000/confirm/x\n",
        )
    return admin


@pytest.mark.long  # by default `test_every_page` looks at all of them
@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_axe_finds_nothing_on_the_pages_of_visitors(
    open_page: Callable[..., Page], axe_check: Callable[[Page], None], language: str, theme: str, width: int
) -> None:
    page = open_page("/", language=language, theme=theme, width=width)
    for path in VISITOR:
        page.goto(path)
        axe_check(page)


@pytest.mark.long  # by default `test_every_page` looks at all of them
@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_axe_finds_nothing_on_the_pages_of_people_who_signed_in(
    open_page: Callable[..., Page],
    axe_check: Callable[[Page], None],
    sign_in_page: Callable[[Page, User], None],
    live_sessions: sessionmaker[Session],
    language: str,
    theme: str,
    width: int,
) -> None:
    user = administrator(live_sessions)
    page = open_page(f"/?lang={language}", theme=theme, width=width)
    sign_in_page(page, user)
    pages = [
        "/",
        "/profile",
        "/profile/password",
        "/organisations",
        "/organisations/hangang-university",
        "/audit",
    ]
    for path in [*pages, "/organisations/new"]:
        page.goto(path)
        axe_check(page)


def test_a_stranger_signs_up_confirms_and_signs_in(open_page: Callable[..., Page]) -> None:
    page = open_page("/", language="en")
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("Name").fill("Sky Kim")
    page.get_by_label("E-mail").fill("sky@example.org")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Make an account").click()
    assert page.evaluate("document.activeElement.id") == "summary"
    page.get_by_label("Password").fill("a sentence to remember")
    page.get_by_role("button", name="Make an account").click()
    page.get_by_role("link", name="Open the outbox").click()
    page.get_by_role("link", name="/confirm/").click()
    page.get_by_role("button", name="Yes, this is my address").click()
    page.get_by_role("link", name="Sign in", exact=True).first.click()
    page.get_by_label("E-mail").fill("sky@example.org")
    page.get_by_label("Password").fill("a sentence to remember")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Hello, Sky Kim"
    page.get_by_role("link", name="한국어").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Sky Kim님, 안녕하세요"


def test_the_first_stop_of_the_keyboard_leads_to_the_content(open_page: Callable[..., Page]) -> None:
    page = open_page("/sign-in", language="en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_chosen_theme_stays_and_the_page_too(open_page: Callable[..., Page]) -> None:
    page = open_page("/outbox", language="en", theme="light")
    page.get_by_role("link", name="Dark").click()
    assert page.url.endswith("/outbox")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"
    page.goto("/sign-in")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
