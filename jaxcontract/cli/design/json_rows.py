"""Records of numbers in JSON: one document, or one on each line. No JAX.

A list named x is read as the columns x_1, x_2, …; of which names, the reader says. Keys may be of either
case; those that are not read may come and go from record to record, those that are may not. A number is a
JSON number that a double can hold: neither text nor true, nor NaN or Infinity, which JSON does not have.
"""

import difflib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.design.columns import Choice, Remarks, Wanted, name_column, normalise
from jaxcontract.cli.design.lines import text_lines
from jaxcontract.cli.design.numerals import quote

LARGEST_DOCUMENT = 2**26  # bytes of JSON, which is read whole
MOST_FORMS = 1000  # sets of keys that are remembered
FORM = 'an object {"system": {constants}, "states": [{one state}, …]}'

Record = Mapping[str, Any]


class Unheld(str):
    """A number that a double cannot hold, or that JSON does not have, as it is written."""

    __slots__ = ()


class Twice(dict[str, Any]):
    """An object with one key twice, called `name`."""

    name = ""


class JsonRows:
    """The rows of records, of the keys that are wanted.

    choice: the keys; word: what one is called
    """

    word = "key"

    def __init__(self, records: Iterator[tuple[int, Any]], wanted: Wanted, remarks: Remarks) -> None:
        self._wanted, self._remarks = wanted, remarks
        flat = ((row, self._flatten(row, record)) for row, record in records)
        first = next(flat, None)
        if first is None:
            raise ValueError("is empty")
        self._records = itertools.chain([first], flat)
        self.choice: Choice = self._choose(*first)
        self._forms: dict[frozenset[str], list[str]] = {}

    def __iter__(self) -> Iterator[tuple[int, Sequence[Any]]]:
        for row, record in self._records:
            form = frozenset(record)
            keys = self._forms.get(form)
            if keys is None:
                keys = self._forms[form] = self._match_keys(row, record)
                if len(self._forms) > MOST_FORMS:
                    self._forms.clear()
            yield row, [record[key] for key in keys]

    def values(self, batch: Sequence[tuple[int, Sequence[Any]]]) -> np.ndarray:
        """Rows as numbers [n, C]. Raises ValueError with the row and the key of the first that is none."""
        values = np.empty((len(batch), len(self.choice.names)))
        for index, (row, cells) in enumerate(batch):
            try:
                values[index] = [_number(cell) for cell in cells]
            except (ValueError, OverflowError):
                raise self._find_bad_cell(row, cells) from None
        return values

    def _find_bad_cell(self, row: int, cells: Sequence[Any]) -> ValueError:
        """Says which cell of a row is not a number."""
        for name, cell in zip(self.choice.names, cells, strict=True):
            try:
                _number(cell)
            except (ValueError, OverflowError):
                where = f"row {row}, {self._name(name)}"
                hint = ", not text" if isinstance(cell, str) and not isinstance(cell, Unheld) else ""
                return ValueError(f"{where}: {_write(cell)} must be a finite number{hint}")
        raise AssertionError("every cell is a number")

    def _name(self, name: str) -> str:
        return name_column(name, self.word, self._wanted.lists)

    def _choose(self, row: int, record: Record) -> Choice:
        names = list(record)
        try:
            choice = self._wanted.choose(names, self.word)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from None
        self._remarks.note_choice(names, choice)
        return choice

    def _match_keys(self, row: int, record: Record) -> list[str]:
        """What a record calls the columns of the first one, in their order."""
        expected, found = self.choice, self._choose(row, record)
        if found.names != expected.names and set(found.names) != set(expected.names):
            missing, others = (
                set(expected.names) - set(found.names),
                set(found.names) - set(expected.names),
            )
            told = f"{self._name(min(missing))} is missing" if missing else ""
            told = told or f"{self._name(min(others))} is one more"
            raise ValueError(f"row {row}: {told}, unlike in the rows before it")
        names = list(record)
        place_of = dict(zip(found.names, found.places, strict=True))
        return [names[place_of[name]] for name in expected.names]

    def _flatten(self, row: int, record: Any) -> Record:
        """A record with every list of ours as single numbers."""
        if not isinstance(record, dict):
            raise ValueError(f"row {row}: {_write(record)} must be an object of named numbers")
        if isinstance(record, Twice):
            raise ValueError(f"row {row}: {self.word} {record.name} stands there twice")
        flat: dict[str, Any] = {}
        for name, value in record.items():
            base = normalise(name)
            if base not in self._wanted.lists:
                flat[name] = value
            elif isinstance(value, list):
                parts = {f"{name.strip()}_{k}": part for k, part in enumerate(value, 1)}
                for twice in parts.keys() & record.keys():
                    raise ValueError(f"row {row}: {self.word} {twice} stands there twice, also in {name}")
                flat |= parts
            else:
                raise ValueError(f"row {row}, {self.word} {base}: {_write(value)} must be a list of numbers")
        return flat


