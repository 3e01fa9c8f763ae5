"""Releases of labs: asked for with a course version, built by the worker, opened with the version."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.blobs import BlobStore
from lms.courses.models import CourseVersion
from lms.db import now
from lms.errors import N_, Invalid
from lms.grading.core.contracts import BuildReport
from lms.grading.core.wire import to_plain
from lms.grading.models import Lab, LabRelease, ReleaseState, Resource
from lms.grading.queries.labs import lab_files, version_labs
from lms.grading.queries.queue import WorkKind
from lms.grading.services.claiming import claim
from lms.grading.services.leasing import hand_back, keep, while_held
from lms.grading.services.waking import announce

SEED_LIMIT = 1 << 31


def queue_releases(
    session: Session, version: CourseVersion, *, environments: Path, actor: User | None = None
) -> list[LabRelease]:
    """Ask for a release of every lab of a course version; the same files and packages are built once.

    Args:
        environments: folder with `<name>.txt`, the hashed lock of each environment.

    Raises:
        Invalid: a lab names an environment that has no lock.
    """
    releases = []
    for slug, settings in version_labs(version).items():
        lab = _lab(session, version, slug)
        releases.append(_release(session, lab, version, settings, environments))
    if actor is not None and releases:
        record(session, actor, "grading.queue_releases", f"course_version:{version.id}", labs=len(releases))
    return releases


def _lab(session: Session, version: CourseVersion, slug: str) -> Lab:
    lab = session.scalar(select(Lab).where(Lab.course_id == version.course_id, Lab.slug == slug))
    if lab is None:
        lab = Lab(course_id=version.course_id, slug=slug)
        session.add(lab)
        session.flush()
    return lab


def _release(
    session: Session, lab: Lab, version: CourseVersion, settings: Mapping[str, Any], environments: Path
) -> LabRelease:
    name = str(settings["environment"])
    lock = _lock_sha256(environments, name)
    digest = _digest(lab_files(version, lab.slug), lock)
    known = session.scalar(select(LabRelease).where(LabRelease.lab_id == lab.id, LabRelease.digest == digest))
    if known is not None:
        return known
    newest = session.scalar(select(func.max(LabRelease.number)).where(LabRelease.lab_id == lab.id))
    release = LabRelease(
        lab_id=lab.id,
        version_id=version.id,
        number=(newest or 0) + 1,
        digest=digest,
        settings=dict(settings),
        environment_name=name,
        environment_sha256=lock,
        board_seed=secrets.randbelow(SEED_LIMIT) if settings.get("board") else None,
        created_at=now(),
        resource=Resource(settings.get("resource", Resource.CPU)),
    )
    session.add(release)
    session.flush()
    announce(session, release.resource)
    return release


def _lock_sha256(environments: Path, name: str) -> str:
    if PurePosixPath(name).name != name:
        raise Invalid(
            N_("The environment %(name)s has no lock file. Add it to the folder environments."), name=name
        )
    try:
        return hashlib.sha256((environments / f"{name}.txt").read_bytes()).hexdigest()
    except FileNotFoundError:
        raise Invalid(
            N_("The environment %(name)s has no lock file. Add it to the folder environments."), name=name
        ) from None


def _digest(files: Mapping[str, str], lock: str) -> str:
    lines = [f"{path}\0{sha256}" for path, sha256 in sorted(files.items())]
    return hashlib.sha256("\n".join([*lines, f"environment\0{lock}"]).encode()).hexdigest()


def claim_release(session: Session, *, at: datetime, lease_seconds: int) -> LabRelease | None:
    """Take the release whose turn it is to be built, or whose worker has gone silent; None if there is none.

    The release's raised `token` must come back with its report.
    """
    taken = claim(session, at=at, lease_seconds=lease_seconds, kinds=(WorkKind.BUILD,))
    return taken if isinstance(taken, LabRelease) else None


def keep_building(session: Session, release_id: int, token: int, *, at: datetime, lease_seconds: int) -> bool:
    """Extend the lease of a build; False: it was given to another worker, so stop."""
    return keep(session, LabRelease, release_id, token, at=at, lease_seconds=lease_seconds)


def put_back_release(session: Session, release_id: int, token: int) -> bool:
    """Give a release back to the queue when the jail could not start; that costs it no try."""
    return hand_back(session, LabRelease, release_id, token)


def record_build(
    session: Session, release_id: int, token: int, report: BuildReport, *, blobs: BlobStore
) -> LabRelease | None:
    """Keep what came of building a release; None if the build was given to another worker meanwhile.

    A release without errors is ready, and opens at once if its version is already open.
    """
    ready = not report.errors and report.manifest is not None
    values: dict[str, object] = {
        "state": ReleaseState.READY if ready else ReleaseState.REFUSED,
        "lease_until": None,
        "report": _summary(report),
    }
    if ready:
        values |= {
            "manifest": to_plain(report.manifest),
            "maximum": report.maximum,
            "student_blob": blobs.put(report.student_notebook),
            "source_blob": blobs.put(report.source_notebook),
            "board_blob": blobs.put(report.board_archive) if report.board_archive else None,
            "ready_at": now(),
        }
    if not while_held(session, LabRelease, release_id, token, **values):
        return None
    release = session.get_one(LabRelease, release_id, populate_existing=True)
    current = release.lab.course.current_version
    if ready and current is not None:
        _open(session, release.lab, current)
    return release


def _summary(report: BuildReport) -> dict[str, object]:
    return {
        "errors": [to_plain(notice) for notice in report.errors],
        "warnings": [to_plain(notice) for notice in report.warnings],
        "solution_score": report.solution_score,
        "template_score": report.template_score,
        "maximum": report.maximum,
        "isolation": report.isolation,
        "baselines": [to_plain(baseline) for baseline in report.baselines],
        "gate": to_plain(report.gate),
    }


def open_labs(session: Session, version: CourseVersion) -> list[Lab]:
    """Let students have the ready releases of a version that opens; return the labs that are open now.

    A lab whose release is still being built keeps the release it has, and changes when that is ready.
    """
    wanted = version_labs(version)
    labs = session.scalars(select(Lab).where(Lab.course_id == version.course_id).order_by(Lab.id)).all()
    for lab in labs:
        if lab.slug in wanted:
            _open(session, lab, version)
        else:
            lab.current_release_id = None
    session.flush()
    return [lab for lab in labs if lab.current_release_id is not None]


def _open(session: Session, lab: Lab, version: CourseVersion) -> None:
    files = lab_files(version, lab.slug)
    if not files:
        return
    ready = session.scalars(
        select(LabRelease)
        .where(LabRelease.lab_id == lab.id, LabRelease.state == ReleaseState.READY)
        .order_by(LabRelease.number.desc())
    )
    for release in ready:
        if lab_files(release.version, lab.slug) == files:
            lab.current_release = release
            session.flush()
            return
