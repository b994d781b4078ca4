"""The lower convex hull of points in order of x, in NumPy float64. No JAX."""

import numpy as np

THINNED = 16  # passes over all points go on while one point in so many goes


def lower_hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices of the vertices of the lower convex hull of points [n], x strictly ascending. Returns [V].

    A point on or above the line between two others is no vertex, so all that lie so between their own
    neighbours go at once. What a few passes leave goes through the monotone chain (Andrew 1979), point by
    point: O(n) in all.
    """
    kept = np.arange(len(x))
    while len(kept) > 2:
        inner = _bends_up(x[kept], y[kept])
        gone = len(inner) - int(inner.sum())
        kept = kept[np.concatenate([[True], inner, [True]])]
        if gone == 0:
            return kept
        if gone * THINNED < len(inner):
            return kept[_chain(x[kept].tolist(), y[kept].tolist())]
    return kept


def _bends_up(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which inner points lie below the line between their neighbours. [n] to [n - 2]."""
    across, up = np.diff(x), np.diff(y)
    bends: np.ndarray = up[1:] * across[:-1] > up[:-1] * across[1:]
    return bends


def _chain(x: list[float], y: list[float]) -> list[int]:
    kept: list[int] = []
    for at in range(len(x)):
        while len(kept) > 1:
            before, last = kept[-2], kept[-1]
            rise = (y[at] - y[last]) * (x[last] - x[before])
            if rise > (y[last] - y[before]) * (x[at] - x[last]):
                break
            kept.pop()
        kept.append(at)
    return kept
