"""A company whose issuing key lies in a browser, and a signatory who signs as the page's script does."""

import http.cookiejar
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.certs.core.document import StatusEntry, build_credential
from lms.certs.core.keys import encode_public, generate
from lms.certs.core.proofs import signing_input
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.trust import Role
from lms.certs.signer.approvals import add_approver
from lms.certs.signer.enrolment import begin_enrolment, statement
from lms.certs.signer.folder import create
from lms.certs.signer.roster import add_entries, make_entry
from tests.certs.conftest import CLAIM, COMPANY, STATUS_URL
from tests.certs.signer.conftest import MANDATE

NAME = "윤서명"
PASSPHRASE = "맑은 하늘 아래 느린 배"
LEARNER = "haneul@example.org"
_NOW = datetime.now(UTC).replace(microsecond=0)


def make_company(folder: Path) -> str:
    """Make a signer without an issuing key; return the code with which a browser registers one."""
    mandate = replace(MANDATE, role=Role.COMPANY, name=COMPANY.name, open_roster=False)
    create(folder, mandate, datetime.now(UTC), browser=True)
    add_approver(folder, NAME, PASSPHRASE)
    add_entries(folder, [make_entry(LEARNER, CLAIM.achievement.id)])
    return begin_enrolment(folder, Role.COMPANY, datetime.now(UTC))


def certificate(number: int, **changes: Any) -> Document:
    """Return one of many certificates that may be asked for now; the same number gives the same one."""
    claim = replace(
        CLAIM,
        issued_at=_NOW,
        credential_id=f"urn:uuid:{number:08d}-d8ba-41ed-83dd-0b3aef56cc33",
        status=StatusEntry(STATUS_URL, number),
        **changes,
    )
    return build_credential(claim)


@dataclass
class Signatory:
    """Sign as the page's script does."""

    folder: Path
    port: int
    key: Ed25519PrivateKey = field(default_factory=generate)
    language: str = "ko"
    cookies: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)
    token: str = ""

    @property
    def multibase(self) -> str:
        return encode_public(self.key.public_key())

    def open(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        context = ssl.create_default_context(cafile=self.folder / "tls" / "ca.pem")
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", body)
        for name, value in {"Accept-Language": self.language, **headers}.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode()

    def sign_in(self) -> "Signatory":
        form = urllib.parse.urlencode({"name": NAME, "passphrase": PASSPHRASE}).encode()
        _, page = self.open("/approve/sign-in", form)
        found = re.search('data-token="([^"]+)"', page) or re.search('name="token" value="([^"]+)"', page)
        assert found is not None
        self.token = found[1]
        return self

    def ask(self, path: str, body: Document | None = None, **headers: str) -> tuple[int, Document]:
        sent = None if body is None else json.dumps({"token": self.token, **body}).encode()
        known = {"Content_Type": "application/json"} if sent else {}
        status, said = self.open(f"/approve/{path}", sent, **{**known, **headers})
        told: Document = json.loads(said)
        return status, told

    def enrol(self, code: str, **changes: str) -> tuple[int, Document]:
        did = changes.pop("did", COMPANY.did)
        signed = self.key.sign(statement(did, self.multibase, self.token))
        whole = {
            "code": code,
            "publicKeyMultibase": self.multibase,
            "signature": "z" + base58.b58encode(signed).decode(),
        }
        return self.ask("key", {**whole, **changes})

    def options(self, *digests: str) -> Document:
        _, told = self.ask("options", {"digests": list(digests)})
        answers: Document = told["answers"]
        return answers

    def proof(self, document: Document, settings: Document) -> Document:
        signature = self.key.sign(signing_input(document, settings))
        return {**settings, "proofValue": "z" + base58.b58encode(signature).decode()}

    def hand_in(self, proofs: Document) -> Document:
        _, told = self.ask("signatures", {"proofs": proofs})
        answers: Document = told["answers"]
        return answers

    def sign(self, *documents: Document) -> Document:
        """Sign as one does who has read everything."""
        found = {sha256_of(document): document for document in documents}
        options = self.options(*found)
        told = {digest: said for digest, said in options.items() if "answer" not in said}
        proofs = {
            digest: self.proof(found[digest], said["answer"])
            for digest, said in options.items()
            if "answer" in said
        }
        return told | (self.hand_in(proofs) if proofs else {})
