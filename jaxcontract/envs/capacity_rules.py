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
    """What both stations of a round bargain over, [1, R] each.

    frequency: f°, of the equilibrium; cost: c_0, what it costs a device; surplus: S, not below 0: a station
    makes no offer where data is worth less than its cost
    """

    frequency: jax.Array
    cost: jax.Array
    surplus: jax.Array


def draw_equal_networks(key: jax.Array, distribution: NetworkDistribution, count: int) -> NetworkState:
    """Networks of B = `count` rounds, each the same for both stations: a row for each station of each."""
    drawn = put_rounds_last(sample_network(key, distribution, count))
    rows: NetworkState = jax.tree.map(lambda leaf: jnp.tile(leaf, STATIONS), drawn)
    return rows


def find_prices(system: System, networks: NetworkState) -> Prices:
    """f°, c_0 and S of networks of one type."""
    cost = 1.0 / networks.device_types
    frequency = best_frequency(system, networks, cost)
    surplus = surpluses(system, networks, frequency, networks.device_types)
    return Prices(frequency, cost * effort(system, frequency), jnp.maximum(surplus, 0.0))


def share_served(rents: jax.Array, capacity: jax.Array) -> jax.Array:
    """The share of the devices that each station serves, [R], for rents x = (r − c_0)/S [R].

    The higher payer fills its capacity, ties are split evenly; below its cost no device comes.
    """
    by_station = jnp.reshape(rents, (STATIONS, -1))
    rival = jnp.reshape(by_station[::-1], rents.shape)
    fills = (rents > rival) | (rival < 0.0)
    served = jnp.where(fills, capacity, jnp.where(rents == rival, 0.5, 1.0 - capacity))
    return jnp.where(rents < 0.0, 0.0, served)
