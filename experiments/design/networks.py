"""Networks out of a file: constants and states, checked number by number before anything else. No JAX."""

import dataclasses
import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from design.reading import Block, Names, blocks
from jaxcontract.fields import Allowed
from jaxcontract.mechanism.checks import SUM_TOLERANCE
from jaxcontract.mechanism.system import System

CONSTANTS = {field.name: field for field in dataclasses.fields(System)}
TINY = float(np.finfo(np.float32).tiny)
STATE = {
    "max_aoi": Allowed("number", "largest tolerable mean age of information", False, "s", 0, above=True),
    "max_latency": Allowed("number", "largest tolerable mean latency", False, "s", 0, above=True),
}
TYPES = {
    "type_probs": Allowed("number", "share of the devices that are of type k", False, "", 0, 1),
    # Below the smallest normal float32 the cost 1/φ of an update overflows.
    "device_types": Allowed("number", "1 / update cost of a type-k device", False, "", TINY),
}

Fault = tuple[int, str]  # place in a block, what is wrong there


class Networks(NamedTuple):
    """Some networks of a file.

    rows: [n]  their numbers in the file
    fields: the constants of `System` and max_aoi, max_latency [n]; type_probs, device_types [n, K]
    """

    rows: np.ndarray
    fields: dict[str, np.ndarray]


def networks(path: Path, *, typed: bool = True) -> Iterator[Networks]:
    """The networks of a file, as many at a time as fit a bounded memory.

    typed: whether they say their types; where not, what they say of them is left out

    Raises:
        ValueError: one line naming the file, the row, the column and what is allowed.
    """
    for block in blocks(path, lambda names: _chosen(names, typed)):
        _check(path, block)
        yield _networks(block)


def _chosen(names: Names, typed: bool) -> Names:
    """The columns to read. Raises ValueError when one is missing or none of ours."""
    types, given = dict.fromkeys(_of_types(names)), set(names)
    known = [*CONSTANTS, *STATE]
    for name in names:
        if name not in known and name not in types:
            close = difflib.get_close_matches(name, [*known, "type_probs_1", "device_types_1"], n=1)
            hint = f"did you mean {close[0]}?" if close else "known are " + ", ".join(known)
            raise ValueError(f"unknown column {name!r}; {hint}")
    needed = [*STATE]
    if typed:
        num_types = max(1, -(-len(types) // 2))
        needed += [f"{kind}_{k}" for kind in TYPES for k in range(1, num_types + 1)]
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(f"column {missing[0]} is missing (columns are separated by commas)")
    return [name for name in names if name in known or (typed and name in types)]


def _of_types(names: Names) -> list[str]:
    return [name for name in names if re.fullmatch(r"(type_probs|device_types)_[1-9]\d*", name)]


def _networks(block: Block) -> Networks:
    columns = dict(zip(block.names, block.values.T, strict=True))
    size = len(_of_types(block.names)) // 2
    given = {name: column for name, column in columns.items() if name in CONSTANTS or name in STATE}
    defaults = {
        name: np.full(len(block.rows), field.default)
        for name, field in CONSTANTS.items()
        if name not in columns
    }
    types = {
        kind: np.stack([columns[f"{kind}_{k}"] for k in range(1, size + 1)], axis=1) for kind in TYPES if size
    }
    return Networks(block.rows, defaults | given | types)


def _check(path: Path, block: Block) -> None:
    """Refuse the first row in which something is not allowed."""
    names, values = block.names, block.values
    faults = [
        fault for name, column in zip(names, values.T, strict=True) if (fault := _outside(name, column))
    ]
    if not faults:
        faults = list(_inconsistent(_networks(block).fields))
    if faults:
        index, text = min(faults, key=lambda fault: fault[0])
        raise ValueError(f"{path}: row {block.rows[index]}, {text}")


def _outside(name: str, column: np.ndarray) -> Fault | None:
    """The first number of a column that is out of its range."""
    allowed: Any = CONSTANTS[name].metadata["allowed"] if name in CONSTANTS else None
    allowed = allowed or STATE.get(name) or TYPES[name.rpartition("_")[0]]
    if allowed.admits(column):
        return None
    index = next(index for index, value in enumerate(column) if not allowed.admits(value))
    return index, f"column {name}: {column[index]:g} must be {allowed}"


def _inconsistent(fields: dict[str, np.ndarray]) -> Iterator[Fault]:
    """The first row in which numbers do not go together, rule by rule."""
    low, high = fields["min_frequency"], fields["max_frequency"]
    for row in np.flatnonzero(low > high)[:1]:
        yield int(row), f"column min_frequency: {low[row]:g} must be at most max_frequency = {high[row]:g}"
    if "type_probs" not in fields:
        return
    totals, types = fields["type_probs"].sum(axis=1), fields["device_types"]
    for row in np.flatnonzero(np.abs(totals - 1) > SUM_TOLERANCE)[:1]:
        must = f"must sum to 1 within {SUM_TOLERANCE:g}"
        yield int(row), f"columns type_probs_1 …: sum to {totals[row]:.9g}, {must}"
    for row, k in np.argwhere(np.diff(types, axis=1) < 0)[:1]:
        after, before = types[row, k + 1], types[row, k]
        must = f"must be at least device_types_{k + 1} = {before:g}: types ascend"
        yield int(row), f"column device_types_{k + 2}: {after:g} {must}"
