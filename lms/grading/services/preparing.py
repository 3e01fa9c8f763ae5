"""What a run is given, where what all runs of a release share is read and made once."""

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.blobs import BlobStore
from lms.grading.core.contracts import GradingJob
from lms.grading.core.record import Notary
from lms.grading.models import GradingRun, LabRelease, ReleaseState, Submission
from lms.grading.queries.labs import release_job
from lms.grading.services.recording import Released, released

MOST_KEPT = 16


@dataclass(frozen=True)
class Prepared:
    """What one run needs, without a place: the folders of its environment and its data are the worker's."""

    submission: str  # SHA-256 of its file
    seed: int
    job: GradingJob  # the same for all runs of the release
    released: Released


@dataclass(frozen=True)
class Preparing:
    """Prepares the runs of one database, and keeps the releases that it met.

    Nothing kept can become wrong: a release that is ready is never built again, and what is made of it
    depends on its own columns, on its immutable version and on the secret, which is never changed.
    """

    blobs: BlobStore
    notary: Notary
    _kept: dict[int, tuple[GradingJob, Released]] = field(default_factory=dict)

    def prepare(self, session: Session, run_id: int) -> Prepared:
        """Return what a run needs.

        Raises:
            KeyError: a file of it is not in the store.
            ValueError: such a file is damaged, or the release is not built.
        """
        seed, submission, release_id = session.execute(
            select(GradingRun.seed, Submission.blob, Submission.release_id)
            .join(Submission, GradingRun.submission_id == Submission.id)
            .where(GradingRun.id == run_id)
        ).one()
        job, known = self._kept.get(release_id) or self._opened(session, release_id)
        return Prepared(submission, seed, job, known)

    def _opened(self, session: Session, release_id: int) -> tuple[GradingJob, Released]:
        release = session.get_one(LabRelease, release_id)
        job = release_job(release, self.blobs)
        made = job, released(release, job, self.notary)
        if release.state is ReleaseState.READY:
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[release_id] = made
        return made
