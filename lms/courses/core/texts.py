"""Check that every text of a YAML file is there in every language of the course."""

from collections.abc import Iterator, Sequence
from typing import Any

from lms.courses.core.problems import Problem
from lms.courses.core.yaml_file import Path, YamlFile

_TEXT_KEYS = frozenset({"title", "summary", "description", "criteria", "name"})


def check_texts(yaml_file: YamlFile, languages: Sequence[str]) -> list[Problem]:
    """Return what is missing."""
    return [
        yaml_file.problem(
            path, "translation_missing", on_key=True, language=language, languages=", ".join(languages)
        )
        for path, text in _texts(yaml_file.value, ())
        for language in languages
        if language not in text
    ]


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        if key in _TEXT_KEYS and isinstance(child, dict):
            yield (*path, key), child
        else:
            yield from _texts(child, (*path, key))
