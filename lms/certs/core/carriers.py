"""What kind of file carries a certificate; a ZIP, a CSV and a transcript carry many.

Nothing that a file names is ever fetched, and nothing of an archive is ever written anywhere.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice

from lms.certs.core.archives import ZIP_PROBLEMS
from lms.certs.core.problems import Unreadable
from lms.certs.core.transcript import is_transcript, read_transcript

MAX_FILE_BYTES = 5_000_000
MAX_MANY_BYTES = 50_000_000
MAX_UNPACKED_BYTES = 100_000_000
MOST_CERTIFICATES = 5_000
CSV_COLUMNS = ("credential", "file", "id")
LABEL_COLUMN = "label"

_MOST_DIRECTORY_BYTES = 2_000_000
_LONGEST_NAME = 200
_ZIPPED = (b"PK\x03\x04", b"PK\x05\x06")
_END, _END_BYTES = b"PK\x05\x06", 22
_ZIP64 = b"PK\x06\x07"
_LONGEST_COMMENT = 65_535
_UNPACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


class Kind(StrEnum):
    """Name what a file is."""

    JSON = "json"
    PDF = "pdf"
    PNG = "png"
    SVG = "svg"
    ZIP = "zip"
    CSV = "csv"
    TRANSCRIPT = "transcript"


@dataclass(frozen=True, slots=True)
class Carried:
    """Hold the certificate file that another file carries, and the log's proof where that is beside it.

    `resources` is what a holder's bundle holds besides, by address.
    """

    kind: Kind
    credential: bytes
    log_proof: bytes | None = None
    resources: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One certificate among many: its bytes, or the identifier by which a platform knows it, or a problem."""

    name: str
    content: bytes = b""
    wanted: str = ""
    problem: Unreadable | None = None


def kind_of(content: bytes, name: str = "") -> Kind:
    """Tell what a file is by how it begins; a CSV only by its name, for it begins like any text."""
    start = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if content.startswith(_ZIPPED):
        return Kind.ZIP
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if name.lower().endswith(".csv"):
        return Kind.CSV
    if start.startswith(b"<"):
        return Kind.SVG
    if not start.startswith(b"{") and b"%PDF-" in content[:1024]:
        return Kind.PDF
    return Kind.TRANSCRIPT if is_transcript(content) else Kind.JSON


def most_bytes(start: bytes) -> int:
    """Return how large a file with one certificate may be that begins so: a ZIP is a whole bundle."""
    from lms.certs.core.evidence import MAX_BUNDLE_BYTES  # noqa: PLC0415 - for ZIPs only

    return MAX_BUNDLE_BYTES if start.startswith(_ZIPPED) else MAX_FILE_BYTES


def open_carrier(content: bytes) -> Carried:
    """Take the certificate out of the file that carries it.

    Raises:
        Unreadable: the file carries none, more than one, or cannot be read.
    """
    kind = kind_of(content)
    if kind is Kind.JSON:
        return Carried(kind, content)
    if kind is Kind.TRANSCRIPT:
        raise Unreadable("carrier.transcript")
    if kind is Kind.ZIP:
        return _bundled(content)
    if kind is Kind.PDF:
        from lms.certs.core.pdf import files_from_pdf  # noqa: PLC0415 - slow to load, for PDFs only

        return Carried(kind, *files_from_pdf(content))
    from lms.certs.core.baking import read_png, read_svg  # noqa: PLC0415 - for pictures only

    baked = read_png(content) if kind is Kind.PNG else read_svg(content)
    return Carried(kind, baked.credential, baked.log_proof)


