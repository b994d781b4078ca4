"""Numbers as people write them, each read as its writer meant it or refused. No JAX.

A number is ASCII digits with at most one decimal sign, a sign before them and an exponent behind them: 12,
0.5, .5, -3., 1.5e-3. Blanks around it do not matter. Nothing else is one: no 1_000, 0x10, nan, inf, true,
50%, digits of other scripts, nor what a double cannot hold (1e400, 1e-400).

The decimal sign is a point or a comma, one of them in the whole file: the first number that can be read in
one way only says which. 1,234 could be a thousand and more; so could 1.234 in a file that does not separate
its cells by commas, as people do where the comma is the decimal sign. Where no number of the file says
which is meant, such a one is refused.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
PERHAPS_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
ODD = re.compile(r"[^0-9+\-.eE \t\n]")  # what `float` may take without it is a number, or beyond a double
SWAPPED = str.maketrans(",.", ".,")
BLANKS = " \t"
NAMES = {".": "point", ",": "comma"}


class NoNumberError(ValueError):
    """A cell is no number at all; not one that may be read in two ways, or that is written in another way."""


class Decimals(NamedTuple):
    """The decimal sign of a file, and the row that says so; None where no number has one."""

    sign: str = "."
    row: int | None = None


def find_decimals(
    rows: Iterable[tuple[int, Sequence[str]]], names: Sequence[str], separator: str
) -> Decimals:
    """The decimal sign of a file, from its rows of cells and the separator of these.

    Raises:
        ValueError: naming the first cell that may be read in two ways, where no other says which.
    """
    doubtful = None
    for row, cells in rows:
        for name, cell in zip(names, cells, strict=True):
            sign = _find_sign(cell)
            if not sign:
                continue
            if not _may_be_grouped(cell, separator):
                return Decimals(sign, row)
            doubtful = doubtful or (row, name, cell.strip(BLANKS))
    if not doubtful:
        return Decimals()
    row, name, cell = doubtful
    whole = re.sub("[.,]", "", cell)
    raise ValueError(
        f"row {row}, column {name}: {cell!r} may be {cell.replace(',', '.')} or {whole}, and no number of "
        f"the file says which; write {cell}0 or {whole}"
    )


def _find_sign(cell: str) -> str | None:
    """The sign in a cell that is a number with one."""
    sign = "," if "," in cell else "." if "." in cell else None
    return sign if sign and NUMBER.fullmatch(cell.strip(BLANKS)) else None


def _may_be_grouped(cell: str, separator: str) -> bool:
    """Whether the sign may part thousands; where commas part cells, nobody parts thousands by points."""
    if "." in cell and separator == ",":
        return False
    return PERHAPS_GROUPED.fullmatch(cell.strip(BLANKS)) is not None


def parse_numbers(columns: Sequence[Sequence[str]], sign: str) -> np.ndarray | None:
    """C columns of n cells as numbers [n, C], at once; None when any of them may not be a number."""
    joined = "\n".join(map("\n".join, columns))
    if sign == ",":
        joined = joined.translate(SWAPPED)
    parts = joined.split("\n")
    if ODD.search(joined) or len(parts) != len(columns) * len(columns[0]):
        return None
    try:
        values = np.array(list(map(float, parts)))
    except ValueError:
        return None
    if not np.isfinite(values).all() or any(_vanishes(parts[at]) for at in np.flatnonzero(values == 0)):
        return None
    return values.reshape(len(columns), -1).T


def parse_number(text: str, decimals: Decimals) -> float:
    """One cell as a number.

    Raises:
        NoNumberError: when it is none, with how to mend it.
        ValueError: when it is written in another way than those before it.
    """
    held = text.strip(BLANKS)
    if not NUMBER.fullmatch(held):
        raise NoNumberError(f"{quote(text)} must be a finite number{suggest(held)}")
    other = "." if decimals.sign == "," else ","
    if other in held:
        says = f"; row {decimals.row} has a decimal {NAMES[decimals.sign]}" if decimals.row else ""
        raise ValueError(f"{quote(text)} has a {NAMES[other]}{says}: write all numbers of a file in one way")
    value = float(held.replace(",", "."))
    if np.isinf(value) or (value == 0 and _vanishes(held)):
        raise NoNumberError(f"{quote(text)} must be a finite number that a double can hold")
    return value


def _vanishes(text: str) -> bool:
    """Whether a text that reads as zero is none."""
    return re.search("[1-9]", re.split("[eE]", text)[0]) is not None


def suggest(text: str) -> str:
    """How a cell that is no number may be mended, where that can be told."""
    if text and not text.isascii() and any(sign.isdecimal() for sign in text):
        return ", in plain digits 0 to 9 and nothing else"
    if re.fullmatch(r"[+-]?[0-9.,]+ *%", text):
        return "; write a share, such as 0.5 for 50%"
    if re.fullmatch(r"[+-]?[0-9]+([.,_' ][0-9]+)+", text):
        return ", without marks between its thousands"
    return ""


def quote(value: object) -> str:
    """What a cell holds, in a message."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
