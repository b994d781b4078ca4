"""The rules of two equal stations of limited capacity, for rounds side by side: R = 2 B rows.

Row n B + b is station n of round b. Private to the environment, which sees to it that shapes are what they
should be.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.envs.competition_rules import surpluses
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.network_states import NetworkDistribution, sample_network
from jaxcontract.mechanism.optimum import best_frequency
from jaxcontract.mechanism.records import NetworkState, System
from jaxcontract.mechanism.rounds import put_rounds_last

STATIONS = 2


class Prices(NamedTuple):
    """What both stations of a round bargain over, [K, R] each.

    frequency: f°_k, of complete information; cost: c_k e(f°_k), what it costs a device; surplus: S_k, not
    below 0: a station makes no offer where data is worth less than its cost
    """

    frequency: jax.Array
    cost: jax.Array
    surplus: jax.Array


class Offers(NamedTuple):
    """What a station leaves to each type, [K, R] each.

    rents:   by which a type prefers one station to the other, below 0 to none: x_1 = u_1/S_1 of the first
             type, u_k of the others
    payment: r_k
    margin:  S_k − u_k, what the station keeps
    """

    rents: jax.Array
    payment: jax.Array
    margin: jax.Array


def draw_equal_networks(key: jax.Array, distribution: NetworkDistribution, count: int) -> NetworkState:
    """Networks of B = `count` rounds, each the same for both stations: a row for each station of each."""
    drawn = put_rounds_last(sample_network(key, distribution, count))
    rows: NetworkState = jax.tree.map(lambda leaf: jnp.tile(leaf, STATIONS), drawn)
    return rows


def find_prices(system: System, networks: NetworkState) -> Prices:
    """f°, costs and S of every type, in its order."""
    cost = 1.0 / networks.device_types
    frequency = best_frequency(system, networks, cost)
    surplus = surpluses(system, networks, frequency, networks.device_types)
    return Prices(frequency, cost * effort(system, frequency), jnp.maximum(surplus, 0.0))


def make_offers(prices: Prices, device_types: jax.Array, action: jax.Array) -> Offers:
    """The menus [K, R] that actions [K, R] stand for.

    u_1 = x_1 S_1, and u_{k+1} − u_k = (c_k − c_{k+1})((1 − x) e(f°_k) + x e(f°_{k+1})) with x = x_{k+1},
    between the two ends that IC leaves; beyond them it counts as the nearer one.
    """
    first = prices.surplus[:1] * action[:1]
    margin = prices.surplus[:1] * (1.0 - action[:1])
    if len(action) == 1:
        return Offers(action, prices.cost + first, margin)
    cost, taken = 1.0 / device_types, prices.cost * device_types
    share = jnp.clip(action[1:], 0.0, 1.0)
    steps = (cost[:-1] - cost[1:]) * ((1.0 - share) * taken[:-1] + share * taken[1:])
    utility = jnp.cumsum(jnp.concatenate([first, steps]), axis=0)
    return Offers(
        rents=jnp.concatenate([action[:1], utility[1:]]),
        payment=prices.cost + utility,
        margin=jnp.concatenate([margin, (prices.surplus - utility)[1:]]),
    )


def share_served(rents: jax.Array, type_probs: jax.Array, capacity: jax.Array) -> jax.Array:
    """The share of each type's devices that each station serves, [K, R], of what it leaves them [K, R].

    A device applies where it is left more, at either on a tie, nowhere below 0. A station with more than L
    applicants serves them in random order; the others go to its rival, which has room for them, unless they
    would be left less than 0 there.
    """
    comes = rents >= 0.0
    rival, rival_comes = _of_rival(rents), _of_rival(comes)
    prefers = jnp.where(rents == rival, 0.5, jnp.where(rents > rival, 1.0, 0.0))
    applies = comes * jnp.where(rival_comes, prefers, 1.0)
    applicants = jnp.sum(type_probs * applies, axis=0, keepdims=True)
    first = applies * jnp.minimum(1.0, capacity / jnp.maximum(applicants, capacity))
    return first + comes * _of_rival(applies - first)


def _of_rival(rows: jax.Array) -> jax.Array:
    """What the other station of each round has: [K, R] → [K, R]."""
    by_station = jnp.reshape(rows, (rows.shape[0], STATIONS, -1))
    return jnp.reshape(by_station[:, ::-1], rows.shape)
