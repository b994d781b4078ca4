"""Observed update costs, as a file has them. No JAX."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.design.columns import Remarks, name_column
from jaxcontract.cli.design.cost_columns import CostColumns
from jaxcontract.cli.design.cost_options import CostOptions
from jaxcontract.cli.design.device_costs import DeviceNumbers, find_device_costs
from jaxcontract.cli.design.reading import Block, read_blocks
from jaxcontract.cli.design.unusable import GREATEST, LEAST, Unusable, name_kind

MOST_DEVICES = 10**7


class Observed(NamedTuple):
    """Update costs in units of payment, each as many times as it was observed.

    costs: [D] ascending, all different; counts: [D]
    word: what is counted, "devices" or "observations"
    unit_value: what one unit of the file's costs is worth, which the costs are multiplied by
    record: how the file was read and what was left out, plain values for JSON
    """

    costs: np.ndarray
    counts: np.ndarray
    word: str = "observations"
    unit_value: float = 1.0
    record: dict[str, Any] = {}  # noqa: RUF012, never written to

    @property
    def num_devices(self) -> int:
        """How many devices there are, or observations where the file does not say whose they are."""
        return int(self.counts.sum())

    def describe(self) -> str:
        """How many there are of what, and the unit of their costs where it is not the file's."""
        unit = "" if self.unit_value == 1 else f", costs times {self.unit_value:g} (--cost-unit-value)"
        return f"{self.num_devices:,} {'observed ' * (self.word == 'devices')}{self.word}{unit}"


def read_costs(path: Path, remarks: Remarks | None = None, options: CostOptions | None = None) -> Observed:
    """The update costs in one column of a file; a device with several rows counts once.

    remarks: where to say how the file was read

    Raises:
        ValueError: one line naming the file, the row, the column and what is allowed; of rows that cannot be
            used their number, and the first of each kind.
    """
    options, remarks = options or CostOptions(), remarks or Remarks()
    columns = CostColumns(options.cost_column, options.device_column)
    unusable, numbers = Unusable(), DeviceNumbers()
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    word = "column"
    for block in read_blocks(path, columns, remarks):
        parts.append(_take_usable(block, options.unit_value, numbers, unusable))
        word = block.word
        if unusable.rows > MOST_DEVICES:
            raise ValueError(f"{path}: row {block.rows[-1]}: more than {MOST_DEVICES:,} rows; take a sample")
    _judge(path, name_column(columns.cost, word), unusable, options.skip_unusable, remarks)
    costs, devices = (np.concatenate(column) for column in zip(*parts, strict=True))
    num_rows = len(costs)
    if columns.device is not None:
        costs = find_device_costs(costs, devices, options.device_cost)
    return _gather(path, costs, num_rows, columns, options, unusable, remarks)


def _take_usable(
    block: Block, unit_value: float, numbers: DeviceNumbers, unusable: Unusable
) -> tuple[np.ndarray, np.ndarray]:
    """The costs of a block and the number of each one's device, 0 where none is named; others are counted."""
    values = block.values[:, 0]
    costs = values * unit_value
    devices = np.zeros(len(values), np.int32) if block.labels is None else numbers.number(block.labels)
    unusable.rows += len(values)
    usable = (costs >= LEAST) & (costs <= GREATEST)
    for place, text in block.odd.items():
        unusable.add(name_kind(text), int(block.rows[place]), text)
    for kind, which in {
        "zero": values == 0,
        "negative": values < 0,
        "out_of_range": (values > 0) & ~usable,
    }.items():
        unusable.add_numbers(kind, block.rows[which], values[which])
    if block.labels is not None:
        nameless = usable & (devices == 0)
        unusable.add_numbers("without_device", block.rows[nameless], values[nameless])
        usable &= ~nameless
    return costs[usable], devices[usable]


def _judge(path: Path, column: str, unusable: Unusable, skip: bool, remarks: Remarks) -> None:
    """Refuse rows that cannot be used, or say that they are left out."""
    if not unusable.count:
        return
    told = f"{unusable.count:,} of {unusable.rows:,} rows"
    if unusable.count == unusable.rows:
        raise ValueError(f"{path}: {column}: none of {unusable.rows:,} rows is usable: {unusable.describe()}")
    if not skip:
        raise ValueError(
            f"{path}: {column}: {told} cannot be used: {unusable.describe()}; each must have a positive "
            "number, the cost of an update; --skip-unusable leaves such rows out"
        )
    remarks.add(f"{told} left out: {unusable.describe()}")


def _gather(
    path: Path,
    costs: np.ndarray,
    num_rows: int,
    columns: CostColumns,
    options: CostOptions,
    unusable: Unusable,
    remarks: Remarks,
) -> Observed:
    """The different costs, and the record of what was read."""
    how = options.device_cost
    record = {
        "cost_column": columns.cost,
        "device_column": columns.device,
        "cost_unit_value": options.unit_value,
        "rows": unusable.rows,
        "left_out": unusable.as_dict(),
        "observations": num_rows,
    }
    word = "observations" if columns.device is None else "devices"
    if columns.device is not None:
        record |= {"devices": len(costs), "device_cost": how}
        if len(costs) < num_rows:
            told = how if isinstance(how, str) else f"quantile {how:g}"
            remarks.add(f"{num_rows:,} observations of {len(costs):,} devices, each at its {told}")
    observed = Observed(*np.unique(costs, return_counts=True), word, options.unit_value, record)
    if len(observed.costs) == 1:
        one = observed.num_devices == 1
        many = f"one {word[:-1]}" if one else f"{observed.num_devices:,} {word} of one cost"
        raise ValueError(f"{path}: has {many}; grouping takes two or more different costs")
    return observed
