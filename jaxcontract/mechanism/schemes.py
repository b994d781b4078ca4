"""The other contracts that people compare with, and what devices make of a contract when they choose freely.

In every state complete information ≥ optimum ≥ social optimum ≥ pooled = naive ≥ posted price, by U_B (7).
A take-it-or-leave-it offer turns types away, which (10) does not allow: it earns the pooled U_B or more.
"""

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import concrete, refuse
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import log_quality
from jaxcontract.mechanism.incentives import PAPER, device_utilities
from jaxcontract.mechanism.optimum import binding_payments, complete_information_contract
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats
from jaxcontract.mechanism.rounds import one_round
from jaxcontract.mechanism.validation import TOLERANCE


@one_round()
def social_optimum_contract(system: System, state: NetworkState) -> Contract:
    """argmax Σ_k Q_k (β QoD(f_k) − f_k/φ_k), what station and devices gain together: β QoD′(f_k) = 1/φ_k.

    Payments pass from one to the other and leave the sum alone; these are the least that keep IR and IC,
    r_1 = f_1/φ_1 and r_{k+1} = r_k + (f_{k+1} − f_k)/φ_{k+1}. Feasible, so at most the optimum's U_B; no
    less than one pooled item's, since each type k > 1 adds what is best at its own cost. Returns a
    contract [K].
    """
    frequency = complete_information_contract(system, state).frequency
    return Contract(frequency=frequency, payment=binding_payments(state, effort(system, frequency)))


@one_round()
def naive_contract(system: System, state: NetworkState) -> Contract:
    """The complete-information items offered blind (greedy, IR only): type k takes argmax_j u[k, j].

    Returns [K] the item that each type takes, which makes it feasible. Its U_B is the pooled item's:
    with a rising cost c = 1/φ the best f falls no faster than 1/√c, so that u[k, j] = f(c_j) (c_j − c_k)
    rises with c_j, and every type takes the first item.
    """
    offered = complete_information_contract(system, state)
    taken = jnp.argmax(device_utilities(state, offered, system), axis=1)
    return Contract(frequency=offered.frequency[taken], payment=offered.payment[taken])


@one_round(cap=0)
def posted_price_contract(system: System, state: NetworkState, cap: Numbers | None = None) -> Contract:
    """One price per update, p = 1/φ_1, the least at which every type supplies: (cap, cap/φ_1), K times.

    cap: []  the most updates per slot that the BS buys of a device; the system's greatest f if not given

    With a linear cost supply is all or nothing: a device gains (p − 1/φ_k) f, hence supplies the cap if
    p ≥ 1/φ_k and nothing otherwise. Without a cap there would be no answer. Returns a contract [K],
    feasible for a cap within the system's bounds; at most the pooled item's U_B, and equal to it at the
    pooled f.

    Raises:
        ValueError: when the cap is not one number above 0.
    """
    frequency = floats(system.max_frequency if cap is None else cap, "posted_price_contract", "cap")
    given = concrete(frequency)
    if cap is not None and given is not None and not given > 0:
        raise refuse("posted_price_contract", "cap", cap, "a number in (0, inf)")
    return _offer_to_all(state, frequency, effort(system, frequency) / state.device_types[0])


@one_round()
def take_it_or_leave_it_contract(system: System, state: NetworkState) -> Contract:
    """The best single item when types may stay out: β QoD′(f) = 1/φ_j and r = f/φ_j, K times.

    Type j is the lowest that accepts: the one with the greatest M T_j (β QoD(f) − f/φ_j), where
    T_j = Σ_{i≥j} Q_i. With j = 1 it is the pooled contract. Lower types stay out, which costs the BS
    their quality of data and spares it the higher types' rents. Problem (10) knows no staying out: it does
    not bound this U_B, and as a contract of (10) the offer violates IR for the types below j. What it
    earns is its `realised_utility`, which is negative where each of the K offers would lose.
    Returns a contract [K].
    """
    items = complete_information_contract(system, state)
    profit = system.unit_profit * log_quality(system, state, items.frequency) - items.payment
    reached = jnp.cumsum(state.type_probs[::-1])[::-1]  # T_j
    best = jnp.argmax(reached * jnp.where(reached > 0, profit, 0.0))  # −∞ of nobody is nothing, not NaN
    return _offer_to_all(state, items.frequency[best], items.payment[best])


@one_round(tolerance=0)
def chosen_items(
    state: NetworkState, contract: Contract, tolerance: Numbers = TOLERANCE, system: System = PAPER
) -> jax.Array:
    """The item that a device of each type picks when it is free to: argmax_j u[k, j], or none at all.

    tolerance: []  in units of payment
    system:    as in `device_utilities`

    Returns [K], integers: the type's own item k unless another is better by more than the tolerance
    (constraints that bind are ties, and ties go to the item meant for the type), and −1 where the
    type stays out, since its best utility is below −tolerance.

    Raises:
        ValueError: when the tolerance is not a number.

    >>> state = NetworkState(max_aoi=.95, max_latency=.73, type_probs=[.84, .16], device_types=[2., 12.])
    >>> chosen_items(state, complete_information_contract(System(), state)).tolist()
    [0, 0]
    """
    tolerance = floats(tolerance, "chosen_items", "tolerance")
    utilities = device_utilities(state, contract, system)
    best = jnp.max(utilities, axis=1)
    tempted = best - jnp.diagonal(utilities) > tolerance
    item = jnp.where(tempted, jnp.argmax(utilities, axis=1), jnp.arange(best.shape[0]))
    return jnp.where(best < -tolerance, -1, item)


@one_round(tolerance=0)
def realised_utility(
    system: System, state: NetworkState, contract: Contract, tolerance: Numbers = TOLERANCE
) -> jax.Array:
    """M Σ_k Q_k (β QoD(f_c(k)) − r_c(k)) over the types that take part, c = `chosen_items`. Returns [].

    tolerance: []  of `chosen_items`, in units of payment

    What the BS earns from a contract, feasible or not, when devices choose for themselves; (7) where
    the contract is feasible. Minus infinity where a type that occurs takes an item whose quality of
    data is undefined.

    Raises:
        ValueError: when the tolerance is not a number.
    """
    item = chosen_items(state, contract, tolerance, system)
    takes_part = item >= 0  # where not, item −1 reads the last one, which the sum below leaves out
    quality = log_quality(system, state, contract.frequency[item])
    defined = jnp.isfinite(quality)
    profit = system.unit_profit * jnp.where(defined, quality, 0.0) - contract.payment[item]
    total = system.num_devices * jnp.sum(state.type_probs * jnp.where(takes_part, profit, 0.0))
    return jnp.where(jnp.all(defined | ~takes_part | (state.type_probs == 0)), total, -jnp.inf)


def _offer_to_all(state: NetworkState, frequency: jax.Array, payment: jax.Array) -> Contract:
    """K copies of one item, [] and []."""
    item = jnp.stack([frequency, payment])  # one array, so that all K copies are equal
    copies = jnp.broadcast_to(item[:, None], (2, state.device_types.shape[-1]))
    return Contract(frequency=copies[0], payment=copies[1])
