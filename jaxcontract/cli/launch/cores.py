"""Which cores of this machine each of several processes runs on. No JAX."""

import os
from itertools import pairwise


def share_cores(number: int) -> list[list[int]]:
    """The cores of each process, apart from the others'; nothing where there are too few, or no telling."""
    if not hasattr(os, "sched_getaffinity"):
        return [[] for _ in range(number)]
    return split(sorted(os.sched_getaffinity(0)), number)


def split(cores: list[int], number: int) -> list[list[int]]:
    """Cores in contiguous parts.

    >>> split([0, 1, 2, 3, 6], 2), split([0], 2)
    ([[0, 1], [2, 3, 6]], [[], []])
    """
    if len(cores) < number:
        return [[] for _ in range(number)]
    ends = [part * len(cores) // number for part in range(number + 1)]
    return [cores[first:end] for first, end in pairwise(ends)]
