"""What was found, written as it comes: a row for each item, a row for each network. No JAX."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from jaxcontract.cli.input_files.network_rows import NetworkRows

Found = Mapping[str, np.ndarray]
# By the name of a bound on f: (its next values, each a decade further, U_B with each).
Decades = Mapping[str, tuple[np.ndarray, np.ndarray]]
ITEMS, NETWORKS = "items.csv", "networks.csv"
MEASURES = (
    "feasible",
    "max_violation",
    "station_utility",
    "optimum",
    "regret",
    "complete_information",
    "pooled",
    "device_utility",
    "any_quality",
    "utility_without_bounds",
)
MEANS = MEASURES[2:8]
BOUNDS = {-1: "min_frequency", 1: "max_frequency"}

DEAR = 10.0  # times what data is worth
SAME = 1e-9  # of f, by which items differ through rounding alone

# How many networks have no contract with a quality, lose by theirs, are held by a bound, by it in all items,
# have one item for all of several types, have types all too dear to update in every slot, would earn more by
# one item for all; and of how many there is a remark at all.
NUMBERS = (
    "without_quality",
    "losing",
    "min_frequency_binding",
    "max_frequency_binding",
    "all_at_min_frequency",
    "one_item",
    "dear_everywhere",
    "below_one_item",
    "remarked",
)


class Tables:
    """`items.csv` and `networks.csv` in a new directory, open while it is entered."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> Self:
        self._files = [
            (self.directory / name).open("x", encoding="utf-8", newline="") for name in (ITEMS, NETWORKS)
        ]
        self._writers = [csv.writer(file, lineterminator="\n") for file in self._files]
        self._begun = False
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, networks: NetworkRows, found: Found) -> None:
        """Write the rows of a block."""
        tables = item_columns(networks, found), network_columns(networks, found)
        for writer, columns in zip(self._writers, tables, strict=True):
            if not self._begun:
                writer.writerow(columns)
            writer.writerows(zip(*map(_cells, columns.values()), strict=True))
        self._begun = True


def _cells(column: np.ndarray) -> list[Any]:
    """A column as plain values, an empty cell for a number that there is not."""
    cells: list[Any] = column.tolist()
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        return [cell if np.isfinite(cell) else "" for cell in cells]
    return cells


def item_columns(networks: NetworkRows, found: Found) -> dict[str, np.ndarray]:
    """The items of a block, [n K] in each column.

    A cycle is in slots, a rate in Hz; payment and rent in units of payment.
    """
    fields = networks.fields
    count, num_types = found["frequency"].shape
    slot = fields["slot_duration"][:, None]
    columns = {
        "row": np.repeat(networks.rows, num_types),
        "type": np.tile(np.arange(1, num_types + 1), count),
        "type_prob": fields["type_probs"],
        "device_type": fields["device_types"],
        "frequency": found["frequency"],
        "cycle_slots": 1.0 / found["frequency"],
        "rate_hz": found["frequency"] / slot,
        "payment": found["payment"],
        "rent": found["rent"],
        "complete_frequency": found["complete_frequency"],
        "complete_payment": found["complete_payment"],
        "binding_bound": np.array([BOUNDS[-1], "", BOUNDS[1]])[found["binding"] + 1],
    }
    return {name: np.ravel(column) for name, column in columns.items()}


def network_columns(networks: NetworkRows, found: Found) -> dict[str, np.ndarray]:
    """What the contracts of a block bring, [n] in each column."""
    bound = {f"{BOUNDS[side]}_binds": (found["binding"] == side).sum(axis=1) for side in BOUNDS}
    return {"row": networks.rows, **{name: found[name] for name in MEASURES}, **bound}


def loses(found: Found) -> np.ndarray:
    """Which contracts [n] have a quality of data and cost the base station more than it is worth."""
    utility = found["station_utility"]
    less: np.ndarray = np.isfinite(utility) & (utility < 0)
    return less


def earns_less_than_one_item(found: Found) -> np.ndarray:
    """Whether the best single item earns more than a contract that is feasible, beyond rounding. [n]"""
    with np.errstate(invalid="ignore"):  # both are minus infinity where no contract has a quality
        missing = found["pooled"] - found["station_utility"]
    more: np.ndarray = found["feasible"] & (missing > SAME * np.abs(found["pooled"]))
    return more


def is_one_item(found: Found) -> np.ndarray:
    """Which contracts [n] have a quality of data and give several types the same item."""
    frequency = found["frequency"]
    same = np.ptp(frequency, axis=1) <= SAME * frequency.max(axis=1)
    one: np.ndarray = same & np.isfinite(found["station_utility"]) & (frequency.shape[1] > 1)
    return one


def are_dear(networks: NetworkRows, found: Found) -> np.ndarray:
    """In which networks [n] an update in every slot costs each type ten times what any data is worth.

    Their costs are likely to be in another unit than the profit.
    """
    dear: np.ndarray = networks.fields["device_types"][:, -1] * found["greatest_worth"] * DEAR < 1
    return dear & np.isfinite(found["station_utility"]) & ~loses(found)


def list_bound_types(found: Found, index: int) -> dict[str, list[int]]:
    """The types, numbered from 1, whose item each bound on f moves."""
    return {
        name: (np.flatnonzero(found["binding"][index] == side) + 1).tolist() for side, name in BOUNDS.items()
    }


def take_one(networks: NetworkRows, found: Found, index: int) -> tuple[NetworkRows, Found]:
    """A block of one of its networks."""
    fields = {name: field[[index]] for name, field in networks.fields.items()}
    return NetworkRows(networks.rows[[index]], fields), {
        name: values[[index]] for name, values in found.items()
    }


def make_record(networks: NetworkRows, found: Found, index: int, remarks: Sequence[str]) -> dict[str, Any]:
    """One network with its contract and what is to be said of it, plain values for JSON."""
    one, alone = take_one(networks, found, index)
    columns = item_columns(one, alone)
    names = [name for name in columns if name != "row"]
    items = zip(*(columns[name].tolist() for name in names), strict=True)
    measures = network_columns(one, alone)
    return {
        "row": int(networks.rows[index]),
        **{name: field[index].tolist() for name, field in networks.fields.items()},
        **{name: measures[name][0].item() for name in MEASURES},
        "loses": bool(loses(found)[index]),
        "remarks": list(remarks),
        "binding_types": list_bound_types(found, index),
        "items": [dict(zip(names, item, strict=True)) for item in items],
    }


class Totals:
    """Means and extremes over all networks, without keeping them."""

    def __init__(self) -> None:
        self.count = self.feasible = 0
        self._sums: dict[str, float] = {}
        self.worst_regret, self.worst_row, self.max_violation = -np.inf, 0, 0.0
        self._number = dict.fromkeys(NUMBERS, 0)
        self.first_without_quality: int | None = None

    def add(self, networks: NetworkRows, found: Found) -> None:
        """Count a block."""
        holds = found["feasible"]
        self.count += len(holds)
        self.feasible += int(holds.sum())
        self.max_violation = float(np.maximum(self.max_violation, found["max_violation"].max()))  # keeps NaN
        self._count_remarks(networks, found)
        for name in MEANS:
            self._sums[name] = self._sums.get(name, 0.0) + float(found[name][holds].sum())
        regret = np.where(holds, found["regret"], -np.inf)
        if regret.max() > self.worst_regret:
            self.worst_regret, self.worst_row = (
                float(regret.max()),
                int(networks.rows[regret.argmax()]),
            )

    def _count_remarks(self, networks: NetworkRows, found: Found) -> None:
        """Count the networks of a block of which something is to be said."""
        binding, none = found["binding"], ~found["any_quality"]
        held = [(binding == side).any(axis=1) for side in BOUNDS]
        all_held = (binding == -1).all(axis=1) & ~none
        said = [
            loses(found),
            *held,
            is_one_item(found),
            are_dear(networks, found),
            earns_less_than_one_item(found),
        ]
        remarked = np.isfinite(found["station_utility"]) & np.any(said, axis=0)
        columns = (none, *said[:3], all_held, *said[3:], remarked)
        for name, which in zip(NUMBERS, columns, strict=True):
            self._number[name] += int(which.sum())
        if self.first_without_quality is None and none.any():
            self.first_without_quality = int(networks.rows[none.argmax()])

    def as_dict(self) -> dict[str, Any]:
        """Means are over the networks whose contract is feasible."""
        means = {
            f"mean_{name}": total / self.feasible if self.feasible else float("nan")
            for name, total in self._sums.items()
        }
        return {
            "networks": self.count,
            "feasible": self.feasible,
            "max_violation": self.max_violation,
            **self._number,
            "first_without_quality_row": self.first_without_quality,
            **means,
            "worst_regret": self.worst_regret if self.feasible else float("nan"),
            "worst_regret_row": self.worst_row if self.feasible else None,
        }
