"""What other stations offer, out of a file: an item a row. No JAX."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.input_files.blocks import read_blocks
from jaxcontract.cli.input_files.columns import (
    SEPARATION,
    Choice,
    Names,
    Remarks,
    find_places,
    join_names,
    name_column,
    normalise,
)

ITEM = ("frequency", "payment")
STATION = "station"
ALONE = "rival"  # the name of one without a name
EXAMPLE = '[{"station": "north", "frequency": 0.2, "payment": 0.1}]'


class RivalColumns:
    """The columns of a file of rivals' items: frequency, payment, and station where there are several."""

    lists: tuple[str, ...] = ()
    alone = None
    lenient = False

    def knows(self, name: str) -> bool:
        """Whether this is the name of a column of ours."""
        return normalise(name) in (*ITEM, STATION)

    def choose(self, names: Names, word: str, find_numeric: Callable[[], Names]) -> Choice:
        """Their places. Raises ValueError when one is missing, or there twice."""
        del find_numeric
        ours = {place: normalise(name) for place, name in enumerate(names) if self.knows(name)}
        places = find_places(ours, names, word)
        missing = [name for name in ITEM if name not in places]
        if missing:
            ends = f" ({SEPARATION})" if word == "column" and len(names) < 2 else ""
            raise ValueError(
                f"{word} {missing[0]} is missing{ends}; the file has {join_names(names)}; a row is an item: "
                f"{', '.join(ITEM)} and, where there are several, {STATION}"
            )
        others = [name for place, name in enumerate(names) if place not in ours]
        return Choice(ITEM, [places[name] for name in ITEM], others, label=places.get(STATION))

    def list_records(self, document: Any, remarks: Remarks) -> Iterator[tuple[int, Any]]:
        """A list of records, numbered from 1."""
        del remarks
        if not isinstance(document, list):
            raise ValueError(
                'must be a list of items, [{"station": "north", "frequency": 0.2, "payment": 0.1}]'
            )
        return enumerate(document, 1)


def read_rivals(path: Path, remarks: Remarks | None = None) -> dict[str, np.ndarray]:
    """The items [n, 2] of each rival by its name: updates per slot, units of payment.

    Raises:
        ValueError: one line naming the file, the row, the column and what is allowed.
    """
    rivals: dict[str, list[np.ndarray]] = {}
    for block in read_blocks(path, RivalColumns(), remarks):
        labels = block.labels or [ALONE] * len(block.rows)
        for row, item, label in zip(block.rows, block.values, labels, strict=True):
            station = "" if label is None else str(label).strip()
            wrong = next((fault for fault in _find_faults(item, station)), None)
            if wrong:
                column, said = wrong
                raise ValueError(f"{path}: row {row}, {name_column(column, block.word)}: {said}")
            rivals.setdefault(station, []).append(item)
    return {station: np.array(items) for station, items in rivals.items()}


def _find_faults(item: np.ndarray, station: str) -> Iterator[tuple[str, str]]:
    """What is wrong with an item, by its column."""
    frequency, payment = item.tolist()
    if not 0 < frequency <= 1:
        yield ITEM[0], f"{frequency:g} must be above 0 and at most 1, updates per slot"
    if not payment >= 0:
        yield ITEM[1], f"{payment:g} must be 0 or more, units of payment"
    if not station:
        yield STATION, "must name a station"


def best_offers(rivals: dict[str, np.ndarray], device_types: np.ndarray) -> np.ndarray:
    """What each type earns at each rival from the item that it likes best there. Returns [..., J, K].

    device_types: [..., K] φ
    """
    cost = 1.0 / np.asarray(device_types)[..., None]
    offers = [np.max(items[:, 1] - items[:, 0] * cost, axis=-1) for items in rivals.values()]
    if not offers:
        return np.zeros((*np.shape(device_types)[:-1], 0, np.shape(device_types)[-1]))
    return np.stack(offers, axis=-2)