def _bundled(content: bytes) -> Carried:
    """Open the one archive that is about one certificate: the bundle that a holder hands over."""
    # For ZIPs only.
    from lms.certs.core.evidence import (  # noqa: PLC0415
        MAX_BUNDLE_BYTES,
        BundleProblem,
        is_bundle,
        open_bundle,
    )

    if len(content) > MAX_BUNDLE_BYTES:  # more than anybody reads: what it says of itself is not looked for
        raise Unreadable("file.too_large", limit=MAX_BUNDLE_BYTES)
    if not is_bundle(content):
        raise Unreadable("carrier.many")
    try:
        bundle = open_bundle(content)
    except BundleProblem as problem:
        raise Unreadable(problem.code, **problem.params) from None
    return Carried(Kind.ZIP, bundle.credential, bundle.log_proof, bundle.resources)


def unpack(files: Sequence[tuple[str, bytes]]) -> Iterator[Item]:
    """Yield every certificate of several files, one at a time; a ZIP and a CSV give as many as they hold.

    Where there are more than are taken at once, the last item says so.
    """
    names = [name for name, _ in files]
    beside = {name: content for name, content in files if names.count(name) == 1}
    listed = _files_listed(beside)
    found = (item for name, content in files if name not in listed for item in _items(name, content, beside))
    yield from islice(found, MOST_CERTIFICATES)
    if next(found, None) is not None:
        yield Item(name="…", problem=Unreadable("many.too_many", limit=MOST_CERTIFICATES))


def _items(name: str, content: bytes, beside: dict[str, bytes]) -> Iterator[Item]:
    kind = kind_of(content, name)
    try:
        if kind is Kind.ZIP and not _is_bundle(content):
            yield from _zipped(name, content)
        elif kind is Kind.CSV:
            yield from _rows(name, content, beside)
        elif kind is Kind.TRANSCRIPT:
            yield from _recorded(name, content)
        else:
            yield Item(name=_shown(name), content=content)
    except Unreadable as problem:
        yield Item(name=_shown(name), problem=problem)


def _recorded(name: str, content: bytes) -> Iterator[Item]:
    """Take every certificate out of a transcript; what stands around them proves nothing."""
    for number, certificate in enumerate(read_transcript(content), start=1):
        yield Item(name=f"{_shown(name)}:{number}", content=certificate)


def _zipped(name: str, content: bytes) -> Iterator[Item]:
    """Read an archive entry by entry; a CSV in it may name its other files."""
    _check_directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not _is_litter(entry)]
            yield from _entries(archive, entries, name)
    except ZIP_PROBLEMS:
        raise Unreadable("zip.broken") from None


def _entries(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], name: str) -> Iterator[Item]:
    if not entries:
        raise Unreadable("zip.empty")
    if len(entries) > MOST_CERTIFICATES:
        raise Unreadable("many.too_many", limit=MOST_CERTIFICATES)
    lists = [entry for entry in entries if entry.filename.lower().endswith(".csv")]
    beside: dict[str, bytes] = {}
    left = MAX_UNPACKED_BYTES
    for entry in entries:
        item, unpacked = _entry(archive, entry, name)
        left -= unpacked
        if left < 0:
            raise Unreadable("zip.too_large", limit=MAX_UNPACKED_BYTES)
        if lists and item.problem is None and entry.filename not in beside:
            beside[entry.filename] = item.content
        else:
            yield item
    yield from _with_lists(beside, name)


def _with_lists(beside: dict[str, bytes], name: str) -> Iterator[Item]:
    listed = _files_listed(beside)
    for inner, content in beside.items():
        if inner not in listed:
            for item in _items(inner, content, beside):
                yield replace(item, name=f"{_shown(name)}/{item.name}")


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> tuple[Item, int]:
    """Return what an entry is, and how many bytes were unpacked to see that: refused ones cost as much."""
    shown = f"{_shown(name)}/{_shown(entry.filename)}"
    if entry.compress_type not in _UNPACKED or entry.flag_bits & _ENCRYPTED:
        return Item(name=shown, problem=Unreadable("zip.locked")), 0
    try:
        with archive.open(entry) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except ZIP_PROBLEMS:
        # How far it was unpacked before it broke nobody knows.
        most = min(entry.file_size, MAX_FILE_BYTES)
        return Item(name=shown, problem=Unreadable("zip.damaged")), most
    if len(content) > MAX_FILE_BYTES:
        problem = Unreadable("file.too_large", limit=MAX_FILE_BYTES)
    elif kind_of(content, entry.filename) is Kind.ZIP:
        problem = Unreadable("zip.nested")
    else:
        return Item(name=shown, content=content), len(content)
    return Item(name=shown, problem=problem), len(content)


