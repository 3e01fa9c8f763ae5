"""What a PDF signature shows: a bar in the organisation's colour and two lines, with their font embedded."""

import io
from dataclasses import dataclass
from functools import lru_cache

from fontTools import subset
from fontTools.ttLib import TTFont
from pyhanko.pdf_utils.content import ResourceType
from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.stamp.base import BaseStamp, BaseStampStyle

_SIZE = 7.2
_BASELINES = (15.2, 4.6)
_BAR, _LEFT = 1.4, 6.0
_INKS = ((0.106, 0.122, 0.141), (0.27, 0.30, 0.34))
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))) + "·"

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Stamp(BaseStampStyle):
    """Describe a stamp; `font` is the content of a font that has all the letters."""

    border_width: int = 0
    lines: tuple[str, ...] = ()
    font: bytes = b""
    colour: Colour = (0.0, 0.0, 0.0)

    def create_stamp(
        self, writer: BasePdfFileWriter, box: BoxConstraints, text_params: dict[str, object]
    ) -> BaseStamp:
        """Return the stamp for one signature field."""
        del text_params
        return _Drawn(writer, self, box)


class _Drawn(BaseStamp):
    def _render_inner_content(self) -> list[bytes]:
        style: Stamp = self.style
        engine = GlyphAccumulator(self._ensure_writer, io.BytesIO(style.font), _SIZE)
        self.set_resource(ResourceType.FONT, pdf_name("/F1"), engine.as_resource())
        drawn = [b"%g %g %g rg 0 0 %g %g re f" % (*style.colour, _BAR, self.box.height)]
        room = self.box.width - _LEFT
        for line, baseline, ink in zip(style.lines, _BASELINES, _INKS, strict=True):
            shaped = engine.shape(line, with_actual_text=False)
            squeeze = min(100.0, 100.0 * room / max(shaped.x_advance * _SIZE, 1.0))
            drawn.append(b"BT %g %g %g rg /F1 %g Tf %g Tz %g %g Td" % (*ink, _SIZE, squeeze, _LEFT, baseline))
            drawn += [shaped.graphics_ops, b"ET"]
        return drawn


def make_stamp(font: str, lines: tuple[str, ...], colour: Colour) -> Stamp:
    """Return a stamp that says these lines in a font of this machine.

    Raises:
        OSError: the font is not there.
    """
    letters = "".join(sorted({*_PRINTABLE, *"".join(lines)}))
    content, known = _small_font(font, letters)
    shown = tuple("".join(letter if ord(letter) in known else "?" for letter in line) for line in lines)
    return Stamp(lines=shown, font=content, colour=colour)


@lru_cache(maxsize=32)
def _small_font(path: str, letters: str) -> tuple[bytes, frozenset[int]]:
    """Cut a font down to some letters, once: that takes longer than all else of a signature."""
    options = subset.Options()
    options.layout_features, options.hinting, options.notdef_outline = [], False, True
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "vhea", "vmtx"]
    with TTFont(path, lazy=True) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(text=letters)
        cutter.subset(font)
        out = io.BytesIO()
        font.save(out)
        return out.getvalue(), frozenset(font.getBestCmap())
