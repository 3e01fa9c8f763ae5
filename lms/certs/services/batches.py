"""The ceremony: freeze the documents, ask the university, ask the company, check the whole, keep it.

The signers are asked for many in one request and the database is moved many rows at a time, but each
certificate goes its own way: a refusal, a missing name or a damaged fact is noted with that one alone.
Nothing is locked while a signer is asked, and any step may be repeated.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import TypeVar

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.problems import CertificateProblem, DocumentProblem
from lms.certs.core.protocols import Kind
from lms.certs.core.seen import Seen
from lms.certs.core.trust import Role
from lms.certs.models import Credential
from lms.certs.queries import under_way
from lms.certs.services.ceremony import (
    Problem,
    Text,
    Whole,
    examine,
    is_complete,
    keep,
    keep_proofs,
    prepare,
    put_off,
)
from lms.certs.services.claims import Describing
from lms.certs.services.endorsing import keep_endorsement
from lms.certs.services.signing import Signing, Unanswered, ask_many
from lms.certs.services.status import due_lists, renew_status_list
from lms.certs.services.writing import freeze
from lms.db import Clock, reading

log = structlog.get_logger()

MOST_ASKED = 100
"""So many documents go in one request to a signer, and so many requests are moved in one transaction."""
LANES = 3
"""So many parts are under way at once: while one waits for a signer, others are written or checked."""

_T = TypeVar("_T")


def issue(
    sessions: sessionmaker[Session], request_id: int, signing: Signing, at: datetime
) -> Credential | None:
    """Carry a request as far as it goes now; return its credential once both signatures are there.

    Safe to repeat and to run twice at once. Nothing is visible to anyone before both have signed.
    """
    return next(iter(issue_many(sessions, [request_id], signing, lambda: at)), None)


def issue_many(
    sessions: sessionmaker[Session],
    request_ids: Iterable[int],
    signing: Signing,
    clock: Clock,
) -> list[Credential]:
    """Carry many requests as far as they go now, each as `issue` says; return what was issued.

    Args:
        clock: asked anew for every step, as many take longer together than two clocks may differ.
    """
    parts = list(_parts(sorted(set(request_ids)), MOST_ASKED))
    batch = _Batch(sessions, signing, clock)
    if len(parts) <= 1:
        return [credential for part in parts for credential in batch.carry(part)]
    with ThreadPoolExecutor(LANES, thread_name_prefix="ceremony") as lanes:
        return [credential for part in lanes.map(batch.carry, parts) for credential in part]


class _Batch:
    """Carry some requests together; each step returns those that go on."""

    def __init__(self, sessions: sessionmaker[Session], signing: Signing, clock: Clock) -> None:
        self.sessions = sessions
        self.signing = signing
        self.clock = clock
        self._describing = Describing(signing)
        self._shared = threading.Lock()

    def carry(self, request_ids: Sequence[int]) -> list[Credential]:
        """Go through all steps."""
        seen = Seen()
        with self._shared:  # lists and endorsements are the same for many: the first to come has them signed
            with self.sessions.begin() as session:
                lists = prepare(session, request_ids, self.clock())
            lists = self._with_fresh_lists(lists)
            ready = self._endorsed(list(lists))
        texts = self._frozen({each: lists[each] for each in ready})
        for role in Role:
            texts = self._signed_by(role, texts, seen)
        return self._completed(ready, texts, seen)

    def _with_fresh_lists(self, lists: dict[int, list[int]]) -> dict[int, list[int]]:
        named = {each for own in lists.values() for each in own}
        with reading(self.sessions) as session:
            due = due_lists(session, named, self.clock())
        missing: dict[int, Unanswered] = {}
        for list_id in due:
            try:
                renew_status_list(self.sessions, list_id, self.signing, self.clock())
            except Unanswered as error:
                missing[list_id] = error
        against: dict[int, Problem] = {
            request_id: next(missing[each] for each in own if each in missing)
            for request_id, own in lists.items()
            if not missing.keys().isdisjoint(own)
        }
        return {each: lists[each] for each in self._without(list(lists), against)}

    def _endorsed(self, ready: list[int]) -> list[int]:
        """Ask for each achievement's endorsement once."""
        with reading(self.sessions) as session:
            about = under_way.achievements(session, ready)
        against: dict[tuple[int, str], Problem | None] = {}
        for request_id, what in about.items():
            if what not in against:
                against[what] = self._endorse(request_id)
        found = ((request_id, against[what]) for request_id, what in about.items())
        return self._without(list(about), {each: problem for each, problem in found if problem is not None})

    def _endorse(self, request_id: int) -> Problem | None:
        try:
            keep_endorsement(self.sessions, request_id, self.signing, self.clock())
        except (CertificateProblem, Unanswered) as problem:
            return problem
        return None

    def _frozen(self, lists: dict[int, list[int]]) -> dict[int, Text]:
        """Write the documents, as far as they are missing; return them with the proofs that are there."""
        if not lists:
            return {}
        with self.sessions.begin() as session:
            texts, problems, left = freeze(session, lists, self._describing, self.clock())
        if self.signing.blobs is not None:
            for blob in left:
                self.signing.blobs.forget(blob)
        self._without(list(lists), problems)
        return texts

    def _signed_by(self, role: Role, texts: dict[int, Text], seen: Seen) -> dict[int, Text]:
        """Collect one organisation's proofs, as far as they are missing."""
        unsigned = {each: document for each, (document, proofs) in texts.items() if str(role) not in proofs}
        if not unsigned:
            return texts
        try:
            answers = ask_many(
                self.signing, role, list(unsigned.values()), Kind.CREDENTIAL, self.clock, seen=seen
            )
        except Unanswered as missing:
            answers = [missing] * len(unsigned)
        signed, problems = dict(texts), {}
        for (request_id, document), answer in zip(unsigned.items(), answers, strict=True):
            if isinstance(answer, Unanswered):
                problems[request_id] = answer
            else:
                signed[request_id] = (document, {str(role): answer, **texts[request_id][1]})
        self._keep_halves({each: signed[each] for each in unsigned if each not in problems})
        return {each: signed[each] for each in self._without(list(texts), problems)}

    def _keep_halves(self, texts: dict[int, Text]) -> None:
        """Keep the proofs of those that the other organisation has yet to sign; wholes are kept as such."""
        halves = {each: text for each, text in texts.items() if not is_complete(text)}
        if halves:
            with self.sessions.begin() as session:
                keep_proofs(session, halves, self.clock())

    def _completed(self, ready: list[int], texts: dict[int, Text], seen: Seen) -> list[Credential]:
        if not ready:
            return []
        with reading(self.sessions) as session:
            wholes, problems = examine(session, texts, self.signing, seen, self.clock())
        issued = {each.request_id: each for each in self._kept(wholes, problems)}
        self._without(list(texts), problems)
        rest = [each for each in ready if each not in issued and each not in problems]
        with reading(self.sessions) as session:  # by another worker, meanwhile
            issued |= {each.request_id: each for each in under_way.credentials_of(session, rest)}
        return [issued[each] for each in sorted(issued)]

    def _kept(self, wholes: Mapping[int, Whole], problems: dict[int, Problem]) -> Sequence[Credential]:
        """Keep all in one transaction; where the database refuses one, each in a transaction of its own."""
        try:
            with self.sessions.begin() as session:
                return keep(session, wholes, self.signing, self.clock()) if wholes else []
        except IntegrityError as error:
            if len(wholes) > 1:
                alone = ({number: whole} for number, whole in wholes.items())
                return [credential for each in alone for credential in self._kept(each, problems)]
            (number,) = wholes
            log.exception("certificate.not_kept", request=number, problem=str(error.orig))
            problems[number] = DocumentProblem("document.bad_value", field="credentialStatus")
            return []

    def _without(self, ready: list[int], problems: Mapping[int, Problem]) -> list[int]:
        """Note what came between with each that it came between."""
        if problems:
            with self.sessions.begin() as session:
                put_off(session, problems, self.clock())
        return [each for each in ready if each not in problems]


def _parts(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
