import json
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import base58
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from lms.certs.core.joint import examine_signature
from lms.certs.core.keys import KeyUse
from lms.certs.core.proofs import attach, signing_input
from lms.certs.core.protocols import Kind
from lms.certs.core.strict_json import Document, canonical, sha256_of
from lms.certs.core.trust import Role, Trust
from lms.certs.signer.approvals import Asked
from lms.certs.signer.browser_proofs import proof_options
from lms.certs.signer.enrolment import begin_enrolment
from lms.certs.signer.folder import trusted_party
from lms.certs.signer.keyring import read_register
from lms.certs.signer.pages import sheet_of, texts
from lms.certs.signer.roster import add_entries, make_entry, read_roster, remove_entries
from tests.certs.conftest import CLAIM, COMPANY, Pair, whole_claim
from tests.certs.signer.conftest import MANDATE, quick
from tests.factories.signatories import LEARNER, NAME, PASSPHRASE, certificate, make_company
from tests.factories.signers import client, served

pytestmark = pytest.mark.browser
OWN_KEYS = """async () => {
    const place = await new Promise((done) => {
        const asked = indexedDB.open("duri-signer", 1);
        asked.onsuccess = () => done(asked.result);
    });
    const shelf = place.transaction("keys").objectStore("keys");
    const keys = await new Promise((done) => {
        const all = shelf.getAll();
        all.onsuccess = () => done(all.result);
    });
    place.close();
    return Promise.all(keys.map(async (key) => {
        const given = await crypto.subtle.exportKey("pkcs8", key).then(() => "given", (no) => no.name);
        return [key.type, key.extractable, given];
    }));
}"""


@dataclass
class Desk:
    """A signer at work, and the windows that look at its page."""

    folder: Path
    port: int
    code: str
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def person(self, language: str = "ko", **wishes: Any) -> BrowserContext:
        """Return a browser of its own, with nothing in it."""
        locale = {"ko": "ko-KR", "en": "en-GB"}[language]
        context = self.browser.new_context(  # by number: looking a name up may wait for a name server
            base_url=f"https://127.0.0.1:{self.port}", ignore_https_errors=True, locale=locale,
            reduced_motion="reduce", **wishes,
        )  # fmt: skip
        context.set_default_timeout(20_000)
        self.contexts.append(context)
        return context

    def page(self, context: BrowserContext, path: str = "/approve") -> Page:
        """Open the page, signing in where it asks for that."""
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda note: self.faults.append(note.text) if "Content Sec" in note.text else None)
        page.goto(path)
        if page.locator("#passphrase").count():
            page.fill("#name", NAME)
            page.fill("#passphrase", PASSPHRASE)
            page.click("form.narrow button")
            if path != "/approve":  # where signing in leads
                page.goto(path)
        return page

    def enrolled(self, context: BrowserContext) -> Page:
        """Open the page in a browser whose key is registered."""
        page = self.page(context, "/approve/signing")
        page.fill("#code", self.code)
        page.click("#enrol button")
        expect(page.locator("#said")).to_contain_text(said(page, "enrolled")[:20])
        return page

    def ask(self, *documents: Document) -> list[Any]:
        return list(client(self.folder, self.port).sign_many(documents, Kind.CREDENTIAL))

    def journal(self) -> list[Document]:
        return [json.loads(line) for line in (self.folder / "journal.jsonl").read_bytes().splitlines()]


def said(page: Page, name: str, **values: object) -> str:
    language = page.locator("html").get_attribute("lang")
    assert language is not None
    return texts()[name][language] % values if values else texts()[name][language]


@pytest.fixture(scope="session")
def made_for_pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("page") / "company"
    with quick():
        return folder, make_company(folder)


@pytest.fixture
def desk(made_for_pages: tuple[Path, str], tmp_path: Path, browser: Browser) -> Iterator[Desk]:
    folder = Path(shutil.copytree(made_for_pages[0], tmp_path / "company"))
    with served(folder) as port:
        desk = Desk(folder, port, made_for_pages[1], browser)
        desk.ask(*(certificate(number) for number in range(2)))
        yield desk
        for context in desk.contexts:
            context.close()
    assert not desk.faults


