import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from lms.web.language import CATALOGUES, local_path


def test_the_browser_decides_until_somebody_chooses(client: FlaskClient) -> None:
    assert 'lang="en"' in client.get("/", headers={"Accept-Language": "en-GB,ko;q=0.5"}).text[:60]
    assert 'lang="ko"' in client.get("/", headers={"Accept-Language": "fr"}).text[:60]
    answer = client.get("/sign-in?lang=en&next=/profile")
    assert (
        answer.headers["Location"] == "/sign-in?next=/profile"
        or "next=%2Fprofile" in answer.headers["Location"]
    )
    assert 'lang="en"' in client.get("/", headers={"Accept-Language": "ko"}).text[:60]


def test_the_theme_is_kept_and_given_up(client: FlaskClient) -> None:
    client.get("/?theme=dark")
    assert 'data-bs-theme="dark"' in client.get("/").text
    client.get("/?theme=system")
    assert "data-bs-theme=" not in client.get("/").text


@pytest.mark.parametrize("query", ["lang=xx", "theme=<script>", "lang=", "lang=en%00"])
def test_an_unknown_choice_changes_nothing(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/?{query}")
    assert answer.status_code == 302
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [None, "", "https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "evil", "/a\\b"],
)
def test_only_paths_of_this_site_are_followed(target: str | None) -> None:
    assert local_path(target) == "/"


def test_the_switch_does_not_lead_to_another_site(client: FlaskClient) -> None:
    location = client.get("//evil.example/?lang=en").headers.get("Location", "/")
    assert not re.match(r"(https?:)?//evil", location)


def test_plurals_are_translated(app: Flask) -> None:
    with app.test_request_context("/", headers={"Cookie": "language=ko"}):
        page = render_template_string('{% import "web/macros.html" as m %}{{ m.wait(3, 42) }}')
    assert "앞에 제출물이 3개 있어요. 예상 대기 시간은 약 42초예요." in page


@pytest.mark.parametrize("folder", CATALOGUES, ids=lambda folder: str(folder.parent.name))
def test_every_sentence_has_its_korean(folder: Path) -> None:
    with (folder / "ko" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file)
    unsaid = [message.id for message in catalogue if message.id and (message.fuzzy or not message.string)]
    assert not unsaid


def test_no_sentence_is_translated_in_two_ways() -> None:
    said: dict[object, object] = {}
    for folder in CATALOGUES:
        with (folder / "ko" / "LC_MESSAGES" / "messages.po").open("rb") as file:
            for message in read_po(file):
                if message.id:
                    assert said.setdefault(message.id, message.string) == message.string, folder
