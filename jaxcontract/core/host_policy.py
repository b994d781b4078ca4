"""A policy that JAX cannot trace."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class HostPolicy:
    """A policy that JAX cannot trace, such as another library's network. Called on many states at once.

    act: observations [N, 4 + 2K] → actions [N, 2K], NumPy arrays both, in the env's own units

    >>> HostPolicy(lambda observation: observation[:, :4] > 20.0)(np.full(8, 30.0)).tolist()
    [True, True, True, True]
    """

    act: Callable[[np.ndarray], Any]

    def __call__(self, observation: Any) -> np.ndarray:
        """The action [2K] for one observation [4 + 2K]."""
        return np.asarray(self.act(np.asarray(observation)[None]))[0]