def test_a_signatory_makes_a_key_reads_and_signs_and_the_certificate_is_good(
    desk: Desk, axe_check: Callable[[Page], None]
) -> None:
    page = desk.page(desk.person())
    expect(page.locator("#key-state")).to_have_text(said(page, "key_none"))
    expect(page.locator("#sign")).to_be_hidden()
    axe_check(page)
    register(desk, page)
    page.reload()
    expect(page.locator("#key-state")).to_have_text(said(page, "key_here"))
    page.locator("input[name=chosen]").first.check()
    page.click("#sign-chosen")
    expect(page.locator("#said")).to_have_text(said(page, "signed", count=1))
    assert page.evaluate("document.activeElement.id") == "said"
    expect(page.locator("#documents > li")).to_have_count(1)
    page.click("#sign-all")
    expect(page.locator("#count")).to_have_text(said(page, "none"))
    documents = [certificate(number) for number in range(2)]
    pair = Pair()
    trust = Trust((pair.party(Role.UNIVERSITY), trusted_party(desk.folder)))
    for document, proof in zip(documents, desk.ask(*documents), strict=True):
        signed = attach(document, pair.proof(document, Role.UNIVERSITY), proof)
        assert examine_signature(signed, COMPANY.did, Role.COMPANY, trust, datetime.now(UTC)).good
    assert [line["approved_by"] for line in desk.journal()] == [NAME] * 2


def register(desk: Desk, page: Page) -> None:
    """Make a key, with a wrong code and with the right one."""
    page.fill("#code", "AAAAA-AAAAA-AAAAA-AAAAA")
    page.click("#enrol button")
    expect(page.locator("#said")).to_contain_text("코드가 틀렸거나")
    assert page.evaluate(OWN_KEYS) == []  # what was not registered is destroyed
    page.fill("#code", desk.code)
    page.click("#enrol button")
    expect(page.locator("#said")).to_have_text(said(page, "enrolled"))
    assert page.evaluate(OWN_KEYS) == [["private", False, "InvalidAccessError"]]
    (entry,) = [each for each in read_register(desk.folder) if each.use is KeyUse.ISSUING]
    assert (entry.browser, entry.file) == ({"by": NAME}, "")
    expect(page.locator("#key-name code")).to_have_text(entry.multibase)


@pytest.mark.parametrize("language", [pytest.param("ko", marks=pytest.mark.long), "en"])
def test_the_page_shows_what_is_signed_as_the_signer_itself_reads_it(
    desk: Desk, language: str, axe_check: Callable[[Page], None]
) -> None:
    whole = whole_claim(Pair())
    document = certificate(
        5, labs=whole.labs, ranks=whole.ranks, holder_name="<img src=x onerror=alert(1)>\u202e김하늘",
        suspension=whole.suspension, evidence=whole.evidence,
    )  # fmt: skip
    desk.ask(document)
    context = desk.person(language, viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = desk.page(context)
    item = page.locator("#documents > li", has_text=sha256_of(document))
    expect(item).to_be_visible()
    asked = Asked(digest=sha256_of(document), document=document, asked_at=datetime.now(UTC))
    expected = dict(
        sheet_of(asked, replace(MANDATE, open_roster=False), read_roster(desk.folder), language).lines
    )
    shown = dict(zip(item.locator("dt").all_inner_texts(), item.locator("dd").all_inner_texts(), strict=True))
    labelled = {texts()[name][language]: value for name, value in expected.items() if name != "asked"}
    assert {name: shown[name] for name in labelled} == labelled
    item.locator("summary").click()
    assert json.loads(item.locator("pre").inner_text()) == document
    axe_check(page)


def says_which_browsers_can_sign(context: BrowserContext) -> None:
    """Look at the page as a browser does that knows no Ed25519."""
    page = context.new_page()
    page.add_init_script(
        "crypto.subtle.generateKey = () => Promise.reject(new DOMException('', 'NotSupportedError'))"
    )
    page.goto("/approve")
    expect(page.locator("#key-state")).to_have_text(said(page, "unsupported"))
    for version in ("Chrome", "137", "Firefox 129", "Safari 17"):
        assert version in page.locator("#key-state").inner_text()
    for hidden in ("#sign", "#enrol"):
        expect(page.locator(hidden)).to_be_hidden()
    page.close()


def test_a_browser_that_cannot_sign_says_why_and_a_new_key_takes_the_place_of_a_lost_one(desk: Desk) -> None:
    first = desk.person()
    before = desk.enrolled(first)
    other = desk.person("en")
    page = desk.page(other)
    expect(page.locator("#key-state")).to_have_text(said(page, "key_elsewhere"))
    assert "lms-signer rotate FOLDER --keys browser" in page.locator("#key-state").inner_text()
    for hidden in ("#sign", "#enrol"):
        expect(page.locator(hidden)).to_be_hidden()
    says_which_browsers_can_sign(other)
    desk.code = begin_enrolment(desk.folder, Role.COMPANY, datetime.now(UTC))
    page = desk.enrolled(other)
    before.click("#sign-all")
    expect(before.locator("#said")).to_have_text(said(before, "other_key"))
    expect(before.locator("#key-state")).to_have_text(said(before, "key_elsewhere"))
    assert desk.journal() == []
    page.click("#sign-all")
    expect(page.locator("#said")).to_have_text(said(page, "signed", count=2))
    before.reload()
    expect(before.locator("#key-state")).to_have_text(said(before, "key_elsewhere"))
    assert before.evaluate(OWN_KEYS) == []  # retired in good order: destroyed


def test_the_page_signs_nothing_but_what_it_shows(desk: Desk) -> None:
    """Here the process is not to be believed: it hands out other documents and other settings."""
    page = desk.enrolled(desk.person())
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url) if "signatures" in asked.url else None)

    def other_points(route: Route) -> None:
        told = route.fetch().json()
        told["documents"][0]["document"]["credentialSubject"]["result"][0]["value"] = "99"
        route.fulfill(json=told)

    page.route("**/approve/signing.json", other_points)
    page.reload()
    expect(page.locator("#documents > li").first).to_contain_text(said(page, "unreadable"))
    page.locator("input[name=chosen]").first.check()
    page.click("#sign-chosen")
    expect(page.locator("#said")).to_have_text(said(page, "nothing_chosen"))
    page.unroute("**/approve/signing.json")
    page.reload()
    expect(page.locator("#sign-all")).to_be_visible()
    for change, told in (
        ({"proofPurpose": "authentication"}, "other_settings"),
        ({"verificationMethod": f"{COMPANY.did}#other"}, "other_settings"),
        ({"@context": []}, "other_settings"),
        ({"domain": "x"}, "other_settings"),
        ({"created": f"{datetime.now(UTC) - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"}, "clock"),
    ):
        page.route("**/approve/options", _changing(change))
        page.click("#sign-all")
        expect(page.locator("#said")).to_have_text(said(page, told))
        page.unroute("**/approve/options")
    assert sent == []
    assert desk.journal() == []


