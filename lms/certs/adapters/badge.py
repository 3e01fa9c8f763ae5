"""The certificate as a badge: one face, drawn as SVG and as PNG, with the signed file baked in.

The two seals are drawn from the two signatures, so no two badges are alike; university left, company right.
"""

import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import base58

from lms.certs.adapters.templates import environment
from lms.certs.core.baking import bake_png, bake_svg
from lms.certs.core.carriers import Kind
from lms.certs.core.document import Claim
from lms.certs.core.reading import read_claim
from lms.certs.core.strict_json import Document, canonical, read_object, sha256_of

SIDE = 600
_FINE = 4  # drawn so many times larger, then reduced: smooth edges
_PNG_SIDE = 1_200
_INDIGO, _TEAL, _INK, _MUTED, _LINE = "#3a3fbf", "#0b7a75", "#1b1f24", "#58616d", "#dfe3e8"
_MIDDLE, _SEAL_Y, _OUTER, _INNER = SIDE / 2, 220, 126, 60
_APART = 94
_WIDEST = 500
_WIDE_FROM = 0x1100
_FOLDER = Path("/usr/share/fonts/truetype/nanum")
_FACES = {False: ("NanumSquareR.ttf", "NanumGothic.ttf"), True: ("NanumSquareB.ttf", "NanumGothicBold.ttf")}
_WORDS = {
    "ko": {
        "kind": "공동 인증서",
        "score": "{score} / {maximum}점",
        "date": "{date:%Y}. {date.month}. {date.day}.",
        "demo": "시연용 키로 서명된 인증서입니다. 자격의 증명으로 쓸 수 없습니다.",
    },
    "en": {
        "kind": "Joint certificate",
        "score": "{score} / {maximum} points",
        "date": "{date.day} {date:%B %Y}",
        "demo": "Signed with keys for demonstration; it proves no qualification.",
    },
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text around its middle."""

    text: str
    x: float
    y: float
    size: float
    colour: str = _INK
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Circle:
    """A ring of a seal."""

    x: float
    y: float
    radius: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One of the two bars in the middle of a seal; the organisation's own is full."""

    x: float
    y: float
    width: float
    height: float
    full: bool


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal: its rings, its bars, and a ray for each byte of the signature."""

    colour: str
    circles: tuple[Circle, ...]
    bars: tuple[Bar, ...]
    rays: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """Everything that is drawn."""

    kind: str
    title: str
    holder: str
    university: str
    company: str
    when: str
    mark_at: float
    seals: tuple[Seal, Seal]
    lines: tuple[Line, ...]


def draw_badge(
    document: Document, kind: Kind, *, language: str, title: str | None = None, proof: bytes | None = None
) -> bytes:
    """Draw a signed credential as a badge that carries it.

    Args:
        document: with both proofs.
        kind: PNG or SVG.
        language: of the words around, `ko` or `en`.
        title: the achievement's name in `language`, if the signed one is in another.
        proof: the log's, to travel along.
    """
    return _draw(canonical(document), kind, language, title, proof)


@lru_cache(maxsize=16)
def _draw(content: bytes, kind: Kind, language: str, title: str | None, proof: bytes | None) -> bytes:
    document = read_object(content)
    face = make_face(document, language, title)
    carried = json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")
    if kind is Kind.PNG:
        return bake_png(_paint(face), carried, proof)
    drawn = environment().get_template("certs/badge/badge.svg").render(face=face)
    return bake_svg(drawn.encode("utf-8"), carried, proof)


def make_face(document: Document, language: str, title: str | None = None) -> Face:
    """Lay out a badge: what is written and drawn where."""
    claim = read_claim(document)
    words = _WORDS[language]
    title = title or claim.achievement.name
    when = words["date"].format(date=claim.issued_at)
    sha256 = sha256_of(document)
    foot = words["demo"] if claim.demo_custody else f"SHA-256 {sha256[:16]}…"
    last = Line(foot, _MIDDLE, 570, 11.5, _MUTED)
    signatures = [base58.b58decode(proof["proofValue"][1:]) for proof in document["proof"]]
    return Face(
        kind=words["kind"],
        title=title,
        holder=claim.holder_name,
        university=claim.university.name,
        company=claim.company.name,
        when=when,
        mark_at=_MIDDLE - (34 + 0.85 * _width(words["kind"], 17) + 2 * len(words["kind"])) / 2,
        seals=(
            _seal(_INDIGO, _MIDDLE - _APART, signatures[0], outwards=True),
            _seal(_TEAL, _MIDDLE + _APART, signatures[1], outwards=False),
        ),
        lines=(*_words(claim, title, f"{words['score']}  ·  {when}"), *_parties(claim), last),
    )


def _words(claim: Claim, title: str, how: str) -> Iterator[Line]:
    parts, size = _set(title, 34, _WIDEST)
    y = 402 if len(parts) == 1 else 392
    for part in parts:
        yield Line(part, _MIDDLE, y, size, bold=True)
        y += round(size * 1.2)
    yield Line(claim.holder_name, _MIDDLE, y, _fit(claim.holder_name, 24, _WIDEST))
    how = how.format(score=claim.score, maximum=claim.maximum)
    yield Line(how, _MIDDLE, y + 28, 16, _MUTED)


def _parties(claim: Claim) -> Iterator[Line]:
    names = [_set(name, 20, 216) for name in (claim.university.name, claim.company.name)]
    size = min(size for _, size in names)
    for (parts, _), x, colour in zip(names, (186, 414), (_INDIGO, _TEAL), strict=True):
        for place, part in enumerate(parts):
            yield Line(part, x, 534 + (place - (len(parts) - 1) / 2) * size * 1.25, size, colour, bold=True)


def _set(text: str, size: float, widest: float) -> tuple[list[str], float]:
    """Set a text in one line or, where that is too long and has a space, in two; smaller where need be."""
    spaces = [place for place, letter in enumerate(text) if letter == " "]
    if _width(text, size) <= widest or not spaces:
        return [text], _fit(text, size, widest)
    middle = min(spaces, key=lambda place: abs(_width(text[:place], 1) - _width(text[place:], 1)))
    parts = [text[:middle], text[middle + 1 :]]
    return parts, min(_fit(part, size * 0.82, widest) for part in parts)


def _seal(colour: str, x: float, signature: bytes, *, outwards: bool) -> Seal:
    """The university's rays grow outwards and fill the left bar, the company's inwards and fill the right."""
    rays = []
    for place, byte in enumerate(signature):
        angle, length = math.tau * place / len(signature), 4 + byte * 0.19
        near, far = (_INNER + 6, _INNER + 6 + length) if outwards else (_OUTER - 6 - length, _OUTER - 6)
        across, up = math.sin(angle), -math.cos(angle)
        rays.append((x + near * across, _SEAL_Y + near * up, x + far * across, _SEAL_Y + far * up))
    thick = _INNER - 6 if outwards else _OUTER - 6
    circles = ((_OUTER, 1.6), (_INNER, 1.6), (thick if outwards else _OUTER + 6, 4))
    return Seal(
        colour,
        tuple(Circle(x, _SEAL_Y, radius, width) for radius, width in circles),
        tuple(Bar(x + at, _SEAL_Y - 26, 18, 52, full) for at, full in ((-21, outwards), (3, not outwards))),
        tuple(rays),
    )


def _width(text: str, size: float) -> float:
    """Estimate how wide a text is set: Hangul is about as wide as high, Latin letters half of that."""
    return sum(0.56 if ord(letter) < _WIDE_FROM else 0.94 for letter in text) * size


def _fit(text: str, size: float, widest: float) -> float:
    return round(size * min(1.0, widest / max(1.0, _width(text, size))), 1)


def _paint(face: Face) -> bytes:
    drawing = import_module("PIL.ImageDraw")
    image = import_module("PIL.Image").new("RGB", (SIDE * _FINE,) * 2, "#ffffff")
    pen = _Pen(drawing.Draw(image))
    pen.frame((6, 6, 594, 594), 56, 2)
    pen.frame((18, 18, 582, 582), 46, 1)
    for at, colour in ((face.mark_at, _INDIGO), (face.mark_at + 13, _TEAL)):
        pen.bar(Bar(at, 53, 11, 18, full=True), colour, 3)
    pen.spaced(face.kind, face.mark_at + 34, 68)
    for seal in face.seals:
        pen.seal(seal)
    for line in face.lines:
        pen.line(line)
    pen.rule(60, 540, 496)
    written = io.BytesIO()
    image.resize((_PNG_SIDE, _PNG_SIDE), import_module("PIL.Image").Resampling.LANCZOS).quantize(
        colors=128, dither=0
    ).save(written, "PNG", optimize=True)
    return written.getvalue()


class _Pen:
    """Draw in the units of the face."""

    def __init__(self, drawing: Any) -> None:
        self._drawing = drawing

    def frame(self, box: tuple[float, ...], radius: float, width: float) -> None:
        scaled = [edge * _FINE for edge in box]
        self._drawing.rounded_rectangle(scaled, radius * _FINE, outline=_LINE, width=round(width * _FINE))

    def rule(self, left: float, right: float, y: float) -> None:
        self._drawing.line([left * _FINE, y * _FINE, right * _FINE, y * _FINE], _LINE, round(1.5 * _FINE))

    def seal(self, seal: Seal) -> None:
        for circle in seal.circles:
            reach = circle.radius + circle.width / 2
            box = (circle.x - reach, circle.y - reach, circle.x + reach, circle.y + reach)
            self._drawing.ellipse(
                [edge * _FINE for edge in box], outline=seal.colour, width=round(circle.width * _FINE)
            )
        for ray in seal.rays:
            self._drawing.line([end * _FINE for end in ray], seal.colour, round(2.4 * _FINE))
        for bar in seal.bars:
            self.bar(bar, seal.colour, 4)

    def bar(self, bar: Bar, colour: str, radius: float) -> None:
        box = (bar.x, bar.y, bar.x + bar.width, bar.y + bar.height)
        fill = colour if bar.full else None
        self._drawing.rounded_rectangle(
            [edge * _FINE for edge in box],
            radius * _FINE,
            fill=fill,
            outline=colour,
            width=round(2.4 * _FINE),
        )

    def line(self, line: Line) -> None:
        at = (line.x * _FINE, line.y * _FINE)
        face = _font(round(line.size * _FINE), bold=line.bold)
        self._drawing.text(at, line.text, fill=line.colour, font=face, anchor="ms")

    def spaced(self, text: str, x: float, y: float) -> None:
        face = _font(17 * _FINE, bold=False)
        for letter in text:
            self._drawing.text((x * _FINE, y * _FINE), letter, fill=_MUTED, font=face, anchor="ls")
            x += face.getlength(letter) / _FINE + 2


@lru_cache(maxsize=32)
def _font(size: int, *, bold: bool) -> Any:
    fonts = import_module("PIL.ImageFont")
    found = next((_FOLDER / name for name in _FACES[bold] if (_FOLDER / name).exists()), None)
    return fonts.load_default(size) if found is None else fonts.truetype(str(found), size)
