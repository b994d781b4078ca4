"""Devices that come back only if they were treated well: what a round earns, and who is there in the next."""

import jax
import jax.numpy as jnp

from jaxcontract.core.pytree import register
from jaxcontract.mechanism.accumulate import running_sum
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw as EnrolmentLaw
from jaxcontract.mechanism.freshness import frequency_bounds, log_quality
from jaxcontract.mechanism.incentives import own_utilities
from jaxcontract.mechanism.optimum import best_frequency
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats
from jaxcontract.mechanism.rounds import one_round

register(EnrolmentLaw)


@one_round(enrolled=1, utilities=1)
def enrol(law: EnrolmentLaw, enrolled: Numbers, utilities: Numbers) -> jax.Array:
    """n_k' = (1 − η) n_k + η G((u_k − κ)/μ), the shares that are enrolled in the next round. Returns [K].

    enrolled:  [K]  n_k, in [0, 1]
    utilities: [K]  u_k, what a device of each type has just earned, units of payment

    Raises:
        ValueError: when these are not numbers.
    """
    enrolled, utilities = floats(enrolled, "enrol", "enrolled"), floats(utilities, "enrol", "utilities")
    return enrolled + law.turnover * (content(law, utilities) - enrolled)


def content(law: EnrolmentLaw, utilities: jax.Array) -> jax.Array:
    """G((u − κ)/μ), the share of devices that stay or come for that utility. Shapes [...] to [...]."""
    return jax.nn.sigmoid((utilities - law.outside_utility) / law.taste_scale)


def find_lowest(law: EnrolmentLaw) -> jax.Array:
    """The least share that can ever be enrolled where no type earns less than 0. Returns []."""
    return jnp.minimum(law.first_enrolled, content(law, jnp.zeros(())))


@one_round(enrolled=1)
def enrolment_utility(
    system: System, state: NetworkState, contract: Contract, enrolled: Numbers
) -> jax.Array:
    """M Σ_k Q_k n_k (β QoD(f_k) − r_k), what a round earns from those who are enrolled. Returns [].

    contract: [K]  of which type k takes item k, as it does where IC (9) holds
    enrolled: [K]  n_k, in [0, 1]

    Minus infinity where a type that occurs and is enrolled has an undefined quality of data.

    Raises:
        ValueError: when the shares are not numbers.
    """
    present = state.type_probs * floats(enrolled, "enrolment_utility", "enrolled")
    quality = log_quality(system, state, contract.frequency)
    defined = jnp.isfinite(quality)
    profit = system.unit_profit * jnp.where(defined, quality, 0.0) - contract.payment
    total = system.num_devices * jnp.sum(present * profit, axis=0)
    return jnp.where(jnp.all(defined | (present == 0), axis=0), total, -jnp.inf)


@one_round(enrolled=1)
def enrolment_round(
    system: System, state: NetworkState, law: EnrolmentLaw, contract: Contract, enrolled: Numbers
) -> tuple[jax.Array, jax.Array]:
    """One round: what it earns [] (`enrolment_utility`) and who is enrolled in the next [K] (`enrol`)."""
    earned = enrolment_utility(system, state, contract, enrolled)
    return earned, enrol(law, enrolled, own_utilities(state, contract, system))


def surplus_at(system: System, state: NetworkState, frequency: jax.Array) -> jax.Array:
    """S_k(f) = β QoD(f) − e(f)/φ_k, [K, ...] to [K, ...], of one round's network state."""
    cost = jnp.reshape(1.0 / state.device_types, (-1, *(1 for _ in frequency.shape[1:])))
    return system.unit_profit * log_quality(system, state, frequency) - cost * effort(system, frequency)


def first_best(system: System, state: NetworkState) -> tuple[jax.Array, jax.Array]:
    """f°_k = argmax S_k and S°_k = S_k(f°_k), as if types were seen. Returns [K] twice."""
    frequency = best_frequency(system, state, 1.0 / state.device_types)
    return frequency, surplus_at(system, state, frequency)


@one_round(rent=0, slopes=1)
def rent_contract(system: System, state: NetworkState, rent: Numbers, slopes: Numbers) -> Contract:
    """The best contract that leaves type 1 a rent, and u_{k+1} − u_k = s_k (c_k − c_{k+1}). Returns [K].

    rent:   []       u_1 ≥ 0, units of payment
    slopes: [K − 1]  s_k, ascending and within the bounds on f: the effort that rents are in proportion to

    IC holds if and only if f_k ≤ s_k ≤ f_{k+1}, and S_k is concave: f_k is f°_k brought into
    [s_{k−1}, s_k], whoever is enrolled.

    Raises:
        ValueError: when these are not numbers, or the slopes are not one fewer than the types.
    """
    rent, slopes = floats(rent, "rent_contract", "rent"), floats(slopes, "rent_contract", "slopes")
    cost = 1.0 / state.device_types
    expected = (len(cost) - 1, *cost.shape[1:])
    if slopes.shape != expected:
        raise ValueError(f"rent_contract.slopes of shape {slopes.shape}: must be {expected}")
    row = (1, *cost.shape[1:])
    low, high = (jnp.reshape(bound, row) for bound in frequency_bounds(system, state))
    least, most = jnp.concatenate([low, slopes]), jnp.concatenate([slopes, high])
    frequency = jnp.clip(best_frequency(system, state, cost), least, most)
    steps = effort(system, slopes) * (cost[:-1] - cost[1:])
    utilities = running_sum(jnp.concatenate([jnp.broadcast_to(rent, row), steps]))
    return Contract(frequency=frequency, payment=utilities + cost * effort(system, frequency))
