from datetime import UTC, date, datetime

import pytest
from flask import Flask

from lms.web import formats

AT = datetime(2031, 11, 28, 12, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "written"),
    [("ko", "2031년 11월 28일 21:05 (KST)"), ("en", "28 Nov 2031, 21:05 (KST)")],
)
def test_a_moment_is_written_in_the_zone_of_the_reader_and_names_it(
    app: Flask, language: str, written: str
) -> None:
    with app.test_request_context("/", headers={"Cookie": f"language={language}"}):
        assert formats.moment(AT) == f'<time datetime="2031-11-28T12:05:09+00:00">{written}</time>'


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (lambda: formats.points(13.0), "13"),
        (lambda: formats.points(2.345), "2.34"),
        (lambda: formats.points(None), "–"),
        (lambda: formats.number(1234567), "1,234,567"),
        (lambda: formats.number(2.5, 2), "2.50"),
        (lambda: formats.seconds(0.423), "0.42초"),
        (lambda: formats.seconds(300), "5분"),
        (lambda: formats.size(182_000_000), "182 MB"),
        (lambda: formats.size(999), "999 B"),
        (lambda: formats.short("9f2c" + "0" * 56 + "a81e"), "9f2c…a81e"),
        (lambda: formats.short(None), ""),
        (lambda: formats.localised({"ko": "가", "en": "A"}), "가"),
        (lambda: formats.localised({"en": "A"}), "A"),
        (lambda: formats.localised("as it is"), "as it is"),
        (lambda: formats.localised(None), ""),
        (lambda: formats.moment(None), "–"),
        (
            lambda: formats.day(date(2026, 3, 1)),
            '<time datetime="2026-03-01">2026년 3월 1일</time>',
        ),
        (
            lambda: formats.clock(AT),
            '<time datetime="2031-11-28T12:05:09+00:00">21:05:09 (KST)</time>',
        ),
    ],
)
def test_numbers_and_times_are_written_for_korean_readers(app: Flask, written: object, wanted: str) -> None:
    assert callable(written)
    with app.test_request_context("/", headers={"Cookie": "language=ko"}):
        assert written() == wanted
