"""What a signer does with documents: judge each one, sign it, write it down."""

import fcntl
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from lms.certs.core.document import Claim
from lms.certs.core.endorsement import SUITE as ENDORSEMENT_SUITE
from lms.certs.core.heads import read_head, show_head, sign_head
from lms.certs.core.joint import SUITES
from lms.certs.core.journal import Chain, read_journal
from lms.certs.core.keys import KeyUse
from lms.certs.core.mandate import (
    Mandate,
    NotYet,
    Refusal,
    read_mandate,
    review_credential,
    review_endorsement,
    review_status_list,
)
from lms.certs.core.notices import read_notice, review_notice, sign_notice
from lms.certs.core.problems import CertificateProblem, KeyProblem
from lms.certs.core.proofs import create_proof
from lms.certs.core.protocols import Kind
from lms.certs.core.sd_jwt import review_sd_jwt, sign_payload, write_payload
from lms.certs.core.status import StatusList, read_status_list
from lms.certs.core.strict_json import MAX_BYTES, Document, sha256_of, write
from lms.certs.core.times import read_time, write_time
from lms.certs.core.witness import Witness, read_witness, review_head, show_witness
from lms.certs.signer.approvals import Desk
from lms.certs.signer.browser_proofs import Given, check_given
from lms.certs.signer.folder import count_lifts, furnish, unlock
from lms.certs.signer.keyring import Keyring
from lms.certs.signer.places import ended, places_of
from lms.certs.signer.roster import RosterFile

if TYPE_CHECKING:
    from lms.certs.signer.pdf import PdfSealing

JOURNAL = "journal.jsonl"
QUOTA_PERIOD = timedelta(hours=24)
PDF = "pdf"
FORGOTTEN = "log-forgotten"
USES = {
    Kind.CREDENTIAL: KeyUse.ISSUING,
    Kind.ENDORSEMENT: KeyUse.ISSUING,
    Kind.STATUS_LIST: KeyUse.OPERATIONAL,
    Kind.TREE_HEAD: KeyUse.OPERATIONAL,
    Kind.NOTICE: KeyUse.OPERATIONAL,
    Kind.SD_JWT: KeyUse.ISSUING,
}
ONCE = {Kind.CREDENTIAL, Kind.ENDORSEMENT}
"""Of these every identifier is signed for one document only; the others have editions."""
_MOST_BYTES = dict.fromkeys(ONCE, MAX_BYTES)
"""Nobody could read more of these."""
_MOST_OTHER_BYTES = 2_500_000
"""Of any other document: what is written of it stays shorter than a line of the journal may be."""


