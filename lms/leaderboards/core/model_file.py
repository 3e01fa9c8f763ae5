"""A trained model as it arrives: what it must be is told by its bytes; nothing is loaded or run here.

Taken are a safetensors file, which holds numbers only, and an ONNX file that needs nothing but itself and the
standard operators.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lms.errors import N_, Invalid, TooLarge
from lms.leaderboards.core.foreign_files import describe
from lms.leaderboards.core.onnx_file import check_onnx, looks_like_onnx
from lms.leaderboards.core.safetensors_file import check_tensors, looks_like_safetensors, read_tensors


class ModelFormat(StrEnum):
    """How a model is written."""

    SAFETENSORS = "safetensors"
    ONNX = "onnx"


NAMES = {ModelFormat.SAFETENSORS: "safetensors", ModelFormat.ONNX: "ONNX"}


@dataclass(frozen=True)
class ModelForm:
    """What a model's file must be."""

    formats: tuple[ModelFormat, ...]
    max_bytes: int
    tensors: Mapping[str, Sequence[int | None]] = field(default_factory=dict)
    """Name -> shape of those of the challenge's architecture, for safetensors; empty: any."""

    @property
    def named(self) -> str:
        """Return the formats as they are named in a sentence."""
        return ", ".join(NAMES[one] for one in self.formats)


def format_of(content: bytes) -> ModelFormat | None:
    """Return what a file looks like; None: no model that is taken."""
    if looks_like_safetensors(content):
        return ModelFormat.SAFETENSORS
    return ModelFormat.ONNX if looks_like_onnx(content) else None


def check_model(content: bytes, form: ModelForm) -> ModelFormat:
    """Look whether a file is a model that can be run, and of which format.

    Raises:
        TooLarge: it is larger than the challenge allows.
        Invalid: it is not; what is sent instead is said.
    """
    if len(content) > form.max_bytes:
        raise TooLarge(
            N_("A model may have %(limit)d bytes here, and this one has %(found)d."),
            limit=form.max_bytes,
            found=len(content),
        )
    found = format_of(content)
    if found is None:
        raise Invalid(describe(content), field="file", formats=form.named)
    if found not in form.formats:
        raise Invalid(
            N_("This is %(found)s, and this challenge takes only %(formats)s."),
            field="file",
            found=NAMES[found],
            formats=form.named,
        )
    if found is ModelFormat.ONNX:
        check_onnx(content)
    else:
        check_tensors(read_tensors(content), form.tensors)
    return found
