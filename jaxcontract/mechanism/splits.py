"""The best ways to cut a row of points into 1, 2, … stretches, by dynamic programming in NumPy. No JAX."""

from collections.abc import Callable

import numpy as np

TABLE = 600  # points up to which the values of all stretches are in memory at once

Value = Callable[[np.ndarray, np.ndarray], np.ndarray]


def best_splits(value: Value, size: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The best sums of k stretches from point 0 to each point, k = 1 … K, exactly.

    value: of the stretches between points a and b > a, [n] and [n] to [n], finite. Of such stretches
           value(a, c) + value(b, d) ≥ value(a, d) + value(b, c) must hold for a < b < c < d, so that the
           best last cut moves up with the end; only long rows make use of it (Knuth 1971, Yao 1980)
    size:  V + 1 points;  most: K ≤ V

    Returns the sums [K, V + 1], minus infinity where there are too few points, and the point where the last
    stretch begins [K, V + 1]. O(V² K) up to 600 points, O(V log V K) beyond.
    """
    short = size <= TABLE
    table = _tabulate(value, size) if short else None
    best = np.full(size, -np.inf)
    best[0] = 0.0
    sums, cuts = [], []
    for done in range(most):
        if table is not None:
            total = table + best
            cut = total.argmax(axis=1)
            best = total[np.arange(size), cut]
        else:
            best, cut = _extend(value, best, done)
        sums.append(best)
        cuts.append(cut)
    return np.stack(sums), np.stack(cuts)


def trace_cuts(cuts: np.ndarray, count: int, end: int) -> np.ndarray:
    """The points [count + 1] between which the best `count` stretches up to a point lie, ascending."""
    points = [end]
    for row in cuts[:count][::-1]:
        points.append(int(row[points[-1]]))
    return np.array(points[::-1])


def _tabulate(value: Value, size: int) -> np.ndarray:
    """Value [end, beginning] of each stretch, minus infinity where that is none."""
    table = np.full((size, size), -np.inf)
    begin, end = np.triu_indices(size, 1)
    table[end, begin] = value(begin, end)
    return table


def _extend(value: Value, best: np.ndarray, done: int) -> tuple[np.ndarray, np.ndarray]:
    """One stretch more to each point, by halving: the best cut of a point bounds those on either side.

    best: [V + 1] sums of `done` stretches, finite from point `done` on
    """
    size, first = len(best), done + 1
    count = size - first
    cut = np.zeros(size, int)
    longer = np.full(size, -np.inf)
    step = 1 << (count - 1).bit_length()
    while step:
        place = np.arange(step - 1, count, 2 * step)
        end = first + place
        low = np.where(place >= step, cut[end - step], done)
        above = np.where(place + step < count, cut[np.minimum(end + step, size - 1)], size - 1)
        if len(end):
            longer[end], cut[end] = _look_along(value, best, end, low, np.minimum(above, end - 1))
        step //= 2
    return longer, cut


def _look_along(
    value: Value, best: np.ndarray, end: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best sum that ends at each point [n] with a last cut from `low` to `high` [n], and that cut."""
    lengths = high - low + 1
    offsets = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(end)), lengths)
    begin = np.arange(lengths.sum()) - (offsets - low)[owner]
    total = best[begin] + value(begin, end[owner])
    top = np.maximum.reduceat(total, offsets)
    winners = np.flatnonzero(total == top[owner])
    _, foremost = np.unique(owner[winners], return_index=True)
    return top, begin[winners[foremost]]
