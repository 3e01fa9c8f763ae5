"""Pictures that carry certificates: PNG and SVG badges, with the proof of the log beside the signed file."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from lms.certs.core.document import NAMESPACE
from lms.certs.core.problems import Unreadable
from lms.certs.core.strict_json import MAX_BYTES

KEYWORD = "openbadgecredential"
LOG_PROOF_KEYWORD = "duri-log-proof"
OPEN_BADGES_XML = "https://purl.imsglobal.org/ob/v3p0"
LOG_PROOF_XML = NAMESPACE
MAX_PICTURE_BYTES = 5_000_000
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MOST_CHUNKS = 20_000
_MOST_ELEMENTS = 50_000
_DEEPEST_ELEMENT = 100
_SVG_XML = "http://www.w3.org/2000/svg"
_HEADER_BYTES, _CRC_BYTES = 8, 4
_MOST_CHUNK = 2**31 - 1
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_TEXTS = {b"iTXt", b"tEXt", b"zTXt"}
_BETWEEN = " "
_OPENING_TAG = re.compile(rb"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Baked:
    """What a picture carries: the certificate file, and the log's proof where there is one."""

    credential: bytes
    log_proof: bytes | None = None


def bake_png(picture: bytes, credential: bytes, log_proof: bytes | None = None) -> bytes:
    """Put a certificate, and the log's proof, into a PNG in place of any that it carries.

    Raises:
        Unreadable: the picture is no PNG.

    Source: Open Badges 3.0, section 5.3.1.
    """
    first, *rest = ((kind, body) for kind, body in _chunks(picture) if _keyword(kind, body) is None)
    added = [(b"iTXt", _text_chunk(KEYWORD, credential))]
    if log_proof is not None:
        added.append((b"iTXt", _text_chunk(LOG_PROOF_KEYWORD, log_proof)))
    return PNG_SIGNATURE + b"".join(_write_chunk(kind, body) for kind, body in (first, *added, *rest))


def read_png(picture: bytes) -> Baked:
    """Return what a PNG carries, without looking at a single pixel.

    Raises:
        Unreadable: too large, damaged, with no certificate, with more than one, or with a compressed one.
    """
    found: dict[str, list[bytes]] = {KEYWORD: [], LOG_PROOF_KEYWORD: []}
    for kind, body in _chunks(picture):
        keyword = _keyword(kind, body)
        if keyword is not None:
            found[keyword].append(_content(kind, body))
    return _only(found[KEYWORD], found[LOG_PROOF_KEYWORD])


def bake_svg(picture: bytes, credential: bytes, log_proof: bytes | None = None) -> bytes:
    """Put a certificate, and the log's proof, right behind the opening tag of an SVG that carries none.

    Raises:
        Unreadable: the picture is no SVG, or carries one already.

    Source: Open Badges 3.0, section 5.3.2.
    """
    reading = _scan(picture)
    if reading.credentials or reading.log_proofs:
        raise Unreadable("picture.twice")
    added = _element("openbadges:credential", "openbadges", OPEN_BADGES_XML, credential)
    if log_proof is not None:
        added += _element("duri:log-proof", "duri", LOG_PROOF_XML, log_proof)
    opening = _OPENING_TAG.match(picture, reading.root_at)
    if opening is None or opening[0].endswith(b"/>"):
        raise Unreadable("svg.broken")
    return picture[: opening.end()] + added + picture[opening.end() :]


def read_svg(picture: bytes) -> Baked:
    """Return what an SVG carries, expanding no entity and loading nothing.

    Raises:
        Unreadable: too large, no SVG, with a document type, with no certificate, or with more than one.
    """
    reading = _scan(picture)
    return _only(reading.credentials, reading.log_proofs)


