"""Files of numbers, read some rows at a time: CSV, JSON lines, one JSON document. No JAX.

A row is known by its number: the line of a CSV file (its header is row 1) or of JSON lines, the place of a
state in a JSON document. Everything that is wrong is a ValueError of one line with the row and the column.
"""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LONGEST_LINE = 2**24  # bytes; a file without line breaks is not read into memory
LARGEST_DOCUMENT = 2**26  # bytes of JSON, which is read whole
MOST_ROWS, MOST_NUMBERS = 4096, 2**18  # of a block
FORMATS = (".csv", ".json", ".jsonl")

Names = Sequence[str]
Row = tuple[int, Sequence[Any]]


class Block(NamedTuple):
    """Some rows of a file.

    names: of the C columns; rows: [n] their numbers in the file; values: [n, C], float64
    """

    names: Names
    rows: np.ndarray
    values: np.ndarray


def blocks(path: Path, choose: Callable[[Names], Names]) -> Iterator[Block]:
    """The rows of a file, as many at a time as a bounded memory holds.

    choose: the columns to read, given the file's; raises ValueError on columns that will not do

    Raises:
        ValueError: naming the file, the row and the column.
    """
    readers = {".csv": _csv_rows, ".json": _document_rows, ".jsonl": _line_rows}
    if path.suffix not in readers:
        raise ValueError(f"{path}: must be a file whose name ends in one of {', '.join(FORMATS)}")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is not a plain file")
    try:
        names, rows = readers[path.suffix](path)
        kept = choose(names)
        convert = _from_text if path.suffix == ".csv" else _from_json
        place_of = {name: place for place, name in enumerate(names)}
        places = [place_of[name] for name in kept]
        size = max(1, min(MOST_ROWS, MOST_NUMBERS // len(kept)))
        found = False
        while batch := list(itertools.islice(rows, size)):
            found = True
            yield _block(kept, places, batch, convert)
        if not found:
            raise ValueError("has no rows of numbers")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _block(
    names: Names, places: Sequence[int], batch: Sequence[Row], convert: Callable[[Any], float]
) -> Block:
    values = np.empty((len(batch), len(places)))
    for index, (row, cells) in enumerate(batch):
        try:
            values[index] = [convert(cells[place]) for place in places]
        except (ValueError, OverflowError):
            raise _bad_cell(row, cells, names, places, convert) from None
    return Block(names, np.array([row for row, _ in batch]), values)


def _bad_cell(
    row: int, cells: Sequence[Any], names: Names, places: Sequence[int], convert: Callable[[Any], float]
) -> ValueError:
    """Says which cell of a row is not a number."""
    for name, place in zip(names, places, strict=True):
        try:
            convert(cells[place])
        except (ValueError, OverflowError):
            return ValueError(f"row {row}, column {name}: {_shown(cells[place])} must be a finite number")
    raise AssertionError("every cell is a number")


def _from_text(cell: str) -> float:
    return float(cell)


def _from_json(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def _csv_rows(path: Path) -> tuple[Names, Iterator[Row]]:
    rows = _cells(path)
    first = next(rows, None)
    if first is None:
        raise ValueError("is empty")
    names = [name.strip() for name in first[1]]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(f"row {first[0]}: column {twice[0]} stands there twice")
    return names, _of_one_length(rows, len(names))


def _cells(path: Path) -> Iterator[Row]:
    """The lines of a CSV file that are not blank, as cells."""
    reader = csv.reader(text for _, text in _lines(path))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"row {reader.line_num}: is not CSV ({error})") from None
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _of_one_length(rows: Iterator[Row], length: int) -> Iterator[Row]:
    for row, cells in rows:
        if len(cells) != length:
            raise ValueError(f"row {row}: has {len(cells)} cells, the header has {length}")
        yield row, cells


def _line_rows(path: Path) -> tuple[Names, Iterator[Row]]:
    lines = ((row, _parsed(text, row)) for row, text in _lines(path) if text.strip())
    return _record_rows(lines)


def _document_rows(path: Path) -> tuple[Names, Iterator[Row]]:
    """`{"system": {constants}, "states": [{…}, …]}`: the constants go with every state."""
    if path.stat().st_size > LARGEST_DOCUMENT:
        limit = LARGEST_DOCUMENT // 2**20
        raise ValueError(f"is larger than {limit} MiB; write so many states as .jsonl or .csv")
    document = _parsed("".join(text for _, text in _lines(path)), None)
    form = 'an object {"system": {constants}, "states": [{one state}, …]}'
    if not isinstance(document, dict) or not document.keys() <= {"system", "states"}:
        raise ValueError(f"must be {form}")
    constants, states = document.get("system", {}), document.get("states")
    if not isinstance(constants, dict) or not isinstance(states, list):
        raise ValueError(f"must be {form}")
    for row, state in enumerate(states, 1):
        twice = constants.keys() & state.keys() if isinstance(state, dict) else ()
        if twice:
            raise ValueError(f"row {row}, column {min(twice)}: stands in system already")
    merged = (constants | state if isinstance(state, dict) else state for state in states)
    return _record_rows(enumerate(merged, 1))


def _record_rows(records: Iterable[tuple[int, Any]]) -> tuple[Names, Iterator[Row]]:
    """Records with the same names as rows; a list named x becomes the columns x_1, x_2, …"""
    flat = ((row, _flattened(row, record)) for row, record in records)
    first = next(flat, None)
    if first is None:
        raise ValueError("is empty")
    names = list(first[1])
    return names, _in_order(itertools.chain([first], flat), names)


def _in_order(records: Iterable[tuple[int, Mapping[str, Any]]], names: Names) -> Iterator[Row]:
    expected = set(names)
    for row, record in records:
        if record.keys() != expected:
            missing, others = expected - record.keys(), record.keys() - expected
            told = f"column {min(missing)} is missing" if missing else f"column {min(others)} is one more"
            raise ValueError(f"row {row}: {told}, unlike in the rows before it")
        yield row, [record[name] for name in names]


def _flattened(row: int, record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise ValueError(f"row {row}: {_shown(record)} must be an object of named numbers")
    flat: dict[str, Any] = {}
    for name, value in record.items():
        parts = value if isinstance(value, list) else [value]
        ends = [f"_{k}" for k in range(1, len(parts) + 1)] if isinstance(value, list) else [""]
        flat |= {f"{name}{end}": part for end, part in zip(ends, parts, strict=True)}
    return flat


def _parsed(text: str, row: int | None) -> Any:
    """A JSON value; a document when it is not one of many rows."""
    if not text.strip():
        raise ValueError("is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = error.lineno if row is None else row
        raise ValueError(f"row {line}, character {error.colno}: is not JSON ({error.msg})") from None
    except (RecursionError, ValueError):  # nested too deep, a number of too many digits
        raise ValueError("is not JSON of numbers" if row is None else f"row {row}: is no numbers") from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file, numbered from 1."""
    with path.open("rb") as file:
        for row in itertools.count(1):
            line = file.readline(LONGEST_LINE + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE:
                raise ValueError(f"row {row}: is longer than {LONGEST_LINE // 2**20} MiB")
            try:
                text = line.decode("utf-8-sig" if row == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                raise ValueError(
                    f"row {row}, byte {error.start + 1} (0x{byte:02x}): is not UTF-8 text; save it as UTF-8"
                ) from None
            if "\0" in text:
                raise ValueError(f"row {row}: is not UTF-8 text (it has zero bytes); save it as UTF-8")
            yield row, text


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
