"""Problem (10) solved exactly for any number of types, and the two contracts that frame its answer."""

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.accumulate import running_sum
from jaxcontract.mechanism.bisection import best_by_bisection
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import NEVER, frequency_bounds, ideal_quality_index
from jaxcontract.mechanism.ironing import antitonic_regression
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import one_round


@one_round()
def optimal_contract(system: System, state: NetworkState) -> Contract:
    """argmax U_B(f, r) subject to IR (8), IC (9) and the system's bounds on f: problem (10), exactly, any K.

    The paper bounds f by 1 alone. The default `min_frequency` of 1e-4 never binds at its constants, where no
    f below 1.8e-4 has a quality of data; of a greater one the optimum is the best within it.

    Returns a contract [K].

    W is concave in f, so (10) is a convex program. At its solution the lowest type earns nothing,
    each type is paid just enough not to pick the item below its own, and what remains is separable:
    β QoD′(f_k) = v_k with the virtual costs v. Where these do not fall from type to type, the
    frequencies that they ask for would not rise and no payments could screen the types: neighbours
    are pooled (`antitonic_regression`). Clipping to the bounds after pooling keeps it exact;
    one of them is W > 0, up to rounding (`frequency_bounds`), which counts where a type hardly occurs. Where
    W ≤ 0 for every f nothing is feasible, and the items are those of the greatest W.

    Differentiable in every field of `system` and `state` wherever the set of pooled types is stable.

    >>> state = NetworkState(max_aoi=.95, max_latency=.73, type_probs=[.84, .16], device_types=[2., 12.])
    >>> [round(float(f), 4) for f in optimal_contract(System(), state).frequency]
    [0.1771, 0.3814]
    """
    frequency = best_frequency(system, state, pooled_virtual_costs(state))
    return Contract(frequency=frequency, payment=binding_payments(state, effort(system, frequency)))


@one_round()
def complete_information_contract(system: System, state: NetworkState) -> Contract:
    """The first best: β QoD′(f_k) = 1/φ_k and r_k = f_k/φ_k, as if the BS saw every type.

    An upper bound on (10). Devices that hide their types would not all pick their own items. Returns a
    contract [K].
    """
    cost = 1.0 / state.device_types
    frequency = best_frequency(system, state, cost)
    return Contract(frequency=frequency, payment=effort(system, frequency) * cost)


@one_round()
def pooled_contract(system: System, state: NetworkState) -> Contract:
    """The best single item that every type accepts: β QoD′(f) = 1/φ_1 and r = f/φ_1, K times.

    What can be had without screening: the solution of `screening_gap`. Returns a contract [K].
    """
    cost = 1.0 / state.device_types[:1]
    frequency = best_frequency(system, state, cost)
    item = jnp.stack(
        [frequency, effort(system, frequency) * cost]
    )  # found once, so that all K copies are equal
    copies = jnp.broadcast_to(item, (2, *state.device_types.shape))
    return Contract(frequency=copies[0], payment=copies[1])


def binding_payments(state: NetworkState, taken: jax.Array) -> jax.Array:
    """r_1 = f_1/φ_1, r_{k+1} = r_k + (f_{k+1} − f_k)/φ_{k+1}: the least payments that keep IR and IC.

    taken: [K, ...], the frequencies, or the effort that they take; non-decreasing in k. Returns [K, ...].
    """
    increments = jnp.diff(taken, axis=0, prepend=0.0)
    return running_sum(increments / state.device_types)


def pooled_virtual_costs(state: NetworkState) -> jax.Array:
    """The virtual costs v_k = (T_k/φ_k − T_{k+1}/φ_{k+1})/Q_k with T_k = Σ_{j≥k} Q_j, ironed.

    What one more update of type k costs the BS: its own cost, and the rent that all higher types
    then earn. Returns [K, ...], non-increasing in k.
    """
    cost = 1.0 / state.device_types
    from_each_on = running_sum(state.type_probs[::-1])[::-1]  # T_k
    rent = from_each_on[1:] * (cost[:-1] - cost[1:])
    totals = state.type_probs * cost + jnp.concatenate([rent, jnp.zeros_like(cost[:1])])
    return antitonic_regression(totals, state.type_probs, cost)


