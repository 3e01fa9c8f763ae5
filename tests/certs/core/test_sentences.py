import re
from pathlib import Path

import pytest

import lms.certs.core
from lms.certs.core.sentences import _entry, sentence, sentences

CORE = Path(lms.certs.core.__path__[0])
SOURCES = [path for room in ("core", "signer", "vcapi") for path in (CORE.parent / room).glob("*.py")]
CODE = re.compile(
    r'(?:Problem|Unreadable|Refusal|NotYet|Finding|_about)\(\s*"([a-z_]+\.[a-z0-9_]+)"'
    r'|"((?:proof|pdf|evidence|regrade)\.[a-z_]+)"'
)


def test_every_code_has_a_sentence_and_every_sentence_a_code() -> None:
    used = {a or b for path in SOURCES for a, b in CODE.findall(path.read_text())}
    assert used - {"pdf.py"} == set(sentences())


@pytest.mark.parametrize("code", sorted(sentences()))
def test_a_sentence_is_there_in_both_languages_with_the_same_values(code: str) -> None:
    english, korean = sentences()[code]["en"], sentences()[code]["ko"]
    names = re.compile(r"%\((\w+)\)[sd]")
    assert sorted(set(names.findall(english))) == sorted(set(names.findall(korean)))
    assert re.search("[가-힣]", korean)
    assert english.endswith(".")
    assert korean.endswith(".")


def test_each_is_found_alone() -> None:
    for code, both in sentences().items():
        assert dict(_entry(code)) == dict(both)
    with pytest.raises(KeyError):
        sentence("no.such_code", {}, "en")


def test_a_role_is_said_in_the_language_of_the_sentence() -> None:
    params = {"role": "company", "name": "누리에이아이"}
    assert "기업(누리에이아이)" in sentence("proof.missing", params, "ko")
    assert "the company (누리에이아이)" in sentence("proof.missing", params, "en")
