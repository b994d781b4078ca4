"""What separates the cells of a CSV file: commas, semicolons or tabs. No JAX."""

import csv
import re
from pathlib import Path

from jaxcontract.cli.input_files.columns import Remarks, Wanted
from jaxcontract.cli.input_files.lines import text_lines

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?[,;\t]*\s*', re.IGNORECASE)


def find_separator(path: Path, wanted: Wanted, remarks: Remarks) -> tuple[int, str]:
    """The row at which the header begins or blank lines before it, and what separates cells.

    Raises:
        ValueError: with the row, where it is none of the three, or not clear.
    """
    written = ((row, text) for row, text in text_lines(path) if text.strip(" \t\r\n,;"))
    row, text = next(written, (1, ""))
    named = NAMED_SEPARATOR.fullmatch(text)
    if named:
        separator = named[1]
        if separator not in SEPARATORS:
            raise ValueError(f"row {row}: sep={separator!r} must be one of {', '.join(SEPARATORS.values())}")
        remarks.add(f"cells separated by {SEPARATORS[separator]}, as row {row} says")
        return row + 1, separator
    separator = _read_separator(row, text, wanted)
    if separator != ",":
        remarks.add(f"cells separated by {SEPARATORS[separator]}")
    return 1, separator


def _read_separator(row: int, header: str, wanted: Wanted) -> str:
    """What separates the names of the columns. Raises ValueError where that is not clear."""
    names = {separator: _split(header, separator) for separator in SEPARATORS}
    found = [separator for separator, cells in names.items() if len(cells) > 1]
    if len(found) < 2:
        return found[0] if found else ","
    knowing = [separator for separator in found if any(map(wanted.knows, names[separator]))]
    if len(knowing) == 1 and knowing != [","]:
        return knowing[0]
    told = " and ".join(SEPARATORS[separator] for separator in found)
    raise ValueError(
        f"row {row}: has {told}; put a line such as sep=; before it, with what separates the cells"
    )


def _split(header: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []
