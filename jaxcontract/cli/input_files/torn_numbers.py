"""Numbers that a separator tears in two, as decimal commas are among commas. No JAX."""

import re
from collections.abc import Sequence

from jaxcontract.cli.input_files.columns import Choice, name_column
from jaxcontract.cli.input_files.numerals import quote

TORN = re.compile(r"(?:^|[;\t])\s*[+-]?[0-9]+,[0-9]+\s*(?:[;\t]|$)")  # two cells, other separators in them


class TornNumbers:
    """Finds halves of numbers in the rows of a file: of some names, a choice of them, and a separator."""

    def __init__(self, names: Sequence[str], choice: Choice, separator: str) -> None:
        read, numbers = set(choice.places), [*zip(choice.names, choice.places, strict=True)]
        # The columns to be read that have one without a name behind them.
        self._suspects = [
            (name, place) for name, place in numbers if place + 1 < len(names) and not names[place + 1]
        ]
        # The columns to be read, each with its place and that of one beside it that is no number.
        self._beside = [
            (name, place, beside)
            for name, place in numbers
            for beside in (place - 1, place + 1)
            if separator == "," and 0 <= beside < len(names) and beside not in read
        ]

    def may_be_in(self, text: str) -> bool:
        """Whether rows of this text have to be looked at one by one."""
        return bool(self._suspects) or (bool(self._beside) and (";" in text or "\t" in text))

    def refuse(self, row: int, cells: Sequence[str]) -> None:
        """Look at a row. Raises ValueError where a number in it may be torn."""
        for name, place in self._suspects:
            _refuse_comma(row, name, cells[place].strip(), cells[place + 1].strip())
        for name, place, beside in self._beside:
            if ";" in cells[beside] or "\t" in cells[beside]:
                _refuse_separator(row, name, place, cells)


def _refuse_comma(row: int, name: str, whole: str, part: str) -> None:
    """Refuse what may be halves of a number with a decimal comma."""
    if part.isdigit() and re.fullmatch(r"[+-]?\d+", whole):
        raise ValueError(
            f"row {row}, {name_column(name, 'column')}: {whole} before {part} in a column without a "
            f"name may be {whole}.{part}; write a decimal point, or name that column"
        )


def _refuse_separator(row: int, name: str, place: int, cells: Sequence[str]) -> None:
    """Refuse a decimal comma among cells that semicolons or tabs separate: it tears a number in two."""
    for start in (place - 1, place):
        pair = ",".join(cells[max(start, 0) : start + 2])
        if TORN.search(pair):
            raise ValueError(
                f"row {row}, {name_column(name, 'column')}: {quote(pair)} may have a decimal comma, and "
                "names are separated by commas; separate names and numbers in one way"
            )
