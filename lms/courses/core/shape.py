"""Check a YAML file against a model, every error at its place and in our own words."""

import difflib
import json
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lms.courses.core.outline import CLOCK, IDENTIFIER, KEY, MODULE, SLUG
from lms.courses.core.problems import Problem
from lms.courses.core.yaml_file import YamlFile

Model = TypeVar("Model", bound=BaseModel)

_PLAIN = {
    "string_type": "want_text",
    "int_type": "want_whole_number",
    "int_from_float": "want_whole_number",
    "int_parsing": "want_whole_number",
    "float_type": "want_number",
    "float_parsing": "want_number",
    "finite_number": "want_number",
    "model_type": "want_mapping",
    "model_attributes_type": "want_mapping",
    "dict_type": "want_mapping",
    "tuple_type": "want_list",
    "list_type": "want_list",
    "bool_type": "want_truth",
    "bool_parsing": "want_truth",
    "string_too_short": "too_short",
    "time_unreadable": "time_unreadable",
    "time_naive": "time_naive",
    "due_without_days": "due_without_days",
}
_LIMITS = {
    "greater_than_equal": ("too_small", "ge"),
    "greater_than": ("too_small_exclusive", "gt"),
    "less_than_equal": ("too_large", "le"),
    "less_than": ("too_large_exclusive", "lt"),
    "string_too_long": ("too_long", "max_length"),
    "too_short": ("too_few", "min_length"),
    "too_long": ("too_many", "max_length"),
}
_HINTS = {
    SLUG: (
        "use lower-case letters, digits and single hyphens",
        "영문 소문자, 숫자, 하이픈 하나씩만 쓰세요",
    ),
    KEY: ("use lower-case letters, digits, '-' and '_'", "영문 소문자, 숫자, '-', '_'만 쓰세요"),
    IDENTIFIER: ("use the name of a Python function", "파이썬 함수 이름을 쓰세요"),
    MODULE: (
        "write a module as Python imports it, such as sklearn.linear_model",
        "sklearn.linear_model처럼 파이썬에서 import하는 이름을 쓰세요",
    ),
    CLOCK: ('write the time as "23:59"', '시각을 "23:59"처럼 쓰세요'),
    r"\S": ("write something", "내용을 쓰세요"),
    r"^https?://\S+$": ("write an address that begins with https://", "https://로 시작하는 주소를 쓰세요"),
}
_OTHER_HINT = ("see the reference for course files", "강의 파일 참고서를 확인하세요")


def fit(yaml_file: YamlFile, model: type[Model]) -> tuple[Model | None, list[Problem]]:
    """Return the file's content as `model`, or None and what is wrong with it."""
    try:
        text = json.dumps(yaml_file.value)
        return model.model_validate_json(text), []
    except ValidationError as error:
        found = [_problem(yaml_file, model, detail) for detail in error.errors() if not _follows(detail)]
        said = {(one.line, one.column) for one in yaml_file.problems}
        return None, [one for one in found if (one.line, one.column) not in said]


def _follows(detail: ErrorDetails) -> bool:
    """Say whether a list is called too short only because all of its items are wrong."""
    return detail["type"] == "too_short" and bool(detail["input"])


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return what was probably meant by a mistyped word."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def guess(word: str, known: Iterable[str]) -> dict[str, Any]:
    """Return `meant` and `meant_ko` for a sentence: what was probably meant, or nothing."""
    meant = nearest(word, known)
    if meant in {None, word}:  # the same word: it is there, but not of the kind that is wanted
        return {"meant": "", "meant_ko": ""}
    return {"meant": f"; did you mean '{meant}'?", "meant_ko": f". '{meant}'을(를) 쓰려던 건가요?"}


def _problem(yaml_file: YamlFile, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    path = detail["loc"]
    kind = detail["type"]
    key = _name(path)
    if path and path[-1] == "[key]":
        return _unknown(yaml_file, path[:-1], ("ko", "en"))
    if kind == "extra_forbidden":
        return _unknown(yaml_file, path, _known_keys(model, path[:-1]))
    return _worded(yaml_file, path, detail, key)


def _worded(yaml_file: YamlFile, path: tuple[int | str, ...], detail: ErrorDetails, key: str) -> Problem:
    kind = detail["type"]
    if kind == "missing":
        return yaml_file.problem(path[:-1], "missing_key", key=key)
    if kind == "literal_error":
        choices = str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ")
        return yaml_file.problem(path, "want_one_of", key=key, choices=choices)
    if kind == "string_pattern_mismatch":
        return _pattern(yaml_file, path, detail)
    if kind in _LIMITS:
        code, name = _LIMITS[kind]
        limit = detail.get("ctx", {}).get(name)
        return yaml_file.problem(path, code, key=key, limit=_number(limit))
    return yaml_file.problem(path, _PLAIN.get(kind, "wrong_value"), key=key)


def _pattern(yaml_file: YamlFile, path: Sequence[int | str], detail: ErrorDetails) -> Problem:
    pattern = str(detail.get("ctx", {}).get("pattern", ""))
    hint, hint_ko = _HINTS.get(pattern, _OTHER_HINT)
    value = str(detail["input"])[:60]
    return yaml_file.problem(path, "want_pattern", key=_name(path), value=value, hint=hint, hint_ko=hint_ko)


def _unknown(yaml_file: YamlFile, path: Sequence[int | str], known: Iterable[str]) -> Problem:
    key = str(path[-1])
    meant = nearest(key, known)
    if meant is None:
        return yaml_file.problem(path, "unknown_key", on_key=True, key=key)
    return yaml_file.problem(path, "unknown_key_meant", on_key=True, key=key, meant=meant)


def _name(path: Sequence[int | str]) -> str:
    words = [part for part in path if isinstance(part, str)]
    return words[-1] if words else "file"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _known_keys(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Return the keys allowed at `path`, found by walking the model's annotations."""
    here: Any = model
    for part in path:
        here = _step(here, part)
    return sorted(here.model_fields) if _is_model(here) else []


def _step(annotation: Any, part: int | str) -> Any:
    if _is_model(annotation):
        found = annotation.model_fields.get(part)
        return _inner(found.annotation) if found else None
    arguments = typing.get_args(annotation)
    return _inner(arguments[-1] if isinstance(part, str) else arguments[0]) if arguments else None


def _inner(annotation: Any) -> Any:
    """Take off Annotated and Optional."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _inner(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        return _inner(next(a for a in typing.get_args(annotation) if a is not type(None)))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
