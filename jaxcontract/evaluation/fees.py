"""Competing by a fee alone: the contract of (10) with one number more in every payment.

A fee leaves IC as it is and raises what every type earns by as much. Stations then play a game of one number
each, whose equilibrium best responses in turn find.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.competition import offered_utilities
from jaxcontract.mechanism.freshness import log_quality
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.records import Contract, NetworkState, System

GRID = 64  # fees that are tried at once
ZOOMS = 4  # times that the best of them is looked at more closely
SWEEPS = 60  # of best responses in turn


class Offers(NamedTuple):
    """Contracts of (10) of S rounds and N stations, seen as what a fee is added to. Units of payment.

    utility: [S, N, K] of the types; profit: [S, N, K] of a device, without a fee; weight: [S, K] shares Q
    """

    utility: jax.Array
    profit: jax.Array
    weight: jax.Array


def add_fees(system: System, states: NetworkState, taste_scale: jax.Array, *, per_network: bool) -> Contract:
    """The contract of (10) with the fees of an equilibrium in fees. Returns contracts [S, N, K].

    states:      [S, N, ...] of S rounds, N stations each
    taste_scale: []  μ, units of payment
    per_network: a fee for each station of each round; or one fee for a station in all rounds
    """
    naive = jax.vmap(jax.vmap(partial(optimal_contract, system)))(states)
    quality = jax.vmap(jax.vmap(partial(log_quality, system)))(states, naive.frequency)
    offers = Offers(
        utility=jax.vmap(partial(offered_utilities, system))(states, naive),
        profit=system.unit_profit * quality - naive.payment,
        weight=states.type_probs[:, 0],
    )
    fees = _find_fees(offers, taste_scale, per_network)
    return Contract(frequency=naive.frequency, payment=naive.payment + fees[..., None])


def _find_fees(offers: Offers, taste_scale: jax.Array, per_network: bool) -> jax.Array:
    """Fees [S, N] from which no station moves by another fee, as far as best responses in turn find them."""
    size = offers.utility.shape[1]
    most = jnp.max(offers.profit)
    begin = jnp.maximum(offers.profit[..., 0] - taste_scale * size / max(size - 1, 1), 0.0)
    begin = begin if per_network else jnp.broadcast_to(begin.mean(axis=0), begin.shape)

    def respond(index, fees):
        total = (offers.utility + fees[..., None]) / taste_scale
        others = jnp.where(jnp.arange(size)[:, None] == index, -jnp.inf, total)
        stay = jnp.zeros_like(others[:, :1])
        elsewhere = jax.nn.logsumexp(jnp.concatenate([stay, others], axis=1), axis=1)

        def earn(fee):  # [S, G] → [S, G]
            come = (offers.utility[:, index, None, :] + fee[..., None]) / taste_scale
            share = jax.nn.sigmoid(come - elsewhere[:, None, :])
            profit = offers.profit[:, index, None, :] - fee[..., None]
            worth = jnp.sum(offers.weight[:, None, :] * share * profit, axis=-1)
            return worth if per_network else jnp.broadcast_to(worth.mean(axis=0), worth.shape)

        return fees.at[:, index].set(_maximize(earn, most, len(fees)))

    return jax.lax.fori_loop(0, SWEEPS * size, lambda turn, fees: respond(turn % size, fees), begin)


def _maximize(earn: Callable[[jax.Array], jax.Array], most: jax.Array, rows: int) -> jax.Array:
    """The fee [S] between 0 and `most` that earns the most: the best of a grid, then of finer ones."""
    low, high = jnp.zeros((rows, 1)), jnp.broadcast_to(most, (rows, 1))
    for _ in range(ZOOMS):
        grid = low + (high - low) * jnp.linspace(0.0, 1.0, GRID)[None]
        best = jnp.take_along_axis(grid, jnp.argmax(earn(grid), axis=1, keepdims=True), axis=1)
        step = (high - low) / (GRID - 1)
        low, high = jnp.maximum(best - step, 0.0), best + step
    return best[:, 0]
