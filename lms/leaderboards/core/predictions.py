"""Read a predictions file that anyone may have sent: every fault has its line, none is a crash.

A file is a table with a column of ids and one or more columns of predictions, as CSV or as JSON (a list of
rows, or columns of values). It is taken when it holds each expected id exactly once and a usable value in
every cell; the order of its rows is free.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from lms.errors import N_, Invalid, TooLarge
from lms.leaderboards.core.json_text import SaidTwice, read_json
from lms.leaderboards.core.labels import label_of

MOST_FAULTS = 20
SHOWN_CHARACTERS = 40
BYTES_BESIDE = 1 << 20
BYTES_OF_CELL = 64
HEADER_LINE = 1
TWICE = N_('The column "%(name)s" stands there twice.')


class Kind(StrEnum):
    """What stands in a column of predictions."""

    LABEL = "label"  # a class, as text
    NUMBER = "number"  # a finite number
    PROBABILITY = "probability"  # a number from 0 to 1


@dataclass(frozen=True)
class Column:
    """One column of predictions."""

    name: str
    kind: Kind
    labels: frozenset[str] = frozenset()  # the classes that there are; empty: any


@dataclass(frozen=True)
class Form:
    """What a file must hold."""

    id_column: str
    columns: tuple[Column, ...]
    ids: Mapping[str, int]  # id -> row of the truth
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", (self.id_column, *(column.name for column in self.columns)))

    @property
    def limit_bytes(self) -> int:
        """Return how large a file may be: ample for these rows, too small to be a burden."""
        return most_bytes(len(self.columns), len(self.ids))


def most_bytes(columns: int, rows: int) -> int:
    """Return how large a file of predictions may be, of so many columns beside the ids."""
    return BYTES_BESIDE + BYTES_OF_CELL * (columns + 1) * (rows + 1)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, with its line where there is one."""

    line: int | None
    message: str
    params: Mapping[str, object]


class BadPredictions(Invalid):
    """The file is not taken; `faults` are the first that were found, of `count`."""

    def __init__(self, faults: Sequence[Fault], count: int) -> None:
        super().__init__(
            N_("The file was not taken. Problems: %(count)d. Mend them and send again; it was not counted."),
            field="file",
            count=count,
        )
        self.faults = tuple(faults)


Value = str | float
Table = dict[str, list[Value]]
"""Column -> values, in the order of the truth's rows."""


def read_predictions(content: bytes, form: Form) -> Table:
    """Read a file of predictions, CSV or JSON by its first character.

    Raises:
        TooLarge: it is far larger than its rows need.
        BadPredictions: it cannot be scored; each fault has its line.

    Complexity: O(bytes).
    """
    check_size(content, form)
    text = _text(content)
    good = _read_at_once(text, form)
    if good is not None:
        return good
    rows = _json_rows(text, form) if text.lstrip()[:1] in {"[", "{"} else _csv_rows(text, form)
    return _filled(rows, form)


def check_shape(content: bytes, form: Form) -> None:
    """Refuse what is no table of a form's columns with a usable value in each cell, whichever ids it has.

    Raises:
        BadPredictions: it is none; each fault has its line.
    """
    text = _text(content)
    rows = list(_json_rows(text, form) if text.lstrip()[:1] in {"[", "{"} else _csv_rows(text, form))
    if not rows:
        raise _refused(None, N_("There is no row in it. Send one row for each id."))
    names = dict.fromkeys(str(row.cells[0]).strip() for row in rows)
    _filled(rows, replace(form, ids={name: at for at, name in enumerate(names)}))


def check_size(content: bytes, form: Form) -> None:
    """Refuse a file of any kind that is far larger than its rows need.

    Raises:
        TooLarge: it is.
    """
    if len(content) > form.limit_bytes:
        raise TooLarge(
            N_(
                "The file is larger than %(limit)d KiB, which is ample for %(rows)d rows. "
                "Send only the columns asked for."
            ),
            limit=form.limit_bytes >> 10,
            rows=len(form.ids),
        )


