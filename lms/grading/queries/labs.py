"""Labs, their releases and the jobs that are made of them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload

from lms.blobs import BlobStore
from lms.courses.core.outline import Lab as OutlineLab
from lms.courses.core.outline import LabSettings
from lms.courses.models import Course, CourseVersion
from lms.courses.queries.catalogue import outline_of
from lms.errors import NotFound
from lms.grading.core.contracts import (
    Assurance,
    BoardSpec,
    GateSettings,
    GradingJob,
    KernelSettings,
    LabSource,
    Limits,
    Manifest,
)
from lms.grading.core.imports import learnt_libraries
from lms.grading.core.wire import from_plain
from lms.grading.models import GradingRun, Lab, LabRelease, ReleaseState
from lms.grading.policy import rules_of


def version_labs(version: CourseVersion) -> dict[str, dict[str, Any]]:
    """Return the lab.yml of every lab that a course version names, in the order of the course."""
    outline = outline_of(version)
    return {slug: _lab_file(outline.labs[slug]) for slug in outline.lab_slugs()}


def _lab_file(lab: OutlineLab) -> dict[str, Any]:
    parsed = lab.model_dump(mode="json")
    return {"title": parsed["title"], "summary": parsed["summary"], **parsed["settings"]}


def lab_files(version: CourseVersion, slug: str) -> dict[str, str]:
    """Return the files of one lab in a version: path within the lab's folder -> SHA-256."""
    prefix = f"labs/{slug}/"
    return {
        path.removeprefix(prefix): sha256 for path, sha256 in version.files.items() if path.startswith(prefix)
    }


def lab(session: Session, course_slug: str, lab_slug: str) -> Lab:
    """Return a lab by the names in its address."""
    course = contains_eager(Lab.course)
    shown = (
        course.joinedload(Course.university),
        course.joinedload(Course.company),
        course.joinedload(Course.current_version),
        joinedload(Lab.current_release),
    )
    wanted = select(Lab).join(Lab.course).where(Course.slug == course_slug, Lab.slug == lab_slug)
    found = session.scalar(wanted.options(*shown))
    if found is None:
        raise NotFound
    return found


def labs_of(session: Session, course: Course) -> list[Lab]:
    """Return the course's open labs in the order of the course."""
    found = session.scalars(
        select(Lab)
        .where(Lab.course_id == course.id, Lab.current_release_id.is_not(None))
        .options(joinedload(Lab.current_release))
        .order_by(Lab.id)
    ).all()
    order = list(outline_of(course.current_version).lab_slugs()) if course.current_version else []
    return sorted(found, key=lambda lab: (order.index(lab.slug) if lab.slug in order else len(order), lab.id))


def releases_of(session: Session, course: Course) -> list[LabRelease]:
    """Return all releases of the course's labs, the newest first."""
    return list(
        session.scalars(
            select(LabRelease)
            .join(Lab, LabRelease.lab_id == Lab.id)
            .where(Lab.course_id == course.id)
            .options(joinedload(LabRelease.lab))
            .order_by(LabRelease.id.desc())
        )
    )


def unready_labs(session: Session, version: CourseVersion) -> dict[str, ReleaseState]:
    """Return the labs of a version that cannot be opened yet, each with the state of its newest release."""
    waiting: dict[str, ReleaseState] = {}
    for slug in version_labs(version):
        files = lab_files(version, slug)
        releases = session.scalars(
            select(LabRelease)
            .join(Lab, LabRelease.lab_id == Lab.id)
            .where(Lab.course_id == version.course_id, Lab.slug == slug)
            .order_by(LabRelease.number.desc())
        )
        states = [release.state for release in releases if lab_files(release.version, slug) == files]
        if ReleaseState.READY not in states:
            waiting[slug] = states[0] if states else ReleaseState.QUEUED
    return waiting


def manifest(release: LabRelease) -> Manifest:
    """Return the cells of a ready release."""
    return _manifest(json.dumps(release.manifest))


@lru_cache(maxsize=64)
def _manifest(text: str) -> Manifest:
    cells: Manifest = from_plain(Manifest, json.loads(text))
    return cells


def limits(release: LabRelease) -> Limits:
    """Return what a run of the release may use."""
    return limits_of(rules_of(release))


