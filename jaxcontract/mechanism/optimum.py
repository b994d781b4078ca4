"""Problem (10) solved exactly for any number of types, and the two contracts that frame its answer."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.freshness import frequency_bounds, ideal_quality_index
from jaxcontract.mechanism.ironing import antitonic_regression
from jaxcontract.mechanism.records import Contract, NetworkState, System


def optimal_contract(system: System, state: NetworkState) -> Contract:
    """argmax U_B(f, r) subject to IR (8), IC (9) and the bounds on f: problem (10), exactly, any K.

    W is concave in f, so (10) is a convex program. At its solution the lowest type earns nothing,
    each type is paid just enough not to pick the item below its own, and what remains is separable:
    β QoD′(f_k) = v_k with the virtual costs v. Where these do not fall from type to type, the
    frequencies that they ask for would not rise and no payments could screen the types: neighbours
    are pooled (`antitonic_regression`). Clipping to the bounds after pooling keeps it exact.

    Differentiable in every field of `system` and `state` wherever the set of pooled types is stable.

    >>> state = NetworkState(max_aoi=.95, max_latency=.73, type_probs=[.84, .16], device_types=[2., 12.])
    >>> [round(float(f), 4) for f in optimal_contract(System(), state).frequency]
    [0.1771, 0.3814]
    """
    frequency = best_frequency(system, state, pooled_virtual_costs(state))
    return Contract(frequency=frequency, payment=binding_payments(state, frequency))


def complete_information_contract(system: System, state: NetworkState) -> Contract:
    """The first best: β QoD′(f_k) = 1/φ_k and r_k = f_k/φ_k, as if the BS saw every type.

    An upper bound on (10). Devices that hide their types would not all pick their own items.
    """
    cost = 1.0 / state.device_types
    frequency = best_frequency(system, state, cost)
    return Contract(frequency=frequency, payment=frequency * cost)


def pooled_contract(system: System, state: NetworkState) -> Contract:
    """The best single item that every type accepts: β QoD′(f) = 1/φ_1 and r = f/φ_1, K times.

    What can be had without screening: the yardstick of `screening_gap`.
    """
    cost = 1.0 / state.device_types[0]
    frequency = best_frequency(system, state, cost)
    item = jnp.stack([frequency, frequency * cost])  # found once, so that all K copies are equal
    copies = jnp.broadcast_to(item[:, None], (2, state.device_types.shape[-1]))
    return Contract(frequency=copies[0], payment=copies[1])


def binding_payments(state: NetworkState, frequency: jax.Array) -> jax.Array:
    """r_1 = f_1/φ_1, r_{k+1} = r_k + (f_{k+1} − f_k)/φ_{k+1}: the least payments that keep IR and IC.

    frequency: [K], non-decreasing. Returns [K].
    """
    increments = jnp.diff(frequency, prepend=0.0)
    return jnp.cumsum(increments / state.device_types)


def pooled_virtual_costs(state: NetworkState) -> jax.Array:
    """The virtual costs v_k = (T_k/φ_k − T_{k+1}/φ_{k+1})/Q_k with T_k = Σ_{j≥k} Q_j, ironed.

    What one more update of type k costs the BS: its own cost, and the rent that all higher types
    then earn. Returns [K], non-increasing.
    """
    cost = 1.0 / state.device_types
    above = jnp.cumsum(state.type_probs[::-1])[::-1] - state.type_probs  # T_{k+1}
    rent = above[:-1] * (cost[:-1] - cost[1:])
    totals = state.type_probs * cost + jnp.append(rent, 0.0)
    return antitonic_regression(totals, state.type_probs, empty=cost)


def best_frequency(system: System, state: NetworkState, cost: jax.Array) -> jax.Array:
    """argmax_f β QoD(f) − cost · f within the system's bounds on f.

    cost: [...], non-negative. Returns [...].

    The stationary point β W′(f) = cost · W(f) is the one root in (0, √(α/2)) of a cubic, which is
    positive at 0 and negative at √(α/2); there W > 0 too. Derivatives, of any order, come from the
    implicit function theorem, not from the search.
    """
    cost = jnp.asarray(cost)
    finite_cost = jnp.where(jnp.isfinite(cost), cost, 0.0)

    def stationarity(frequency):
        return _stationarity(system, state, finite_cost, frequency)

    def invert(linear, value):
        return _divide(value, linear(jnp.ones_like(value)))

    peak = jnp.broadcast_to(jnp.sqrt(0.5 * system.aoi_preference), cost.shape).astype(cost.dtype)
    root = jax.lax.custom_root(stationarity, jax.lax.stop_gradient(peak), _falling_root, invert)
    least, _ = frequency_bounds(system, state)
    root = jnp.where(jnp.isfinite(cost), root, least)  # an infinite cost buys as little as it can
    return jnp.clip(root, system.min_frequency, system.max_frequency)


def _stationarity(system: System, state: NetworkState, cost: jax.Array, frequency: jax.Array) -> jax.Array:
    """f² (β W′(f) − cost · W(f)) as a cubic in f, free of division: falls through zero at the root."""
    slot, preference, profit = system.slot_duration, system.aoi_preference, system.unit_profit
    constant = ideal_quality_index(system, state) - slot * (1.0 - 0.5 * preference)
    half = 0.5 * preference * slot
    gain = profit * (half - slot * frequency**2)
    return gain - cost * frequency * (constant * frequency - slot * frequency**2 - half)


def _falling_root(function: Callable[[jax.Array], jax.Array], high: jax.Array) -> jax.Array:
    """Where an elementwise function falls through zero between 0 and `high`.

    Bisection, in a number of halvings fixed by the precision; a Newton step restores the last digit.
    """

    def halve(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        above = function(middle) > 0
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    halvings = jnp.finfo(high.dtype).nmant + 3
    low, high = jax.lax.fori_loop(0, halvings, halve, (jnp.zeros_like(high), high))
    middle = 0.5 * (low + high)
    value, slope = jax.jvp(function, (middle,), (jnp.ones_like(middle),))
    return middle - _divide(value, slope)


def _divide(value: jax.Array, slope: jax.Array) -> jax.Array:
    """value / slope; zero where the slope vanishes, as at α = 0, where the cubic touches its root 0."""
    falling = slope < 0
    return jnp.where(falling, value / jnp.where(falling, slope, -1.0), 0.0)
