"""Read a course folder once, into memory, refusing what does not belong in it."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lms.courses.core.problems import Problem

LARGEST_FILE = 20_000_000
LARGEST_FOLDER = 100_000_000
MOST_FILES = 2_000
DEEPEST = 8
LEFT_OUT = frozenset({".git", ".ipynb_checkpoints", "__pycache__", ".DS_Store", "Thumbs.db"})
_NAME = re.compile(r"[\w][\w.-]{0,119}\Z")


@dataclass
class Folder:
    """The files of a course: path within the folder -> content."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    size: int = 0

    def text(self, path: str) -> str | None:
        """Return a file as text; None (and a problem) if it is missing or is no text."""
        content = self.files.get(path)
        if content is None:
            return None
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            self.problems.append(Problem(path, line, 1, "not_text"))
            return None

    def below(self, path: str) -> bool:
        """Say whether there is a file below the folder at `path`."""
        return any(name.startswith(f"{path}/") for name in self.files)

    def hashes(self) -> dict[str, str]:
        """Return path -> SHA-256 of the content."""
        return {path: hashlib.sha256(content).hexdigest() for path, content in sorted(self.files.items())}


def digest(hashes: dict[str, str]) -> str:
    """Return the SHA-256 over the sorted list of (path, SHA-256 of content)."""
    lines = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_folder(path: Path) -> Folder:
    """Read all files below `path`; no link is followed, and nothing beyond the caps is read."""
    folder = Folder(path.resolve().name)
    if not path.is_dir():
        folder.problems.append(Problem(".", 0, 0, "folder_missing"))
        return folder
    for entry, name in _walk(folder, path, ""):
        if len(folder.files) >= MOST_FILES:
            folder.problems.append(Problem(name, 0, 0, "too_many_files", {"limit": MOST_FILES}))
            break
        _take(folder, entry, name)
        if folder.size > LARGEST_FOLDER:
            folder.problems.append(Problem(name, 0, 0, "folder_too_large", {"limit": LARGEST_FOLDER}))
            break
    return folder


def _walk(folder: Folder, path: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name):
        if entry.name in LEFT_OUT:
            continue
        name = f"{prefix}{entry.name}"
        code = _refusal(entry, name)
        if code:
            folder.problems.append(Problem(_printable(name), 0, 0, code))
        elif entry.is_dir():
            yield from _walk(folder, entry, f"{name}/")
        else:
            yield entry, name


def _refusal(entry: Path, name: str) -> str | None:
    mode = entry.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "symlink"
    if not _NAME.match(entry.name) or name.count("/") > DEEPEST:
        return "file_name"
    return None if stat.S_ISDIR(mode) or stat.S_ISREG(mode) else "not_a_file"


def _take(folder: Folder, path: Path, name: str) -> None:
    # O_NOFOLLOW: what was a file a moment ago may have become a link
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        params = {"size": path.stat().st_size, "limit": LARGEST_FILE}
        folder.problems.append(Problem(name, 0, 0, "file_too_large", params))
        return
    folder.size += len(content)
    folder.files[name] = content


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")
