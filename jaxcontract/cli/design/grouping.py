"""Observed update costs grouped into device types. No JAX."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxcontract.cli.input_files.observed import MOST_DEVICES, Observed
from jaxcontract.mechanism.best_menus import hull_costs

MOST_CLUSTERS = 255  # that ckmeans finds


class Grouping(NamedTuple):
    """Neighbouring costs taken together, G groups from the cheapest on.

    highest: [G] the highest cost in each; cost: [G] what the group's type is taken to cost
    shares:  [G] of the devices that are in groups; member: [D] the group of each observed cost, G for none
    explained: share of the variance of the costs that lies between the groups
    covered:   share of all devices that are in groups; the dearest may be left out
    """

    highest: np.ndarray
    cost: np.ndarray
    shares: np.ndarray
    member: np.ndarray
    explained: float
    covered: float = 1.0

    @property
    def device_types(self) -> np.ndarray:
        """φ [G], ascending: the dearest group is type 1."""
        return 1.0 / self.cost[::-1]

    @property
    def type_probs(self) -> np.ndarray:
        """Q [G], in the order of `device_types`."""
        return self.shares[::-1]


def by_quantiles(observed: Observed, num_types: int) -> np.ndarray:
    """The highest costs of K groups of as many devices each; fewer where many devices cost the same."""
    last = np.ceil(observed.num_devices * np.arange(1, num_types + 1) / num_types)
    ends = np.searchsorted(np.cumsum(observed.counts), last)
    return np.unique(observed.costs[ends])


def by_kmeans(observed: Observed, num_types: int) -> np.ndarray:
    """The highest costs of the K groups with the least sum of squares within them, exactly.

    Raises:
        ValueError: when the library that finds them is not installed.
    """
    try:
        from ckmeans import ckmeans
    except ImportError:
        raise ValueError("--grouping kmeans: needs a library; pip install ckmeans") from None
    groups = ckmeans(np.repeat(observed.costs, observed.counts), num_types)
    return np.unique([group[-1] for group in groups])


def by_hull(observed: Observed, num_types: int) -> np.ndarray:
    """The highest costs of the groups that the best ones are made of, whatever the network and K."""
    del num_types  # which of them are neighbours in one group, the network says: `choosing.py`
    return hull_costs(observed.costs, observed.counts)


WAYS: dict[str, Callable[[Observed, int], np.ndarray]] = {
    "best": by_hull,
    "quantiles": by_quantiles,
    "kmeans": by_kmeans,
}
MOST_TYPES = {"best": MOST_DEVICES, "quantiles": MOST_DEVICES, "kmeans": MOST_CLUSTERS}  # that a way finds
STAND_FOR = ("highest", "mean")


def group(observed: Observed, num_types: int | None, way: str, stand_for: str = "highest") -> Grouping:
    """Group observed costs into at most K types.

    way: "quantiles" or "kmeans"; "best" gives the groups that the best ones are made of, which takes no K
    stand_for: which cost of its members a group's type has. With the highest every member takes part,
        and takes the item meant for its group: it gains r − f·cost or more, and the next item up is
        meant for costs below its own. The best menu of (10) that treats the members of each group alike
        is then the one of these types. With the mean, those of the dearest group that cost more
        than its mean stay out, and the dear half of every other group takes the item below its own.

    Raises:
        ValueError: when there are fewer different costs than types, or more types than this way finds.
    """
    size = num_types or 1
    if size > len(observed.costs):
        raise ValueError(f"--types {size}: there are {len(observed.costs)} different costs")
    if size > MOST_TYPES[way]:
        raise ValueError(
            f"--types {size}: --grouping {way} takes at most {MOST_TYPES[way]}; use --grouping quantiles"
        )
    return form_groups(observed, WAYS[way](observed, size), stand_for)


def form_groups(observed: Observed, highest: np.ndarray, stand_for: str = "highest") -> Grouping:
    """The groups that end at these costs [G], ascending; what costs more than the last is in none."""
    size = len(highest)
    member = np.searchsorted(highest, observed.costs)
    within = member < size
    costs, counts, own = (column[within] for column in (observed.costs, observed.counts, member))
    devices = np.bincount(own, counts, size)
    mean = np.bincount(own, counts * costs, size) / devices
    inside = counts @ (costs - mean[own]) ** 2
    overall = counts @ (costs - counts @ costs / counts.sum()) ** 2
    return Grouping(
        highest=highest,
        cost=highest if stand_for == "highest" else mean,
        shares=devices / counts.sum(),
        member=member,
        explained=max(0.0, float(1 - inside / overall)) if overall else 1.0,
        covered=float(counts.sum() / observed.counts.sum()),
    )


def group_rows(observed: Observed, grouping: Grouping) -> list[dict[str, float]]:
    """The groups as rows of a table, the dearest first, as types are numbered."""
    size = len(grouping.cost)
    lowest = observed.costs[np.searchsorted(grouping.member, np.arange(size))]
    return [
        {
            "type": size - at,
            "share": grouping.shares[at],
            "lowest_cost": lowest[at],
            "highest_cost": grouping.highest[at],
            "stands_for": grouping.cost[at],
            "device_type": 1.0 / grouping.cost[at],
            "cost_unit_value": observed.unit_value,
        }
        for at in reversed(range(size))
    ]