def _only(credentials: list[bytes], log_proofs: list[bytes]) -> Baked:
    if not credentials:
        raise Unreadable("picture.without_credential")
    if len(credentials) > 1 or len(log_proofs) > 1:
        raise Unreadable("picture.twice")
    return Baked(credentials[0].strip(), log_proofs[0].strip() if log_proofs else None)


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG; every length and checksum counts, and nothing may follow the last."""
    if len(picture) > MAX_PICTURE_BYTES:
        raise Unreadable("file.too_large", limit=MAX_PICTURE_BYTES)
    if not picture.startswith(PNG_SIGNATURE):
        raise Unreadable("png.broken")
    place, kind = len(PNG_SIGNATURE), b""
    for number in range(_MOST_CHUNKS):
        kind, body, place = _chunk(picture, place)
        if (kind == b"IHDR") != (number == 0):
            raise Unreadable("png.broken")
        yield kind, body
        if kind == b"IEND":
            break
    if kind != b"IEND" or place != len(picture):
        raise Unreadable("png.broken")


def _chunk(picture: bytes, place: int) -> tuple[bytes, bytes, int]:
    header = picture[place : place + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES:
        raise Unreadable("png.broken")
    length, kind = struct.unpack(">I4s", header)
    start, end = place + _HEADER_BYTES, place + _HEADER_BYTES + length
    if length > _MOST_CHUNK or end + _CRC_BYTES > len(picture) or not _LETTERS.issuperset(kind):
        raise Unreadable("png.broken")
    body = picture[start:end]
    if struct.unpack(">I", picture[end : end + _CRC_BYTES])[0] != zlib.crc32(body, zlib.crc32(kind)):
        raise Unreadable("png.broken")
    return kind, body, end + _CRC_BYTES


def _keyword(kind: bytes, body: bytes) -> str | None:
    """Return the keyword of a text chunk that is one of ours, in whatever kind of text chunk it stands."""
    keyword = body.partition(b"\0")[0].decode("latin-1") if kind in _TEXTS else ""
    return keyword if keyword in {KEYWORD, LOG_PROOF_KEYWORD} else None


def _content(kind: bytes, body: bytes) -> bytes:
    """Return the text of an international text chunk; a compressed one is refused, not unpacked."""
    rest = body.partition(b"\0")[2]
    if kind != b"iTXt" or rest[:1] != b"\0":
        raise Unreadable("png.compressed")
    parts = rest[2:].split(b"\0", 2)
    if len(parts) != len(("language", "translated keyword", "text")):
        raise Unreadable("png.broken")
    if len(parts[2]) > MAX_BYTES:
        raise Unreadable("file.too_large", limit=MAX_BYTES)
    return parts[2]


def _text_chunk(keyword: str, content: bytes) -> bytes:
    return keyword.encode("latin-1") + b"\0" + b"\0\0" + b"\0" + b"\0" + content


def _write_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _element(tag: str, prefix: str, address: str, content: bytes) -> bytes:
    """Write an element around JSON, in whose texts all that XML cannot hold is written as JSON's escapes."""
    text = content.decode("utf-8").replace("]]>", "]]\\u003e")
    text = _NOT_IN_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'<{tag} xmlns:{prefix}="{address}"><![CDATA[{text}]]></{tag}>'.encode()


@dataclass(slots=True)
class _Scan:
    """One pass over an SVG, in which anything but elements, attributes and text ends it."""

    credentials: list[bytes] = field(default_factory=list)
    log_proofs: list[bytes] = field(default_factory=list)
    root_at: int = -1
    _elements: int = 0
    _depth: int = 0
    _text: list[str] | None = None

    def run(self, picture: bytes) -> None:
        parser = expat.ParserCreate("utf-8", _BETWEEN)
        parser.StartElementHandler = lambda name, _: self._start(name, parser.CurrentByteIndex)
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        for handler in ("StartDoctypeDeclHandler", "EntityDeclHandler", "ExternalEntityRefHandler"):
            setattr(parser, handler, _refuse_doctype)
        parser.buffer_text = True
        parser.Parse(picture, True)

    def _start(self, name: str, place: int) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements == 1:
            self.root_at = place
            if name != f"{_SVG_XML}{_BETWEEN}svg":
                raise Unreadable("svg.broken")
        if self._elements > _MOST_ELEMENTS or self._depth > _DEEPEST_ELEMENT or self._text is not None:
            raise Unreadable("svg.broken")
        if self._kept(name) is not None:
            self._text = []

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        kept = self._kept(name)
        if kept is not None and self._text is not None:
            content = "".join(self._text).encode("utf-8")
            if len(content) > MAX_BYTES:
                raise Unreadable("file.too_large", limit=MAX_BYTES)
            kept.append(content)
            self._text = None

    def _kept(self, name: str) -> list[bytes] | None:
        return {
            f"{OPEN_BADGES_XML}{_BETWEEN}credential": self.credentials,
            f"{LOG_PROOF_XML}{_BETWEEN}log-proof": self.log_proofs,
        }.get(name)


def _scan(picture: bytes) -> _Scan:
    if len(picture) > MAX_PICTURE_BYTES:
        raise Unreadable("file.too_large", limit=MAX_PICTURE_BYTES)
    reading = _Scan()
    try:
        picture.decode("utf-8")
        reading.run(picture)
    except (UnicodeDecodeError, expat.ExpatError, ValueError):
        raise Unreadable("svg.broken") from None
    return reading


def _refuse_doctype(*_: object) -> None:
    raise Unreadable("svg.doctype")
