"""The documents of certificates: written once, from the facts, the lists' free places and the files."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from lms.blobs import BlobStore, beside
from lms.certs.core.document import Claim, Evidence, StatusEntry, build_credential
from lms.certs.core.problems import CertificateProblem, DocumentProblem
from lms.certs.core.status import LEAST_BITS
from lms.certs.core.strict_json import Document, write
from lms.certs.models import EvidenceFile, IssuanceRequest
from lms.certs.queries import credentials as queries
from lms.certs.queries import under_way
from lms.certs.services.ceremony import Problem, Text, take
from lms.certs.services.claims import Describing, write_claim
from lms.certs.services.evidence import Evidences, keep_files
from lms.certs.services.signing import Unanswered
from lms.certs.services.status import take_status_lists


def freeze(
    session: Session, lists: Mapping[int, list[int]], describing: Describing, at: datetime
) -> tuple[dict[int, Text], dict[int, Problem], frozenset[str]]:
    """Write the documents, as far as they are missing: both signers get exactly these, however often asked.

    Returns:
        Each document with the proofs that are there; what came between; and the files that nothing names any
        more, for the caller to delete once the transaction is kept. One for which a list has no place left is
        in neither of the first two: the next time it stands in a new list.
    """
    taken = take(session, sorted(lists), at, *under_way.with_course())
    requests = [request for request in taken if request.state in queries.UNDER_WAY]
    unwritten = [each for each in requests if each.document is None]
    problems, left = _write(session, unwritten, lists, describing, at)
    texts = {each.id: (each.document, each.proofs) for each in requests if each.document is not None}
    return texts, problems, left


def _write(
    session: Session,
    requests: Sequence[IssuanceRequest],
    lists: Mapping[int, list[int]],
    describing: Describing,
    at: datetime,
) -> tuple[dict[int, Problem], frozenset[str]]:
    problems: dict[int, Problem] = {}
    if not requests:
        return problems, frozenset()
    store = describing.signing.blobs
    with beside(store) if store else nullcontext() as blobs, session.no_autoflush:
        writing = _Writing(session, requests, lists, describing, blobs, at=at)
        for request in requests:
            try:
                writing.write(request)
            except (CertificateProblem, Unanswered) as problem:
                problems[request.id] = problem
    return problems, writing.keep()


class _Writing:
    """Write the documents of some requests; places in the lists are taken as they come."""

    def __init__(
        self,
        session: Session,
        requests: Sequence[IssuanceRequest],
        lists: Mapping[int, list[int]],
        describing: Describing,
        blobs: BlobStore | None,
        *,
        at: datetime,
    ) -> None:
        self._session, self._describing, self._at = session, describing, at
        self._named = lists
        self._lists = take_status_lists(session, {number for each in requests for number in lists[each.id]})
        self._evidences = Evidences(session, requests, blobs, at) if blobs else None
        self._endorsements: dict[tuple[int, str], Document | None] = {}
        self._files: dict[int, list[EvidenceFile]] = {}

    def write(self, request: IssuanceRequest) -> None:
        """Write one document.

        Raises:
            DocumentProblem: the facts do not make one.
            Unanswered: an organisation is not pinned yet.
        """
        lists = [self._lists[number] for number in self._named[request.id]]
        if any(each.next_index >= LEAST_BITS for each in lists):
            return
        address = self._describing.signing.status_url
        entries = [StatusEntry(address(each.id), each.next_index) for each in lists]
        claim, files = self._claim(request, entries)
        document = build_credential(replace(claim, endorsement=self._endorsement(request)))
        write(document)  # what cannot be written would keep all others of a request from being signed
        request.document = document
        request.tries = 0  # waiting for a signer is another matter
        for each in lists:
            each.next_index += 1
        self._files[request.id] = files

    def keep(self) -> frozenset[str]:
        """Keep the files of the documents that were written; return those that nothing names any more."""
        if self._evidences is None:
            return frozenset()
        files = [file for each in self._files.values() for file in each]
        return keep_files(self._session, self._files, files)

    def _claim(
        self, request: IssuanceRequest, entries: Sequence[StatusEntry]
    ) -> tuple[Claim, list[EvidenceFile]]:
        bound: list[Evidence] = []
        files: list[EvidenceFile] = []
        try:
            claim = write_claim(request, self._describing, entries, self._at)
            if self._evidences is not None:
                bound, files = self._evidences.bind(request)
        except (KeyError, TypeError, ValueError):  # facts of an older release, or damaged ones
            raise DocumentProblem("document.bad_value", field="facts") from None
        return replace(claim, evidence=tuple(bound) or claim.evidence), files

    def _endorsement(self, request: IssuanceRequest) -> Document | None:
        about = (request.version_id, request.language)
        if about not in self._endorsements:
            kept = queries.endorsement(self._session, *about)
            self._endorsements[about] = kept.document if kept else None
        return self._endorsements[about]
