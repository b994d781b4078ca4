"""Who gains what from a contract, and whether everybody takes the item meant for them: (5) to (9)."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue
from jaxcontract.core.pytree import register
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import (
    centred_quality,
    extended_centred_quality,
    has_quality,
    log_quality,
)
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats
from jaxcontract.mechanism.rounds import one_round
from jaxcontract.mechanism.validation import TOLERANCE

UNROLLED = 8  # items up to which a loop over them costs more than it saves


PAPER = System()


@one_round(any_items=True)
def device_utilities(state: NetworkState, contract: Contract, system: System = PAPER) -> jax.Array:
    """u[k, j] = r_j − f_j/φ_k, the utility of a type-k device that picks item j  (5), (6).

    system: only matters when it has an `effort` of its own, which then stands for f

    Returns [K, K]. Its diagonal is `own_utilities`.
    """
    costs = effort(system, contract.frequency)[None, :] / state.device_types[:, None]
    return contract.payment[None, :] - costs


def own_utilities(state: NetworkState, contract: Contract, system: System = PAPER) -> jax.Array:
    """u[k, k] = r_k − f_k/φ_k, what each type earns under truth: the information rent. Returns [K].

    system: as in `device_utilities`
    """
    return contract.payment - effort(system, contract.frequency) / state.device_types


@one_round()
def station_utility(system: System, state: NetworkState, contract: Contract) -> jax.Array:
    """U_B = M Σ_k Q_k (β QoD(f_k) − r_k), the base station's utility of one round  (7). Returns [].

    Minus infinity where a type that occurs has an undefined quality of data.
    """
    return _earned(system, state, log_quality(system, state, contract.frequency), contract.payment)


@one_round()
def centred_utility(system: System, state: NetworkState, contract: Contract) -> jax.Array:
    """U_B − M β ln W₀: (7) less the term that no contract can change. Returns [].

    It ranks the contracts of one state as U_B does, and in float32 resolves differences a thousand
    times smaller, since U_B of the paper's states is near 2500 whatever the contract.
    """
    return _earned(system, state, centred_quality(system, state, contract.frequency), contract.payment)


def extended_centred_utility(system: System, state: NetworkState, contract: Contract) -> jax.Array:
    """`centred_utility` made finite for every f > 0: below W = W₀/100 ln W goes on along its tangent.

    Where a learner may be while its contracts have no quality of data to speak of. Returns [].
    """
    quality = extended_centred_quality(system, state, contract.frequency)
    return _earned(system, state, quality, contract.payment)


def _earned(system: System, state: NetworkState, quality: jax.Array, payment: jax.Array) -> jax.Array:
    """M Σ Q_k (β quality_k − r_k), minus infinity where a type that occurs has no quality."""
    defined = jnp.isfinite(quality)
    profit = system.unit_profit * jnp.where(defined, quality, 0.0) - payment
    total = system.num_devices * jnp.sum(state.type_probs * profit, axis=0)
    return jnp.where(jnp.all(defined | (state.type_probs == 0), axis=0), total, -jnp.inf)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Certificate(ByValue):
    """Whether one contract solves the devices' side of (10), constraint by constraint.

    ir_slack:      [K]     u[k, k], (8): ≥ 0 where type k takes part
    ic_slack:      [K, K]  u[k, k] − u[k, j], (9): ≥ 0 where type k prefers its own item to item j
    domain:        [K]     f_k within the system's bounds and W(f_k) > 0
    max_violation: []      the largest amount by which (8), (9) or a bound on f is missed; 0 if none, NaN
                           where a slack is
    shortfall:     []      the sum of what the slacks of (8) and (9) fall short of the margin asked for, and
                           of what f lies outside its bounds
    feasible:      []      all of it, up to the tolerance
    """

    ir_slack: jax.Array
    ic_slack: jax.Array
    domain: jax.Array
    max_violation: jax.Array
    shortfall: jax.Array
    feasible: jax.Array


@one_round(tolerance=0, margin=0)
def certify(
    system: System,
    state: NetworkState,
    contract: Contract,
    tolerance: Numbers = TOLERANCE,
    margin: Numbers = 0.0,
) -> Certificate:
    """Check all K IR (8) and K² IC (9) constraints, and the domain, of one contract.

    tolerance: []  in units of payment for the slacks, in updates per slot for the bounds on f; it is
               absolute. Use 1e-6 in float32 and 1e-9 in float64 where payments are near 1, and more in
               proportion to greater ones: at 100 rounding in float32 alone misses a constraint by 1e-5
    margin:    []  the slack that `shortfall` asks for, in units of payment

    Returns slacks [K] and [K, K]. NaN anywhere is not feasible.

    Raises:
        ValueError: when the tolerance or the margin is not a number.
    """
    tolerance, margin = (
        floats(value, "certify", name) for name, value in (("tolerance", tolerance), ("margin", margin))
    )
    own = own_utilities(state, contract, system)
    ic_slack, least, missed = _envy(system, state, contract, own, margin)
    outside = jnp.maximum(
        system.min_frequency - contract.frequency, contract.frequency - system.max_frequency
    )
    domain = (outside <= tolerance) & has_quality(system, state, contract.frequency)
    worst = jnp.maximum(jnp.max(-own, axis=0), jnp.max(outside, axis=0))
    missed = missed + jnp.sum(jnp.maximum(0.0, margin - own), axis=0)
    # XLA's maxima over long arrays lose NaN on a CPU; sums do not.
    undefined = jnp.isnan(missed)
    max_violation = jnp.where(undefined, jnp.nan, jnp.maximum(0.0, jnp.maximum(worst, -least)))
    return Certificate(
        ir_slack=own,
        ic_slack=ic_slack,
        domain=domain,
        max_violation=max_violation,
        shortfall=missed + jnp.sum(jnp.maximum(0.0, outside), axis=0),
        feasible=jnp.all(domain, axis=0) & (max_violation <= tolerance),
    )


def _envy(
    system: System, state: NetworkState, contract: Contract, own: jax.Array, margin: Numbers
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """All slacks of (9) [K, K], the least of them [], and what they fall short of the margin in sum [].

    Item by item, so that who does not ask for the slacks needs memory for K of them, not for K²: at
    K = 64 that is four times as fast.
    """
    cost, types = 1.0 / state.device_types, jnp.arange(len(own))

    def look_at(carry, item):
        least, missed = carry
        number, taken, payment = item
        slack = own - (payment - taken * cost)
        own_item = jnp.reshape(types == number, (-1, *(1 for _ in own.shape[1:])))  # no type envies itself
        least = jnp.minimum(least, jnp.min(jnp.where(own_item, 0.0, slack), axis=0))
        missed = missed + jnp.sum(jnp.where(own_item, 0.0, jnp.maximum(0.0, margin - slack)), axis=0)
        return (least, missed), slack

    zero = jnp.zeros_like(own[0])
    items = types, effort(system, contract.frequency)[:, None], contract.payment[:, None]
    unroll = len(own) if len(own) <= UNROLLED else 1
    (least, missed), slacks = jax.lax.scan(look_at, (zero, zero), items, unroll=unroll)
    return jnp.swapaxes(slacks, 0, 1), least, missed
