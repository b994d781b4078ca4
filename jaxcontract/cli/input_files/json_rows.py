"""Records of numbers in JSON: one document, or one on each line. No JAX.

A list named x is read as the columns x_1, x_2, …; of which names, the reader says. Keys may be of either
case; those that are not read may come and go from record to record, those that are may not. A number is a
JSON number that a double can hold: neither text nor true, nor NaN or Infinity, which JSON does not have.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.input_files.columns import Choice, Remarks, Wanted, name_column, normalise
from jaxcontract.cli.input_files.json_documents import Twice
from jaxcontract.cli.input_files.json_values import (
    Unheld,
    is_number,
    parse_json,
    parse_value,
    quote_value,
    write_value,
)
from jaxcontract.cli.input_files.lines import text_lines

LARGEST_DOCUMENT = 2**26  # bytes of JSON, which is read whole
MOST_FORMS = 1000  # sets of keys that are remembered

Record = Mapping[str, Any]


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
        self._first = first[1]
        names = list(self._first)
        self.choice: Choice = self._choose(first[0], names)
        self._label = "" if self.choice.label is None else names[self.choice.label]
        self._forms: dict[frozenset[str], list[str | None]] = {}

    def __iter__(self) -> Iterator[tuple[int, Sequence[Any]]]:
        for row, record in self._records:
            form = frozenset(record)
            keys = self._forms.get(form)
            if keys is None:
                keys = self._forms[form] = self._match_keys(row, record)
                if len(self._forms) > MOST_FORMS:
                    self._forms.clear()
            yield row, [None if key is None else record[key] for key in keys]

    def values(
        self, rows: Sequence[int], columns: Sequence[Sequence[Any]], odd: dict[int, str] | None = None
    ) -> np.ndarray:
        """Values as numbers [n, C], as `reading.Rows` has it."""
        values = np.empty((len(rows), len(columns)))
        for index, (row, cells) in enumerate(zip(rows, zip(*columns, strict=True), strict=True)):
            try:
                values[index] = [parse_value(cell) for cell in cells]
            except (ValueError, OverflowError):
                if odd is None:
                    raise self._find_bad_cell(row, cells) from None
                values[index], odd[index] = np.nan, write_value(cells[0])
        return values

    def _find_numeric(self) -> list[str]:
        """The keys of the first record whose values are numbers."""
        return [name for name, value in self._first.items() if is_number(value)]

    def _find_bad_cell(self, row: int, cells: Sequence[Any]) -> ValueError:
        """Says which cell of a row is not a number."""
        for name, cell in zip(self.choice.names, cells, strict=True):
            try:
                parse_value(cell)
            except (ValueError, OverflowError):
                where = f"row {row}, {self._name(name)}"
                hint = ", not text" if isinstance(cell, str) and not isinstance(cell, Unheld) else ""
                return ValueError(f"{where}: {quote_value(cell)} must be a finite number{hint}")
        raise AssertionError("every cell is a number")

    def _name(self, name: str) -> str:
        return name_column(name, self.word, self._wanted.lists)

    def _choose(self, row: int, names: Sequence[str]) -> Choice:
        try:
            choice = self._wanted.choose(names, self.word, self._find_numeric)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from None
        self._remarks.note_choice(names, choice)
        return choice

    def _match_keys(self, row: int, record: Record) -> list[str | None]:
        """What a record calls the columns of the first one, in their order, that of the label last.

        None stands for one that it lacks, where such rows are counted.
        """
        expected, names = self.choice, list(record)
        found = self._choose(row, [*names, *self._list_lacking(names)])
        if found.names != expected.names and set(found.names) != set(expected.names):
            missing, others = (
                set(expected.names) - set(found.names),
                set(found.names) - set(expected.names),
            )
            told = f"{self._name(min(missing))} is missing" if missing else ""
            told = told or f"{self._name(min(others))} is one more"
            raise ValueError(f"row {row}: {told}, unlike in the rows before it")
        if expected.label is None and found.label is not None:
            raise ValueError(f"row {row}: key {names[found.label]} is one more, unlike in the rows before it")
        place_of = dict(zip(found.names, found.places, strict=True))
        places = [place_of[name] for name in expected.names]
        places += [] if found.label is None else [found.label]
        return [names[place] if place < len(names) else None for place in places]

    def _list_lacking(self, names: Sequence[str]) -> list[str]:
        """The keys that a record lacks and may lack."""
        if not self._wanted.lenient:
            return []
        expected = [*self.choice.names, *([self._label] if self._label else [])]
        given = set(map(normalise, names))
        return [name for name in expected if normalise(name) not in given]

    def _flatten(self, row: int, record: Any) -> Record:
        """A record with every list of ours as single numbers."""
        if self._wanted.alone and not isinstance(record, dict):
            return {self._wanted.alone: record}
        if not isinstance(record, dict):
            raise ValueError(f"row {row}: {quote_value(record)} must be an object of named numbers")
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
                raise ValueError(
                    f"row {row}, {self.word} {base}: {quote_value(value)} must be a list of numbers"
                )
        return flat


def line_records(path: Path) -> Iterator[tuple[int, Any]]:
    """The records of a file with one on each line; a record's number is its line's."""
    for row, text in text_lines(path):
        if text.strip():
            yield row, parse_json(text, row)


def document_records(path: Path, wanted: Wanted, remarks: Remarks) -> Iterator[tuple[int, Any]]:
    """The records of a file with one JSON document, of the form that is wanted, numbered from 1.

    remarks: where to say what is not read of it
    """
    return wanted.list_records(parse_json(_read_document(path), None), remarks)


def _read_document(path: Path) -> str:
    """The text of a document that is not too large, packed or not."""
    parts, size = [], 0
    for _, text in text_lines(path):
        parts.append(text)
        size += len(text)
        if size > LARGEST_DOCUMENT:
            limit = LARGEST_DOCUMENT // 2**20
            raise ValueError(f"is larger than {limit} MiB; write so many rows as .jsonl or .csv")
    return "".join(parts)
