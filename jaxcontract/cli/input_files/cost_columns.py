"""Which columns of a file of observed costs are read: that of the costs, and that of the devices. No JAX."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any

from jaxcontract.cli.input_files.columns import (
    SEPARATION,
    Choice,
    Names,
    Remarks,
    find_places,
    join_names,
    normalise,
)
from jaxcontract.cli.input_files.json_documents import list_costs
from jaxcontract.cli.input_files.numerals import NUMBER

COST, DEVICE = "cost", "device"
OPTIONS = {COST: "--cost-column", DEVICE: "--device-column"}
LIKE = 0.5  # difflib's ratio from which a name may be meant by another that is not there


class CostColumns:
    """The columns of a file of observed costs.

    cost:   the name of that of the costs; None for "cost"
    device: the name of that which says whose cost a row is; None for "device", where there is one; "" where
        each row counts for itself
    """

    lists: tuple[str, ...] = ()
    lenient = True

    def __init__(self, cost: str | None = None, device: str | None = None) -> None:
        self._given = {kind: name is not None for kind, name in ((COST, cost), (DEVICE, device))}
        self.cost = COST if cost is None else cost.strip()
        self._device = DEVICE if device is None else device.strip()
        self.device: str | None = None  # as far as a file has one

    @property
    def alone(self) -> str | None:
        """A number alone is a cost."""
        return self.cost

    def knows(self, name: str) -> bool:
        """Whether this may be that of the costs."""
        return normalise(name) == normalise(self.cost)

    def choose(self, names: Names, word: str, find_numeric: Callable[[], Names]) -> Choice:
        """Their places. Raises ValueError when one is missing, or there twice."""
        cost = self._find(COST, self.cost, names, word)
        if cost is None:
            raise ValueError(self._explain_missing(COST, self.cost, names, word, find_numeric()))
        device = self._find(DEVICE, self._device, names, word)
        if device is None and self._given[DEVICE] and self._device:
            raise ValueError(self._explain_missing(DEVICE, self._device, names, word, names))
        self.device = None if device is None else names[device].strip()
        others = [name for place, name in enumerate(names) if place not in (cost, device)]
        return Choice([self.cost], [cost], others, label=device)

    def list_records(self, document: Any, remarks: Remarks) -> Iterator[tuple[int, Any]]:
        """A list of numbers or of records, numbered from 1."""
        return list_costs(document, remarks)

    def _find(self, kind: str, wanted: str, names: Names, word: str) -> int | None:
        """The place of a column: of a given name the one spelt alike, before those in another case."""
        if not wanted:
            return None
        same = {place: wanted for place, name in enumerate(names) if name.strip() == wanted}
        alike = {place: wanted for place, name in enumerate(names) if normalise(name) == normalise(wanted)}
        try:
            return find_places(same if same and self._given[kind] else alike, names, word).get(wanted)
        except ValueError as error:
            hint = (
                "" if self._given[kind] or kind == COST else f'; {OPTIONS[kind]} "" counts each row by itself'
            )
            raise ValueError(f"{error}{hint}") from None

    def _explain_missing(self, kind: str, wanted: str, names: Names, word: str, likely: Names) -> str:
        """What to do where a column is not there.

        likely: the names of those that it may be
        """
        named = [*filter(None, names)]
        if named and (all(map(NUMBER.fullmatch, named)) or any(map(NUMBER.fullmatch, likely))):
            return f"{word} {wanted} is missing: name the columns in the first row, this one has numbers"
        ends = f" ({SEPARATION})" if word == "column" and len(names) < 2 else ""
        close = difflib.get_close_matches(normalise(wanted), map(normalise, likely), n=1, cutoff=LIKE)
        meant = [name for name in likely if normalise(name) in close] or (likely if len(likely) == 1 else [])
        guess = f"; did you mean {join_names(meant[:1])}?" if meant else ";"
        kinds = f" numeric {word}s: {join_names(likely) or 'none'};" if kind == COST else ""
        has = f" the file has {join_names(names)};" if kind == DEVICE or len(likely) < len(names) else ""
        return f"{word} {wanted} is missing{ends}{guess}{has}{kinds} name it with {OPTIONS[kind]}"