def line_records(path: Path) -> Iterator[tuple[int, Any]]:
    """The records of a file with one on each line; a record's number is its line's."""
    for row, text in text_lines(path):
        if text.strip():
            yield row, _parse(text, row)


def document_records(path: Path, remarks: Remarks) -> Iterator[tuple[int, Any]]:
    """`{"system": {constants}, "states": [{…}, …]}`: the constants go with every state, numbered from 1.

    remarks: where to say which other keys stand beside these two
    """
    if path.stat().st_size > LARGEST_DOCUMENT:
        limit = LARGEST_DOCUMENT // 2**20
        raise ValueError(f"is larger than {limit} MiB; write so many states as .jsonl or .csv")
    document = _parse("".join(text for _, text in text_lines(path)), None)
    if not isinstance(document, dict):
        raise ValueError(f"must be {FORM}")
    others = [name for name in document if name not in ("system", "states")]
    for name in others:
        close = difflib.get_close_matches(normalise(name), ["system", "states"], n=1)
        if close:
            raise ValueError(f"key {quote(name)}: did you mean {close[0]}?")
    constants, states = document.get("system", {}), document.get("states")
    if not isinstance(constants, dict) or not isinstance(states, list):
        raise ValueError(f"must be {FORM}")
    for part, name in ((document, ""), (constants, "system: ")):
        if isinstance(part, Twice):
            raise ValueError(f"{name}key {part.name} stands there twice")
    remarks.note_unread(others)
    return enumerate((_merge(row, constants, state) for row, state in enumerate(states, 1)), 1)


def _merge(row: int, constants: dict[str, Any], state: Any) -> Any:
    """A state with the constants of its document."""
    if not isinstance(state, dict) or isinstance(state, Twice):
        return state
    given = set(map(normalise, constants))
    for name in state:
        if normalise(name) in given:
            raise ValueError(f"row {row}, key {name}: stands in system already")
    return constants | state


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def _write(value: Any) -> str:
    """A value in a message, as JSON writes it."""
    text = str(value) if isinstance(value, Unheld) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _as_float(text: str) -> float | str:
    value = float(text)
    lost = not math.isfinite(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0]))
    return Unheld(text) if lost else value


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = Twice(found)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            twice.name = name
        seen.add(name)
    return twice


DECODER = json.JSONDecoder(object_pairs_hook=_as_object, parse_float=_as_float, parse_constant=Unheld)


def _parse(text: str, row: int | None) -> Any:
    """A JSON value; a document when it is not one of many rows."""
    if not text.strip():
        raise ValueError("is empty")
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        line = error.lineno if row is None else row
        what = "a comma before it too many" if _comma_too_many(error) else error.msg
        raise ValueError(f"row {line}, character {error.colno}: is not JSON ({what})") from None
    except (RecursionError, ValueError):  # nested too deep, a number of too many digits
        raise ValueError("is not JSON of numbers" if row is None else f"row {row}: is no numbers") from None


def _comma_too_many(error: json.JSONDecodeError) -> bool:
    """Whether the object or the list ends right behind a comma; Python 3.13 points at the comma."""
    before, after = error.doc[: error.pos + 1].rstrip(), error.doc[error.pos :].lstrip(", \t\r\n")
    return after[:1] in ("}", "]") and before.rstrip("}] \t\r\n").endswith(",")
