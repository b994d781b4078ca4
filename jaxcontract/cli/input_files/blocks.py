"""Files of numbers, read some rows at a time: CSV, JSON lines, one JSON document, tables. No JAX.

A row is known by its number: the line of a CSV file (its header is row 1) or of JSON lines, the place of a
state in a JSON document. Everything that is wrong is a ValueError of one line with the row and the column.
What is read though it is not plain is told to a `Remarks`. How each format is read: `csv_rows`, `json_rows`,
`table_rows`; what counts as a number in text: `numerals`.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxcontract.cli.input_files.columns import Choice, Names, Remarks, Wanted
from jaxcontract.cli.input_files.csv_rows import CsvRows
from jaxcontract.cli.input_files.json_rows import JsonRows, document_records, line_records
from jaxcontract.cli.input_files.table_rows import open_parquet, open_sheet

MOST_ROWS, MOST_NUMBERS = 4096, 2**18  # of a block


Columns = Sequence[Sequence[Any]]


class Block(NamedTuple):
    """Some rows of a file.

    names: of the C columns; rows: [n] their numbers in the file; values: [n, C], float64
    word: what the format calls one of its columns
    labels: [n] what stands in the column of labels, None where there is none
    odd: what stands in a row in place of a number, by the row's place in the block; its value is NaN
    """

    names: Names
    rows: np.ndarray
    values: np.ndarray
    word: str
    labels: Sequence[Any] | None = None
    odd: Mapping[int, str] = MappingProxyType({})


class Rows(Protocol):
    """The rows of a file, of the columns that are wanted: their cells, that of the label last."""

    choice: Choice

    @property
    def word(self) -> str: ...

    def __iter__(self) -> Iterator[tuple[int, Sequence[Any]]]: ...

    def values(self, rows: Sequence[int], columns: Columns, odd: dict[int, str] | None = None) -> np.ndarray:
        """The cells of rows, without that of the label, as numbers [n, C].

        rows: [n] their numbers; columns: C sequences of n cells
        odd: where to put the cell of each row, by its place among these, that is no number; it is NaN then

        Raises:
            ValueError: with the row and the column of the first that is no number, or that is not clear.
        """
        ...


def _open_lines(path: Path, wanted: Wanted, remarks: Remarks) -> Rows:
    return JsonRows(line_records(path), wanted, remarks)


def _open_document(path: Path, wanted: Wanted, remarks: Remarks) -> Rows:
    return JsonRows(document_records(path, wanted, remarks), wanted, remarks)


TEXT: dict[str, Callable[[Path, Wanted, Remarks], Rows]] = {
    ".csv": CsvRows,
    ".tsv": CsvRows,
    ".txt": CsvRows,
    ".json": _open_document,
    ".jsonl": _open_lines,
}
TABLES: dict[str, Callable[[Path, Wanted, Remarks], Rows]] = {
    ".xlsx": open_sheet,
    ".parquet": open_parquet,
}


def read_blocks(path: Path, wanted: Wanted, remarks: Remarks | None = None) -> Iterator[Block]:
    """The rows of a file, as many at a time as a bounded memory holds.

    wanted: says which columns to read; remarks: where to say how the file was read

    Raises:
        ValueError: naming the file, the row and the column.
    """
    packed = path.suffix.lower() == ".gz"
    suffix = (path.with_suffix("") if packed else path).suffix.lower()
    formats = TEXT if packed else TEXT | TABLES
    if suffix not in formats:
        raise ValueError(
            f"{path}: must be a file whose name ends in one of {', '.join([*TEXT, *TABLES])}; "
            f"{', '.join(TEXT)} may be packed, with .gz behind"
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is not a plain file")
    try:
        table = formats[suffix](path, wanted, Remarks() if remarks is None else remarks)
        yield from _read_blocks(table, lenient=wanted.lenient)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_blocks(table: Rows, *, lenient: bool) -> Iterator[Block]:
    names, labelled = table.choice.names, table.choice.label is not None
    size = max(1, min(MOST_ROWS, MOST_NUMBERS // len(names)))
    rows, found = iter(table), False
    while batch := list(itertools.islice(rows, size)):
        found = True
        numbers, cells = zip(*batch, strict=True)
        columns = list(zip(*cells, strict=True))
        labels = columns.pop() if labelled else None
        odd: dict[int, str] = {}
        values = table.values(numbers, columns, odd if lenient else None)
        yield Block(names, np.array(numbers), values, table.word, labels, odd)
    if not found:
        raise ValueError("has no rows of numbers")
