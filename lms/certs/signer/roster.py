"""Who may be certified for what, as the organisation itself decided: its own list, not the platform's.

`roster.csv` has the columns email, achievement, name, score. An achievement that ends with a slash stands for
all whose address begins so. A name or score that is given binds: another name or more points are not signed.
"""

import csv
import hashlib
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from lms.certs.core.document import Claim
from lms.certs.core.mandate import Refusal
from lms.certs.core.problems import DocumentProblem
from lms.certs.signer.files import replace_private, stamp

COLUMNS = ("email", "achievement", "name", "score")
MOST_ENTRIES = 200_000
MOST_BYTES = 50_000_000
_FILE = "roster.csv"
_LONGEST = 500
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """Say that a person may be certified for an achievement."""

    email: str
    achievement: str
    name: str = ""
    score: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Return what a roster has one entry of."""
        return (self.email, self.achievement)

    def allows(self, claim: Claim) -> bool:
        """Tell whether a claim keeps to the name and the points, where the entry gives them."""
        other_name = bool(self.name) and self.name != unicodedata.normalize("NFC", claim.holder_name)
        too_many = bool(self.score) and Decimal(claim.score) > Decimal(self.score)
        return not other_name and not too_many


class Roster:
    """Find learners by the salted hash that a document carries."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = {entry.key: entry for entry in entries}
        self._by_achievement: dict[str, list[tuple[bytes, Entry]]] = {}
        for entry in self.entries.values():
            listed = self._by_achievement.setdefault(entry.achievement, [])
            listed.append((entry.email.encode("utf-8"), entry))
        # What follows only saves time: several threads search at once, and each finds the same without it.
        self._next: dict[str, int] = {}
        self._found: dict[tuple[str, str, str], tuple[Entry, ...]] = {}

    def find(self, claim: Claim) -> Entry:
        """Return the entry that allows a claim.

        Raises:
            Refusal: nobody on the roster has this address for this achievement, or has it under another
                name or with fewer points.

        Complexity: one hash per entry of the achievement at most, and none for an address asked for before;
        a search begins where the last one ended, as a class is asked for in the order of its list.
        """
        entries = self._entries_of(claim.achievement.id, claim.email_hash, claim.email_salt)
        allowing = next((entry for entry in entries if entry.allows(claim)), None)
        if allowing is not None:
            return allowing
        if entries:
            raise Refusal("signer.other_than_roster", achievement=claim.achievement.id[:200])
        raise Refusal("signer.not_on_roster", achievement=claim.achievement.id[:200])

    def _entries_of(self, achievement: str, email_hash: str, salt: str) -> tuple[Entry, ...]:
        """Return what the roster has about this address and this achievement."""
        asked = (achievement, email_hash, salt)
        known = self._found.get(asked)
        if known is None:
            wanted, salted = _digest(email_hash), salt.encode("utf-8")
            about = [one for one in self._by_achievement if _covers(one, achievement)]
            found = (self._search(one, wanted, salted) for one in about)
            known = tuple(entry for entry in found if entry is not None)
            self._remember(asked, known)
        return known

    def _search(self, about: str, wanted: bytes | None, salt: bytes) -> Entry | None:
        listed, sha256 = self._by_achievement[about], hashlib.sha256
        start = self._next.get(about, 0)
        for places in (range(start, len(listed)), range(start)):
            for place in places:
                email, entry = listed[place]
                if sha256(email + salt).digest() == wanted:
                    self._next[about] = place + 1
                    return entry
        return None

    def _remember(self, asked: tuple[str, str, str], known: tuple[Entry, ...]) -> None:
        if sum(map(len, asked)) > 3 * _LONGEST:
            return
        if len(self._found) >= _MOST_REMEMBERED:
            self._found = {}
        self._found[asked] = known


class RosterFile:
    """Read a folder's roster again whenever it has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = ((-1, -1, -1), Roster())

    def current(self) -> Roster:
        """Return the roster as it is now.

        Raises:
            DocumentProblem: it is damaged.
        """
        fresh = stamp(self._folder / _FILE)
        before, roster = self._known
        if fresh != before:
            roster = read_roster(self._folder)
            self._known = (fresh, roster)
        return roster


def read_roster(folder: Path) -> Roster:
    """Read a folder's roster; empty where there is none.

    Raises:
        DocumentProblem: it is damaged.
    """
    path = folder / _FILE
    return Roster(parse_entries(path.read_bytes())) if path.exists() else Roster()


def parse_entries(content: bytes) -> list[Entry]:
    """Read a CSV with a line of column names; columns may come in any order, unknown ones are refused.

    Raises:
        DocumentProblem: naming the line.
    """
    _check_size(content, 0)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise DocumentProblem("roster.broken", line=line) from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        entries = [_entry(row, rows.line_num) for row in rows]
    except csv.Error:
        raise DocumentProblem("roster.broken", line=rows.reader.line_num) from None
    _check_size(content, len(entries))
    return entries


def add_entries(folder: Path, entries: Iterable[Entry]) -> int:
    """Put entries on the roster, in place of those for the same; return how many it has then.

    Raises:
        DocumentProblem: it would be more than a signer reads; the roster stays as it was.
    """
    known = read_roster(folder).entries
    merged = {**known, **{entry.key: entry for entry in entries}}
    _write(folder, merged.values())
    return len(merged)


def remove_entries(folder: Path, email: str, achievement: str | None = None) -> int:
    """Take a person off the roster, for one achievement or all; return how many entries went."""
    known = read_roster(folder).entries
    email = _normal(email)
    kept = [
        entry
        for entry in known.values()
        if entry.email != email or (achievement is not None and entry.achievement != achievement)
    ]
    _write(folder, kept)
    return len(known) - len(kept)


def make_entry(email: str, achievement: str, name: str = "", score: str = "") -> Entry:
    """Return an entry in the one spelling in which addresses are compared.

    Raises:
        DocumentProblem: a value that can match nobody.
    """
    return _checked(Entry(_normal(email), achievement.strip(), _nfc(name), score.strip()), 1)


def _entry(row: dict[str | None, str | None], line: int) -> Entry:
    unknown = {name for name in row if name not in COLUMNS}
    values = [row.get(name) or "" for name in COLUMNS]
    if unknown:
        raise DocumentProblem("roster.broken", line=line)
    email, achievement, name, score = values
    return _checked(Entry(_normal(email), achievement.strip(), _nfc(name), score.strip()), line)


def _checked(entry: Entry, line: int) -> Entry:
    sound = (
        "@" in entry.email
        and "://" in entry.achievement
        and all(len(text) <= _LONGEST for text in astuple(entry))
    )
    try:
        sound = sound and (not entry.score or Decimal(entry.score) >= 0)
    except InvalidOperation:
        sound = False
    if not sound:
        raise DocumentProblem("roster.broken", line=line)
    return entry


def _write(folder: Path, entries: Iterable[Entry]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    listed = [astuple(entry) for entry in entries]
    writer.writerows(listed)
    content = text.getvalue().encode("utf-8")
    _check_size(content, len(listed))
    replace_private(folder / _FILE, content)


def _check_size(content: bytes, entries: int) -> None:
    if len(content) > MOST_BYTES or entries > MOST_ENTRIES:
        raise DocumentProblem("roster.too_large", limit=MOST_ENTRIES)


def _covers(about: str, achievement: str) -> bool:
    """Say whether an entry about the one holds for the other."""
    return about == achievement or (about.endswith("/") and achievement.startswith(about))


def _digest(email_hash: str) -> bytes | None:
    """Read the hash of an address in its one spelling; None for any other, which nobody has."""
    text = email_hash.removeprefix("sha256$")
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return None
    return digest if digest.hex() == text else None


def _normal(email: str) -> str:
    return email.strip().lower()


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())
