"""Networks out of a file: constants and states, checked number by number before anything else. No JAX."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.input_files.blocks import Block, read_blocks
from jaxcontract.cli.input_files.columns import (
    SEPARATION,
    Choice,
    Names,
    Remarks,
    find_places,
    find_slip,
    join_names,
    name_column,
    normalise,
)
from jaxcontract.cli.input_files.json_documents import list_states
from jaxcontract.cli.input_files.numerals import quote
from jaxcontract.core.fields import Allowed
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import SUM_TOLERANCE

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
MILLISECONDS = 100.0  # seconds from which a time is more likely given in milliseconds
KNOWN = (*CONSTANTS, *STATE, *(f"{kind}_k" for kind in TYPES))

Fault = tuple[int, str]  # place in a block, what is wrong there


class NetworkRows(NamedTuple):
    """Some networks of a file.

    rows: [n]  their numbers in the file
    fields: the constants of `System` and max_aoi, max_latency [n]; type_probs, device_types [n, K]
    """

    rows: np.ndarray
    fields: dict[str, np.ndarray]


class NetworkColumns:
    """The columns of a network file.

    typed: whether the networks say their types; where not, what they say of them is left out
    """

    lists = tuple(TYPES)
    alone = None
    lenient = False

    def __init__(self, *, typed: bool = True) -> None:
        self._typed = typed

    def knows(self, name: str) -> bool:
        """Whether this is a constant, a part of a state or of a type."""
        return normalise(name) in (*CONSTANTS, *STATE) or _is_of_type(normalise(name))

    def choose(self, names: Names, word: str, find_numeric: Callable[[], Names]) -> Choice:  # noqa: ARG002
        """The columns to read. Raises ValueError when one is missing, there twice, or a slip of one."""
        ours = {place: normalise(name) for place, name in enumerate(names) if self.knows(name)}
        unread = [name for place, name in enumerate(names) if place not in ours]
        for name in unread:
            close = find_slip(name, (*CONSTANTS, *STATE, *TYPES)) if name else None
            if close:
                end = "_1" if close in TYPES and word == "column" else ""
                other = f"did you mean {close}{end}? Give a {word} that is none of ours another name"
                raise ValueError(f"unknown {word} {quote(name)}; {other}")
        read = find_places(ours, names, word)
        self._miss_none(read, names, word)
        kept = {name: place for name, place in read.items() if self._typed or not _is_of_type(name)}
        why = "" if len(kept) == len(read) else "its types are not read, --history gives them"
        return Choice(list(kept), list(kept.values()), unread, why)

    def list_records(self, document: Any, remarks: Remarks) -> Iterator[tuple[int, Any]]:
        """The states of a document, numbered from 1, with its constants."""
        return list_states(document, remarks)

    def _miss_none(self, read: Mapping[str, int], names: Names, word: str) -> None:
        needed = [*STATE]
        if self._typed:
            num_types = max(1, -(-sum(map(_is_of_type, read)) // 2))
            needed += [f"{kind}_{k}" for kind in TYPES for k in range(1, num_types + 1)]
        missing = [name for name in needed if name not in read]
        if missing:
            ends = f" ({SEPARATION})" if word == "column" and len(names) < 2 else ""
            raise ValueError(
                f"{name_column(missing[0], word, self.lists)} is missing{ends}; the file has "
                f"{join_names(_as_keys(names) if word == 'key' else names)}; "
                f"known are {', '.join(_as_keys(KNOWN) if word == 'key' else KNOWN)}"
            )


def read_networks(path: Path, *, typed: bool = True, remarks: Remarks | None = None) -> Iterator[NetworkRows]:
    """Read the networks of a file, as many at a time as fit a bounded memory.

    typed: whether they say their types; where not, what they say of them is left out
    remarks: where to say how the file was read

    Raises:
        ValueError: one line naming the file, the row, the column and what is allowed.
    """
    doubtful = [*STATE]
    for block in read_blocks(path, NetworkColumns(typed=typed), remarks):
        _check(path, block)
        networks = _networks(block)
        if remarks:
            doubtful = [name for name in doubtful if not _note_milliseconds(networks, name, remarks)]
        yield networks


def _note_milliseconds(networks: NetworkRows, name: str, remarks: Remarks) -> bool:
    """Say whether the first long time of a name looks like milliseconds."""
    values = networks.fields[name]
    long = np.flatnonzero(values >= MILLISECONDS)
    if long.size:
        value, row = values[long[0]], networks.rows[long[0]]
        remarks.add(
            f"row {row}: {name} = {value:g} looks like milliseconds and is taken in seconds; if it is "
            f"{value:g} ms, write {value / 1000:g}"
        )
    return bool(long.size)


def _is_of_type(name: str) -> bool:
    return re.fullmatch(r"(type_probs|device_types)_[1-9][0-9]*", name) is not None


def _as_keys(names: Names) -> list[str]:
    """The names of columns as keys: device_types_1, … are device_types."""
    numbered = rf"^({'|'.join(TYPES)})_(k|[1-9][0-9]*)$"
    return list(dict.fromkeys(re.sub(numbered, r"\1", name) for name in names))


def _networks(block: Block) -> NetworkRows:
    columns = dict(zip(block.names, block.values.T, strict=True))
    size = sum(map(_is_of_type, block.names)) // 2
    given = {name: column for name, column in columns.items() if name in CONSTANTS or name in STATE}
    defaults = {
        name: np.full(len(block.rows), field.default)
        for name, field in CONSTANTS.items()
        if name not in columns
    }
    types = {
        kind: np.stack([columns[f"{kind}_{k}"] for k in range(1, size + 1)], axis=1) for kind in TYPES if size
    }
    return NetworkRows(block.rows, defaults | given | types)


def _check(path: Path, block: Block) -> None:
    """Refuse the first row in which something is not allowed."""
    names, values = block.names, block.values
    faults = [
        fault
        for name, column in zip(names, values.T, strict=True)
        if (fault := _outside(name, column, block.word))
    ]
    if not faults:
        faults = list(_inconsistent(_networks(block).fields, block.word))
    if faults:
        index, text = min(faults, key=lambda fault: fault[0])
        raise ValueError(f"{path}: row {block.rows[index]}, {text}")


def _outside(name: str, column: np.ndarray, word: str) -> Fault | None:
    """The first number of a column that is out of its range."""
    allowed: Any = CONSTANTS[name].metadata["allowed"] if name in CONSTANTS else None
    allowed = allowed or STATE.get(name) or TYPES[name.rpartition("_")[0]]
    if allowed.admits(column):
        return None
    index = next(index for index, value in enumerate(column) if not allowed.admits(value))
    return index, f"{name_column(name, word, TYPES)}: {column[index]:g} must be {allowed}"


def _inconsistent(fields: dict[str, np.ndarray], word: str) -> Iterator[Fault]:
    """The first row in which numbers do not go together, rule by rule."""
    low, high = fields["min_frequency"], fields["max_frequency"]
    for row in np.flatnonzero(low > high)[:1]:
        yield int(row), f"{word} min_frequency: {low[row]:g} must be at most max_frequency = {high[row]:g}"
    if "type_probs" not in fields:
        return
    totals, types = fields["type_probs"].sum(axis=1), fields["device_types"]
    for row in np.flatnonzero(np.abs(totals - 1) > SUM_TOLERANCE)[:1]:
        must = f"must sum to 1 within {SUM_TOLERANCE:g}"
        which = "key type_probs: they" if word == "key" else "columns type_probs_1 …:"
        yield int(row), f"{which} sum to {totals[row]:.9g}, {must}"
    for row, k in np.argwhere(np.diff(types, axis=1) < 0)[:1]:
        after, before = types[row, k + 1], types[row, k]
        must = f"must be at least that of type {k + 1}, {before:g}: types ascend"
        yield int(row), f"{name_column(f'device_types_{k + 2}', word, TYPES)}: {after:g} {must}"
