"""The reference of challenge.yml names every key that the model has, with its default."""

import re
import typing

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lms.courses.core.outline import Due
from lms.leaderboards.core.challenge_file import ChallengeFile
from lms.leaderboards.core.metrics import METRICS
from tests.runtime.jails import ROOT

PAGE = (ROOT / "docs" / "reference" / "challenge-files.md").read_text(encoding="utf-8")
ROWS = {
    match["key"]: match["default"]
    for match in re.finditer(r"^\| `(?P<key>[^`]+)` \| .+ \| (?P<default>[^|]+) \|$", PAGE, re.MULTILINE)
}


def models(found: FieldInfo) -> list[type[BaseModel]]:
    """Return the models of our own in a field's type."""
    inner = [found.annotation, *typing.get_args(found.annotation)]
    inner += [one for each in inner for one in typing.get_args(each)]
    return [one for one in inner if isinstance(one, type) and issubclass(one, BaseModel) and one is not Due]


def keys(model: type[BaseModel], above: str = "") -> dict[str, FieldInfo]:
    """Return key -> field, with those of models inside."""
    found: dict[str, FieldInfo] = {}
    for name, each in model.model_fields.items():
        below = models(each)
        if not below:
            found[f"{above}{name}"] = each
            continue
        several = typing.get_origin(each.annotation) is tuple
        found |= keys(below[0], f"{above}{name}{'[]' if several else ''}.")
    return found


KEYS = keys(ChallengeFile)


def test_the_page_has_exactly_the_keys_of_the_model() -> None:
    assert "form.columns[].kind" in KEYS
    assert "limits.per_day" in KEYS
    assert set(ROWS) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_page_says_what_holds_where_a_key_is_left_out(key: str) -> None:
    default = KEYS[key].default
    if KEYS[key].is_required():
        assert ROWS[key] == "required"
    elif default not in {None, ()}:
        several = default if isinstance(default, tuple) else (default,)
        plain = [str(one).lower() if isinstance(one, bool) else str(one) for one in several]
        assert ROWS[key] == ", ".join(f"`{one}`" for one in plain)
    else:
        assert ROWS[key] != "required"


def test_the_page_has_every_metric_with_what_it_compares() -> None:
    for kind in ("label", "number", "probability"):
        row = re.search(rf"^\| `{kind}` \| (.+) \|$", PAGE, re.MULTILINE)
        assert row is not None
        named = re.findall(r"`(\w+)`", row[1])
        assert named == sorted(name for name, one in METRICS.items() if one.kind == kind)
