"""What a run is given, and what of it is made once for all runs of its release."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from lms.blobs import FolderBlobs
from lms.grading.models import LabRelease, ReleaseState
from lms.grading.queries.labs import grading_job
from lms.grading.services import preparing
from lms.grading.services.preparing import Preparing
from lms.grading.services.recording import Recording, statement
from lms.grading.services.releases import claim_release, queue_releases, record_build
from tests.factories.grading import (
    World,
    build_report,
    grading_report,
    lab_settings,
    make_world,
    notebook,
    publish,
)
from tests.factories.records import PlainNotary


class CountedBlobs(FolderBlobs):
    """A store that remembers what was read."""

    read: list[str]

    def get(self, sha256: str) -> bytes:
        self.read.append(sha256)
        return super().get(sha256)


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments")


@pytest.fixture
def counted(blobs: FolderBlobs) -> CountedBlobs:
    made = CountedBlobs(blobs.folder)
    made.read = []
    return made


def test_a_run_is_prepared_as_its_own_job_says(world: World, tmp_path: Path) -> None:
    ready = Preparing(world.blobs, PlainNotary())
    for answer in ("x = 1", "x = 2"):
        world.hand_in(content=notebook(answer=answer))
        run = world.claim()
        prepared = ready.prepare(world.session, run.id)
        whole = replace(
            prepared.job,
            submission=world.blobs.get(prepared.submission),
            seed=prepared.seed,
            environment=tmp_path,
        )
        assert whole == grading_job(run, world.blobs, environment=tmp_path)


def test_a_record_says_the_same_of_a_release_that_is_kept(world: World, tmp_path: Path) -> None:
    ready, notary = Preparing(world.blobs, PlainNotary()), PlainNotary()
    for _ in range(2):
        world.hand_in()
        run = world.claim()
        job = grading_job(run, world.blobs, environment=tmp_path)
        kept = ready.prepare(world.session, run.id).released
        ways = [Recording(notary, job, known) for known in (None, kept)]
        fresh, short = (statement(run, grading_report(), way, at=world.at) for way in ways)
        assert fresh == short


def test_the_next_run_of_a_release_reads_none_of_its_files(world: World, counted: CountedBlobs) -> None:
    ready = Preparing(counted, PlainNotary())
    world.hand_in()
    run = world.claim()
    first = ready.prepare(world.session, run.id)
    assert counted.read == [run.submission.release.student_blob]
    world.hand_in()
    second = ready.prepare(world.session, world.claim().id)
    assert len(counted.read) == 1
    assert second.job is first.job


def test_a_release_is_not_kept_before_it_is_ready(world: World, counted: CountedBlobs) -> None:
    ready = Preparing(counted, PlainNotary())
    world.hand_in()
    run = world.claim()
    release = run.submission.release
    release.state = ReleaseState.BUILDING
    ready.prepare(world.session, run.id)
    ready.prepare(world.session, run.id)
    assert counted.read == [release.student_blob] * 2
    release.student_blob = None
    with pytest.raises(ValueError, match="is not built"):
        ready.prepare(world.session, run.id)


def another_release(world: World) -> LabRelease:
    """The lab anew, built and open."""
    session = world.session
    version = publish(session, world.course, world.blobs, lab=b"source 2", settings=lab_settings())
    queue_releases(session, version, environments=world.environments)
    world.course.current_version = version
    release = claim_release(session, at=world.at, lease_seconds=60)
    assert release is not None
    made = record_build(session, release.id, release.token, build_report(), blobs=world.blobs)
    assert made is world.lab.current_release
    return release


def test_no_more_releases_are_kept_than_there_is_room_for(
    world: World, counted: CountedBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "MOST_KEPT", 1)
    ready = Preparing(counted, PlainNotary())
    world.hand_in()
    first = world.claim()
    other = another_release(world)
    world.hand_in()
    second = world.claim()
    assert second.submission.release is other
    for run in (first, second, second, first):
        ready.prepare(world.session, run.id)
    assert len(counted.read) == 3