def _is_bundle(content: bytes) -> bool:
    from lms.certs.core.evidence import is_bundle  # noqa: PLC0415 - for ZIPs only

    return is_bundle(content)


def _check_directory(content: bytes) -> None:
    """Refuse an archive whose list of contents is out of all proportion, before anyone reads that list."""
    place = content.rfind(_END, max(0, len(content) - _END_BYTES - _LONGEST_COMMENT))
    if place < 0 or len(content) - place < _END_BYTES:
        raise Unreadable("zip.broken")
    directory_bytes = int.from_bytes(content[place + 12 : place + 16], "little")
    if content[place - 20 : place - 16] == _ZIP64 or directory_bytes > _MOST_DIRECTORY_BYTES:
        raise Unreadable("many.too_many", limit=MOST_CERTIFICATES)


def _is_litter(entry: zipfile.ZipInfo) -> bool:
    return entry.is_dir() or entry.filename.startswith(_LITTER[0]) or entry.filename.endswith(_LITTER[1:])


def _rows(name: str, content: bytes, beside: dict[str, bytes]) -> Iterator[Item]:
    """Read a list of certificates: their JSON, files sent along, or identifiers for a platform to look up."""
    for number, (label, values) in enumerate(_read_table(content), start=2):
        shown = f"{_shown(name)}:{number}" + (f" {_shown(label)}" if label else "")
        credential, file, wanted = (values.get(column, "").strip() for column in CSV_COLUMNS)
        if credential:
            yield Item(name=shown, content=credential.encode("utf-8", errors="replace"))
        elif file:
            yield _named_file(shown, file, beside)
        elif wanted:
            yield Item(name=shown, wanted=wanted[:_LONGEST_NAME])
        else:
            yield Item(name=shown, problem=Unreadable("csv.empty_row"))


def _named_file(shown: str, file: str, beside: dict[str, bytes]) -> Item:
    content = beside.get(file)
    if content is None or kind_of(content, file) is Kind.CSV:
        return Item(name=shown, problem=Unreadable("csv.no_such_file", file=file[:_LONGEST_NAME]))
    return Item(name=f"{shown} {_shown(file)}", content=content)


def _files_listed(beside: dict[str, bytes]) -> set[str]:
    """Return the files that a CSV among them names: they are answered in its rows."""
    listed: set[str] = set()
    for name, content in beside.items():
        if kind_of(content, name) is Kind.CSV:
            try:
                listed.update(values.get("file", "").strip() for _, values in _read_table(content))
            except Unreadable:
                continue  # said where the list itself is read
    return {file for file in listed if file in beside and kind_of(beside[file], file) is not Kind.CSV}


def _read_table(content: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    if len(content) > MAX_MANY_BYTES:
        raise Unreadable("file.too_large", limit=MAX_MANY_BYTES)
    try:
        text = content.decode("utf-8-sig")
        table = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [column.strip().lower() for column in next(table, [])]
        if len(set(header) & set(CSV_COLUMNS)) != 1 or len(set(header)) != len(header):
            raise Unreadable("csv.no_column")
        for row in table:
            if any(cell.strip() for cell in row):
                values = dict(zip(header, row, strict=False))
                yield values.get(LABEL_COLUMN, "").strip(), values
    except UnicodeDecodeError:
        raise Unreadable("csv.not_utf8") from None
    except csv.Error:
        raise Unreadable("csv.broken") from None


def _shown(name: str) -> str:
    """Return a file's own name as it may be shown: one line, not endless."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)[
        :_LONGEST_NAME
    ]
