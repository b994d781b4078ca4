"""Weighted antitonic regression in plain Python, in two ways."""

import numpy as np


def pool_violators(values, weights):
    """Pool adjacent violators over the positive weights; NaN where there is no weight."""
    blocks = []
    for place, (value, weight) in enumerate(zip(values, weights, strict=True)):
        if weight == 0:
            continue
        blocks.append([value, weight, [place]])
        while len(blocks) > 1 and blocks[-1][0] > blocks[-2][0]:
            value, weight, places = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + value * weight) / (last[1] + weight)
            last[1] += weight
            last[2] += places
    result = np.full(len(values), np.nan)
    for value, _, places in blocks:
        result[places] = value
    return result


def min_max_fit(totals, weights, empty):
    """Block averages: x_k = min_{i ≤ k} max_{j ≥ k} mean(i … j), [K]."""
    size = len(totals)
    mean = np.full((size, size), -np.inf)
    for i in range(size):
        for j in range(i, size):
            total, weight = totals[i : j + 1].sum(), weights[i : j + 1].sum()
            mean[i, j] = total / weight if weight > 0 else np.inf if total > 0 else empty[i]
    return np.array([min(mean[i, k:].max() for i in range(k + 1)) for k in range(size)])
