import json
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.certs.core.baking import KEYWORD, Baked, bake_png, bake_svg, read_png, read_svg
from lms.certs.core.problems import Unreadable
from lms.certs.core.verify import Status
from tests.certs.conftest import Case

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" data-a="1 > 0"><title>a</title></svg>'
CREDENTIAL = '{"name": "김하늘 ]]> &amp; <b>"}'.encode()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return SIGNATURE + header + b"".join(more) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def text(content: bytes, keyword: str = KEYWORD, compressed: int = 0) -> bytes:
    return chunk(b"iTXt", keyword.encode() + bytes([0, compressed, 0, 0, 0]) + content)


def svg(inside: str, before: str = "") -> bytes:
    root = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0">'
    return f"{before}{root}{inside}</svg>".encode()


def element(content: str) -> str:
    return f"<openbadges:credential><![CDATA[{content}]]></openbadges:credential>"


@pytest.mark.parametrize("log_proof", [None, b'{"log": 1}'])
def test_what_is_baked_into_a_png_comes_out_of_it(log_proof: bytes | None) -> None:
    baked = bake_png(png(), CREDENTIAL, log_proof)
    assert read_png(baked) == Baked(CREDENTIAL, log_proof)
    assert baked.index(b"iTXt") < baked.index(b"IDAT")
    assert b"openbadgecredential\0\0\0\0\0{" in baked
    assert bake_png(baked, CREDENTIAL, log_proof) == baked


@pytest.mark.parametrize("log_proof", [None, b'{"log": 1}'])
def test_what_is_baked_into_an_svg_comes_out_of_it(log_proof: bytes | None) -> None:
    baked = read_svg(bake_svg(SVG, CREDENTIAL, log_proof))
    assert json.loads(baked.credential) == json.loads(CREDENTIAL)
    assert baked.log_proof == log_proof
    with pytest.raises(Unreadable, match=r"picture\.twice"):
        bake_svg(bake_svg(SVG, CREDENTIAL), CREDENTIAL)


@settings(max_examples=60, deadline=None)
@given(value=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text(), max_size=3))
def test_any_json_survives_both_pictures(value: dict[str, str]) -> None:
    plain = json.dumps(value, ensure_ascii=False).encode("utf-8", errors="replace")
    assert json.loads(read_svg(bake_svg(SVG, plain)).credential) == json.loads(plain)
    assert json.loads(read_png(bake_png(png(), plain)).credential) == json.loads(plain)


def test_a_baked_certificate_verifies_like_the_file_itself(case: Case) -> None:
    plain = json.dumps(case.credential, ensure_ascii=False, indent=1).encode()
    for picture in (bake_png(png(), plain), bake_svg(SVG, plain)):
        verdict = case.verify(picture)
        assert (verdict.status, verdict.facts) == (Status.VALID, case.verify(plain).facts)
        assert "notice.picture" in {notice.code for notice in verdict.notices}
        spoilt = picture.replace("김하늘".encode(), "김바다".encode())
        assert case.verify(spoilt).status in {Status.REFUSED, Status.UNREADABLE}


BOMB = zlib.compress(b"{" + b" " * 3_000_000 + b"}")


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (png(), "picture.without_credential"),
        (png(text(b"{}"), text(b"{}")), "picture.twice"),
        (png(text(b"{}"), text(b"{}", "duri-log-proof"), text(b"{}", "duri-log-proof")), "picture.twice"),
        (png(text(b"{}"), chunk(b"tEXt", b"openbadgecredential\0{}")), "png.compressed"),
        (png(chunk(b"zTXt", b"openbadgecredential\0\0" + BOMB)), "png.compressed"),
        (png(text(BOMB, compressed=1)), "png.compressed"),
        (png(chunk(b"iTXt", b"openbadgecredential\0\0\0{}")), "png.broken"),
        (png(text(b"{}" + b" " * 1_000_001)), "file.too_large"),
        (png(text(b"{}"), b"\0" * 5_000_000), "file.too_large"),
        (png(text(b"{}")) + b"more", "png.broken"),
        (png(text(b"{}"))[:-12], "png.broken"),
        (png(text(b"{}"))[:-4] + b"\0\0\0\0", "png.broken"),
        (png(text(b"{}")).replace(b"{}", b"[]"), "png.broken"),
        (SIGNATURE + chunk(b"IDAT", b"") + chunk(b"IEND", b""), "png.broken"),
        (SIGNATURE + b"\xff\xff\xff\xffiTXt", "png.broken"),
        (SIGNATURE + b"\x7f\xff\xff\xffIHDR" + b"\0" * 40, "png.broken"),
        (png(chunk(b"IHDR", b"")), "png.broken"),
        (png(chunk(b"a\0bc", b"")), "png.broken"),
        (png(b"".join(chunk(b"teXt", b"") for _ in range(20_000))), "png.broken"),
        (b"GIF89a", "png.broken"),
    ],
)
def test_a_hostile_png_is_refused_without_being_unpacked(picture: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_png(picture)
    assert refused.value.code == code


LAUGHS = '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (svg(""), "picture.without_credential"),
        (svg(element("{}") * 2), "picture.twice"),
        (svg(element("{}") + f"<g>{element('{}')}</g>"), "picture.twice"),
        (svg(f"{element('{}')}<text>&b;</text>", LAUGHS), "svg.doctype"),
        (svg(f"<text>&x;</text>{element('{}')}", OUTSIDE), "svg.doctype"),
        (svg(element("{}"), '<!DOCTYPE svg SYSTEM "https://evil.example/x.dtd">'), "svg.doctype"),
        (svg(f"{element('{}')}<text>&x;</text>"), "svg.broken"),
        (svg("<g>" * 101 + "</g>" * 101), "svg.broken"),
        (svg("<a/>" * 50_001), "svg.broken"),
        (svg("<openbadges:credential><a/>{}</openbadges:credential>"), "svg.broken"),
        (svg(element("x" * 1_000_001)), "file.too_large"),
        (svg(element("{}")).replace(b"{}", b"{\xff}"), "svg.broken"),
        (svg(element("{}"))[:-3], "svg.broken"),
        (svg(element("{}")).decode().encode("utf-16"), "svg.broken"),
        (svg(element("{}")).replace(b"2000/svg", b"2001/svg"), "svg.broken"),
        (b"<html/>", "svg.broken"),
        (b"<svg" + b" " * 5_000_000, "file.too_large"),
        (b"", "svg.broken"),
    ],
)
def test_a_hostile_svg_is_refused_without_being_followed(picture: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_svg(picture)
    assert refused.value.code == code


@pytest.mark.parametrize("picture", [b"", b"no picture", b'<svg xmlns="http://www.w3.org/2000/svg"/>'])
def test_only_a_picture_can_be_baked(picture: bytes) -> None:
    for bake in (bake_png, bake_svg):
        with pytest.raises(Unreadable, match="broken"):
            bake(picture, CREDENTIAL)


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    make=st.sampled_from([lambda: bake_png(png(), b"{}", b"[]"), lambda: bake_svg(SVG, b"{}")]),
)
def test_any_damage_is_answered(data: st.DataObject, make: Callable[[], bytes]) -> None:
    content = bytearray(make())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    known = {
        "read",
        "picture.without_credential",
        "png.broken",
        "png.compressed",
        "svg.broken",
        "svg.doctype",
    }
    assert {answer(read, bytes(content)) for read in (read_png, read_svg)} <= known


def answer(read: Callable[[bytes], Baked], content: bytes) -> str:
    try:
        read(content)
    except Unreadable as refused:
        return refused.code
    return "read"
