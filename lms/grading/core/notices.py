"""Every notice of the pipeline as a sentence in English and Korean; they stand in `notices.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from lms.grading.core.contracts import Notice

LANGUAGES = ("en", "ko")
TABLE: Mapping[str, Mapping[str, Mapping[str, str]]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)
SENTENCES: Mapping[str, Mapping[str, str]] = {
    code: sentences for group in TABLE.values() for code, sentences in group.items()
}


class Unreadable(Exception):
    """The file cannot be graded; `notice` says why."""

    def __init__(self, code: str, **params: str | float) -> None:
        super().__init__(code)
        self.notice = Notice(code, params)


def is_fatal(notice: Notice) -> bool:
    """Say whether a file with this notice cannot be graded."""
    return notice.code in TABLE["fatal"]


def sentence(notice: Notice, language: str) -> str:
    """Return the notice as a sentence; an unknown language gets English."""
    known = SENTENCES[notice.code]
    return known.get(language, known["en"]) % notice.params