def _changing(change: Document) -> Callable[[Route], None]:
    def change_all(route: Route) -> None:
        told = route.fetch().json()
        for answer in told["answers"].values():
            answer["answer"] |= change
        route.fulfill(json=told)

    return change_all


def test_what_happens_between_showing_and_signing_is_told(desk: Desk) -> None:
    context = desk.person("en")
    first = desk.enrolled(context)
    second = desk.page(context)
    expect(second.locator("#sign-all")).to_be_visible()
    first.locator("input[name=chosen]").first.check()
    first.click("#sign-chosen")
    expect(first.locator("#said")).to_have_text(said(first, "signed", count=1))
    remove_entries(desk.folder, LEARNER)
    second.click("#sign-all")
    expect(second.locator("#said")).to_contain_text(said(second, "not_signed", count=2))
    expect(second.locator("#said")).to_contain_text("signed already")
    expect(second.locator("#said")).to_contain_text("on the organisation's roster")
    assert len(desk.journal()) == 1
    expect(second.locator("#count")).to_have_text(
        said(second, "none")
    )  # what nobody may sign stays no longer
    add_entries(desk.folder, [make_entry(LEARNER, CLAIM.achievement.id)])
    desk.ask(certificate(5))
    second.reload()
    second.locator("input[name=chosen]").first.check()
    second.fill("#reason", "not of this class")
    second.click("button[value=decline]")
    expect(second.locator(".note.good").first).to_have_text(said(second, "declined", count=1))
    expect(second.locator("#key-name")).to_be_visible()  # the page has been drawn, and hides nothing any more
    second.evaluate("document.getElementById('signing').dataset.token = 'stale'")
    second.evaluate("document.getElementById('enrol').hidden = false")
    second.fill("#code", "x")
    second.click("#enrol button")
    expect(second.locator("#said")).to_have_text(said(second, "stale"))


