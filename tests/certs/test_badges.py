"""The badge: a picture that carries the signed file."""

import io
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.adapters.badge import SIDE, draw_badge, make_face
from lms.certs.core.baking import read_png, read_svg
from lms.certs.core.carriers import Kind
from lms.certs.core.document import Party, build_credential
from lms.certs.core.strict_json import read_object
from lms.certs.core.verify import Status, verify
from lms.certs.services.log import keep_heads_signed
from tests.certs.conftest import CLAIM, Case, Pair
from tests.factories.certs import NOW, make_credential
from tests.factories.certs import Pair as Signers

LONG = "Hangang University of Science and Technology"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_both_badges_carry_the_certificate_and_name_both_parties(case: Case, language: str) -> None:
    svg = draw_badge(case.credential, Kind.SVG, language=language)
    png = draw_badge(case.credential, Kind.PNG, language=language)
    for badge in (svg, png):
        assert case.verify(badge).status is Status.VALID
    drawn = re.sub(rb"<!\[CDATA\[.*?\]\]>", b"", svg, flags=re.DOTALL).decode()
    for shown in ("김하늘", "딥러닝 첫걸음", "한강대학교", "누리에이아이", "91.4 / 100"):
        assert shown in drawn
    assert ("시연용" if language == "ko" else "demonstration") in drawn
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.size) == ("PNG", (2 * SIDE, 2 * SIDE))
    picture.load()
    assert len(png) < 400_000


def test_the_proof_of_the_log_travels_along(case: Case) -> None:
    png = draw_badge(case.credential, Kind.PNG, language="ko", proof=b'{"format": 1}')
    svg = draw_badge(case.credential, Kind.SVG, language="ko", proof=b'{"format": 1}')
    assert read_png(png).log_proof == read_svg(svg).log_proof == b'{"format": 1}'


def test_a_hostile_name_stays_a_name(case: Case) -> None:
    hostile = "</text><script>alert(1)</script>]]><!ENTITY"
    signed = case.pair.sign(build_credential(replace(CLAIM, holder_name=hostile, demo_custody=False)))
    svg = draw_badge(signed, Kind.SVG, language="en")
    assert b"<script>" not in re.sub(rb"<!\[CDATA\[.*?\]\]>", b"", svg, flags=re.DOTALL)
    assert read_object(read_svg(svg).credential) == signed
    assert draw_badge(signed, Kind.PNG, language="en")


def test_long_words_stay_inside_the_frame() -> None:
    party = Party(CLAIM.university.did, LONG, CLAIM.university.url)
    achievement = replace(CLAIM.achievement, name=f"{LONG}: {LONG}")
    claim = replace(CLAIM, university=party, achievement=achievement, holder_name="가" * 60)
    face = make_face(Pair().sign(build_credential(claim)), "en")
    for line in face.lines:
        width = sum(0.94 if ord(letter) > 0x1100 else 0.56 for letter in line.text) * line.size
        assert line.x - width / 2 >= 30
        assert line.x + width / 2 <= SIDE - 30
        assert line.y <= SIDE - 20


def test_anyone_with_the_address_gets_the_badge(client: FlaskClient, sessions: sessionmaker[Session]) -> None:
    signers = Signers()
    credential = make_credential(sessions, signers)
    assert keep_heads_signed(sessions, signers.signing, NOW) == []
    for kind, mimetype in (("png", "image/png"), ("svg", "image/svg+xml")):
        response = client.get(f"/c/{credential.uuid}.{kind}?language=en")
        assert (response.status_code, response.mimetype) == (200, mimetype)
        assert f"-en.{kind}" in response.headers["Content-Disposition"]
        read = read_png if kind == "png" else read_svg
        baked = read(response.data)
        assert read_object(baked.credential) == credential.document
        verdict = verify(response.data, signers.pinned, {}, NOW)
        assert {finding.code for finding in verdict.findings} == {"status.unreachable"}
        bare = verify(baked.credential, signers.pinned, {}, NOW)
        assert "log.proof_missing" in {finding.code for finding in bare.findings}
    assert client.get("/c/58172aac-d8ba-41ed-83dd-0b3aef56cc33.png").status_code == 404
    assert client.get(f"/c/{credential.uuid}.gif").status_code == 404
