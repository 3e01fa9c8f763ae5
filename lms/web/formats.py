"""How times, numbers, sizes and names are written for the reader of this request."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, localcontext

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from flask import Flask
from flask_babel import gettext
from markupsafe import Markup, escape

from lms.db import now
from lms.web.language import LANGUAGES, language, switch, theme, zone

# CLDR writes Korean times as "PM 9:00"; a 24-hour clock reads the same in both languages.
MOMENTS = {"ko": "M월 d일 HH:mm", "en": "d MMM, HH:mm"}
MOMENTS_WITH_YEAR = {"ko": "y년 M월 d일 HH:mm", "en": "d MMM y, HH:mm"}
DAYS = {"ko": "y년 M월 d일", "en": "d MMM y"}
KILO = 1000
SHORT_HASH = 12
LONGEST_NUMBER = 400
"""Digits: as many as the largest float has, and some decimals."""


def attach(app: Flask) -> None:
    """Give the templates of `app` these ways of writing."""
    app.jinja_env.filters.update(
        moment=moment, clock=clock, day=day, number=number, points=points, seconds=seconds, size=size,
        short=short, localised=localised, country_name=country_name,
    )  # fmt: skip
    app.jinja_env.globals.update(language=language, languages=LANGUAGES, theme=theme, switch=switch, now=now)


def localised(texts: Mapping[str, str] | str | None) -> str:
    """Pick the reader's language from `{"ko": …, "en": …}`; any language is better than none."""
    if isinstance(texts, str) or not texts:
        return str(texts or "")
    return texts.get(language()) or texts.get("en") or texts.get("ko") or next(iter(texts.values()))


def country_name(code: str) -> str:
    """Name a country of ISO 3166-1 in the reader's language."""
    return str(Locale.parse(language()).territories.get(code, code))


def moment(at: datetime | None, *, year: bool | None = None) -> Markup:
    """Write a moment in the reader's zone, with the zone; the year stands where it is not this one."""
    if at is None:
        return Markup("–")
    local = at.astimezone(zone())
    wants_year = local.year != now().astimezone(zone()).year if year is None else year
    pattern = (MOMENTS_WITH_YEAR if wants_year else MOMENTS)[language()]
    text = f"{format_datetime(local, pattern, locale=language())} ({_zone(local)})"
    return _time(at, text)


def clock(at: datetime | None) -> Markup:
    """Write the time of day in the reader's zone, to the second."""
    if at is None:
        return Markup("–")
    local = at.astimezone(zone())
    return _time(at, f"{local:%H:%M:%S} ({_zone(local)})")


def day(at: datetime | date | None) -> Markup:
    """Write a day in the reader's zone."""
    if at is None:
        return Markup("–")
    local = at.astimezone(zone()).date() if isinstance(at, datetime) else at
    written = format_date(local, DAYS[language()], locale=language())
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(), written)


def number(value: float | Decimal | None, digits: int | None = None) -> str:
    """Write a number with the reader's separators; `digits` after the point, or as many as it has."""
    if value is None:
        return "–"
    pattern = None if digits is None else "#,##0" + ("." + "0" * digits if digits else "")
    with localcontext(prec=LONGEST_NUMBER):  # else what has more than 28 digits would be refused
        return format_decimal(value, format=pattern, locale=language())


def points(value: float | None) -> str:
    """Write points: at most two decimals, none that are zero."""
    return "–" if value is None else format_decimal(value, format="#,##0.##", locale=language())


def seconds(value: float | None) -> str:
    """Write a duration in seconds, or in minutes from two minutes on."""
    if value is None:
        return "–"
    if value >= 120:  # noqa: PLR2004 - below two minutes seconds are easier to grasp
        return str(gettext("%(minutes)s min", minutes=number(round(value / 60))))
    return str(gettext("%(seconds)s s", seconds=format_decimal(value, format="0.##", locale=language())))


def size(value: float | None) -> str:
    """Write a number of bytes in decimal units."""
    if value is None:
        return "–"
    amount, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while amount >= KILO and len(units) > 1:
        amount, units = amount / KILO, units[1:]
    return f"{format_decimal(amount, format='#,##0.#', locale=language())} {units[0]}"


def short(sha256: str | None) -> str:
    """Write the two ends of a hash."""
    if not sha256 or len(sha256) <= SHORT_HASH:
        return sha256 or ""
    return f"{sha256[:4]}…{sha256[-4:]}"


def _time(at: datetime, text: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), escape(text))


def _zone(local: datetime) -> str:
    name = local.strftime("%Z")
    return name if name.isalpha() else f"UTC{local.strftime('%z')[:3]}:{local.strftime('%z')[3:]}"
