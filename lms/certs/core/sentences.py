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
    return tomllib.loads(_text())


def sentence(code: str, params: Mapping[str, Any], language: str) -> str:
    """Say what a code means and what to do, in Korean for `ko` and in English for anything else."""
    column = "ko" if language == "ko" else "en"
    named = {key: _ROLES[value][column] if key == "role" else value for key, value in params.items()}
    return _entry(code)[column] % named


@cache
def _text() -> str:
    return Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8")


@cache
def _entry(code: str) -> Mapping[str, str]:
    """Read one entry alone: the whole file takes longer to read than a certificate to verify."""
    head = f'["{code}"]\n'
    _, found, rest = _text().partition(head)
    if not found:
        raise KeyError(code)
    entry: Mapping[str, str] = tomllib.loads(head + rest.partition("\n[")[0])[code]
    return entry
