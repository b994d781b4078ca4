"""Files of numbers, read some rows at a time: CSV, JSON lines, one JSON document. No JAX.

A row is known by its number: the line of a CSV file (its header is row 1) or of JSON lines, the place of a
state in a JSON document. Everything that is wrong is a ValueError of one line with the row and the column.
What is read though it is not plain is told to a `Remarks`. How each format is read: `csv_rows`, `json_rows`;
what counts as a number in text: `numerals`.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcontract.cli.design.columns import Names, Remarks, Wanted
from jaxcontract.cli.design.csv_rows import CsvRows
from jaxcontract.cli.design.json_rows import JsonRows, document_records, line_records

MOST_ROWS, MOST_NUMBERS = 4096, 2**18  # of a block


class Block(NamedTuple):
    """Some rows of a file.

    names: of the C columns; rows: [n] their numbers in the file; values: [n, C], float64
    word: what the format calls one of its columns
    """

    names: Names
    rows: np.ndarray
    values: np.ndarray
    word: str


FORMATS: dict[str, Callable[[Path, Wanted, Remarks], CsvRows | JsonRows]] = {
    ".csv": CsvRows,
    ".tsv": CsvRows,
    ".json": lambda path, wanted, remarks: JsonRows(document_records(path, remarks), wanted, remarks),
    ".jsonl": lambda path, wanted, remarks: JsonRows(line_records(path), wanted, remarks),
}


def read_blocks(path: Path, wanted: Wanted, remarks: Remarks | None = None) -> Iterator[Block]:
    """The rows of a file, as many at a time as a bounded memory holds.

    wanted: says which columns to read; remarks: where to say how the file was read

    Raises:
        ValueError: naming the file, the row and the column.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: must be a file whose name ends in one of {', '.join(FORMATS)}")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is not a plain file")
    try:
        yield from _read_blocks(FORMATS[suffix](path, wanted, Remarks() if remarks is None else remarks))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_blocks(table: CsvRows | JsonRows) -> Iterator[Block]:
    names = table.choice.names
    size = max(1, min(MOST_ROWS, MOST_NUMBERS // len(names)))
    rows, found = iter(table), False
    while batch := list(itertools.islice(rows, size)):
        found = True
        yield Block(names, np.array([row for row, _ in batch]), table.values(batch), table.word)
    if not found:
        raise ValueError("has no rows of numbers")
