"""Observed update costs, as a file has them. No JAX."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.input_files.blocks import Block, read_blocks
from jaxcontract.cli.input_files.columns import Remarks, name_column
from jaxcontract.cli.input_files.cost_columns import CostColumns
from jaxcontract.cli.input_files.cost_options import CostOptions
from jaxcontract.cli.input_files.device_costs import DeviceNumbers, find_device_costs
from jaxcontract.cli.input_files.unusable import GREATEST, LEAST, Unusable, name_kind

MOST_DEVICES = 10**7


class Observed(NamedTuple):
    """Update costs in units of payment, each as many times as it was observed.

    costs: [D] ascending, all different; counts: [D]
    word: what is counted, "devices" or "observations"
    record: how the file was read and what was left out, plain values for JSON
    """

    costs: np.ndarray
    counts: np.ndarray
    word: str = "devices"
    record: Mapping[str, Any] = MappingProxyType({"cost_unit_value": 1.0})

    @property
    def num_devices(self) -> int:
        """How many devices there are, or observations where the file does not say whose they are."""
        return int(self.counts.sum())

    @property
    def unit_value(self) -> float:
        """What one unit of the file's costs is worth, which they have been multiplied by."""
        return float(self.record["cost_unit_value"])

    def describe(self, covered: float = 1.0) -> str:
        """How many there are of what, and the unit of the file's costs where it is not that of payment.

        covered: the share of them that is spoken of
        """
        unit = f", costs times {self.unit_value:g} (--cost-unit-value)" * (self.unit_value != 1)
        many = f"{self.num_devices:,}"
        if covered < 1:
            many = f"{round(covered * self.num_devices):,} of {many}"
        return f"{many} {'observed ' * (self.word == 'devices')}{self.word}{unit}"


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
    parts = []
    for block in read_blocks(path, columns, remarks):
        parts.append(_take_usable(block, options.unit_value, numbers, unusable))
        if unusable.rows > MOST_DEVICES:
            raise ValueError(f"{path}: row {block.rows[-1]}: more than {MOST_DEVICES:,} rows; take a sample")
    _judge(path, name_column(columns.cost, block.word), unusable, options.skip_unusable, remarks)
    costs, devices = (np.concatenate(column) for column in zip(*parts, strict=True))
    record = {
        "cost_column": columns.cost,
        "device_column": columns.device,
        "cost_unit_value": options.unit_value,
        "rows": unusable.rows,
        "left_out": unusable.as_dict(),
        "observations": len(costs),
    }
    if columns.device is None:
        return _make_observed(path, costs, "observations", record)
    each = find_device_costs(costs, devices, options.device_cost)
    record |= {"devices": len(each), "devices_left_out": numbers.count - len(each)}
    record |= {"device_cost": options.device_cost}
    _note_devices(record, remarks)
    return _make_observed(path, each, "devices", record)


def _take_usable(
    block: Block, unit_value: float, numbers: DeviceNumbers, unusable: Unusable
) -> tuple[np.ndarray, np.ndarray]:
    """The costs of a block and the number of each one's device, 0 where none is named; others are counted."""
    values = block.values[:, 0]
    with np.errstate(over="ignore", under="ignore"):  # beyond the range below
        costs = values * unit_value
    devices = np.zeros(len(values), np.int32) if block.labels is None else numbers.number(block.labels)
    unusable.rows += len(values)
    allowed = (costs >= LEAST) & (costs <= GREATEST)
    usable = allowed if block.labels is None else allowed & (devices > 0)
    if usable.all():
        return costs, devices
    for place, text in block.odd.items():
        unusable.add(name_kind(text), int(block.rows[place]), text)
    for kind, which in {
        "zero": values == 0,
        "negative": values < 0,
        "out_of_range": (values > 0) & ~allowed,
        "without_device": allowed & ~usable,
    }.items():
        unusable.add_numbers(kind, block.rows[which], values[which])
    return costs[usable], devices[usable]


def _judge(path: Path, column: str, unusable: Unusable, skip: bool, remarks: Remarks) -> None:
    """Refuse rows that cannot be used, or say that they are left out."""
    if not unusable.count:
        return
    if unusable.count == unusable.rows:
        raise ValueError(f"{path}: {column}: none of {unusable.rows:,} rows is usable: {unusable.describe()}")
    told = f"{unusable.count:,} of {unusable.rows:,} rows"
    if not skip:
        raise ValueError(
            f"{path}: {column}: {told} cannot be used: {unusable.describe()}; a cost is a positive number; "
            "--skip-unusable leaves such rows out"
        )
    remarks.add(f"{told} left out: {unusable.describe()}")


def _note_devices(record: Mapping[str, Any], remarks: Remarks) -> None:
    """Say that devices have several rows, or none that can be used."""
    lost, way = record["devices_left_out"], record["device_cost"]
    if lost:
        remarks.add(f"{lost:,} device{'s' * (lost > 1)} left out, without a usable row")
    if record["devices"] < record["observations"]:
        told = way if isinstance(way, str) else f"quantile {way:g}"
        remarks.add(
            f"{record['observations']:,} observations of {record['devices']:,} devices, each at its {told}"
        )


def _make_observed(path: Path, costs: np.ndarray, word: str, record: Mapping[str, Any]) -> Observed:
    """The different costs. Raises ValueError when they are all one."""
    observed = Observed(*np.unique(costs, return_counts=True), word, record)
    if len(observed.costs) == 1:
        one = observed.num_devices == 1
        many = f"one {word[:-1]}" if one else f"{observed.num_devices:,} {word} of one cost"
        raise ValueError(
            f"{path}: has {many}; grouping takes two or more different costs (one type needs none: a network "
            "file with device_types [1/cost])"
        )
    return observed
