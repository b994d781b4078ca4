r"""CSV files as people and their programs write them. No JAX.

What is taken as it is meant:

- The separator: what a first line `sep=;` says (comma, semicolon or tab); else what stands between the names
  of the columns. Names that hold commas beside semicolons or tabs are read if a known name stands between
  the latter and none between commas; every other mixture is refused.
- The names of the columns: the first row that is not blank. Letters may be of either case.
- Decimal points or commas: see `numerals`.
- Quoted cells, also over several lines; line breaks of Unix and Windows; a byte order mark.
- Blank lines, and rows of empty cells only, are passed over. Empty cells beyond the named columns, as
  trailing separators make them, are left out.

What is refused, with its row: a row of another length than the names, a number in a column without a name
right behind a whole number (a decimal comma looks like that), a decimal comma between semicolons under names
that commas separate, a quote that is not closed.
"""

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.input_files.columns import Choice, Remarks, Wanted, name_column
from jaxcontract.cli.input_files.lines import text_blocks
from jaxcontract.cli.input_files.numerals import (
    NUMBER,
    Decimals,
    NoNumberError,
    find_decimals,
    parse_number,
    parse_numbers,
)
from jaxcontract.cli.input_files.separators import SEPARATORS, find_separator
from jaxcontract.cli.input_files.torn_numbers import TornNumbers

PEEKED = 100  # rows that show which columns are numbers
NONE = ("", "-", "na", "nan", "n/a", "null", "none")  # between numbers, where there is none

Cells = tuple[int, list[str], int]  # the number of a row, what stands in it, the number of the next one
Row = tuple[int, Sequence[str]]  # the number of a row, what stands in the columns that are read


