"""Places on leaderboards stand in a certificate only where the course says so."""

from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.reading import read_claim
from lms.certs.models import Credential
from lms.certs.services.batches import issue
from tests.factories.certs import NOW, Pair, facts, make_enrolment, make_request

PLACE = {"rank": 3, "tied": 2, "field": 41, "ranked_on": "2026-11-20"}


def issued(sessions: sessionmaker[Session], *, says_so: bool, language: str = "ko") -> Credential:
    pair = Pair()
    with sessions.begin() as session:
        enrolment = make_enrolment(session)
        version = enrolment.cohort.course.current_version
        assert version is not None
        rule: dict[str, Any] = version.outline["certificate"] | {"rank": says_so}
        board = {
            "title": {"ko": "숫자 순위전", "en": "Reading digits"},
            "metric": "accuracy",
            "direction": "max",
        }
        lab = version.outline["labs"]["softmax"]
        labs = version.outline["labs"] | {
            "softmax": lab | {"settings": lab["settings"] | {"board": board | {"predict": "predict"}}}
        }
        version.outline = version.outline | {"certificate": rule, "labs": labs}
        known = facts()
        known["labs"][0] |= PLACE
        request = make_request(session, enrolment=enrolment, language=language, labs=known["labs"])
    made = issue(sessions, request.id, pair.signing, NOW)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("language", "name"),
    [("ko", "숫자 순위전(2026-11-20 기준)"), ("en", "Reading digits (as of 2026-11-20)")],
)
def test_a_place_is_stated_with_its_board_day_tie_group_and_field(
    sessions: sessionmaker[Session], language: str, name: str
) -> None:
    [rank] = read_claim(issued(sessions, says_so=True, language=language).document).ranks
    assert (rank.slug, rank.name, rank.place, rank.tied, rank.field) == ("softmax", name, 3, 2, 41)


def test_without_a_word_of_the_course_no_place_is_stated(sessions: sessionmaker[Session]) -> None:
    assert read_claim(issued(sessions, says_so=False).document).ranks == ()
