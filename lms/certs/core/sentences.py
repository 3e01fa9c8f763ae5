"""What each code means and what to do, in English and Korean."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_ROLES = {
    "university": {"en": "university", "ko": "대학"},
    "company": {"en": "company", "ko": "기업"},
}


@cache
def sentences() -> Mapping[str, Mapping[str, str]]:
    """Return every sentence by code and language."""
    return tomllib.loads(Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8"))


def sentence(code: str, params: Mapping[str, Any], language: str) -> str:
    """Say what a code means and what to do, in Korean for `ko` and in English for anything else."""
    column = "ko" if language == "ko" else "en"
    named = {key: _ROLES[value][column] if key == "role" else value for key, value in params.items()}
    return sentences()[code][column] % named
