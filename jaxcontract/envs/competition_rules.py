"""The rules of competing stations, for rounds side by side: R = N B rows, row n B + b station n of round b.

Private to the environments, which see to it that shapes are what they should be.
"""

import dataclasses

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue
from jaxcontract.core.pytree import register
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.feasible import feasible_contract
from jaxcontract.mechanism.freshness import extended_centred_quality, ideal_quality_index
from jaxcontract.mechanism.network_states import NetworkDistribution, observe, sample_network
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import put_rounds_last, unchecked

LEAST_SURPLUS = 1e-3  # of β, that a share of is left to type 1 where its data is worth less


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CompetitionState(ByValue):
    """What the next step needs.

    networks: a row for each station: max_aoi, max_latency [1, R]; type_probs, device_types [K, R], in every
        round the same for all stations
    round:    [B]  how many rounds have been played
    """

    networks: NetworkState
    round: jax.Array


def draw_networks(
    key: jax.Array, distribution: NetworkDistribution, num_stations: int, count: int
) -> NetworkState:
    """Networks of B = `count` rounds: requirements of each station's own, the types of its first station."""
    drawn = put_rounds_last(sample_network(key, distribution, num_stations * count))
    shared = {
        name: jnp.tile(getattr(drawn, name)[:, :count], num_stations)
        for name in ("type_probs", "device_types")
    }
    leaves = [shared.get(field.name, getattr(drawn, field.name)) for field in dataclasses.fields(drawn)]
    return jax.tree.unflatten(jax.tree.structure(drawn), leaves)


def observe_all(system: System, networks: NetworkState, num_stations: int) -> jax.Array:
    """What each station sees, [4 + 2K + 2(N − 1), R]: its own network (11), then its rivals' requirements."""
    own = unchecked(observe)(system, networks)
    requirements = jnp.concatenate([networks.max_aoi, networks.max_latency])
    by_station = jnp.reshape(requirements, (2, num_stations, -1))
    rivals = [
        jnp.reshape(jnp.roll(by_station, -ahead, axis=1), requirements.shape)
        for ahead in range(1, num_stations)
    ]
    return jnp.concatenate([own, *rivals])


def surpluses(
    system: System, networks: NetworkState, frequency: jax.Array, device_types: jax.Array
) -> jax.Array:
    """S = β QoD(f) − e(f)/φ at any f and φ [..., R], finite for every f > 0."""
    quality = extended_centred_quality(system, networks, frequency)
    if system.quality is None:
        quality = quality + jnp.log(ideal_quality_index(system, networks))
    return system.unit_profit * quality - effort(system, frequency) / device_types


def make_contracts(
    system: System, networks: NetworkState, action: jax.Array, frequency_shift: jax.Array
) -> Contract:
    """The contracts [K, R] of actions [2K, R]: feasible ones that leave type 1 a share of its surplus.

    Monopolists and competitors differ in what they leave, from a thirtieth to nearly all: a share between
    0 and 1 is as easily found at both ends, where a rent in units of payment is not.
    """
    size = networks.device_types.shape[0]
    contract = unchecked(feasible_contract)(system, networks, action, 0.0, frequency_shift)
    surplus = surpluses(system, networks, contract.frequency[:1], networks.device_types[:1])
    rent = jax.nn.sigmoid(action[size : size + 1]) * jnp.maximum(surplus, LEAST_SURPLUS * system.unit_profit)
    return Contract(frequency=contract.frequency, payment=contract.payment + rent)


def earn(
    system: System, networks: NetworkState, contract: Contract, taste_scale: jax.Array, num_stations: int
) -> tuple[jax.Array, jax.Array]:
    """What each station earns, U [R], and the share of each type that takes its item, P [K, R].

    A derivative is by a station's own contract alone: its rivals' offers count as given.
    """
    rent = contract.payment - effort(system, contract.frequency) / networks.device_types
    offers = jnp.reshape(rent / taste_scale, (rent.shape[0], num_stations, -1))
    others = jnp.stack(
        [
            jax.nn.logsumexp(
                jnp.stack(
                    [jnp.zeros_like(offers[:, 0])]
                    + [jax.lax.stop_gradient(offers[:, j]) for j in range(num_stations) if j != i]
                ),
                axis=0,
            )
            for i in range(num_stations)
        ],
        axis=1,
    )
    taken = jnp.reshape(jax.nn.sigmoid(offers - others), rent.shape)
    margin = surpluses(system, networks, contract.frequency, networks.device_types) - rent
    return system.num_devices * jnp.sum(networks.type_probs * taken * margin, axis=0), taken