NUMBERS = [
    "0", "-0", "-0.0", "1.0", "4.50", "2e-3", "0.000001", "0.0000001", "1e-27", "1e20", "1e21", "1e22",
    "1e23", "-1e-7", "0.1", "0.30000000000000004", "123456789012345680000.0", "295147905179352830000.0",
    "5e-324", "333333333.33333329", "9007199254740992.0", "9007199254740991", "-9007199254740991",
    "2.2250738585072014e-308", "1.7976931348623157e308",
]  # fmt: skip
STRINGS = [
    "", "€$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "\u2028\u2029", "\u007f\u0080\u009f", "\ufeff",
    "\uffff\ufffe", "한글", "\u1112\u1161\u11ab", "e\u0301é", "😀\U0010ffff", "\u202eabc\u200d",
    "</script><!--", "".join(map(chr, range(32))),
]  # fmt: skip
NAMES = [
    "", "1", "10", "9", "-1", "a", "A", "_", "~", "\u007f", "\u0080", "\r", "ö", "€", "\ufb33", "\ue000",
    "\uffff", "😀", "\U0010ffff", "__proto__", "constructor", "toJSON", "toString", "hasOwnProperty",
    "proof", "@context", "한글", "\u1112\u1161\u11ab",
]  # fmt: skip


def cases() -> list[str]:
    """Return JSON of hostile numbers, strings and orders of names, the same each time."""
    chance = random.Random(8785)
    doubles = [struct.unpack(">d", chance.randbytes(8))[0] for _ in range(300)]
    numbers = [*NUMBERS, *(repr(number) for number in doubles if number - number == 0)]
    letters = [
        chr(n) for n in (*range(0x250), 0x1100, 0xAC00, 0xD7FF, 0xE000, 0xFB33, 0xFFFD, 0x1F600, 0x2FFFF)
    ]

    def value(depth: int) -> Any:
        kind = chance.randrange(7 if depth else 5)
        if kind < 3:
            return chance.choice([*STRINGS, "".join(chance.choices(letters, k=9))])
        if kind < 5:
            return chance.choice([None, True, False, chance.randrange(-(2**53) + 1, 2**53), chance.random()])
        if kind < 6:
            return [value(depth - 1) for _ in range(chance.randrange(4))]
        names = [*chance.sample(NAMES, chance.randrange(6)), "".join(chance.choices(letters, k=2))]
        return {name: value(depth - 1) for name in names}

    shuffled = [chance.sample(NAMES, len(NAMES)) for _ in range(5)]
    whole = [{name: number for number, name in enumerate(names)} for names in shuffled]
    whole += [{"s": text, text: 1} for text in STRINGS] + [{"v": value(5)} for _ in range(300)]
    written = [json.dumps(each, ensure_ascii=chance.random() < 0.5) for each in whole]
    return [*(f'{{"n":[{number}]}}' for number in numbers), *written, json.dumps(certificate(0))]


def test_the_scripts_canonical_form_input_and_base58_are_those_of_the_signer_byte_for_byte(
    desk: Desk,
) -> None:
    page = desk.page(desk.person())
    texts_ = cases()
    found = page.evaluate(
        """async (texts) => {
            const { canonical, hex } = await import("/approve/jcs.js");
            return texts.map((text) => hex(new TextEncoder().encode(canonical(JSON.parse(text)))));
        }""",
        texts_,
    )
    expected = [canonical(json.loads(text)).hex() for text in texts_]
    assert [text for text, a, b in zip(texts_, found, expected, strict=True) if a != b] == []
    assert len(texts_) > 600
    hostile = [r'{"a":"\ud800"}', r'{"\udc00":1}', r'{"a":"\udc00\ud800"}', '{"a":1e999}']
    refused = page.evaluate(
        """async (texts) => {
            const { canonical } = await import("/approve/jcs.js");
            return texts.map((text) => {
                try { return canonical(JSON.parse(text)); } catch (no) { return no.name; }
            });
        }""",
        hostile,
    )
    assert refused == ["RangeError"] * 4

    document = certificate(0)
    settings = proof_options(document, f"{COMPANY.did}#z6Mk", datetime.now(UTC))
    found = page.evaluate(
        """async ([document, settings]) => {
            const { canonical, hex, signingInput } = await import("/approve/jcs.js");
            return hex(await signingInput(settings, canonical(document)));
        }""",
        [document, settings],
    )
    assert found == signing_input(document, settings).hex()
    chance = random.Random(58)
    raw = [
        b"",
        b"\0",
        b"\0\0\1",
        bytes(64),
        b"\xed\x01" + bytes(32),
        *(chance.randbytes(64) for _ in range(40)),
    ]
    written = page.evaluate(
        """async (all) => {
            const { multibase } = await import("/approve/jcs.js");
            return all.map((bytes) => multibase(Uint8Array.from(bytes)));
        }""",
        [list(each) for each in raw],
    )
    assert written == ["z" + base58.b58encode(each).decode() for each in raw]
    assert CLAIM.achievement.name in page.locator("main").inner_text()
