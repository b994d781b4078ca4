"""Spreadsheets (.xlsx) and columns of Apache Parquet (.parquet), by pandas where it is installed. No JAX.

A cell is a number, text, a date, true, or blank, as the file says; text is no number, whatever it looks like.
The names of the columns are the first row of a sheet that is not blank; a row of a sheet is called by its
number there, one of a .parquet file by its place, from 1.
"""

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.input_files.columns import Choice, Remarks, Wanted, name_column
from jaxcontract.cli.input_files.json_values import is_number, parse_value, write_value
from jaxcontract.cli.input_files.numerals import quote

EXTRA = 'pip install "jaxcontract[tables]"'
PEEKED = 100  # rows that show which columns are numbers

Row = tuple[int, Sequence[Any]]


class TableRows:
    """The rows of a table whose cells have types, of the columns that are wanted.

    choice: the columns; word: what one is called
    """

    word = "column"

    def __init__(self, names: Sequence[str], rows: Sequence[Row], wanted: Wanted, remarks: Remarks) -> None:
        self._names, self._rows = names, rows
        self.choice: Choice = wanted.choose(names, self.word, self._find_numeric)
        remarks.note_choice(names, self.choice)
        self._places = [*self.choice.places, *([] if self.choice.label is None else [self.choice.label])]

    def __iter__(self) -> Iterator[Row]:
        return ((row, [cells[place] for place in self._places]) for row, cells in self._rows)

    def values(
        self, rows: Sequence[int], columns: Sequence[Sequence[Any]], odd: dict[int, str] | None = None
    ) -> np.ndarray:
        """Cells as numbers [n, C], as `reading.Rows` has it."""
        numbered = enumerate(zip(rows, zip(*columns, strict=True), strict=True))
        return np.array([self._numbers(place, row, odd) for place, row in numbered], float)

    def _numbers(self, place: int, numbered: Row, odd: dict[int, str] | None) -> list[float]:
        row, cells = numbered
        values = []
        for name, cell in zip(self.choice.names, cells, strict=True):
            if is_number(cell) and math.isfinite(cell):
                values.append(parse_value(cell))
                continue
            if odd is None:
                hint = ", not text" if isinstance(cell, str) else ""
                where = f"row {row}, {name_column(name, self.word)}"
                raise ValueError(f"{where}: {quote(cell)} must be a finite number{hint}")
            odd[place] = write_value(cell)
            values.append(math.nan)
        return values

    def _find_numeric(self) -> list[str]:
        """The names of the columns that have a number and no other values in the first rows."""
        columns = zip(*(cells for _, cells in self._rows[:PEEKED]), strict=True)
        return [
            name
            for name, cells in zip(self._names, columns, strict=False)
            if name and any(map(is_number, cells)) and all(cell is None or is_number(cell) for cell in cells)
        ]


def open_sheet(path: Path, wanted: Wanted, remarks: Remarks) -> TableRows:
    """The first sheet of a workbook.

    Raises:
        ValueError: when it cannot be read, or what reads it is not installed.
    """
    try:
        import openpyxl  # noqa: F401, what pandas reads it by
        import pandas
    except ImportError:
        raise ValueError(f"needs pandas and openpyxl; {EXTRA}") from None
    with path.open("rb") as file:
        try:
            with warnings.catch_warnings(action="ignore"):  # of styles that are missing
                book = pandas.ExcelFile(file, engine="openpyxl")
                sheet = book.parse(0, header=None, dtype=object, keep_default_na=False, na_values=[""])
        except OSError:
            raise
        except Exception as error:  # of the many that a damaged file makes there
            raise ValueError(f"is not a workbook that can be read ({_shorten(error)})") from None
    if len(book.sheet_names) > 1:
        remarks.add(
            f"the first of {len(book.sheet_names)} sheets, {quote(str(book.sheet_names[0]))}, is read"
        )
    rows = [(row, _plain(cells)) for row, cells in enumerate(sheet.to_numpy(object).tolist(), 1)]
    rows = [(row, cells) for row, cells in rows if any(cell is not None for cell in cells)]
    if not rows:
        raise ValueError("is empty")
    names = ["" if cell is None else str(cell).strip() for cell in rows[0][1]]
    return TableRows(names, rows[1:], wanted, remarks)


def open_parquet(path: Path, wanted: Wanted, remarks: Remarks) -> TableRows:
    """The columns of a .parquet file, and its index where that has a name.

    Raises:
        ValueError: when it cannot be read, or what reads it is not installed.
    """
    try:
        import pandas
        import pyarrow  # noqa: F401, what pandas reads it by
    except ImportError:
        raise ValueError(f"needs pandas and pyarrow; {EXTRA}") from None
    with path.open("rb") as file:
        try:
            table = pandas.read_parquet(file, engine="pyarrow")
        except Exception as error:  # of the many that a damaged file makes there
            raise ValueError(f"is not a .parquet file that can be read ({_shorten(error)})") from None
    if any(name is not None for name in table.index.names):
        table = table.reset_index()
    columns = [_plain(table.iloc[:, place].astype(object).tolist()) for place in range(table.shape[1])]
    rows = list(zip(itertools.count(1), zip(*columns, strict=True), strict=False))
    return TableRows([str(name).strip() for name in table.columns], rows, wanted, remarks)


def _plain(cells: Sequence[Any]) -> list[Any]:
    """Cells as plain values, decimal numbers as floating-point ones, None for what is missing."""
    return [
        None if _is_missing(cell) else float(cell) if isinstance(cell, Decimal) else cell for cell in cells
    ]


def _is_missing(cell: Any) -> bool:
    """Whether a cell is None, or not equal to itself as NaN, NaT and NA are."""
    if cell is None or isinstance(cell, str):
        return cell is None
    try:
        return bool(cell != cell)
    except TypeError:  # NA
        return True
    except ValueError:  # a list
        return False


def _shorten(error: Exception) -> str:
    return quote(str(error).splitlines()[0] if str(error) else type(error).__name__)
