"""Read the header of a safetensors file that anyone may have sent; its numbers are not touched.

Source: https://github.com/huggingface/safetensors, "Format": 8 bytes (little-endian) with the header's
length, the header as JSON, then the tensors' bytes one after the other, without gaps.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lms.errors import N_, Invalid

LENGTH_BYTES = 8
HEADER_BYTES = 1 << 20
"""Far less than the format allows: a header names tensors, it holds none."""
LEAST_HEADER = 2  # {}
MOST_DIMENSIONS = 8
LARGEST = 1 << 63
NAME_CHARACTERS = 200
METADATA = "__metadata__"
BYTES_OF = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
BROKEN = N_("The safetensors file is cut off, or its header is broken. Write it anew with save_file.")


@dataclass(frozen=True)
class Tensor:
    """One tensor, as the header has it."""

    dtype: str
    shape: tuple[int, ...]


def looks_like_safetensors(content: bytes) -> bool:
    """Say whether a file begins as a safetensors file does: a length, then an opening brace."""
    return content[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{" and _length(content) < 1 << 32


def read_tensors(content: bytes) -> dict[str, Tensor]:
    """Return name -> tensor of a safetensors file.

    Raises:
        Invalid: the header is broken, a tensor does not lie where it says, or has a type that is not taken.
    """
    length = _length(content)
    if not LEAST_HEADER <= length <= min(HEADER_BYTES, len(content) - LENGTH_BYTES):
        raise _broken()
    header = _header(content[LENGTH_BYTES : LENGTH_BYTES + length])
    _check_metadata(header.pop(METADATA, {}))
    spans: list[tuple[int, int]] = []
    tensors = {name: _tensor(name, found, spans) for name, found in header.items()}
    _check_spans(spans, len(content) - LENGTH_BYTES - length)
    return tensors


def check_tensors(
    tensors: Mapping[str, Tensor], asked: Mapping[str, Sequence[int | None]], *, most: int = 1000
) -> None:
    """Refuse tensors that are not those of an architecture; without one, any are good.

    Args:
        asked: name -> shape; None: of any size.

    Raises:
        Invalid: one is missing, not asked for, or has another shape.
    """
    if not asked and not 0 < len(tensors) <= most:
        raise Invalid(N_("A model has 1 to %(most)d tensors."), field="file", most=most)
    for name, shape in asked.items():
        if name not in tensors:
            raise Invalid(N_('The tensor "%(name)s" is missing.'), field="file", name=name)
        if not _fits(tensors[name].shape, shape):
            raise Invalid(
                N_('The tensor "%(name)s" has the shape %(found)s, and %(asked)s is asked for.'),
                field="file",
                name=name,
                found=_written(tensors[name].shape),
                asked=_written(shape),
            )
    for name in tensors:
        if asked and name not in asked:
            raise Invalid(
                N_('The tensor "%(name)s" is not asked for. Leave it out.'), field="file", name=_shown(name)
            )


def _length(content: bytes) -> int:
    return int.from_bytes(content[:LENGTH_BYTES], "little")


def _broken() -> Invalid:
    return Invalid(BROKEN, field="file")


def _header(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise _broken()
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):  # nested a thousandfold, or a number of thousands of digits
        raise _broken() from None
    return dict(found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands there twice")
    return made


def _refuse(name: str) -> None:
    raise ValueError(name)


def _check_metadata(found: object) -> None:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise _broken()


def _tensor(name: str, found: object, spans: list[tuple[int, int]]) -> Tensor:
    if not isinstance(found, dict) or set(found) != {"dtype", "shape", "data_offsets"}:
        raise _broken()
    dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not (_counts(shape, MOST_DIMENSIONS) and _counts(offsets, 2) and len(offsets) == 2):  # noqa: PLR2004 - from, to
        raise _broken()
    if not isinstance(dtype, str) or dtype not in BYTES_OF:
        raise Invalid(
            N_('The tensor "%(name)s" has the type %(dtype)s, which is not taken. Use one of: %(known)s.'),
            field="file",
            name=_shown(name),
            dtype=_shown(str(dtype)),
            known=", ".join(BYTES_OF),
        )
    start, end = offsets
    if not name or len(name) > NAME_CHARACTERS or end - start != math.prod(shape) * BYTES_OF[dtype]:
        raise _broken()
    spans.append((start, end))
    return Tensor(dtype, tuple(shape))


def _counts(found: object, most: int) -> bool:
    """Say whether something is a short list of whole numbers from 0, of 63 bits; true and false are none."""
    return (
        isinstance(found, list)
        and len(found) <= most
        and all(type(one) is int and 0 <= one < LARGEST for one in found)
    )


def _check_spans(spans: list[tuple[int, int]], length: int) -> None:
    """Refuse tensors that overlap, leave a gap, or end elsewhere than the file."""
    reached = 0
    for start, end in sorted(spans):
        if start != reached:
            raise _broken()
        reached = end
    if reached != length:
        raise _broken()


def _fits(found: Sequence[int], asked: Sequence[int | None]) -> bool:
    return len(found) == len(asked) and all(
        want in {None, have} for have, want in zip(found, asked, strict=True)
    )


def _written(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if one is None else str(one) for one in shape) + ")"


def _shown(text: str) -> str:
    """Return a name short and harmless enough for a sentence."""
    plain = "".join(one if one.isprintable() else "�" for one in text[:41])
    return plain if len(plain) <= 40 else plain[:39] + "…"  # noqa: PLR2004 - as long as a line bears
