"""The rules of the contract game, for one round or for rounds side by side: all shapes [..., B].

Private to the environments, which see to it that shapes are what they should be.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue
from jaxcontract.core.pytree import register
from jaxcontract.envs.params import EnvParams
from jaxcontract.mechanism.feasible import RENT_SCALE, feasible_contract
from jaxcontract.mechanism.incentives import Certificate, certify, extended_centred_utility, station_utility
from jaxcontract.mechanism.network_states import observe, sample_network
from jaxcontract.mechanism.places import find_taken, skip_empty
from jaxcontract.mechanism.records import Contract, NetworkState
from jaxcontract.mechanism.rounds import put_rounds_last, unchecked


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnvState(ByValue):
    """What the next step needs: the network's state and how many rounds have been played."""

    network: NetworkState
    round: jax.Array


def begin(key: jax.Array, params: EnvParams, count: int | None) -> tuple[jax.Array, EnvState]:
    """What `reset` returns; of B = `count` episodes [..., B], or of one if that is None."""
    network = draw_network(key, params, count)
    batch = () if count is None else (count,)
    observation = unchecked(observe)(params.system, network)
    return observation, EnvState(network=network, round=jnp.zeros(batch, int))


def draw_network(key: jax.Array, params: EnvParams, count: int | None) -> NetworkState:
    """The network of the next round, or of the next round of each of B = `count` episodes."""
    network = sample_network(key, params.distribution, count)
    return network if count is None else put_rounds_last(network)


def make_contract(actions: str, network: NetworkState, action: jax.Array, params: EnvParams) -> Contract:
    """The contract that an action stands for: `raw`, `feasible`, or `padded`, feasible with empty places."""
    if actions == "padded":
        action = skip_empty(action, find_taken(network.type_probs, network.device_types))
    if actions != "raw":
        rent, shift = RENT_SCALE * params.scale.payment_unit, params.scale.frequency_shift
        return unchecked(feasible_contract)(params.system, network, action, rent, shift)
    frequency, payment = jnp.split(action, 2)
    return Contract(frequency=frequency, payment=payment * params.scale.payment_unit)


def play(
    paid: str, key: jax.Array, state: EnvState, contract: Contract, params: EnvParams
) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
    """What `step` returns when a contract is offered. paid: the reward, `paper` or `centred`."""
    system, network = params.system, state.network
    margin = params.safety_margin * params.scale.payment_unit
    certificate = unchecked(certify)(system, network, contract, params.allowed_violation, margin)
    paper_reward = _paper_reward(network, contract, certificate, params)
    reward = paper_reward if paid == "paper" else _centred_reward(network, contract, certificate, params)

    network = draw_network(key, params, state.round.shape[0] if state.round.ndim else None)
    observation = unchecked(observe)(system, network)
    rounds = state.round + 1
    truncated = rounds >= params.episode_length
    terminated = jnp.zeros_like(truncated)
    info = {
        "contract": contract,
        "paper_reward": paper_reward,
        "feasible": certificate.feasible,
        "terminated": terminated,
        "truncated": truncated,
        "final_observation": observation,
    }
    state = EnvState(network=network, round=jnp.where(truncated, 0, rounds))
    return observation, state, reward, terminated, truncated, info


def _paper_reward(
    network: NetworkState, contract: Contract, certificate: Certificate, params: EnvParams
) -> jax.Array:
    """R = U_B if (8) and (9) hold, else U_p  (13)."""
    utility = unchecked(station_utility)(params.system, network, contract)
    return jnp.where(certificate.feasible, utility, params.penalty)


def _centred_reward(
    network: NetworkState, contract: Contract, certificate: Certificate, params: EnvParams
) -> jax.Array:
    """The centred utility extended to all of R^{2K}, less a price for what the constraints are missed by.

    f is brought into its bounds and ln W goes on as a straight line where there is no quality to speak
    of, so that the reward is finite with a slope everywhere. The price of a violation, per device, is
    well above 1, the most that missing a constraint by a unit of payment can save: what is best remains
    so. A slack below the safety margin counts as missed by the difference, so that a learner whose
    actions are a little off its aim still lands inside.
    """
    system = params.system
    inside = jnp.clip(contract.frequency, system.min_frequency, system.max_frequency)
    moved = Contract(frequency=inside, payment=contract.payment)
    utility = extended_centred_utility(system, network, moved)
    missed = params.violation_price * system.num_devices * certificate.shortfall
    return (utility - missed) / params.scale.reward_unit
