"""What in a file of costs cannot be used: counted by its kind, with the first of each. No JAX."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.input_files.numerals import BLANKS, NUMBER, quote, suggest

LEAST, GREATEST = float(np.finfo(np.float32).tiny), 1e30  # of a cost, so that 1/cost is one too

LONGEST = 60  # of a cell that is kept to be told

# In the order in which they are told.
KINDS = {
    "zero": "zero",
    "negative": "negative",
    "blank": "blank",
    "infinite": "infinite",
    "text": "not a finite number",
    "out_of_range": f"not between {LEAST:.3g} and {GREATEST:g} units of payment",
    "without_device": "without a device",
}


class Met(NamedTuple):
    """In how many rows a kind was met, and the first of them: its number, and what stands there.

    text: "" where the kind says it
    """

    rows: int
    row: int
    text: str


class Unusable:
    """The rows of a file that cannot be used, counted while it is read.

    rows: how many have been read, usable or not
    """

    def __init__(self) -> None:
        self.rows = 0
        self._kinds: dict[str, Met] = {}

    @property
    def count(self) -> int:
        """How many rows cannot be used."""
        return sum(met.rows for met in self._kinds.values())

    def add(self, kind: str, row: int, text: str = "", count: int = 1) -> None:
        """Count rows of a kind, of which this is the first."""
        before = self._kinds.get(kind) or Met(0, row, text[:LONGEST])
        self._kinds[kind] = before._replace(rows=before.rows + count)

    def add_numbers(self, kind: str, rows: np.ndarray, values: np.ndarray) -> None:
        """Count numbers [n] of a kind, in these rows [n]."""
        if rows.size:
            self.add(kind, int(rows[0]), "" if kind == "zero" else f"{values[0]:g}", int(rows.size))

    def describe(self) -> str:
        """Each kind with its count and where it is first met."""
        return ", ".join(
            f"{met.rows:,} {KINDS[kind]} ({_locate(met)})" for kind, met in self._in_order().items()
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: of each kind its count, its first row and what stands there."""
        return {
            kind: {"rows": met.rows, "first_row": met.row, "first": met.text}
            for kind, met in self._in_order().items()
        }

    def _in_order(self) -> Mapping[str, Met]:
        return {kind: self._kinds[kind] for kind in KINDS if kind in self._kinds}


def name_kind(text: str) -> str:
    """The kind of a cell that is no finite number."""
    held = text.strip(BLANKS)
    if not held:
        return "blank"
    if re.fullmatch(r"[+-]?inf(inity)?", held, re.IGNORECASE):
        return "infinite"
    return "out_of_range" if NUMBER.fullmatch(held) else "text"


def _locate(met: Met) -> str:
    where = f"the first in row {met.row}" if met.rows > 1 else f"row {met.row}"
    return where + f": {_quote(met.text)}" * bool(met.text)


def _quote(text: str) -> str:
    """A number as it is; text between quotes, with how to mend it where that can be told."""
    return text if NUMBER.fullmatch(text) else quote(text) + suggest(text.strip(BLANKS))
