"""Two equal stations that can serve L of the M devices each, one type, no taste: the classical capacity game.

The higher payer fills its capacity L, the other gets the M − L that are left, if it pays at least their
cost; ties split evenly. With M/2 < L < M the only symmetric equilibrium is mixed: f = f°, and payments
r = c_0 + S x with x drawn from F. A mixed policy is given as atoms: payments and their weights.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import concrete, finite, refuse
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import log_quality
from jaxcontract.mechanism.optimum import best_frequency
from jaxcontract.mechanism.records import NetworkState, Numbers, System, floats
from jaxcontract.mechanism.rounds import one_round

WEIGHT_TOLERANCE = 1e-4  # by which weights may sum to something else than one: a million float32 shares


@one_round(rents=1, capacity=0)
def capacity_distribution(rents: Numbers, capacity: Numbers) -> jax.Array:
    """F(x) = (M − L)/(2L − M) · x/(1 − x) on 0 ≤ x ≤ (2L − M)/L: the mixed equilibrium of the rent x.

    rents:    [A]  x, the part of the surplus S that a station pays above the device's cost
    capacity: []   L/M, strictly between 1/2 and 1

    Returns [A], the chance that a station pays at most that.

    Raises:
        ValueError: when these are not numbers, or the capacity is out of its range.
    """
    rents = floats(rents, "capacity_distribution", "rents")
    value = concrete(rents)
    if value is not None and np.any(np.isnan(value)):
        raise refuse("capacity_distribution", "rents", value, "numbers")
    capacity = _share("capacity_distribution", capacity)
    odds = (1.0 - capacity) / (2.0 * capacity - 1.0)
    inside = jnp.clip(rents, 0.0, (2.0 * capacity - 1.0) / capacity)
    return jnp.clip(odds * inside / (1.0 - inside), 0.0, 1.0)


@one_round(probabilities=1, capacity=0)
def capacity_payments(
    system: System, state: NetworkState, probabilities: Numbers, capacity: Numbers
) -> jax.Array:
    """The payments r = c_0 + S F⁻¹(p) of the mixed equilibrium; of uniform draws p, draws of it.

    state:         of one device type
    probabilities: [A]  p, in [0, 1]
    capacity:      []   L/M, strictly between 1/2 and 1

    Returns [A], units of payment.

    Raises:
        ValueError: when these are no probabilities, the state has several types, or the capacity is out of
            range.
    """
    value = concrete(probabilities)
    if value is not None and value.dtype.kind in "iuf" and not np.all((value >= 0) & (value <= 1)):
        raise refuse("capacity_payments", "probabilities", probabilities, "in [0, 1]")
    probabilities = floats(probabilities, "capacity_payments", "probabilities")
    capacity = _share("capacity_payments", capacity)
    cost, surplus = _prices("capacity_payments", system, state)
    odds = (1.0 - capacity) / (2.0 * capacity - 1.0)
    return cost + surplus * probabilities / (odds + probabilities)


@one_round(capacity=0)
def capacity_payoff(system: System, state: NetworkState, capacity: Numbers) -> jax.Array:
    """(M − L) S, what each station earns in the mixed equilibrium. Returns [].

    state:    of one device type
    capacity: []  L/M, strictly between 1/2 and 1

    Raises:
        ValueError: when the state has several types, or the capacity is out of its range.
    """
    capacity = _share("capacity_payoff", capacity)
    return system.num_devices * (1.0 - capacity) * _prices("capacity_payoff", system, state)[1]


@one_round(payments=1, weights=1, capacity=0)
def capacity_exploitability(
    payments: Numbers, weights: Numbers, system: System, state: NetworkState, capacity: Numbers
) -> jax.Array:
    """What a station gains by the best deviation where both play one mixed policy. Returns [].

    It is the second less the first of `mixed_policy_payoffs`, by the same arguments.

    payments: [A]  r, units of payment; paying less than the device's cost c_0 is no offer
    weights:  [A]  the chance of each, which sum to one
    state:    of one device type, which is served at f°
    capacity: []   L/M, strictly between 1/2 and 1

    Of a policy that has a density, a million draws are needed to see 0.2 % of the payoff: each draw is an
    atom that can be outbid.

    Raises:
        ValueError: when these are not numbers of one length, the weights sum to something else, the state has
            several types, or the capacity is out of its range.
    """
    earned, best = _payoffs("capacity_exploitability", payments, weights, system, state, capacity)
    return best - earned


@one_round(payments=1, weights=1, capacity=0)
def mixed_policy_payoffs(
    payments: Numbers, weights: Numbers, system: System, state: NetworkState, capacity: Numbers
) -> tuple[jax.Array, jax.Array]:
    """What a station earns where both play one mixed policy, and by the best deviation. Returns [], [].

    payments, weights: [A], as of `capacity_exploitability`, and so are the other arguments

    Exact for the atoms that are given: between two of them a station that pays less serves as many, so that
    only c_0 and what is just above an atom can be best (approached, not reached).

    Raises:
        ValueError: as `capacity_exploitability` does.
    """
    return _payoffs("mixed_policy_payoffs", payments, weights, system, state, capacity)


def _payoffs(
    function: str, payments: Numbers, weights: Numbers, system: System, state: NetworkState, capacity: Numbers
) -> tuple[jax.Array, jax.Array]:
    """`mixed_policy_payoffs`, for the public function that was called."""
    payments, weights = floats(payments, function, "payments"), floats(weights, function, "weights")
    _check_weights(function, payments, weights)
    capacity = _share(function, capacity)
    cost, surplus = _prices(function, system, state)
    devices = system.num_devices

    order = jnp.argsort(payments)
    paid, mass = payments[order], weights[order]
    upto = jnp.concatenate([jnp.zeros_like(mass[:1]), jnp.cumsum(mass)])
    below = upto[jnp.searchsorted(paid, paid, side="left")]
    within = upto[jnp.searchsorted(paid, paid, side="right")]

    def served(lower: jax.Array, equal: jax.Array) -> jax.Array:
        higher = upto[-1] - lower - equal
        return devices * (capacity * lower + 0.5 * equal + (1.0 - capacity) * higher)

    offered, margin = paid >= cost, cost + surplus - paid
    earned = jnp.sum(mass * jnp.where(offered, margin * served(below, within - below), 0.0))
    # At c_0 itself those who make no offer are outbid, at no price; an atom there is shared.
    least = upto[jnp.searchsorted(paid, cost[None], side="left")]
    equal = upto[jnp.searchsorted(paid, cost[None], side="right")] - least
    at_cost = surplus * served(least, equal)
    above = jnp.where(offered, margin * served(within, jnp.zeros_like(within)), 0.0)
    best = jnp.maximum(jnp.max(at_cost), jnp.max(above))
    return earned, jnp.maximum(best, 0.0)


def _prices(function: str, system: System, state: NetworkState) -> tuple[jax.Array, jax.Array]:
    """c_0 = c e(f°) and S = β QoD(f°) − c_0 of the one type. Returns [] twice."""
    if state.device_types.shape != (1,):
        raise ValueError(f"{function}.state with {len(state.device_types)} device types: must have one")
    cost = 1.0 / state.device_types
    frequency = best_frequency(system, state, cost)
    paid = cost * effort(system, frequency)
    worth = system.unit_profit * log_quality(system, state, frequency) - paid
    return paid[0], worth[0]


def _share(function: str, capacity: Numbers) -> jax.Array:
    share = floats(capacity, function, "capacity")
    value = concrete(share)  # in JAX's precision, in which a number beside 1/2 may be 1/2
    if value is not None and not np.all((value > 0.5) & (value < 1.0)):
        raise refuse(function, "capacity", capacity, "L/M strictly between 1/2 and 1")
    return share


def _check_weights(function: str, payments: jax.Array, weights: jax.Array) -> None:
    if payments.shape != weights.shape:
        raise ValueError(
            f"{function}.weights of shape {weights.shape}: must be {payments.shape}, as payments"
        )
    paid = concrete(payments)
    if paid is not None and not finite(paid):
        raise refuse(function, "payments", payments, "finite numbers")
    value = concrete(weights)
    if value is not None and not (np.all(value >= 0) and abs(float(value.sum()) - 1.0) <= WEIGHT_TOLERANCE):
        total = f"they sum to {float(value.sum()):g}"
        raise ValueError(f"{function}.weights: must be at least 0 and sum to 1; {total}")
