"""The best contract whose devices update every whole number of slots."""

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import centred_quality
from jaxcontract.mechanism.optimum import best_frequency, binding_payments, pooled_virtual_costs
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import one_round


@one_round()
def whole_cycle_contract(system: System, state: NetworkState) -> Contract:
    """Problem (10) with every cycle θ_k = 1/f_k a whole number of slots, exactly, any K.

    Returns a contract [K]. Where no whole cycle lies within the system's bounds, or none has a defined
    quality of data, `certify` says so.

    IR and IC ask the same of f and r as in (10), so the payments bind as there, and what remains is
    max Σ_k Q_k (β QoD(f_k) − v_k f_k) over f_1 ≤ … ≤ f_K out of {1/θ}. Straight lines between the points
    (1/θ, β QoD(1/θ)) make a concave curve, as QoD is concave, and the best points of a concave curve
    of straight lines are among its corners. So the ironed virtual costs v̄_k separate this problem as
    they do (10): type k takes the 1/θ of the greatest β QoD(f) − v̄_k f, pooled types the same one.
    That is concave in f too: no cycle beats both of the two beside 1/f of `optimal_contract`. They are
    the only ones to look at, and which of them is better is not a matter of which is nearer.

    >>> state = NetworkState(max_aoi=.95, max_latency=.73, type_probs=[.84, .16], device_types=[2., 12.])
    >>> (1 / whole_cycle_contract(System(), state).frequency).tolist()
    [6.0, 3.0]
    """
    cost = pooled_virtual_costs(state)
    frequency = best_cycle_frequency(system, state, cost)
    return Contract(frequency=frequency, payment=binding_payments(state, effort(system, frequency)))


def best_cycle_frequency(system: System, state: NetworkState, cost: jax.Array) -> jax.Array:
    """argmax β QoD(f) − cost · f over f = 1/θ, θ whole, within the system's bounds on f.

    cost: [K, ...], non-negative. Returns its shape.
    """
    return 1.0 / _better_cycle(system, state, cost)


def _better_cycle(system: System, state: NetworkState, cost: jax.Array) -> jax.Array:
    """The whole cycle, of the two beside the best of all, with the greater β QoD(f) − cost · f. [K, ...]."""
    shortest, longest = _cycle_bounds(system, cost.dtype)
    below = jnp.floor(1.0 / best_frequency(system, state, cost))
    short, long = (jnp.clip(cycle, shortest, longest) for cycle in (below, below + 1.0))
    # Centred, so that in float32 the difference keeps its digits.
    short_quality, long_quality = (centred_quality(system, state, 1.0 / cycle) for cycle in (short, long))
    both = jnp.isfinite(short_quality) & jnp.isfinite(long_quality)
    gain = system.unit_profit * jnp.where(both, short_quality - long_quality, 0.0)
    finite = jnp.isfinite(cost)
    more = effort(system, 1.0 / short) - effort(system, 1.0 / long)
    dearer = jnp.where(finite, cost, 0.0) * more
    return jnp.where(jnp.where(both, finite & (gain > dearer), jnp.isfinite(short_quality)), short, long)


def _cycle_bounds(system: System, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    """The least and the greatest whole θ with 1/θ in the system's bounds. Returns [], []."""
    rounding = 4.0 * jnp.finfo(dtype).eps  # 1/(1/49) is less than 49
    shortest = jnp.ceil((1.0 - rounding) / jnp.asarray(system.max_frequency, dtype))
    longest = jnp.floor((1.0 + rounding) / jnp.asarray(system.min_frequency, dtype))
    return shortest, jnp.maximum(shortest, longest)