def best_frequency(system: System, state: NetworkState, cost: jax.Array) -> jax.Array:
    """argmax_f β QoD(f) − cost · f within the system's bounds on f.

    cost: [K, ...], non-negative; an infinite cost buys as little as it can. Returns its shape.

    W is greatest at f = √(α/2). In units of that, the stationary point β W′(f) = cost · W(f) is the root
    of a cubic with two coefficients (`_falling_root`): the share s = σ/(σ + cost) of what an update is
    worth, σ = β t/C, in what it is worth and costs, and κ = (1 − s) t √(α/2)/C.
    """
    if system.brings_its_own:
        return best_by_bisection(system, state, cost)
    slot = system.slot_duration
    peak = jnp.sqrt(jnp.maximum(0.5 * system.aoi_preference, NEVER**2))  # its slope is finite at α = 0
    constant = ideal_quality_index(system, state) - slot * (1.0 - 0.5 * system.aoi_preference)
    loss = 2.0 * slot * peak  # W(√(α/2)) = C − loss
    constant, defined = jnp.maximum(constant, loss), constant > loss
    finite = jnp.isfinite(cost)
    counted = jnp.where(finite & defined, cost, 0.0)  # no cost where W ≤ 0 for every f: the peak is least bad
    worth = system.unit_profit * slot / constant
    total = worth + counted
    root = peak * _falling_root(worth / total, slot * peak / constant * (counted / total))
    low, high = frequency_bounds(system, state)
    return jnp.clip(jnp.where(finite, root, low), low, high)


@jax.custom_jvp
def _falling_root(share: jax.Array, pull: jax.Array) -> jax.Array:
    """The one x in [0, 1] with s − x² + κ (x + x³) = 0, where 0 ≤ s ≤ 1 and 0 ≤ κ ≤ (1 − s)/2.

    Euler's iteration: each step goes to the root of the parabola that has the cubic's value, slope and
    curvature. The first parabola meets the cubic in 0 and 1. Three steps from there end within rounding
    of a float64 wherever s and κ may lie: the relative errors are at most 3e-1, 2e-2, 4e-6 and 1e-15 (and
    what rounding of s and κ does next to 0 and 1/2, where the root is double). So there is no search, no
    bracket and no test of convergence.
    """
    root = (pull + jnp.sqrt(pull**2 + 4.0 * (1.0 - pull) * share)) / (2.0 * (1.0 - pull))
    for _ in range(3):
        value = share - root**2 + pull * (root + root**3)
        fall = _fall(pull, root)
        curvature = 1.0 - 3.0 * pull * root
        discriminant = jnp.maximum(fall**2 + 4.0 * curvature * value, 0.0)
        root += 2.0 * value / jnp.maximum(fall + jnp.sqrt(discriminant), jnp.finfo(root.dtype).tiny)
    return root


@_falling_root.defjvp
def _implicit_derivative(primals, tangents):
    """Derivatives, of any order, come from the implicit function theorem, not from the iteration."""
    share, pull = primals
    share_dot, pull_dot = tangents
    root = _falling_root(share, pull)
    fall = _fall(pull, root)
    falling = fall > jnp.finfo(root.dtype).eps * root  # not so at s = 0, κ = 1/2, where the root is double
    rise = share_dot + (root + root**3) * pull_dot
    return root, jnp.where(falling, rise / jnp.where(falling, fall, 1.0), 0.0)


def _fall(pull: jax.Array, root: jax.Array) -> jax.Array:
    """Minus the slope of the cubic, 2x − κ (1 + 3x²)."""
    return 2.0 * root - pull * (1.0 + 3.0 * root**2)