def _read_at_once(text: str, form: Form) -> Table | None:
    """Read a CSV that has nothing unusual, whole columns at a time; None where its rows must be looked at.

    What it takes is what the other way takes too, with the same values.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if sorted(header) != sorted(form.names):
            return None
        columns = dict(
            zip(header, zip(*reader, strict=True), strict=True)
        )  # ValueError: rows of other widths
    except (csv.Error, ValueError):
        return None
    places = [form.ids.get(name, -1) for name in columns[form.id_column]]
    if len(places) != len(form.ids) or len(set(places)) != len(places) or -1 in places:
        return None
    table: Table = {}
    for column in form.columns:
        values = _values_at_once(columns[column.name], column)
        if values is None:
            return None
        in_order: list[Value] = [""] * len(places)
        for at, value in zip(places, values, strict=True):
            in_order[at] = value
        table[column.name] = in_order
    return table


def _values_at_once(cells: Sequence[str], column: Column) -> Sequence[Value] | None:
    if column.kind is Kind.LABEL:
        return cells if all(label_of(cell, column.labels) == cell for cell in set(cells)) else None
    text = "".join(cells)
    if "_" in text or not text.isascii():
        return None
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    if not all(map(math.isfinite, values)):
        return None
    if column.kind is Kind.PROBABILITY and not (min(values) >= 0 and max(values) <= 1):
        return None
    return values


class _Row(NamedTuple):
    line: int
    cells: Sequence[Any]  # the id, then a value for each column; None where there is none


@dataclass
class _Faults:
    first: list[Fault] = field(default_factory=list)
    count: int = 0

    def note(self, line: int | None, message: str, **params: object) -> None:
        self.count += 1
        if len(self.first) < MOST_FAULTS:
            self.first.append(Fault(line, message, params))

    def check(self) -> None:
        if self.count:
            raise BadPredictions(self.first, self.count)


def _refused(line: int | None, message: str, **params: object) -> BadPredictions:
    return BadPredictions([Fault(line, message, params)], 1)


def _text(content: bytes) -> str:
    if not content.strip():
        raise _refused(None, N_("The file is empty. Send one row for each id."))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(
            line, N_("This is not UTF-8 text. Save the file as CSV (UTF-8) and send it again.")
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refused(line, N_("There is a zero character. Save the file as plain CSV and send it again."))
    return text


def _csv_rows(text: str, form: Form) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        order = _order(header, form)
        width = len(header)
        for cells in reader:
            if not cells:
                continue  # an empty line at the end
            if len(cells) != width:
                message = N_("There are %(count)d values where the header names %(width)d columns.")
                raise _refused(reader.line_num, message, count=len(cells), width=width)
            yield _Row(reader.line_num, [cells[at] for at in order])
    except csv.Error:
        message = N_("This line cannot be read as CSV. Check its quotation marks.")
        raise _refused(reader.line_num, message) from None


def _order(header: Sequence[str], form: Form) -> list[int]:
    """Return where each expected column stands."""
    faults = _Faults()
    often = Counter(header)
    for name in sorted(name for name, count in often.items() if count > 1)[:MOST_FAULTS]:
        faults.note(HEADER_LINE, TWICE, name=_shown(name))
    for name in form.names:
        if name not in header:
            faults.note(
                HEADER_LINE,
                N_('The column "%(name)s" is missing. The first line must name: %(names)s.'),
                name=name,
                names=", ".join(form.names),
            )
    for name in header:
        if name not in form.names:
            faults.note(
                HEADER_LINE, N_('The column "%(name)s" is not asked for. Leave it out.'), name=_shown(name)
            )
    faults.check()
    return [header.index(name) for name in form.names]


def _json_rows(text: str, form: Form) -> Iterator[_Row]:
    """Read rows `[{"id": …}, …]` or columns `{"id": […], …}`; what is called a line is a row, from 1."""
    try:
        found = read_json(text)
    except json.JSONDecodeError as error:
        raise _refused(error.lineno, N_("This line cannot be read as JSON.")) from None
    except (RecursionError, ValueError):  # nested a thousandfold, or a number of thousands of digits
        raise _refused(None, N_("This cannot be read as a table in JSON.")) from None
    if isinstance(found, dict):
        return _json_columns(found, form)
    return (_json_row(number, row, form) for number, row in enumerate(found, 1))


def _check_once(found: object, line: int | None) -> None:
    if isinstance(found, SaidTwice):
        raise _refused(line, TWICE, name=_shown(found.name))


def _json_columns(found: Mapping[str, Any], form: Form) -> Iterator[_Row]:
    _check_once(found, None)
    order = _order(list(found), form)
    columns = [list(found.values())[at] for at in order]
    if not all(isinstance(column, list) for column in columns) or len({len(one) for one in columns}) != 1:
        raise _refused(None, N_("Each column must be a list, all of the same length."))
    return (_Row(number, cells) for number, cells in enumerate(zip(*columns, strict=True), 1))


def _json_row(number: int, row: object, form: Form) -> _Row:
    _check_once(row, number)
    if not isinstance(row, dict) or set(row) != set(form.names):
        raise _refused(number, N_("Each row must be an object with: %(names)s."), names=", ".join(form.names))
    return _Row(number, [row[name] for name in form.names])


def _filled(rows: Iterable[_Row], form: Form) -> Table:
    faults = _Faults()
    table: Table = {column.name: [""] * len(form.ids) for column in form.columns}
    readers = [(table[column.name], column, READERS[column.kind]) for column in form.columns]
    seen: dict[int, int] = {}
    for line, cells in rows:
        at = _place(cells[0], line, form, seen, faults)
        if at is None:
            continue
        for (values, column, read), cell in zip(readers, cells[1:], strict=True):
            value = read(cell, column)
            if value is None:
                _note_value(faults, line, column, cell)
            else:
                values[at] = value
    _note_missing(faults, form, seen)
    faults.check()
    return table


def _place(cell: object, line: int, form: Form, seen: dict[int, int], faults: _Faults) -> int | None:
    name = str(cell).strip() if isinstance(cell, str | int) else ""
    at = form.ids.get(name)
    if at is None:
        faults.note(line, N_('The id "%(id)s" is not among those asked for.'), id=_shown(cell))
    elif at in seen:
        faults.note(
            line, N_('The id "%(id)s" stood already in line %(first)d.'), id=_shown(cell), first=seen[at]
        )
    else:
        seen[at] = line
        return at
    return None


def _note_value(faults: _Faults, line: int, column: Column, cell: object) -> None:
    wanted = WANTED[column.kind] if column.labels or column.kind is not Kind.LABEL else WANTED_OF_ANY
    faults.note(line, wanted, name=column.name, value=_shown(cell))


def _note_missing(faults: _Faults, form: Form, seen: Mapping[int, int]) -> None:
    if len(seen) == len(form.ids):
        return
    missing = [name for name, at in form.ids.items() if at not in seen]
    faults.note(
        None,
        N_('Ids that are missing: %(count)d, the first of them "%(id)s".'),
        count=len(missing),
        id=_shown(missing[0]),
    )


def _number(cell: object, column: Column) -> float | None:
    del column
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return None
    # Python reads 1_000 and digits of every script; other tools would not.
    plain = not isinstance(cell, str) or (cell.isascii() and "_" not in cell)
    return number if plain and math.isfinite(number) else None


def _probability(cell: object, column: Column) -> float | None:
    number = _number(cell, column)
    return number if number is not None and 0 <= number <= 1 else None


READERS: Mapping[Kind, Callable[[object, Column], Value | None]] = {
    Kind.LABEL: lambda cell, column: label_of(cell, column.labels),
    Kind.NUMBER: _number,
    Kind.PROBABILITY: _probability,
}
WANTED = {
    Kind.LABEL: N_('"%(value)s" in "%(name)s" is not one of the classes.'),
    Kind.NUMBER: N_('"%(value)s" in "%(name)s" is not a finite number.'),
    Kind.PROBABILITY: N_('"%(value)s" in "%(name)s" is not a number from 0 to 1.'),
}
WANTED_OF_ANY = N_(
    '"%(value)s" in "%(name)s" is no class. Classes are text or whole numbers, 1 and not 1.0, none missing.'
)


def _shown(cell: object) -> str:
    """Return a value short and harmless enough for a sentence."""
    text = "".join(one if one.isprintable() else "�" for one in str(cell)[: SHOWN_CHARACTERS + 1])
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
