"""Reads of a version's pages and files, rendered."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from lms.blobs import BlobStore
from lms.courses.core.front_matter import split
from lms.courses.core.links import Aim, Target, aim
from lms.courses.core.markdown import Page, Resolve, render
from lms.courses.core.notebooks import read_notebook, render_notebook
from lms.courses.core.outline import Item, Lesson, Module, Outline, in_language
from lms.courses.models import CourseVersion
from lms.courses.queries.catalogue import outline_of
from lms.errors import N_, NotFound

MEDIA_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
DOWNLOAD = "application/octet-stream"


@dataclass(frozen=True)
class Links:
    """How a link within a course becomes an address; `key` names all that `address` depends on."""

    address: Callable[[Aim], str | None]
    key: str


@dataclass(frozen=True)
class LessonPage:
    """A lesson as one reader sees it."""

    outline: Outline
    lesson: Lesson
    file: str
    """Its path within the course folder."""
    page: Page
    language: str
    """Of the text, which is not always the reader's."""
    module: Module
    before: Item | None
    after: Item | None

    @property
    def is_notebook(self) -> bool:
        """Say whether it was written as a notebook, which readers may take along."""
        return self.file.endswith(".ipynb")

    @property
    def objectives(self) -> tuple[str, ...]:
        """Return what one can do after the lesson, in the language of its text."""
        return {str(name): texts for name, texts in self.lesson.objectives.items()}.get(self.language, ())


@dataclass(frozen=True)
class Asset:
    """A file of a version that pages show."""

    content: bytes
    media_type: str
    name: str


def lesson_page(
    version: CourseVersion, slug: str, language: str, blobs: BlobStore, links: Links
) -> LessonPage:
    """Return a lesson in `language`, or in the course's first language where it has no twin.

    Raises:
        NotFound: the version has no such lesson.
    """
    outline = outline_of(version)
    lesson = outline.lessons.get(slug)
    if lesson is None:
        raise NotFound(N_("This course has no such lesson. Look on the course page."))
    files = {str(name): path for name, path in lesson.files.items()}
    spoken = language if language in files else outline.languages[0]
    file = files[spoken]
    page = _rendered(file, blobs.get(version.files[file]), links, spoken)
    item = next(item for item in outline.items if item.lesson == slug)
    place = outline.items.index(item)
    return LessonPage(
        outline=outline,
        lesson=lesson,
        file=file,
        page=page,
        language=spoken,
        module=outline.module_of(item),
        before=outline.items[place - 1] if place else None,
        after=outline.items[place + 1] if place + 1 < len(outline.items) else None,
    )


def _rendered(file: str, content: bytes, links: Links, language: str) -> Page:
    if file.endswith(".ipynb"):
        return render_notebook(read_notebook(content), _resolve(file, links), links.key, language)
    return render(split(file, content.decode("utf-8-sig")).body, _resolve(file, links), links.key)


def _resolve(file: str, links: Links) -> Resolve:
    def resolve(written: str) -> str | None:
        target = aim(file, written)
        return None if target.kind in {Target.OTHER, Target.OUTSIDE} else links.address(target)

    return resolve


def description(outline: Outline, language: str, links: Links) -> str:
    """Return the course's description as safe HTML."""
    text = in_language(outline.description, language)
    return render(text, _resolve("course.yml", links), links.key).html


def criteria(outline: Outline, language: str, links: Links) -> str:
    """Return the certificate's criteria as safe HTML."""
    text = in_language(outline.certificate.criteria, language)
    return render(text, _resolve("course.yml", links), links.key).html


def asset(version: CourseVersion, path: str, blobs: BlobStore) -> Asset:
    """Return a file below assets/ of a version; a kind that browsers might run comes as a download.

    Raises:
        NotFound: the version has no such file.
    """
    path = f"assets/{path}"
    if path not in version.files:
        raise NotFound
    media_type = MEDIA_TYPES.get(posixpath.splitext(path)[1].lower(), DOWNLOAD)
    return Asset(blobs.get(version.files[path]), media_type, posixpath.basename(path))
