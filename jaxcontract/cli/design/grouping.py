"""Observed update costs grouped into device types. No JAX."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxcontract.cli.design.observed import MOST_DEVICES, Observed

MOST_CLUSTERS = 255  # that ckmeans finds


class Grouping(NamedTuple):
    """Neighbouring costs taken together, G groups from the cheapest on.

    highest: [G] the highest cost in each; cost: [G] what the group's type is taken to cost
    shares:  [G] of the devices; member: [D] the group of each observed cost
    explained: share of the variance of the costs that lies between the groups
    """

    highest: np.ndarray
    cost: np.ndarray
    shares: np.ndarray
    member: np.ndarray
    explained: float

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


WAYS: dict[str, Callable[[Observed, int], np.ndarray]] = {"quantiles": by_quantiles, "kmeans": by_kmeans}
MOST_TYPES = {"quantiles": MOST_DEVICES, "kmeans": MOST_CLUSTERS}  # that a way of grouping finds
STAND_FOR = ("highest", "mean")


def group(observed: Observed, num_types: int, way: str, stand_for: str = "highest") -> Grouping:
    """Group observed costs into at most K types.

    way: "quantiles" or "kmeans"
    stand_for: which cost of its members a group's type has. With the highest every member takes part,
        and takes the item meant for its group: it gains r − f·cost or more, and the next item up is
        meant for costs below its own. The best menu of (10) that treats the members of each group alike
        is then the one of these types. With the mean, those of the dearest group that cost more
        than its mean stay out, and the dear half of every other group takes the item below its own.

    Raises:
        ValueError: when there are fewer different costs than types, or more types than this way finds.
    """
    if num_types > len(observed.costs):
        raise ValueError(f"--types {num_types}: there are {len(observed.costs)} different costs")
    if num_types > MOST_TYPES[way]:
        raise ValueError(
            f"--types {num_types}: --grouping {way} takes at most {MOST_TYPES[way]}; use --grouping quantiles"
        )
    return form_groups(observed, WAYS[way](observed, num_types), stand_for)


def form_groups(observed: Observed, highest: np.ndarray, stand_for: str = "highest") -> Grouping:
    """The groups that end at these costs [G], ascending, the last one the highest of all."""
    member = np.searchsorted(highest, observed.costs)
    counts, size = observed.counts, len(highest)
    devices = np.bincount(member, counts, size)
    mean = np.bincount(member, counts * observed.costs, size) / devices
    within = counts @ (observed.costs - mean[member]) ** 2
    overall = counts @ (observed.costs - counts @ observed.costs / counts.sum()) ** 2
    return Grouping(
        highest=highest,
        cost=highest if stand_for == "highest" else mean,
        shares=devices / counts.sum(),
        member=member,
        explained=float(1 - within / overall),
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
