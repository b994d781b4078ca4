"""Where devices go at the equilibrium, by how much they care for one station or another."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.envs.competition import CompetitionParams
from jaxcontract.evaluation.blocks import in_blocks, in_float64
from jaxcontract.evaluation.competition_reference import SOLVED, solve_rounds
from jaxcontract.mechanism.competition import offered_utilities, station_shares
from jaxcontract.mechanism.freshness import log_quality
from jaxcontract.mechanism.records import Contract, NetworkState

COUNT = 15
RANGE = (1e-3, 3.0)  # of what a device is worth: from where the best offer takes all to where none counts


def spread_taste_scales(
    params: CompetitionParams, states: NetworkState, contracts: Contract, count: int = COUNT
) -> np.ndarray:
    """Scales μ [T] of devices' taste in equal ratios, from small to large; the game's own lies between.

    states: [N, ...]; contracts: [N, K]  of one round, for what a device is worth to a station, β QoD
    """
    with jax.enable_x64(True):
        system = in_float64(params.system)
        quality = jax.vmap(partial(log_quality, system))(in_float64(states), contracts.frequency)
        worth = float(jnp.max(system.unit_profit * quality))
    own = float(params.taste_scale)
    low, high = (share * worth for share in RANGE)
    return np.geomspace(min(low, own), max(high, own), count)


def equilibrium_shares(params: CompetitionParams, states: NetworkState, taste_scales: Any) -> np.ndarray:
    """Which share of the devices goes where at the equilibrium of each scale of their taste.

    states: [N, ...]  of one round; taste_scales: [T]  μ, units of payment

    Returns [T, N + 1], of every station and, last, of those that stay out. Devices' types count as often as
    they occur.
    """
    rounds = jax.tree.map(lambda leaf: np.asarray(leaf)[None], in_float64(states))
    taken = []
    with jax.enable_x64(True):
        for scale in np.asarray(taste_scales, np.float64):
            # The program that has solved the states of a test.
            changed = in_float64(params.replace(taste_scale=scale))
            contracts, _ = in_blocks(solve_rounds, rounds, changed, block_size=SOLVED)
            taken.append(np.asarray(_share(rounds, contracts, changed)))
    shares = np.array(taken)
    return np.concatenate([shares, 1.0 - shares.sum(axis=1, keepdims=True)], axis=1)


@jax.jit
def _share(states: NetworkState, contracts: Contract, params: CompetitionParams) -> jax.Array:
    """What each station gets in the first of some rounds: [N]."""
    states, contracts = jax.tree.map(lambda leaf: leaf[0], (states, contracts))
    taken = station_shares(offered_utilities(params.system, states, contracts), params.taste_scale)
    return jnp.sum(states.type_probs * taken, axis=1)
