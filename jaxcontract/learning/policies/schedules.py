"""How much noise each step of a denoising diffusion adds, and what its reversal keeps. No JAX.

DDPM (arXiv:2006.11239): x_n = √α_n x_{n−1} + √β_n ε, α_n = 1 − β_n, so that x_n given x_0 is normal with mean
√ᾱ_n x_0 and variance 1 − ᾱ_n, ᾱ_n = Π_{i≤n} α_i.
"""

import functools
import math
from typing import NamedTuple

SCHEDULES = ("variance_preserving", "cosine")
BETA_RANGE = (0.1, 10.0)  # of the variance-preserving schedule, per unit of time
COSINE_OFFSET = 0.008  # arXiv:2102.09672, eq. 17
LARGEST_BETA = 0.999  # the same paper's: a step keeps something of the one before


class Posterior(NamedTuple):
    """The law of x_{n−1} given x_n and x_0, n = 1 … N: mean of_clean x_0 + of_noisy x_n (eq. 7), deviation.

    The last step, n = 1, keeps nothing of x_1: (1, 0, 0).
    """

    of_clean: tuple[float, ...]
    of_noisy: tuple[float, ...]
    std: tuple[float, ...]


def variances(schedule: str, count: int) -> list[float]:
    """β_n, n = 1 … N = `count`, in (0, 1).

    variance_preserving: β_n = 1 − exp(−β_min/N − (β_max − β_min)(2n − 1)/(2 N²)), the linear schedule of
        continuous time (arXiv:2011.13456, arXiv:2206.04745), as in D2SAC and GDMOPT
    cosine: ᾱ_n = cos²(π/2 (n/N + s)/(1 + s)) up to a constant, β_n at most 0.999 (arXiv:2102.09672, eq. 17)
    """
    steps = range(1, count + 1)
    if schedule == "cosine":
        times = [(n / count + COSINE_OFFSET) / (1 + COSINE_OFFSET) for n in (0, *steps)]
        kept = [math.cos(0.5 * math.pi * time) for time in times]
        return [min(LARGEST_BETA, 1.0 - (kept[n] / kept[n - 1]) ** 2) for n in steps]
    low, high = BETA_RANGE
    return [-math.expm1(-low / count - 0.5 * (high - low) * (2 * n - 1) / count**2) for n in steps]


@functools.lru_cache
def make_posterior(schedule: str, count: int) -> Posterior:
    """The reversal of N = `count` steps of a schedule, each a tuple [N] from n = 1 on."""
    kept, of_clean, of_noisy, std = 1.0, [], [], []
    for beta in variances(schedule, count):
        before, kept = kept, kept * (1.0 - beta)
        of_clean.append(math.sqrt(before) * beta / (1.0 - kept))
        of_noisy.append(math.sqrt(1.0 - beta) * (1.0 - before) / (1.0 - kept))
        std.append(math.sqrt(beta * (1.0 - before) / (1.0 - kept)))
    return Posterior(tuple(of_clean), tuple(of_noisy), tuple(std))
