"""The ceremony: freeze the documents, ask the university, ask the company, check the whole, keep it.

The signers are asked for many in one request, but each certificate goes its own way: a refusal, a missing
name or a damaged fact is noted with that one alone. Nothing is locked while a signer is asked, and any step
may be repeated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.problems import CertificateProblem
from lms.certs.core.protocols import Kind
from lms.certs.core.trust import Role
from lms.certs.models import Credential, IssuanceRequest
from lms.certs.queries import credentials as queries
from lms.certs.services.ceremony import complete, freeze, prepare, refuse, take, wait
from lms.certs.services.endorsing import keep_endorsement
from lms.certs.services.signing import Signing, Unanswered, ask_many, both_languages
from lms.certs.services.status import renew_status_list

MOST_ASKED = 100
"""So many documents go in one request to a signer."""
MOST_WRITTEN = 10
"""So many requests are moved in one transaction: others write too."""

_T = TypeVar("_T")


def issue(
    sessions: sessionmaker[Session], request_id: int, signing: Signing, at: datetime
) -> Credential | None:
    """Carry a request as far as it goes now; return its credential once both signatures are there.

    Safe to repeat and to run twice at once. Nothing is visible to anyone before both have signed.
    """
    return next(iter(issue_many(sessions, [request_id], signing, at)), None)


def issue_many(
    sessions: sessionmaker[Session], request_ids: Iterable[int], signing: Signing, at: datetime
) -> list[Credential]:
    """Carry many requests as far as they go now, each as `issue` says; return what was issued."""
    issued: list[Credential] = []
    for part in _parts(sorted(set(request_ids)), MOST_ASKED):
        issued += _Batch(sessions, signing, at).carry(part)
    return issued


class _Batch:
    """Carry some requests together; each step returns those that go on."""

    def __init__(self, sessions: sessionmaker[Session], signing: Signing, at: datetime) -> None:
        self.sessions = sessions
        self.signing = signing
        self.at = at

    def carry(self, request_ids: Sequence[int]) -> list[Credential]:
        """Go through all steps."""
        lists = self._with_fresh_lists(self._lists(request_ids))
        ready = self._frozen({each: lists[each] for each in self._endorsed(list(lists))})
        for role in Role:
            ready = self._signed_by(role, ready)
        return self._completed(ready)

    def _lists(self, request_ids: Sequence[int]) -> dict[int, list[int]]:
        """Return the status lists of each request that can be signed now."""
        found: dict[int, list[int]] = {}
        for part in _parts(request_ids, MOST_WRITTEN):
            with self.sessions.begin() as session:
                prepared = {each: prepare(session, each, self.at) for each in part}
            found |= {each: lists for each, lists in prepared.items() if lists is not None}
        return found

    def _with_fresh_lists(self, lists: dict[int, list[int]]) -> dict[int, list[int]]:
        missing: dict[int, Unanswered] = {}
        for list_id in sorted({each for own in lists.values() for each in own}):
            try:
                renew_status_list(self.sessions, list_id, self.signing, self.at)
            except Unanswered as error:
                missing[list_id] = error
        ready = {}
        for request_id, own in lists.items():
            against = next((missing[each] for each in own if each in missing), None)
            if against is None:
                ready[request_id] = own
            else:
                wait(self.sessions, request_id, against, self.at)
        return ready

    def _endorsed(self, ready: list[int]) -> list[int]:
        """Ask for each achievement's endorsement once."""
        with self.sessions() as session:
            about = {each.id: (each.version_id, each.language) for each in _requests(session, ready)}
        against: dict[tuple[int, str], CertificateProblem | Unanswered | None] = {}
        good = []
        for request_id, what in about.items():
            if what not in against:
                against[what] = self._endorse(request_id)
            problem = against[what]
            if problem is None:
                good.append(request_id)
            else:
                self._put_off(request_id, problem)
        return good

    def _endorse(self, request_id: int) -> CertificateProblem | Unanswered | None:
        try:
            keep_endorsement(self.sessions, request_id, self.signing, self.at)
        except (CertificateProblem, Unanswered) as problem:
            return problem
        return None

    def _frozen(self, lists: dict[int, list[int]]) -> list[int]:
        """Write the documents."""
        problems: dict[int, CertificateProblem | Unanswered] = {}
        for part in _parts(list(lists), MOST_WRITTEN):
            with self.sessions.begin() as session:
                for request_id in part:
                    try:
                        with session.begin_nested():
                            freeze(session, request_id, lists[request_id], self.signing, self.at)
                    except (CertificateProblem, Unanswered) as problem:
                        problems[request_id] = problem
        return self._without(list(lists), problems)

    def _signed_by(self, role: Role, ready: list[int]) -> list[int]:
        """Collect one organisation's proofs, as far as they are missing."""
        with self.sessions() as session:
            unsigned = {
                each.id: each.document
                for each in _requests(session, ready)
                if each.document is not None and str(role) not in each.proofs
            }
        if not unsigned:
            return ready
        try:
            answers = ask_many(self.signing, role, list(unsigned.values()), Kind.CREDENTIAL, self.at)
        except Unanswered as missing:
            for request_id in unsigned:
                self._put_off(request_id, missing)
            return [each for each in ready if each not in unsigned]
        found = dict(zip(unsigned, answers, strict=True))
        proofs = {each: answer for each, answer in found.items() if not isinstance(answer, Unanswered)}
        for part in _parts(list(proofs), MOST_WRITTEN):
            with self.sessions.begin() as session:
                for request_id in part:
                    request = take(session, request_id, self.at)
                    if request.document == unsigned[request_id] and request.state in queries.UNDER_WAY:
                        request.proofs = {str(role): proofs[request_id], **request.proofs}
        problems = {each: answer for each, answer in found.items() if isinstance(answer, Unanswered)}
        return self._without(ready, problems)

    def _completed(self, ready: list[int]) -> list[Credential]:
        issued: list[Credential] = []
        problems: dict[int, CertificateProblem] = {}
        for part in _parts(ready, MOST_WRITTEN):
            with self.sessions.begin() as session:
                for request_id in part:
                    try:
                        with session.begin_nested():
                            made = complete(session, request_id, self.signing, self.at)
                    except CertificateProblem as problem:
                        problems[request_id] = problem
                    else:
                        issued += [made] if made is not None else []
        self._without(ready, problems)
        return issued

    def _without(
        self, ready: list[int], problems: Mapping[int, CertificateProblem | Unanswered]
    ) -> list[int]:
        """Note what came between with each that it came between."""
        for request_id, problem in problems.items():
            self._put_off(request_id, problem)
        return [each for each in ready if each not in problems]

    def _put_off(self, request_id: int, problem: CertificateProblem | Unanswered) -> None:
        if isinstance(problem, CertificateProblem):
            refuse(self.sessions, request_id, both_languages(problem.code, problem.params), self.at)
        elif problem.final:
            refuse(self.sessions, request_id, problem.refusal, self.at)
        else:
            wait(self.sessions, request_id, problem, self.at)


def _requests(session: Session, request_ids: Sequence[int]) -> Sequence[IssuanceRequest]:
    wanted = (IssuanceRequest.id.in_(request_ids), IssuanceRequest.state.in_(queries.UNDER_WAY))
    return session.scalars(select(IssuanceRequest).where(*wanted).order_by(IssuanceRequest.id)).all()


def _parts(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
