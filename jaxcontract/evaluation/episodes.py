"""Episodes of networks that no training draws, and policies of any kind as functions that JAX traces."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.host_policy import HostPolicy
from jaxcontract.evaluation.blocks import in_blocks, in_float64
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.incentives import certify
from jaxcontract.mechanism.network_states import NetworkDistribution
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.validation import TOLERANCE


def draw_episodes(
    distribution: NetworkDistribution, count: int, num_rounds: int, redraw: float, seed: int
) -> NetworkState:
    """The networks of S = `count` episodes of Z rounds, [S, Z, ...], the same every time, in float64.

    redraw: the chance that a round's network is drawn anew; at 0 there is one for an episode, not copied
    """
    drawn = 1 if redraw == 0 else num_rounds
    fresh = in_float64(unseen_states(distribution, count * drawn, seed=seed))
    fresh = jax.tree.map(lambda leaf: leaf.reshape(count, drawn, *leaf.shape[1:]), fresh)
    anew = np.random.default_rng(seed).random((count, num_rounds)) < redraw
    anew[:, 0] = True
    latest = np.maximum.accumulate(np.where(anew, np.arange(num_rounds), 0), axis=1)
    if drawn == 1:
        return _map(lambda leaf: np.broadcast_to(leaf, (count, num_rounds, *leaf.shape[2:])), fresh)
    rows = np.arange(count)[:, None]
    return _map(lambda leaf: leaf[rows, latest], fresh)


def _map(function: Callable[[np.ndarray], np.ndarray], states: NetworkState) -> NetworkState:
    mapped: NetworkState = jax.tree.map(function, states)
    return mapped


def play_episodes(function: Callable[..., Any], episodes: Any, *shared: Any, at_once: int) -> Any:
    """`in_blocks` for what takes long: blocks no larger than there are episodes, as copies fill them up."""
    count = len(jax.tree.leaves(episodes)[0])
    return in_blocks(function, episodes, *shared, block_size=min(count, at_once))


def traceable(policy: Any) -> Any:
    """A policy as a pytree that `jit` takes: observations [O] to actions [A], in single precision.

    What JAX cannot trace (`HostPolicy`) is called back on the host, round by round.
    """
    if isinstance(policy, HostPolicy):
        return jax.tree_util.Partial(lambda observation: _call_back(policy, observation))
    if jax.tree_util.all_leaves([policy]):
        return jax.tree_util.Partial(lambda observation: policy(observation))
    return policy


def act(policy: Any, observation: jax.Array) -> jax.Array:
    """The action [A] of a policy that works in single precision, in the precision of the observation [O]."""
    return jnp.asarray(policy(observation.astype(jnp.float32))).astype(observation.dtype)


def _call_back(policy: HostPolicy, observation: jax.Array) -> jax.Array:
    known = policy.act(np.zeros((1, *observation.shape), np.float32))
    shape = jax.ShapeDtypeStruct(np.shape(known)[1:], jnp.float32)

    def ask(observation: np.ndarray) -> np.ndarray:
        rows = np.asarray(observation).reshape(-1, observation.shape[-1])
        actions = np.asarray(policy.act(rows), np.float32)
        return actions.reshape(*observation.shape[:-1], actions.shape[-1])

    asked: jax.Array = jax.pure_callback(ask, shape, observation, vmap_method="broadcast_all")
    return asked


def audit(system: System, state: NetworkState, contract: Contract) -> tuple[jax.Array, jax.Array]:
    """Whether a contract is feasible, up to 1e-6 of its largest payment, and by what it is not: [], []."""
    violation = certify(system, state, contract).max_violation
    return violation <= TOLERANCE * jnp.maximum(1.0, jnp.max(contract.payment)), violation
