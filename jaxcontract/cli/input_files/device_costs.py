"""The cost of each device, from one or many rows of it. No JAX."""

from collections.abc import Sequence
from typing import Any

import numpy as np

MISSING = (
    *("", "-", "NA", "na", "N/A", "n/a", "#N/A", "<NA>", "NaT"),
    *("NaN", "nan", "NAN", "NULL", "null", "None", "none"),
)


class DeviceNumbers:
    """Numbers the devices of a file as they come, from 1; 0 is a row that names none."""

    def __init__(self) -> None:
        self._numbers = _Numbers()

    @property
    def count(self) -> int:
        """How many devices have been named."""
        return self._numbers.count

    def number(self, labels: Sequence[Any]) -> np.ndarray:
        """The device [n] of each row, by what its column holds."""
        names = labels if set(map(type, labels)) == {str} else map(_write_label, labels)
        return np.fromiter(map(self._numbers.__getitem__, names), np.int32, len(labels))


class _Numbers(dict[str, int]):
    """The number of each name as it is written, and as it is without blanks around it."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(MISSING, 0))
        self.count = 0

    def __missing__(self, written: str) -> int:
        name = written.strip()
        if name not in self:
            self.count += 1
            self[name] = self.count
        self[written] = self[name]
        return self[name]


def _write_label(label: Any) -> str:
    """A device's name as text: 7, 7.0 (as spreadsheets have it) and "7" are one device."""
    if isinstance(label, str):
        return label
    if label is None or isinstance(label, dict | list):
        return ""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def find_device_costs(costs: np.ndarray, devices: np.ndarray, way: float | str) -> np.ndarray:
    """One cost for each device [N], from the costs [R] of its rows and the device [R] of each row.

    way: "mean", or a quantile in [0, 1], with straight lines between the rows as `numpy.quantile` has it
    """
    order = np.lexsort((costs, devices))
    ascending, grouped = costs[order], devices[order]
    starts = np.flatnonzero(np.diff(grouped, prepend=grouped[0] - 1))
    counts = np.diff(starts, append=len(grouped))
    least, greatest = ascending[starts], ascending[starts + counts - 1]
    if isinstance(way, str):
        # Within what was observed: the mean of equal costs is their cost, not one rounding beside it.
        mean: np.ndarray = np.clip(np.add.reduceat(ascending, starts) / counts, least, greatest)
        return mean
    at = way * (counts - 1)
    below = np.floor(at).astype(np.int64)
    low, high = ascending[starts + below], ascending[starts + np.minimum(below + 1, counts - 1)]
    between: np.ndarray = np.clip(low + (at - below) * (high - low), least, greatest)
    return between