@dataclass
class Signer:
    """Judge, sign and write down; one request at a time, each document of it alone."""

    folder: Path
    keyring: Keyring
    roster: RosterFile
    journal: FileIO
    desk: Desk
    chain: Chain = field(default_factory=Chain)
    signed: dict[str, tuple[str, Document]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    lists: dict[str, StatusList] = field(default_factory=dict)
    recent: deque[datetime] = field(default_factory=deque)
    own: set[str] = field(default_factory=set)
    """The hashes of all certificates that it signed."""
    spent: dict[str, int] = field(default_factory=dict)
    """For each place whose suspension has ended: how many of its lifts there were by then."""
    witness: Witness = field(default_factory=Witness)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path, now: datetime) -> "Signer":
        """Unlock the keys and read the journal.

        Raises:
            CertificateProblem: a key or the journal cannot be used.
            BlockingIOError: another process holds this signer.
        """
        journal = (folder / JOURNAL).open("r+b", buffering=0)
        with ExitStack() as on_failure:
            on_failure.enter_context(journal)
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            furnish(folder, now)
            keyring = Keyring(folder, unlock(folder))
            if not keyring.in_browser():
                keyring.open(KeyUse.ISSUING)
            _cut_torn_line(folder / JOURNAL, journal)
            signer = cls(folder, keyring, RosterFile(folder), journal, Desk(folder))
            signer._recall()
            on_failure.pop_all()
        return signer

    @property
    def mandate(self) -> Mandate:
        """Return the settings as they are now, so that an approval counts at once."""
        return read_mandate((self.folder / "signer.json").read_bytes())

    def sign(self, document: Document, kind: Kind, now: datetime) -> Document:
        """Return the organisation's proof; the same document gets the same proof again.

        Raises:
            CertificateProblem: the organisation does not sign this, or not yet.
        """
        (answer,) = self.sign_many([document], kind, now)
        if isinstance(answer, CertificateProblem):
            raise answer
        return answer

    def sign_many(
        self,
        documents: Sequence[Document],
        kind: Kind,
        now: datetime,
        given: Mapping[str, Given] | None = None,
    ) -> list[Document | CertificateProblem]:
        """Return a proof or a problem for each document; all signatures reach the disk before any is told.

        Args:
            given: proofs that a browser made, by the hash of what they are about.
        """
        with self.turn:
            round_ = _Round(kind, self.mandate, now, given or {})
            lines = round_.lines
            try:
                answers = [self._answer(document, round_) for document in documents]
                self._write(lines)
            except BaseException:
                self._recall()
                raise
            if kind is Kind.CREDENTIAL:
                self.desk.forget(
                    sha256_of(document)
                    for document, answer in zip(documents, answers, strict=True)
                    if not isinstance(answer, CertificateProblem)
                )
            return answers

    def review(self, document: Document, now: datetime) -> None:
        """Judge a certificate without signing it.

        Raises:
            CertificateProblem: the organisation would not sign this now.
        """
        with self.turn:
            self._fit(document, sha256_of(document), _Round(Kind.CREDENTIAL, self.mandate, now))

    def known_proof(self, digest: str) -> Document | None:
        """Return the proof under the certificate of this hash, where there is one."""
        with self.turn:
            if digest not in self.own:
                return None
            return next((proof for known, proof in self.signed.values() if known == digest), None)

    def sign_pdf(self, content: bytes, now: datetime) -> bytes:
        """Return what is appended to a PDF to sign it; it must carry a certificate that this signer signed.

        Raises:
            CertificateProblem: the organisation does not sign this.
        """
        # Outside the turn: it may wait for a time stamp, and certificates are signed meanwhile.
        addition, entry = self.sealing().sign(content, self._known, now)
        with self.turn:
            line, grown = self.chain.append({**entry, "kind": PDF})
            self._write([line])
            self.chain = grown
        return addition

    def sealing(self) -> "PdfSealing":
        """Return what signs PDF files: the present key and certificate."""
        # Only who signs PDF files needs what reads them.
        from lms.certs.signer.pdf import PdfIdentity, PdfSealing  # noqa: PLC0415

        identity, root = self.keyring.pdf()
        whole = PdfIdentity(key=identity.key, certificate=identity.certificate, chain=(root,))
        mandate = self.mandate
        return PdfSealing(role=mandate.role, identity=whole, timestamps=mandate.timestamps or None)

    def forget_log(self, now: datetime) -> None:
        """Vouch for the log from its first line on again, as after the loss of the platform's database.

        The journal keeps that it was so; what was vouched for before stays proved.
        """
        with self.turn:
            line, _ = self.chain.append({"kind": FORGOTTEN, "at": write_time(now)})
            self._write([line])
            self._recall()

    def _known(self, credential_id: str) -> tuple[str, Document] | None:
        with self.turn:
            return self.signed.get(f"{Kind.CREDENTIAL}:{credential_id}")

    def _answer(self, document: Document, round_: "_Round") -> Document | CertificateProblem:
        kind, now = round_.kind, round_.now
        try:
            digest = sha256_of(document)
            known = self.signed.get(f"{kind}:{document.get('id')}")
            if known is not None and known[0] == digest and "proof" not in document:
                return known[1]
            entry = self._fit(document, digest, round_) | self._decided(document, digest, round_)
        except KeyProblem:
            raise  # of the signer, not of the document: nothing is refused, it is asked for again
        except CertificateProblem as problem:
            return problem
        entry |= {"at": write_time(now), "kind": str(kind), "sha256": digest}
        line, self.chain = self.chain.append(entry)
        round_.lines.append(line)
        self._remember(entry)
        proof: Document = entry["proof"]
        return proof

    def _fit(self, document: Document, digest: str, round_: "_Round") -> Document:
        """Judge a document as one that is not signed yet; what will never be signed waits for nobody."""
        kind = round_.kind
        try:
            _check_size(document, kind)
            entry = self._judge(document, kind, round_.mandate, round_.now)
            self._check_id(document, kind)
        except Refusal as refusal:
            if kind is Kind.CREDENTIAL and not isinstance(refusal, NotYet):
                self.desk.forget_undecided(digest)
            raise
        return entry

    def _decided(self, document: Document, digest: str, round_: "_Round") -> Document:
        """Return the proof, and who is behind it where a person is."""
        kind, mandate, now = round_.kind, round_.mandate, round_.now
        if USES[kind] is KeyUse.ISSUING and self.keyring.in_browser():
            return self._from_browser(document, digest, round_)
        approved = {}
        if kind is Kind.CREDENTIAL:
            self.desk.check_not_declined(digest)  # also where nobody need approve any more
            approved = {"approved_by": self.desk.approver(document, digest, now)} if mandate.approval else {}
        return {**approved, "proof": self._prove(document, kind, mandate, now)}

    def _from_browser(self, document: Document, digest: str, round_: "_Round") -> Document:
        if round_.kind is not Kind.CREDENTIAL:
            raise Refusal("signer.not_in_browser")
        self.desk.hold(document, digest, round_.now)
        current = self.keyring.current(KeyUse.ISSUING)
        given = round_.given.get(digest)
        if given is None:
            raise NotYet("signer.pending")
        check_given(document, given.proof, f"{round_.mandate.did}#{current.multibase}", round_.now)
        return {"approved_by": given.by, "proof": given.proof}

    def _prove(self, document: Document, kind: Kind, mandate: Mandate, now: datetime) -> Document:
        key, multibase = self.keyring.open(USES[kind])
        if kind is Kind.TREE_HEAD:
            return sign_head(read_head(document["head"]), key, f"{mandate.did}#{multibase}")
        if kind is Kind.NOTICE:
            return sign_notice(read_notice(document), key, f"{mandate.did}#{multibase}")
        if kind is Kind.SD_JWT:
            return sign_payload(write_payload(document), key, f"{mandate.did}#{multibase}", now)
        suite = ENDORSEMENT_SUITE if kind is Kind.ENDORSEMENT else SUITES[mandate.role]
        return create_proof(document, key, f"{mandate.did}#{multibase}", suite, now)

    def _judge(self, document: Document, kind: Kind, mandate: Mandate, now: datetime) -> Document:
        if kind is Kind.CREDENTIAL:
            claim = review_credential(document, mandate, now)
            self._check_places(claim)
            return self._check_learner(claim, mandate, now)
        if kind is Kind.ENDORSEMENT:
            endorsement = review_endorsement(document, mandate, now)
            return {"id": endorsement.id, "achievement": endorsement.achievement_id}
        if kind is Kind.TREE_HEAD:
            head, witness = review_head(document, self.witness, self.own, now)
            return {"id": head.log, "head": show_head(head), "witness": show_witness(witness)}
        if kind is Kind.NOTICE:
            review_notice(document, mandate.did, self.own, now)
            return {"id": document["id"], "notice": document}
        if kind is Kind.SD_JWT:
            review_sd_jwt(document, mandate, self.own)
            return {"id": document["id"]}
        return self._judge_list(document, mandate, now)

    def _judge_list(self, document: Document, mandate: Mandate, now: datetime) -> Document:
        url = str(document.get("id"))
        before, lifts = self.lists.get(url), count_lifts(self.folder, url)
        left = {index for index, times in lifts.items() if times > self.spent.get(f"{url}#{index}", 0)}
        edition = review_status_list(document, mandate, now, before, None if mandate.open_roster else left)
        over = [] if before is None else ended(left, before, edition)
        lifted = {"lifted": {str(index): lifts[index] for index in over}} if over else {}
        return {"id": edition.url, "document": document, **lifted}

    def _check_id(self, document: Document, kind: Kind) -> None:
        if kind in ONCE and f"{kind}:{document['id']}" in self.signed:
            raise Refusal("signer.id_taken", id=str(document["id"])[:200])

    def _check_places(self, claim: Claim) -> None:
        for place in places_of(claim):
            if self.places.get(place, claim.credential_id) != claim.credential_id:
                raise Refusal("signer.place_taken", place=place[:200])

    def _check_learner(self, claim: Claim, mandate: Mandate, now: datetime) -> Document:
        if not mandate.open_roster:
            self.roster.current().find(claim)
        while self.recent and self.recent[0] <= now - QUOTA_PERIOD:
            self.recent.popleft()
        if len(self.recent) >= mandate.daily_quota:
            raise NotYet("signer.quota", limit=mandate.daily_quota)
        places = places_of(claim)
        return {
            "id": claim.credential_id,
            "achievement": claim.achievement.id,
            "place": places[0],
            **({"suspension": places[1]} if len(places) > 1 else {}),
            "roster": "open" if mandate.open_roster else "listed",
        }

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        end = self.journal.seek(0, os.SEEK_END)
        rest = memoryview(b"".join(lines))
        try:
            while rest:
                rest = rest[self.journal.write(rest) :]
            os.fsync(self.journal.fileno())
        except OSError:
            with suppress(OSError):
                self.journal.truncate(end)
            raise

    def _recall(self) -> None:
        """Know what the journal says, and no more."""
        for known in (self.signed, self.places, self.lists, self.recent, self.own, self.spent):
            known.clear()
        self.chain, self.witness = Chain(), Witness()
        with (self.folder / JOURNAL).open("rb") as lines:
            for entry, chain in read_journal(lines):
                self.chain = chain
                self._remember(entry)

    def _remember(self, entry: Document) -> None:
        if entry["kind"] == FORGOTTEN:
            self.witness = Witness()
        if entry["kind"] in {PDF, FORGOTTEN}:
            return
        self.signed[f"{entry['kind']}:{entry['id']}"] = (entry["sha256"], entry["proof"])
        if entry["kind"] == Kind.CREDENTIAL:
            self.own.add(entry["sha256"])
            self.recent.append(read_time(entry["at"]))
            for place in (entry["place"], entry.get("suspension")):
                if place is not None:
                    self.places[place] = entry["id"]
        elif entry["kind"] == Kind.STATUS_LIST:
            self.lists[entry["id"]] = read_status_list(entry["document"])
            self.spent |= {
                f"{entry['id']}#{index}": times for index, times in entry.get("lifted", {}).items()
            }
        elif entry["kind"] == Kind.TREE_HEAD:
            self.witness = read_witness(entry["witness"])


@dataclass(frozen=True)
class _Round:
    """Hold what the documents of one request share."""

    kind: Kind
    mandate: Mandate
    now: datetime
    given: Mapping[str, Given] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)


def _check_size(document: Document, kind: Kind) -> None:
    most = _MOST_BYTES.get(kind, _MOST_OTHER_BYTES)
    if len(write(document)) > most:
        raise Refusal("signer.too_large", limit=most)


def _cut_torn_line(path: Path, journal: FileIO) -> None:
    """Drop a last line that a crash cut short: its proof was never handed out."""
    journal.truncate(path.read_bytes().rfind(b"\n") + 1)
