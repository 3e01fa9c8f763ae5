"""Share links: who makes them, what they show, and when they end."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import AuditEvent, User
from lms.certs.core.profile_link import linkedin_address
from lms.certs.core.reading import read_claim
from lms.certs.models import Credential, ShareLink
from lms.certs.queries import share_links
from lms.certs.services import sharing
from lms.certs.services.erasing import erase
from lms.certs.services.status import keep_status_lists_fresh
from lms.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.factories.accounts import make_user
from tests.factories.certs import NOW, Pair

SignIn = Callable[[User], None]
LABEL = "한빛로봇 인사팀"


@pytest.fixture
def link(session: Session, holder: User, credential: Credential) -> ShareLink:
    made = sharing.share(session, holder, credential.uuid, days=7, label=LABEL, at=NOW)
    session.commit()
    return made


def test_the_holder_makes_a_link_that_shows_the_certificate_to_anyone(
    client: FlaskClient, sign_in: SignIn, session: Session, holder: User, credential: Credential
) -> None:
    sign_in(holder)
    made = client.post(f"/c/{credential.uuid}/share", data={"days": "7", "label": LABEL})
    assert made.status_code == 303
    page = client.get(f"/c/{credential.uuid}/share").get_data(as_text=True)
    (address,) = re.findall(r'href="(/s/[\w-]{22})"', page)
    assert LABEL in page
    client.post("/sign-out")
    shown = client.get(address)
    assert shown.status_code == 200
    assert "김하늘" in shown.get_data(as_text=True)
    assert shown.headers["X-Robots-Tag"] == "noindex"
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in shown.headers["Cache-Control"]
    events = session.scalars(select(AuditEvent.action).where(AuditEvent.action == "certificate.shared"))
    assert events.all() == ["certificate.shared"]


def test_a_shared_page_does_not_give_the_permanent_address_or_the_note_away(
    client: FlaskClient, link: ShareLink
) -> None:
    page = client.get(f"/s/{link.secret}").get_data(as_text=True)
    assert link.credential.uuid not in page
    assert "data-status" in page
    assert LABEL not in page


@pytest.mark.parametrize("end", ["over", "withdrawn", "never there", "another spelling"])
def test_a_link_that_ended_and_one_that_never_was_look_the_same(
    client: FlaskClient, session: Session, link: ShareLink, holder: User, end: str
) -> None:
    secret = link.secret
    if end == "over":
        link.ends_at = NOW - timedelta(seconds=1)
    elif end == "withdrawn":
        sharing.end(session, holder, link.id, at=NOW)
    else:
        secret = {"never there": "A" * 22, "another spelling": secret + "="}[end]
    session.commit()
    client.set_cookie("language", "en")
    answer = client.get(f"/s/{secret}")
    assert answer.status_code == 404
    assert "leads nowhere, or its time is over" in answer.get_data(as_text=True)


def test_the_holder_sees_when_a_link_was_last_opened_by_somebody_else(
    client: FlaskClient, sign_in: SignIn, session: Session, link: ShareLink, holder: User
) -> None:
    sign_in(holder)
    client.get(f"/s/{link.secret}")
    session.refresh(link)
    assert link.last_used_at is None
    client.post("/sign-out")
    client.get(f"/s/{link.secret}")
    session.refresh(link)
    assert link.last_used_at is not None


def test_visits_within_a_minute_are_noted_once(session: Session, link: ShareLink) -> None:
    for seconds, noted in ((0, 0), (59, 0), (60, 60)):
        sharing.note_use(session, link.id, at=NOW + timedelta(seconds=seconds))
        session.refresh(link)
        assert link.last_used_at == NOW + timedelta(seconds=noted)


def test_nobody_but_the_holder_makes_sees_or_ends_links(
    client: FlaskClient, sign_in: SignIn, session: Session, link: ShareLink
) -> None:
    stranger, uuid = make_user(session), link.credential.uuid
    with pytest.raises(NotAllowed):
        sharing.share(session, stranger, uuid, days=7, label="", at=NOW)
    with pytest.raises(NotAllowed):
        sharing.end(session, stranger, link.id, at=NOW)
    session.commit()
    assert client.get(f"/c/{uuid}/share").status_code == 302
    assert client.post(f"/shares/{link.id}/end").status_code == 302
    sign_in(stranger)
    assert client.get(f"/c/{uuid}/share").status_code == 403
    assert client.post(f"/c/{uuid}/share", data={"days": "7"}).status_code == 403
    assert client.post(f"/shares/{link.id}/end").status_code == 403
    session.refresh(link)
    assert link.withdrawn_at is None


def test_a_withdrawn_link_is_listed_without_its_address_and_can_be_withdrawn_twice(
    client: FlaskClient, sign_in: SignIn, session: Session, link: ShareLink, holder: User
) -> None:
    client.set_cookie("language", "ko")
    sign_in(holder)
    address = f"/c/{link.credential.uuid}/share"
    assert "링크 거두기" in client.get(address).get_data(as_text=True)
    for _ in range(2):
        assert client.post(f"/shares/{link.id}/end").status_code == 303
    page = client.get(address).get_data(as_text=True)
    assert link.secret not in page
    assert link.label in page
    assert "거둔 링크" in page
    assert "링크 거두기" not in page
    ended = session.scalars(select(AuditEvent).where(AuditEvent.action == "certificate.share_ended")).all()
    assert len(ended) == 1


@pytest.mark.parametrize(("days", "label"), [(8, ""), (0, ""), (7, "x" * 81)])
def test_a_time_or_a_note_that_is_not_offered_makes_no_link(
    client: FlaskClient, sign_in: SignIn, session: Session, credential: Credential, holder: User,
    days: int, label: str,
) -> None:  # fmt: skip
    with pytest.raises(Invalid):
        sharing.share(session, holder, credential.uuid, days=days, label=label, at=NOW)
    sign_in(holder)
    answer = client.post(f"/c/{credential.uuid}/share", data={"days": str(days), "label": label})
    assert answer.status_code == 422
    assert not share_links.links_of(session, credential)


def test_only_so_many_links_are_open_at_once(
    session: Session, holder: User, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST_OPEN", 2)
    made = [sharing.share(session, holder, credential.uuid, days=1, label="", at=NOW) for _ in range(2)]
    assert len({link.secret for link in made}) == 2
    with pytest.raises(Conflict):
        sharing.share(session, holder, credential.uuid, days=1, label="", at=NOW)
    sharing.end(session, holder, made[0].id, at=NOW)
    sharing.share(session, holder, credential.uuid, days=1, label="", at=NOW)
    later = NOW + timedelta(days=2)
    assert share_links.count_open(session, credential, later) == 0
    with pytest.raises(NotFound):
        share_links.shared(session, made[1].secret, later)


def test_a_link_to_a_withdrawn_certificate_says_so(
    client: FlaskClient, sessions: sessionmaker[Session], session: Session, link: ShareLink, pair: Pair
) -> None:
    assert 'data-status="valid"' in client.get(f"/s/{link.secret}").get_data(as_text=True)
    link.credential.revoked_at = NOW
    session.commit()
    keep_status_lists_fresh(sessions, pair.signing, NOW)
    assert 'data-status="refused"' in client.get(f"/s/{link.secret}").get_data(as_text=True)


def test_a_link_to_an_erased_certificate_is_gone(
    client: FlaskClient, session: Session, link: ShareLink
) -> None:
    link.credential.revoked_at = NOW
    secret = link.secret
    erase(session, link.credential.uuid, at=NOW)
    session.commit()
    assert client.get(f"/s/{secret}").status_code == 404


def test_linkedin_is_given_the_name_both_organisations_the_date_and_the_address(
    credential: Credential,
) -> None:
    claim = read_claim(credential.document)
    address = linkedin_address(claim, "https://duri.example/c/1?a=b&c=d")
    parts = urlsplit(address)
    given = {name: value[0] for name, value in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.hostname, parts.path) == ("https", "www.linkedin.com", "/profile/add")
    assert given == {
        "startTask": "CERTIFICATION_NAME",
        "name": "딥러닝 첫걸음 수료",
        "organizationName": f"{claim.university.name} · {claim.company.name}",
        "issueYear": str(claim.issued_at.year),
        "issueMonth": str(claim.issued_at.month),
        "certUrl": "https://duri.example/c/1?a=b&c=d",
        "certId": credential.uuid,
    }


def test_the_wallet_has_all_downloads_of_a_certificate_in_one_place(
    client: FlaskClient, sign_in: SignIn, holder: User, credential: Credential
) -> None:
    sign_in(holder)
    page = client.get("/certificates").get_data(as_text=True)
    for ending in (".json", ".pdf?language=ko", ".pdf?language=en", ".png", ".svg", "/bundle.zip", "/share"):
        assert f'href="/c/{credential.uuid}{ending}' in page, ending
