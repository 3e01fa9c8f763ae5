import pytest
from flask import Flask
from flask.testing import FlaskClient

from lms.web.language import LANGUAGES, read_catalogues
from lms.web.warm import compile_ahead


def test_nothing_is_left_for_the_first_visitor_to_compile(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_catalogues.cache_clear()
    compile_ahead(app)
    assert read_catalogues.cache_info().currsize == len(LANGUAGES)
    assert len(app.jinja_env.cache or {}) == len(app.jinja_env.list_templates()), "it cannot hold them all"

    def compiling(*_source: object, **_named: object) -> None:
        raise AssertionError("a template is compiled while somebody waits")

    monkeypatch.setattr(app.jinja_env, "compile", compiling)
    for path in ("/", "/sign-in", "/challenges", "/verify", "/not-there"):
        client.get(path)
    assert read_catalogues.cache_info().misses == len(LANGUAGES)