def limits_of(rules: LabSettings) -> Limits:
    """Return what a run of a lab with these settings may use."""
    return Limits(
        cell_seconds=rules.cell_seconds,
        total_seconds=rules.total_seconds,
        memory_bytes=rules.memory_bytes,
        processes=rules.processes,
        output_bytes=rules.output_bytes,
    )


def kernel_settings(rules: LabSettings, notebook: bytes) -> KernelSettings:
    """Return how a lab's kernels come to be; `notebook` is its source or its student version."""
    warm = rules.kernel == "warm"
    libraries = rules.libraries
    if libraries is None:
        libraries = learnt_libraries(notebook) if warm else ()
    return KernelSettings(
        libraries=tuple(libraries) if warm else (),
        warm=warm,
        announces=rules.announce_grading,
        data_beside=rules.data == "beside",
    )


def gate_settings(rules: LabSettings, seconds: float = GateSettings.seconds) -> GateSettings:
    """Return how hard publication tries a lab with these settings; in 0 seconds its tests are only read."""
    if seconds <= 0:
        return GateSettings(flaky_runs=0, mutants=0)
    return GateSettings(flaky_runs=rules.flaky_runs, seconds=seconds, least_score=rules.mutation_score)


def board_spec(release: LabRelease) -> BoardSpec | None:
    """Return what a board lab hands out and takes in, or None for other labs."""
    return board_of(rules_of(release))


def board_of(rules: LabSettings) -> BoardSpec | None:
    """Return what a lab with these settings hands out and takes in for its board, if it has one."""
    board = rules.board
    if board is None:
        return None
    return BoardSpec(
        metric=board.metric,
        direction=board.direction,
        public_share=board.public_share,
        predict=board.predict,
        output=board.output,
    )


def lab_source(
    release: LabRelease, *, folder: Path, environment: Path, gate_seconds: float = GateSettings.seconds
) -> LabSource:
    """Return what the runner needs to build a release whose files stand in `folder`."""
    rules = rules_of(release)
    source = source_of(rules, release.lab.slug, folder=folder, environment=environment)
    gate = gate_settings(rules, gate_seconds)
    return replace(source, board_seed=release.board_seed or 0, gate=gate)


def source_of(rules: LabSettings, name: str, *, folder: Path, environment: Path) -> LabSource:
    """Return what the runner needs to build the lab of that name in `folder`."""
    notebook = folder / f"{name}.ipynb"
    return LabSource(
        folder=folder,
        name=name,
        environment=environment,
        limits=limits_of(rules),
        board=board_of(rules),
        kernel=kernel_settings(rules, notebook.read_bytes() if notebook.is_file() else b""),
        assurance=Assurance(rules.assurance),
        gate=gate_settings(rules),
    )


def grading_job(
    run: GradingRun, blobs: BlobStore, *, environment: Path, data_folder: Path | None = None
) -> GradingJob:
    """Return what the runner needs for one grading run."""
    return replace(
        release_job(run.submission.release, blobs),
        submission=blobs.get(run.submission.blob),
        environment=environment,
        data_folder=data_folder,
        seed=run.seed,
    )


def release_job(release: LabRelease, blobs: BlobStore) -> GradingJob:
    """Return the job of a ready release as far as it is the same for all runs: nothing is handed in yet."""
    if release.student_blob is None:
        raise ValueError(f"release {release.id} is not built")
    student_notebook, rules = blobs.get(release.student_blob), rules_of(release)
    return GradingJob(
        submission=b"",
        manifest=manifest(release),
        student_notebook=student_notebook,
        environment=Path(),
        limits=limits_of(rules),
        board=board_of(rules),
        board_archive=blobs.get(release.board_blob) if release.board_blob else b"",
        kernel=kernel_settings(rules, student_notebook),
    )


def data_files(release: LabRelease) -> dict[str, str]:
    """Return the data files that students get: path within `data/` -> SHA-256."""
    return {
        path.removeprefix("data/"): sha256
        for path, sha256 in lab_files(release.version, release.lab.slug).items()
        if path.startswith("data/")
    }


def write_files(files: Mapping[str, str], blobs: BlobStore, folder: Path) -> Path:
    """Write files of the store (path -> SHA-256) below the caller's own `folder`; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder.resolve()
    for path, sha256 in files.items():
        target = (root / path).resolve()
        if not target.is_relative_to(root):
            raise ValueError(f"{path!r} leads outside")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(blobs.get(sha256))
    return folder
