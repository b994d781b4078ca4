"""Observed update costs, as a file has them. No JAX."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcontract.cli.design.columns import (
    SEPARATION,
    Choice,
    Names,
    Remarks,
    find_places,
    join_names,
    name_column,
    normalise,
)
from jaxcontract.cli.design.reading import read_blocks

COLUMN = "cost"
MOST_DEVICES = 10**7
LEAST, GREATEST = float(np.finfo(np.float32).tiny), 1e30  # of a cost, so that 1/cost is one too


class Observed(NamedTuple):
    """Update costs of devices, each as many times as it was observed.

    costs: [D] ascending, all different; counts: [D]
    """

    costs: np.ndarray
    counts: np.ndarray

    @property
    def num_devices(self) -> int:
        return int(self.counts.sum())


class CostColumn:
    """The one column of a file of observed costs."""

    lists: tuple[str, ...] = ()

    def knows(self, name: str) -> bool:
        """Whether this is it."""
        return normalise(name) == COLUMN

    def choose(self, names: Names, word: str) -> Choice:
        """Its place. Raises ValueError when there is none, or two."""
        read = find_places(
            {place: COLUMN for place, name in enumerate(names) if self.knows(name)}, names, word
        )
        if COLUMN not in read:
            ends = f" ({SEPARATION})" if word == "column" and len(names) < 2 else ""
            raise ValueError(
                f"{word} {COLUMN} is missing{ends}; the file has {join_names(names)}; "
                "name that of the costs so"
            )
        others = [name for place, name in enumerate(names) if place != read[COLUMN]]
        return Choice([COLUMN], [read[COLUMN]], others)


def read_costs(path: Path, remarks: Remarks | None = None) -> Observed:
    """The update costs in the column `cost` of a file, one row for each device; other columns are not read.

    remarks: where to say how the file was read

    Raises:
        ValueError: one line naming the file, the row, the column and what is allowed.
    """
    parts, num_rows = [], 0
    for block in read_blocks(path, CostColumn(), remarks):
        wrong = np.flatnonzero(~((block.values[:, 0] >= LEAST) & (block.values[:, 0] <= GREATEST)))
        if wrong.size:
            value = block.values[wrong[0], 0]
            where = f"{path}: row {block.rows[wrong[0]]}, {name_column(COLUMN, block.word)}"
            allowed = "a positive number" if value <= 0 else f"between {LEAST:.3g} and {GREATEST:g}"
            raise ValueError(f"{where}: {value:g} must be {allowed}, the cost of an update")
        parts.append(block.values[:, 0])
        num_rows += len(block.rows)
        if num_rows > MOST_DEVICES:
            raise ValueError(
                f"{path}: row {block.rows[-1]}: more than {MOST_DEVICES:,} devices; take a sample"
            )
    observed = Observed(*np.unique(np.concatenate(parts), return_counts=True))
    if len(observed.costs) == 1:
        many = "one device" if num_rows == 1 else f"{num_rows:,} devices of one cost"
        raise ValueError(f"{path}: has {many}; grouping takes two or more different costs")
    return observed
