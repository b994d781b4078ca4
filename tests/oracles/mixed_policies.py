"""The capacity game in continuous form: what the best deviation from a law of x on [0, 1] gains, in NumPy.

Units: S = 1, M = 1. A law is its distribution function on a grid, and the masses at the two ends.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit, ndtr

GRID = np.concatenate([[0.0], expit(np.linspace(-12.0, 12.0, 4001)), [1.0]])

COARSE = np.concatenate([[0.0], expit(np.linspace(-10.0, 10.0, 801)), [1.0]])  # within 2e-4 of a fine one


def gain(chances, capacity, grid=GRID):
    """(Best deviation less own payoff)/(M − L), for a law whose chances of at most x are given on a grid."""
    # Just above x: all of the mass at x is outbid.
    best = np.max((1 - grid) * (capacity * chances + (1 - capacity) * (1 - chances)))
    best = max(best, 1 - capacity)
    masses = np.diff(chances, prepend=0.0)
    below = chances - masses
    served = capacity * below + 0.5 * masses + (1 - capacity) * (1 - chances)
    middle = np.concatenate([[grid[0]], 0.5 * (grid[1:] + grid[:-1])])
    return (best - np.sum(masses * (1 - middle) * served)) / (1 - capacity)


def clipped_gaussian(parameters, grid=GRID):
    mean, spread = parameters[0], np.exp(parameters[1])
    chances = ndtr((grid - mean) / spread)
    return np.where(grid >= 1.0, 1.0, chances)


def sigmoids(parameters, grid=GRID):
    """A mixture of Gaussians through a sigmoid: logits, means, log spreads."""
    logits, means, spreads = np.split(np.asarray(parameters), 3)
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    with np.errstate(divide="ignore"):
        points = logit(grid)
    return ndtr((points[:, None] - means) / np.exp(spreads)) @ weights


def least(family, starts, capacity, rounds=1, grid=GRID):
    """The least gain within a family of laws, by Nelder and Mead from several starts.

    grid: where the chances of the law are looked at
    """
    best = np.inf
    for start in starts:
        point = np.asarray(start, float)
        for _ in range(rounds):
            found = minimize(
                lambda parameters: gain(family(parameters, grid), capacity, grid),
                point,
                method="Nelder-Mead",
                options={
                    "maxiter": 400 * len(point),
                    "maxfev": 400 * len(point),
                    "xatol": 1e-4,
                    "fatol": 1e-6,
                },
            )
            point = found.x
        best = min(best, found.fun)
    return best
