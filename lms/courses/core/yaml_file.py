"""YAML with the place of every value, its traps reported instead of sprung.

Only plain values come out: no tags, no aliases, no dates (they stay text), no words that YAML 1.1 turns
into booleans, no numbers to the base of 60 or 8.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from lms.courses.core.problems import Problem

DEEPEST = 30
_TRUTHS = {"true": True, "false": False}
_TAGS = {
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "value", "merge")
}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)$")
_STORABLE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]*\Z")
Place = tuple[int, int]
Path = tuple[Hashable, ...]


@dataclass
class YamlFile:
    """What a YAML file says, and where it says so."""

    file: str
    value: Any = None
    problems: list[Problem] = field(default_factory=list)
    places: dict[Path, Place] = field(default_factory=dict)
    """Place of each value; of a mapping's entry: of its key, under the path with ("key",) in front."""

    def at(self, path: Sequence[Hashable], *, on_key: bool = False) -> Place:
        """Return line and column (from 1) of what is at `path`, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            shorter = tuple(path[:length])
            if on_key and (place := self.places.get(("key", *shorter))):
                return place
            if place := self.places.get(shorter):
                return place
        return (1, 1)

    def problem(
        self, path: Sequence[Hashable], code: str, /, *, on_key: bool = False, **params: object
    ) -> Problem:
        """Make an error at the place of `path`."""
        return Problem(self.file, *self.at(path, on_key=on_key), code, params)


def read_yaml(file: str, text: str, first_line: int = 1) -> YamlFile:
    """Read YAML; problems are collected, and what can be read is read."""
    return _Reader(file, first_line).read(text)


class _Reader:
    def __init__(self, file: str, first_line: int) -> None:
        self.result = YamlFile(file)
        self.shift = first_line - 1

    def read(self, text: str) -> YamlFile:
        try:
            if self._refused(text):
                return self.result
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.reader.ReaderError as error:
            start = str(text)[: error.position]
            self._report((start.count("\n") + 1 + self.shift, 1), "bad_character")
            return self.result
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
            return self.result
        if node is None:
            self._report((1 + self.shift, 1), "yaml_empty")
        else:
            self.result.value = self._value(node, ())
        return self.result

    def _refused(self, text: str) -> bool:
        """Look for what would make composing unsafe: depth and aliases."""
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                self._report(self._place(event.start_mark), "yaml_alias")
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEEPEST:
                self._report(self._place(event.start_mark), "yaml_too_deep", limit=DEEPEST)
                return True
        return bool(self.result.problems)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self.result.places[path] = self._place(node.start_mark)
        if node.tag not in _TAGS:
            self._report(self._place(node.start_mark), "yaml_tag", tag=node.tag)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(place, "yaml_key_not_text")
                continue
            key = self._text(key_node)
            if key_node.tag.endswith(":bool") and key.lower() not in _TRUTHS:
                self._report(place, "yaml_truth_word", text=key)
            if key in values:
                first, _ = self.result.places["key", *path, key]
                self._report(place, "yaml_duplicate_key", key=key, first=first)
                continue
            self.result.places["key", *path, key] = place
            values[key] = self._value(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.Node) -> Any:
        text = self._text(node)
        kind = node.tag.rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            if text.lower() in _TRUTHS:
                return _TRUTHS[text.lower()]
            self._report(self._place(node.start_mark), "yaml_truth_word", text=text)
        elif kind == "int":
            return self._whole(node, text)
        elif kind == "float":
            return self._real(node, text)
        return text

    def _whole(self, node: yaml.Node, text: str) -> int | str:
        if _DECIMAL.match(text):
            return int(text.replace("_", ""))
        self._report(self._place(node.start_mark), "yaml_odd_number", text=text)
        return text

    def _real(self, node: yaml.Node, text: str) -> float | str:
        try:
            return float(text.replace("_", ""))
        except ValueError:
            self._report(self._place(node.start_mark), "yaml_odd_number", text=text)
            return text

    def _text(self, node: yaml.Node) -> str:
        text = str(node.value)
        if not _STORABLE.match(text):
            self._report(self._place(node.start_mark), "bad_character")
            return text.encode("ascii", "ignore").decode().replace("\0", "")
        return text

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        place = self._place(mark) if mark else (1 + self.shift, 1)
        self._report(place, "yaml_syntax", detail=error.problem or error.context or "?")

    def _place(self, mark: Any) -> Place:
        return (mark.line + 1 + self.shift, mark.column + 1)

    def _report(self, place: Place, code: str, **params: object) -> None:
        self.result.problems.append(Problem(self.result.file, *place, code, params))
