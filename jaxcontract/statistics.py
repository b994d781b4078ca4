"""What several seeds say together."""

import numpy as np

RESAMPLES = 10_000


def bootstrap_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """A percentile bootstrap interval for the mean of [S] values; NaN for fewer than two.

    The resampling is seeded: the same values give the same interval.
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return float("nan"), float("nan")
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(values[draws].mean(axis=1), tails)
    return float(low), float(high)
