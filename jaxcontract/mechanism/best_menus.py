"""The best K items for N observed costs, in NumPy float64. No JAX."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxcontract.mechanism.hull import lower_hull
from jaxcontract.mechanism.splits import best_splits, trace_cuts

MOST_VERTICES = 2**13  # among which the ends of groups are sought
ROUNDING = 1e-12  # of the profit, by which one menu earns more than another through rounding alone

# Virtual costs v to (β QoD(f), e(f)), what the f of the greatest β QoD(f) − v e(f) is worth and takes.
BestItems = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Menu(NamedTuple):
    """Items for groups of neighbouring costs, G from the cheapest group on.

    highest: [G] the highest cost in each group, ascending; devices that cost more stay out
    worth:   [G] β QoD of data updated as the item asks, units of payment
    payment: [G] r, falling
    profit:  what a device earns the base station, mean over all observed: U_B is M times that
    """

    highest: np.ndarray
    worth: np.ndarray
    payment: np.ndarray
    profit: float


def hull_costs(costs: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The costs at which a group of a best menu may end, whatever the metric.

    costs: [N] ascending, all different; counts: [N] how often each was observed, positive

    They are the vertices of the lower convex hull of the points (T, T c), T the number of devices that cost
    c or less, and (0, 0). Returns [V], ascending; the highest cost is among them.
    """
    reached = np.cumsum(counts, dtype=np.float64)
    points = [np.concatenate([[0.0], column]) for column in (reached, reached * costs)]
    return np.asarray(costs)[lower_hull(*points)[1:] - 1]


def best_menus(
    costs: np.ndarray, counts: np.ndarray, most: int, solve: BestItems, *, leave_out: bool = False
) -> list[Menu]:
    """The best menus of 1, 2, … items for observed costs, when devices choose freely: exactly.

    costs:     [N] c = 1/φ, units of payment for one unit of effort, ascending, all different
    counts:    [N] how often each was observed, positive
    most:      K, the number of items of the largest menu
    solve:     [n] virtual costs v to (β QoD(f), e(f)), [n] each, at the f within its bounds of the greatest
               β QoD(f) − v e(f). Any QoD that is concave in e will do
    leave_out: whether the dearest devices may be left without an item; they add nothing then

    Returns the best menus of at most 1 … min(K, V) items, V the number of `hull_costs`. Only where devices
    may be left out has a menu fewer items than it may have.

    With T_g and H_g = T_g c_g for the devices that cost up to the highest cost c_g of group g, a menu
    earns Σ_g (T_g − T_{g−1}) (β QoD(f_g) − v_g e(f_g)) with the virtual costs
    v_g = (H_g − H_{g−1})/(T_g − T_{g−1}): (7) with the payments that bind IR (8) and IC (9). It is linear in
    (T_g, H_g), so the best groups end at vertices of the lower convex hull. Between these the virtual costs
    rise by themselves, hence the f fall as screening asks, and a dynamic program over vertices is exact. Of
    more than 8,192 vertices, which only costs in even steps have, so many are looked at, evenly.

    With `leave_out` a menu below zero is worse than none.

    Raises:
        ValueError: when `most` is below 1, or an item has no finite worth: no f has a quality of data.
    """
    if most < 1:
        raise ValueError(f"best_menus.most {most}: must be 1 or more items")
    ends = thin(hull_costs(costs, counts))
    reached = np.cumsum(counts, dtype=np.float64)
    share = np.concatenate([[0.0], reached[np.searchsorted(costs, ends)] / reached[-1]])
    owed = share * np.concatenate([[0.0], ends])

    def value(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        devices, cost = share[end] - share[begin], owed[end] - owed[begin]
        worth, taken = solve(cost / devices)
        total: np.ndarray = devices * worth - cost * taken
        if not np.isfinite(total).all():
            raise ValueError("best_menus.solve: must give finite numbers; no item has a quality of data")
        return total

    sums, cuts = best_splits(value, len(share), min(most, len(ends)))
    lasts = sums.argmax(axis=1) if leave_out else np.full(len(sums), len(ends))
    profits = sums[np.arange(len(sums)), lasts]
    # More groups may mean more devices to serve than is worth while: then fewer are as many.
    sizes = np.maximum.accumulate(
        np.where(profits >= np.maximum.accumulate(profits), np.arange(len(sums)), 0)
    )
    chosen = [trace_cuts(cuts, int(size) + 1, int(lasts[size])) for size in sizes]
    return _offer(ends, share, owed, chosen, profits[sizes].tolist(), solve)


def find_dearest_served(costs: np.ndarray, counts: np.ndarray, solve: BestItems) -> float:
    """The highest cost that the best of all menus serves when the dearest devices may be left out.

    costs, counts, solve: as in `best_menus`. There an item for every group between neighbouring
    `hull_costs` is best, so what a group adds does not depend on the others.
    """
    ends = hull_costs(costs, counts)
    reached = np.cumsum(counts, dtype=np.float64)[np.searchsorted(costs, ends)]
    devices, cost = np.diff(reached, prepend=0.0), np.diff(reached * ends, prepend=0.0)
    worth, taken = solve(cost / devices)
    return float(ends[np.argmax(np.cumsum(devices * worth - cost * taken))])


def count_useful(menus: list[Menu]) -> int:
    """The fewest items of menus of 1, 2, … that earn as much as the last menu, up to rounding."""
    profit = np.array([menu.profit for menu in menus])
    return int(np.argmax(profit >= profit[-1] - ROUNDING * abs(profit[-1]))) + 1


def realised_profit(menu: Menu, costs: np.ndarray, counts: np.ndarray) -> float:
    """What devices of other costs earn the base station, mean over all, when each takes what is best for it.

    costs: [N]; counts: [N]. Devices that cost more than the highest group's stay out and earn it nothing.
    """
    profit = np.append(menu.worth - menu.payment, 0.0)
    total: float = counts @ profit[np.searchsorted(menu.highest, costs)]
    return float(total / counts.sum())


def thin(vertices: np.ndarray) -> np.ndarray:
    """At most 8,192 of the vertices, evenly, with both ends."""
    if len(vertices) <= MOST_VERTICES:
        return vertices
    return vertices[np.linspace(0, len(vertices) - 1, MOST_VERTICES).round().astype(int)]


def _offer(
    ends: np.ndarray,
    share: np.ndarray,
    owed: np.ndarray,
    chosen: list[np.ndarray],
    profits: list[float],
    solve: BestItems,
) -> list[Menu]:
    """The items of menus whose groups lie between chosen points, all solved at once."""
    slopes = [np.diff(owed[points]) / np.diff(share[points]) for points in chosen]
    cut = np.cumsum([len(one) for one in slopes])[:-1]
    worth, taken = (np.split(column, cut) for column in solve(np.concatenate(slopes)))
    menus = []
    for points, value, effort, profit in zip(chosen, worth, taken, profits, strict=True):
        highest = ends[points[1:] - 1]
        steps = np.diff(effort[::-1], prepend=0.0) * highest[::-1]  # from the dearest group on
        menus.append(Menu(highest, value, np.cumsum(steps)[::-1], profit))
    return menus
