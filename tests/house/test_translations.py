import io
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
KEYWORDS = {
    "_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "lazy_gettext": None, "lazy_ngettext": (1, 2),
}  # fmt: skip
CATALOGUES = sorted((ROOT / "lms").glob("*/translations/ko/LC_MESSAGES/messages.po"))


def catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def known() -> Catalog:
    """Everything that has a Korean form, from whichever domain's catalogue."""
    merged = Catalog()
    for path in CATALOGUES:
        for message in catalogue(path):
            if message.id:
                merged.add(message.id, message.string)
    return merged


def test_every_sentence_has_a_korean_form() -> None:
    method_map, options_map = parse_mapping_cfg(io.StringIO((ROOT / "babel.cfg").read_text()))
    korean = known()
    missing = []
    for file, line, message, _, _ in extract_from_dir(
        str(ROOT / "lms"), method_map, options_map, keywords=KEYWORDS
    ):
        found = korean.get(message)
        strings = (
            (found.string if isinstance(found.string, tuple | list) else (found.string,)) if found else ()
        )
        if not strings or not all(strings):
            missing.append(f"{file}:{line}: {message}")
    assert missing == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parents[3].name)
def test_a_catalogue_holds_nothing_doubtful(path: Path) -> None:
    for message in catalogue(path):
        if message.id:
            assert not message.fuzzy, message.id
            assert not list(message.check()), message.id
