"""Network states and K = 8 learners that two studies share."""

from typing import Any

import jax
import numpy as np

from jaxcontract.mechanism.network_law import HIGHEST_TYPE, LOWEST_TYPE
from jaxcontract.mechanism.records import Contract, NetworkState
from reproduction.cases import Case, Scale, feasible_ppo

MANY = 8
MANY_UPDATES = 1200


def many_types_ppo(scale: Scale, params: Any = None) -> list[Case]:
    """PPO with feasible actions for eight types, over the few seeds."""
    return feasible_ppo(scale.others, scale.updates(MANY_UPDATES), num_types=MANY, params=params)


def even_state() -> NetworkState:
    """Eight equally likely types in the middle of their bands: every type gets an item of its own."""
    return _state(np.full(MANY, 1 / MANY))


def uneven_state() -> NetworkState:
    """The same types, every other one rare: neighbours pool."""
    return _state(np.tile([0.2, 0.05], MANY // 2))


def batch(state: NetworkState) -> NetworkState:
    """A state as a batch [1]."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], state)


def utilities(state: NetworkState, contract: Contract) -> np.ndarray:
    """u[k, j] = r_j − f_j/φ_k, [K, K], of a state and the first contract of a batch."""
    types = np.asarray(state.device_types)
    return (
        np.asarray(contract.payment)[0][None, :] - np.asarray(contract.frequency)[0][None, :] / types[:, None]
    )


def _state(probs: np.ndarray) -> NetworkState:
    edges = np.linspace(LOWEST_TYPE, HIGHEST_TYPE, MANY + 1)
    return NetworkState(
        max_aoi=0.95, max_latency=0.73, type_probs=probs, device_types=0.5 * (edges[1:] + edges[:-1])
    )
