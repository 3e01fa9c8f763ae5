"""Which language and time zone a page speaks, and where its sentences come from."""

from functools import cache
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, g, has_request_context, redirect, request
from flask_babel import Babel, Domain, get_locale
from flask_login import current_user
from werkzeug.wrappers import Response

LANGUAGES = {"ko": "한국어", "en": "English"}
THEMES = ("light", "dark")
DEFAULT_LANGUAGE = "ko"
DEFAULT_ZONE = "Asia/Seoul"
YEAR_SECONDS = 365 * 24 * 3600
CATALOGUES = tuple(sorted(Path(__file__).resolve().parent.parent.glob("*/translations")))


class Catalogues(Domain):  # type: ignore[misc]  # flask_babel has no types
    """The sentences of all domains, read from their `.po` files: there is nothing to compile."""

    def get_translations(self) -> NullTranslations:
        """Return the sentences in the language of this request."""
        return _catalogue()


def _catalogue() -> NullTranslations:
    locale = get_locale()
    return read_catalogues(locale.language if locale else "en")


def _gettext(message: str) -> str:
    """Say what a page asks for some fifty times: the way through the domain costs more than the look-up."""
    return str(_catalogue().gettext(message))


def _ngettext(one: str, many: str, number: int) -> str:
    return str(_catalogue().ngettext(one, many, number))


@cache
def read_catalogues(language: str) -> NullTranslations:
    """Merge what every domain says in `language`; English is what the code itself says."""
    merged = Translations()
    for folder in CATALOGUES:
        path = folder / language / "LC_MESSAGES" / "messages.po"
        if path.exists():
            catalogue = _compile(path)
            merged.merge(catalogue)
            merged.plural = catalogue.plural  # merging forgets the rule of plurals
    return merged


def _compile(path: Path) -> Translations:
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return Translations(compiled)


def attach(app: Flask) -> None:
    """Let `app` speak Korean and English, and keep what a visitor chose in a cookie."""
    babel = Babel()
    babel.domain_instance = Catalogues()
    babel.init_app(app, default_locale="en", locale_selector=language, timezone_selector=zone_name)
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # of Jinja's extension
        _gettext, _ngettext, newstyle=True
    )
    app.before_request(_choose)


def language() -> str:
    """Return the language of this request: cookie, then profile, then browser, then Korean."""
    if not has_request_context():
        return "en"
    chosen = request.cookies.get("language") or getattr(current_user, "language", None)
    if chosen in LANGUAGES:
        return str(chosen)
    wanted = (tag.partition("-")[0].lower() for tag in request.accept_languages.values())
    return next((tag for tag in wanted if tag in LANGUAGES), DEFAULT_LANGUAGE)


def theme() -> str:
    """Return `light` or `dark` if the visitor chose one; empty: as the system does."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


def zone_name() -> str:
    """Return the name of the time zone in which this request shows times."""
    chosen = getattr(current_user, "timezone", None) if has_request_context() else None
    return chosen or DEFAULT_ZONE


def zone() -> ZoneInfo:
    """Return the time zone in which this request shows times."""
    try:
        return ZoneInfo(zone_name())
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(DEFAULT_ZONE)


def local_path(target: str | None) -> str:
    """Return `target` if it is a path of this site, otherwise the home page."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    return target if target.isprintable() and "\\" not in target else "/"


def remember(response: Response, name: str, value: str) -> None:
    """Keep a visitor's choice of `language` or `theme` for a year; an empty value forgets it."""
    response.set_cookie(
        name,
        value,
        max_age=YEAR_SECONDS if value else 0,
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )


def switch(**choice: str) -> str:
    """Return the address of this very page with a `lang` or `theme` to be chosen."""
    if request.method != "GET" or request.routing_exception is not None:
        return "/?" + urlencode(choice)
    kept = [(key, value) for key, value in request.args.items(multi=True) if key not in {"lang", "theme"}]
    return local_path(request.path) + "?" + urlencode([*kept, *choice.items()])


def _choose() -> Response | None:
    """Take `?lang=` and `?theme=` out of the address and into a cookie."""
    if request.method != "GET" or not ({"lang", "theme"} & request.args.keys()):
        return None
    kept = [(key, value) for key, value in request.args.items(multi=True) if key not in {"lang", "theme"}]
    path = local_path(request.path)
    response = redirect(f"{path}?{urlencode(kept)}" if kept else path)
    if request.args.get("lang") in LANGUAGES:
        remember(response, "language", request.args["lang"])
    if request.args.get("theme") in {*THEMES, "system"}:
        remember(response, "theme", request.args["theme"].replace("system", ""))
    g.chosen = True
    return response
