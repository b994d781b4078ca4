"""Tables and text that fit the width of a terminal: no digit is cut off, no unit torn from its number."""

import math
import re
import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

GAP = 2  # columns of space between two columns of a table
NARROWEST = 8  # columns that the first column keeps where it has to be folded
TIED = "\N{NO-BREAK SPACE}"
# A space after a number, on either side of a sign between a name and its value, between a name and a number.
TIES = re.compile(
    r"(?<=\d) (?=[^\s(])|(?<=\b[A-Z][A-Z]) (?=[-\d])|(?<=[=≤≥≈<>×±]) (?=\S)|(?<=\S) (?=[=≤≥≈<>×±])"
)


def wrap_text(text: str, width: int) -> str:
    """The text in lines of at most `width` columns; a number keeps its unit, "M = 40" stays in one line.

    Only what is longer than a whole line by itself is broken.
    """
    lines = []
    for line in text.split("\n"):
        if cell_len(line) <= width:
            lines.append(line)
            continue
        parts = textwrap.wrap(
            TIES.sub(TIED, line), max(width, 1), break_on_hyphens=False, replace_whitespace=False
        )
        lines += [part.replace(TIED, " ") for part in parts]
    return "\n".join(lines)


def round_down(share: float, digits: int, *, whole: float = 1.0) -> str:
    """A share of a whole that is never rounded up to all of it: 0.99999 to two digits is 0.99."""
    scale = 10**digits
    down = math.floor(share * scale + 1e-6)  # 0.29 * 100 is 28.999999999999996
    most = round(whole * scale)
    return f"{(down if down < most or share >= whole else most - 1) / scale:.{digits}f}"


class FittedTable:
    """A table without lines, its columns aligned at the right, that prints itself as the width allows.

    Where the columns do not fit side by side, those that are left go on below, beside the first ones again.
    """

    def __init__(self, title: str, columns: Sequence[str], *, keys: int, left: bool) -> None:
        self.title, self.columns, self.keys, self.left = title, list(columns), keys, left
        self.rows: list[tuple[str, ...]] = []
        self.notes: list[str] = []

    def add_row(self, *cells: str) -> None:
        """Add a row, a cell for each column."""
        if len(cells) != len(self.columns):
            raise ValueError(f"a row of {len(cells)} cells in a table of {len(self.columns)} columns")
        self.rows.append(cells)

    def add_note(self, text: str) -> None:
        """Add a line below the table, such as what it leaves out."""
        self.notes.append(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        widths = self._widths(width)
        if self.title:
            yield Text(wrap_text(self.title, width), style="bold")
        for number, chosen in enumerate(self._blocks(widths, width)):
            if number:
                yield Text("")
            yield self._block(chosen, widths, width)
        yield from (Text(wrap_text(note, width)) for note in self.notes)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, options.max_width)

    def _widths(self, width: int | None = None) -> list[int]:
        """How wide each column is; the first takes half of `width` at most where the table does not fit."""
        widths = [max(map(cell_len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        if width is not None and _total(widths) > width:
            room = min(width // 2, width - GAP - max(widths[self.keys :], default=0))
            widths[0] = min(widths[0], max(NARROWEST, room))
        return widths

    def _blocks(self, widths: Sequence[int], width: int) -> Iterator[list[int]]:
        """The columns that stand side by side: the first ones, and as many others as there is room for."""
        keys = list(range(self.keys))
        block = list(keys)
        for column in range(self.keys, len(widths)):
            if len(block) > len(keys) and _total([widths[c] for c in (*block, column)]) > width:
                yield block
                block = list(keys)
            block.append(column)
        yield block

    def _block(self, chosen: Sequence[int], widths: Sequence[int], width: int) -> Table:
        table = Table(box=None, pad_edge=False)
        fits = _total([widths[column] for column in chosen]) <= width
        natural = self._widths()
        for column in chosen:
            table.add_column(
                Text(self.columns[column]),
                justify="left" if column < self.keys and self.left else "right",
                overflow="fold",
                no_wrap=fits and widths[column] == natural[column],
                max_width=widths[column] if fits else None,
            )
        for row in self.rows:
            table.add_row(*(Text(row[column]) for column in chosen))
        return table


def _total(widths: Sequence[int]) -> int:
    """The columns that a table takes."""
    return sum(widths) + GAP * (len(widths) - 1)


def plain_table(title: str, columns: Sequence[str], *, keys: int = 1, left: bool = False) -> FittedTable:
    """An empty table.

    keys: how many of its first columns say what a row is about; where columns have to go on below, these
          stand there again. left: whether they are aligned at the left
    """
    return FittedTable(title, columns, keys=keys, left=left)