class CsvRows:
    """The rows of a CSV file, of the columns that are wanted.

    choice: the columns; word: what one is called
    """

    word = "column"

    def __init__(self, path: Path, wanted: Wanted, remarks: Remarks) -> None:
        self._path, self._remarks = path, remarks
        self._first, self._separator = find_separator(path, wanted, remarks)
        row, header, self._body = next(self._cells(self._lines_from(self._first)), (0, [], 0))
        if not header:
            raise ValueError("is empty")
        self._names = [name.strip() for name in header]
        self._least = max(place for place, name in enumerate(self._names, 1) if name)  # cells of a row
        try:
            self.choice: Choice = wanted.choose(self._names, self.word, self._find_numeric)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from None
        remarks.note_choice(self._names, self.choice)
        self._torn = TornNumbers(self._names, self.choice, self._separator)
        label = self.choice.label
        self._places = [*self.choice.places, *([] if label is None else [label])]  # that of the label last
        self._pick = _make_picker(self._places)
        self._blank = re.compile(rf"^(?:[^\S\n]|{self._separator})*\n", re.MULTILINE)
        width = len(self.choice.names)
        numbers = ((row, cells[:width]) for row, cells in self._pick_cells())
        self._decimals: Decimals = find_decimals(numbers, self.choice.names, self._separator)
        if self._decimals.sign == ",":
            remarks.add("decimal commas")

    def __iter__(self) -> Iterator[Row]:
        return self._pick_cells()

    def values(
        self, rows: Sequence[int], columns: Sequence[Sequence[str]], odd: dict[int, str] | None = None
    ) -> np.ndarray:
        """Cells as numbers [n, C], as `reading.Rows` has it."""
        found = parse_numbers(columns, self._decimals.sign)
        if found is not None:
            return found
        numbered = enumerate(zip(rows, zip(*columns, strict=True), strict=True))
        return np.array([self._numbers(place, row, odd) for place, row in numbered])

    def _numbers(self, place: int, numbered: Row, odd: dict[int, str] | None) -> list[float]:
        row, cells = numbered
        values = []
        for name, cell in zip(self.choice.names, cells, strict=True):
            try:
                values.append(parse_number(cell, self._decimals))
            except ValueError as error:
                if odd is None or not isinstance(error, NoNumberError):
                    raise ValueError(f"row {row}, {name_column(name, self.word)}: {error}") from None
                odd[place] = cell
                values.append(np.nan)
        return values

    def _find_numeric(self) -> list[str]:
        """The names of the columns that have a number and no other words in the first rows."""
        rows = (cells for _, cells, _ in self._cells(self._lines_from(self._body)))
        cells_of = itertools.zip_longest(*itertools.islice(rows, PEEKED), fillvalue="")
        return [
            name for name, cells in zip(self._names, cells_of, strict=False) if name and _are_numbers(cells)
        ]

    def _pick_cells(self) -> Iterator[Row]:
        """The cells of the columns that are wanted, row by row; plain lines, as most are, all at once."""
        blocks = self._blocks_from(self._body)
        for row, lines in blocks:
            cells = self._split_plain(lines)
            if cells is not None:
                yield from zip(itertools.count(row), cells, strict=False)
                continue
            numbered: Iterator[tuple[int, str]] = enumerate(lines, row)
            if any('"' in line for line in lines):  # a cell may go on beyond these lines
                later = (enumerate(others, start) for start, others in blocks)
                numbered = itertools.chain(numbered, itertools.chain.from_iterable(later))
            yield from self._pick_with_care(numbered)

    def _split_plain(self, lines: list[str]) -> Iterator[Sequence[str]] | None:
        """The wanted cells of lines with nothing to look at twice, as the csv module splits them, or None."""
        text = "".join(lines).replace("\r\n", "\n").removesuffix("\n")
        sign, length = self._separator, len(self._names)
        if any(part in text for part in ('"', "\r", sign + " ", "\n ")) or text.startswith(" "):
            return None
        if (
            len(text) > csv.field_size_limit()
            or self._torn.may_be_in(text)
            or self._blank.search(text + "\n")
        ):
            return None
        if {line.count(sign) for line in lines} != {length - 1}:
            return None
        cells = text.replace(sign, "\n").split("\n")
        return zip(*(cells[place::length] for place in self._places), strict=True)

    def _pick_with_care(self, numbered: Iterator[tuple[int, str]]) -> Iterator[Row]:
        length = len(self._names)
        for row, cells, _ in self._cells(numbered):
            if len(cells) != length:
                cells = self._fit_length(row, cells, length)
            self._torn.refuse(row, cells)
            yield row, self._pick(cells)

    def _fit_length(self, row: int, cells: list[str], length: int) -> list[str]:
        """A row without more empty cells than the header has, nor fewer behind the named ones."""
        if len(cells) > length and not any(cell.strip() for cell in cells[length:]):
            self._remarks.add("trailing separators")
            return cells[:length]
        if self._least <= len(cells) < length:
            return cells + [""] * (length - len(cells))
        more = len(cells) > length
        hint = "; where commas separate cells, numbers take decimal points" * (
            more and self._separator == ","
        )
        others = [word for sign, word in SEPARATORS.items() if any(sign in cell for cell in cells)]
        if others and len(cells) == 1:
            hint = f"; names are separated by {SEPARATORS[self._separator]}, this row has {others[0]}"
        many = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
        raise ValueError(f"row {row}: has {many}, the header has {length}{hint}")

    def _blocks_from(self, first: int) -> Iterator[tuple[int, list[str]]]:
        """The lines of the file from one on, many at a time, with the number of the first of them."""
        for row, lines in text_blocks(self._path):
            after = lines[max(first - row, 0) :]
            if after:
                yield max(row, first), after

    def _lines_from(self, first: int) -> Iterator[tuple[int, str]]:
        for row, lines in self._blocks_from(first):
            yield from enumerate(lines, row)

    def _make_reader(self, lines: Iterable[str]) -> Any:
        return csv.reader(lines, delimiter=self._separator, strict=True, skipinitialspace=True)

    def _cells(self, numbered: Iterator[tuple[int, str]]) -> Iterator[Cells]:
        """The rows that are not blank; a row is called by its first line."""
        start, text = next(numbered, (1, ""))
        reader = self._make_reader(itertools.chain([text], (text for _, text in numbered)))
        after = start
        while True:
            row = after
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise ValueError(f"row {row}: is not CSV ({_explain(error)})") from None
            after = start + reader.line_num
            if after > row + 1 and len(cells) > 0:
                self._remarks.add(f"cells over several lines, first in row {row}")
            if any(cells) and not "".join(cells).isspace():
                yield row, cells, after


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether there are numbers among cells, and nothing else but marks of none."""
    held = [cell.strip() for cell in cells if cell.strip().casefold() not in NONE]
    return bool(held) and all(map(NUMBER.fullmatch, held))


def _make_picker(places: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    if len(places) == 1:
        (only,) = places
        return lambda cells: (cells[only],)
    picked: Any = itemgetter(*places)
    return picked


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "new-line" in text:
        return "a carriage return stands inside it; save the file with line breaks of Unix or Windows"
    return "a quote is not closed" if "unexpected end" in text else text
