"""What the best item at a virtual cost is worth and what it takes, for programs outside JAX."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxcontract.mechanism.best_menus import BestItems
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import log_quality
from jaxcontract.mechanism.optimum import best_frequency
from jaxcontract.mechanism.records import NetworkState, System

FEWEST, MOST = 2**10, 2**16  # virtual costs that a compiled program takes at once

Rule = Callable[[System, NetworkState, jax.Array], jax.Array]


def make_best_items(system: System, state: NetworkState, rule: Rule = best_frequency) -> BestItems:
    """The `solve` that `best_menus` asks for, in float64.

    system: of one network, also with a quality and an effort of its own
    state:  of one round; its types are not looked at
    rule:   the frequency of a virtual cost, [n] to [n]: `best_frequency`, or `best_cycle_frequency` where
            cycles are whole numbers of slots

    The function takes [n] virtual costs, non-negative, and returns [n] β QoD(f) and [n] e(f).
    """
    system, state = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (system, state))

    def solve(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = []
        with jax.enable_x64(True):
            for start in range(0, len(costs), MOST):
                part = np.asarray(costs[start : start + MOST], np.float64)
                size = max(FEWEST, 1 << (len(part) - 1).bit_length())  # few shapes, so few compilations
                padded = np.pad(part, (0, size - len(part)), mode="edge")
                parts.append(
                    [one[: len(part)] for one in jax.device_get(_solve(rule, system, state, padded))]
                )
        worth, taken = (np.concatenate(column) for column in zip(*parts, strict=True))
        return worth, taken

    return solve


@partial(jax.jit, static_argnums=0)
def _solve(rule: Rule, system: Any, state: Any, costs: jax.Array) -> tuple[jax.Array, jax.Array]:
    frequency = rule(system, state, costs)
    worth: jax.Array = system.unit_profit * log_quality(system, state, frequency)
    return worth, effort(system, frequency)
