"""Every certificate has its PDFs signed by both once, whatever dies; after a change of the template, anew."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.certs.adapters.pdf import render_certificate
from lms.certs.core.joint import Finding
from lms.certs.core.pdf import credential_from_pdf
from lms.certs.core.pdf_review import Known
from lms.certs.core.pdf_signatures import PdfAnswer, examine_pdf
from lms.certs.core.protocols import SignerRefused, SignerUnavailable
from lms.certs.core.strict_json import Document, read_object
from lms.certs.core.trust import Role
from lms.certs.models import Credential, Paper
from lms.certs.queries import signed_papers
from lms.certs.services.notices import keep_notices_signed
from lms.certs.services.papers import (
    Press,
    make_next,
    make_paper,
    queue_papers,
    renew_papers,
    take_paper,
)
from lms.certs.services.presenting import keep_forms_signed
from lms.certs.services.signing import Signing
from lms.certs.signer.pdf import PdfIdentity
from lms.db import Base, make_engine, make_sessions, now
from tests.factories import pdf as pdfs
from tests.factories.certs import NOW, Pair, make_credential

FIRST, SECOND = "a" * 64, "b" * 64


class Killed(BaseException):
    """The process is gone."""


@dataclass
class PdfSigner:
    """Sign PDFs as an organisation does, unless it is told to be down or to refuse."""

    role: Role
    known: Known | None = None
    key: PdfIdentity | None = None
    down: bool = False
    refuses: bool = False
    asked: list[int] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def sign_pdf(self, content: bytes) -> bytes:
        self.before()
        self.asked.append(len(content))
        if self.down:
            raise SignerUnavailable("down")
        if self.refuses:
            raise SignerRefused("signer.pdf_page", "The page says something else.", "쪽의 글이 달라요.")
        if self.known is None:
            return b"+%s" % self.role.encode()
        return pdfs.sealing(self.role, key=self.key).sign(content, self.known, now())[0]


@dataclass
class Shop:
    """One certificate, its two signers, and where papers are kept."""

    sessions: sessionmaker[Session]
    credential: Credential
    signing: Signing
    press: Press

    def signer(self, role: Role) -> PdfSigner:
        found = self.signing.signers[role]
        assert isinstance(found, PdfSigner)
        return found

    def queue(self) -> int:
        with self.sessions.begin() as session:
            return queue_papers(session, self.press.template, logged=False)

    def take(self, minutes: int = 0) -> int | None:
        with self.sessions.begin() as session:
            return take_paper(session, self.press.template, NOW + timedelta(minutes=minutes))

    def make(self, paper_id: int | None) -> bool:
        assert paper_id is not None
        return make_paper(self.sessions, paper_id, self.signing, self.press, now())

    def papers(self) -> list[Paper]:
        with self.sessions() as session:
            return list(session.scalars(select(Paper).order_by(Paper.id)))

    def make_all(self) -> int:
        made = 0
        while (paper_id := self.take(made)) is not None:
            made += self.make(paper_id)
        return made


@pytest.fixture
def shop(sessions: sessionmaker[Session], tmp_path: Path) -> Shop:
    """Return a shop whose papers and signatures are words, so that the queue is what is tried."""
    pair = Pair()
    credential = make_credential(sessions, pair)
    signers = {role: PdfSigner(role) for role in Role}
    signing = replace(pair.signing, signers=signers, trust=pdfs.with_roots(pair.trust))
    press = Press(set_on_paper=_say, template=FIRST, blobs=FolderBlobs(tmp_path), examine=_look)
    return Shop(sessions, credential, signing, press)


def real(shop: Shop) -> Shop:
    """Return the same shop with real papers, real signatures and a real look at them."""
    for role in Role:
        shop.signer(role).known = pdfs.known(shop.credential.document, role)
    return replace(shop, press=replace(shop.press, set_on_paper=render_certificate, examine=examine_pdf))


def _say(document: Document, **said: object) -> bytes:
    return f"{document['id']} {said['language']}".encode()


def _look(content: bytes, *_: object) -> PdfAnswer:
    whole = content.endswith(b"+university+company")
    return PdfAnswer(() if whole else (Finding("pdf.one_signature", {}),))


def test_a_new_certificate_gets_a_signed_paper_in_each_language_once(shop: Shop) -> None:
    shop = real(shop)
    assert shop.queue() == 2
    assert shop.queue() == 0
    assert shop.make_all() == 2
    papers = shop.papers()
    assert [paper.language for paper in papers] == ["ko", "en"]
    for paper in papers:
        assert (paper.due, paper.made) == (False, FIRST)
        content = shop.press.blobs.get(paper.blob or "")
        assert read_object(credential_from_pdf(content)) == shop.credential.document
    assert shop.take(60) is None


def test_after_a_change_of_the_template_each_is_made_anew_and_the_certificate_stays(shop: Shop) -> None:
    shop.queue()
    shop.make_all()
    before = {paper.id: paper.blob for paper in shop.papers()}
    anew = replace(
        shop.press, template=SECOND, set_on_paper=lambda document, **said: b"2 " + _say(document, **said)
    )
    later = replace(shop, press=anew)
    with shop.sessions.begin() as session:
        assert renew_papers(session, SECOND) == 2
        assert renew_papers(session, SECOND) == 0
    assert all(
        paper.blob == before[paper.id] for paper in shop.papers()
    )  # the old one until the new one is there
    assert later.make_all() == 2
    assert all(paper.blob != before[paper.id] for paper in shop.papers())
    with shop.sessions() as session:
        assert session.get_one(Credential, shop.credential.id).document == shop.credential.document


def test_first_papers_that_wait_through_a_change_of_the_template_are_made_from_it(
    shop: Shop,
) -> None:
    shop.queue()
    later = replace(shop, press=replace(shop.press, template=SECOND))
    assert later.make_all() == 2
    assert {(paper.due, paper.made) for paper in shop.papers()} == {(False, SECOND)}


def test_papers_that_wait_to_be_made_anew_follow_the_newest_template_asked_for(shop: Shop) -> None:
    shop.queue()
    shop.make_all()
    second, third = (replace(shop, press=replace(shop.press, template=one)) for one in (SECOND, "3" * 64))
    with shop.sessions.begin() as session:
        assert renew_papers(session, SECOND) == 2
    assert shop.take() is None  # a worker that has not been restarted leaves them alone
    with shop.sessions.begin() as session:
        assert renew_papers(session, third.press.template) == 2
    assert second.take() is None
    assert third.make_all() == 2
    assert {paper.made for paper in shop.papers()} == {third.press.template}


def test_nothing_is_locked_while_a_page_is_set(shop: Shop) -> None:
    locked = []

    def look(document: Document, **said: object) -> bytes:
        locked.append(shop.sessions.kw["bind"].in_nested_transaction())
        return _say(document, **said)

    watched = replace(shop, press=replace(shop.press, set_on_paper=look))
    watched.queue()
    assert watched.make_all() == 2
    assert locked == [False, False]


def test_looking_for_what_waits_leaves_the_one_writer_alone(shop: Shop, tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'own.db'}")
    Base.metadata.create_all(engine)
    sessions = make_sessions(engine, writing=True)
    with sessions.begin() as writing:
        assert writing.scalars(select(Paper)).all() == []  # from here on it has the writer's place
        assert make_next(sessions, shop.signing, shop.press, NOW) is None
        assert keep_forms_signed(sessions, shop.signing, NOW) == []
        assert keep_notices_signed(sessions, shop.signing, NOW) == []
    engine.dispose()


def test_a_killed_worker_leaves_its_paper_to_the_next_and_it_is_kept_once(shop: Shop) -> None:
    shop.queue()
    taken = shop.take()

    def die() -> None:
        raise Killed

    shop.signer(Role.COMPANY).before = die
    with pytest.raises(Killed):
        shop.make(taken)
    shop.signer(Role.COMPANY).before = lambda: None
    other = shop.take()
    assert other not in {None, taken}  # still leased
    assert shop.take() is None
    assert shop.take(minutes=6) == taken
    assert shop.make(taken) is True
    assert shop.make(taken) is False  # whoever comes late keeps nothing


def test_a_worker_with_the_old_template_keeps_nothing_once_a_newer_one_is_wanted(shop: Shop) -> None:
    shop.queue()
    taken = shop.take()
    with shop.sessions.begin() as session:
        for paper in session.scalars(select(Paper)):
            paper.wanted = SECOND
    assert shop.make(taken) is False
    assert all(paper.blob is None for paper in shop.papers())


@pytest.mark.parametrize("role", list(Role))
def test_a_signer_that_is_down_or_refuses_makes_it_wait_and_nothing_half_signed_is_kept(
    shop: Shop, role: Role
) -> None:
    shop.queue()
    shop.signer(role).down = True
    paper_id = shop.take()
    assert shop.make(paper_id) is False
    (paper, _) = shop.papers()
    assert (paper.blob, paper.tries, paper.due, paper.refusal) == (None, 1, True, "")
    assert paper.next_try_at is not None
    shop.signer(role).down, shop.signer(role).refuses = False, True
    assert shop.make(paper_id) is False
    assert shop.papers()[0].refusal == "The page says something else.\n쪽의 글이 달라요."
    shop.signer(role).refuses = False
    assert shop.make(paper_id) is True


def test_a_signer_that_signs_with_another_key_is_not_believed(shop: Shop) -> None:
    shop = real(shop)
    shop.queue()
    shop.signer(Role.COMPANY).key = pdfs.pdf_identity(Role.COMPANY, 2)
    assert shop.make(shop.take()) is False
    assert shop.papers()[0].blob is None
    assert "trust file" in shop.papers()[0].refusal


def test_a_withdrawn_certificate_gets_no_paper(shop: Shop) -> None:
    shop.queue()
    with shop.sessions.begin() as session:
        session.get_one(Credential, shop.credential.id).revoked_at = NOW
    assert shop.take() is None


def test_operators_see_how_far_it_is(shop: Shop) -> None:
    shop.queue()
    shop.make(shop.take())
    with shop.sessions() as session:
        progress = signed_papers.paper_progress(session)
    assert (progress.made, progress.due, progress.stuck) == (1, 1, 0)
