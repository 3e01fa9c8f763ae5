"""Where a relative link in a lesson leads."""

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

_LESSON = re.compile(r"lessons/([a-z0-9-]+)(\.[a-z]{2})?\.(md|ipynb)\Z")
_LAB = re.compile(r"labs/([a-z0-9-]+)(/[^/]+\.ipynb)?\Z")
_ASSET = re.compile(r"assets/.+")


class Target(StrEnum):
    """What kind of thing a link leads to."""

    LESSON = "lesson"
    LAB = "lab"
    ASSET = "asset"
    OTHER = "other"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Aim:
    """A link, resolved within the course folder."""

    kind: Target
    path: str
    slug: str = ""
    fragment: str = ""


def aim(file: str, link: str) -> Aim:
    """Resolve `link` as written in `file`; it never leaves the folder."""
    parts = urlsplit(link)
    written = unquote(parts.path)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), written))
    if (
        written.startswith("/")
        or path == ".."
        or path.startswith(("../", "/"))
        or "\0" in path
        or "\\" in path
    ):
        return Aim(Target.OUTSIDE, path)
    for kind, pattern in ((Target.LESSON, _LESSON), (Target.LAB, _LAB)):
        if found := pattern.match(path):
            return Aim(kind, path, found[1], parts.fragment)
    return Aim(Target.ASSET if _ASSET.match(path) else Target.OTHER, path)
