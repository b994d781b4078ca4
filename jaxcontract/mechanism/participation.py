"""Devices that may walk away or go elsewhere: who takes part, what that earns, the best contract."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import ByValue, concrete, finite, refuse
from jaxcontract.core.pytree import register
from jaxcontract.mechanism import best_response as chain
from jaxcontract.mechanism import response_search
from jaxcontract.mechanism.accumulate import running_sum
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import frequency_bounds, log_quality
from jaxcontract.mechanism.incentives import own_utilities
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats
from jaxcontract.mechanism.response_bound import bound_separately, upper_bound
from jaxcontract.mechanism.rounds import one_round


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class BestResponse(ByValue):
    """The best contract of one station against what devices can get elsewhere, and how good it surely is.

    contract:    [K]  the best contract found
    utility:     []   what it earns, `participation_utility`
    upper_bound: []   no contract within IR, IC and the bounds on f earns more, up to rounding
    """

    contract: Contract
    utility: jax.Array
    upper_bound: jax.Array


@one_round(utilities=1, taste_scale=0, rivals=2)
def participation(utilities: Numbers, taste_scale: Numbers, rivals: Numbers | None = None) -> jax.Array:
    """P_k = e^{u_k/μ}/(1 + Σ_j e^{u_jk/μ} + e^{u_k/μ}), the share of each type that comes to a station.

    utilities:   [K]         u_k, what a type earns from its own item, units of payment
    taste_scale: []          μ > 0, how much devices differ in what they like besides, units of payment
    rivals:      [N - 1, K]  u_jk, what each type earns at every other station; none by default

    Returns [K]. A logit choice: each device adds a Gumbel draw of scale μ to every station and to staying
    out, which is worth 0. μ → 0 gives the best offer to all, if it is worth 0 or more.

    Raises:
        ValueError: when these are not numbers, μ is not positive, or the rivals are not of as many types.
    """
    _refuse_nan("participation", "utilities", utilities)
    utilities = floats(utilities, "participation", "utilities")
    taste_scale = check_taste_scale("participation", taste_scale)
    elsewhere = _log_others(utilities, taste_scale, rivals, "participation")
    return jax.nn.sigmoid(utilities / taste_scale - elsewhere)


@one_round(taste_scale=0, rivals=2)
def participation_utility(
    system: System,
    state: NetworkState,
    contract: Contract,
    taste_scale: Numbers,
    rivals: Numbers | None = None,
) -> jax.Array:
    """U = M Σ_k Q_k P_k (β QoD(f_k) − r_k): (7), where type k comes with the probability P_k. Returns [].

    contract:    [K]  of which type k takes item k, as it does where IC (9) holds
    taste_scale: []   μ, as in `participation`, units of payment
    rivals:      [N - 1, K]  as in `participation`

    Minus infinity where a type that occurs has an undefined quality of data.

    Raises:
        ValueError: when μ or the rivals are not numbers, μ is not positive, or the rivals are not of as many
            types.
    """
    taste_scale = check_taste_scale("participation_utility", taste_scale)
    utilities = own_utilities(state, contract, system)
    elsewhere = _log_others(utilities, taste_scale, rivals, "participation_utility")
    share = jax.nn.sigmoid(utilities / taste_scale - elsewhere)
    quality = log_quality(system, state, contract.frequency)
    defined = jnp.isfinite(quality)
    profit = system.unit_profit * jnp.where(defined, quality, 0.0) - contract.payment
    total = system.num_devices * jnp.sum(state.type_probs * share * profit, axis=0)
    return jnp.where(jnp.all(defined | (state.type_probs == 0), axis=0), total, -jnp.inf)


@one_round(taste_scale=0, rivals=2)
def participation_contract(
    system: System, state: NetworkState, taste_scale: Numbers, rivals: Numbers | None = None
) -> Contract:
    """argmax U (`participation_utility`) subject to IR (8), IC (9) and the bounds on f, any K.

    taste_scale: []          μ, as in `participation`, units of payment
    rivals:      [N - 1, K]  as in `participation`: with them this is the best response

    Returns a contract [K]. Its IR and IC slacks are positive: an interior-point method ends within 1e-10 (in
    float32 1e-6) of the constraints that bind. The problem is not convex, as the chance that a type comes is
    not concave in what it earns; several starting points are climbed from, and `best_response` bounds what
    they may have missed.

    U of this contract has the exact gradient of the greatest U in every field of `system` and `state`, in the
    taste scale and in the rivals (envelope theorem), wherever the best contract is unique. The
    contract's own derivative is not that of the best contract: f and the rents' slopes are held.

    Raises:
        ValueError: when μ or the rivals are not numbers, μ is not positive, or the rivals are not of as many
            types.

    >>> state = NetworkState(max_aoi=.95, max_latency=.73, type_probs=[.84, .16], device_types=[2., 12.])
    >>> contract = participation_contract(System(), state, 1.0)
    >>> [round(float(f), 2) for f in contract.frequency]
    [0.19, 0.38]
    """
    taste_scale = check_taste_scale("participation_contract", taste_scale)
    elsewhere = _log_others(state.device_types, taste_scale, rivals, "participation_contract")
    _, point, _, _ = _solve(system, state, taste_scale, elsewhere)
    return build_contract(system, state, taste_scale, point)


@one_round(taste_scale=0, rivals=2)
def best_response(
    system: System, state: NetworkState, taste_scale: Numbers, rivals: Numbers | None = None
) -> BestResponse:
    """`participation_contract`, with an upper bound on what any feasible contract earns.

    taste_scale: []          μ, as in `participation`, units of payment
    rivals:      [N - 1, K]  as in `participation`

    Returns a contract [K], its utility [] and the bound []. The bound is a Lagrangian one, for which
    neither the climb nor its result need be right: a worse contract makes it no smaller. The gap is
    what the two leave open; near 1e-8 of the utility in float64 where what the types get elsewhere is alike.

    Raises:
        ValueError: when μ or the rivals are not numbers, μ is not positive, or the rivals are not of as many
            types.
    """
    taste_scale = check_taste_scale("best_response", taste_scale)
    elsewhere = _log_others(state.device_types, taste_scale, rivals, "best_response")
    problem, point, others, scale = _solve(system, state, taste_scale, elsewhere)
    contract = build_contract(system, state, taste_scale, point)
    utility = participation_utility(system, state, contract, taste_scale, rivals)
    system, state, taste_scale = jax.lax.stop_gradient((system, state, taste_scale))
    bound = upper_bound(system, state, taste_scale, problem, point, others, scale[0])
    bound *= jnp.exp(scale[0])
    # Where rivals offer far more than there is to win, what the cells are weighed by leaves the precision.
    separate = bound_separately(system, state, taste_scale, problem)
    bound = system.num_devices * taste_scale * jnp.where(jnp.isfinite(bound), bound, separate)
    bound = jnp.where(jnp.isfinite(utility), jnp.maximum(bound, jax.lax.stop_gradient(utility)), utility)
    return BestResponse(contract=contract, utility=utility, upper_bound=bound)


def check_taste_scale(function: str, taste_scale: Numbers) -> jax.Array:
    """μ as an array []. Raises ValueError, in one line, when it is no number or not positive."""
    value = concrete(taste_scale)
    if value is not None and not (finite(value) and np.all(value > 0)):
        raise refuse(function, "taste_scale", taste_scale, "positive and finite, in units of payment")
    return floats(taste_scale, function, "taste_scale")


def _log_others(
    utilities: jax.Array, taste_scale: jax.Array, rivals: Numbers | None, function: str
) -> jax.Array:
    """ln E_k, E_k = 1 + Σ_j e^{u_jk/μ}, [K]: never below 0, and finite for any finite u."""
    out = jnp.zeros_like(utilities)
    if rivals is None:
        return out
    _refuse_nan(function, "rivals", rivals)
    offers = floats(rivals, function, "rivals") / taste_scale
    if offers.shape[1:] != utilities.shape:
        allowed = f"one column for each of {len(utilities)} device types"
        raise ValueError(f"{function}.rivals of shape {offers.shape}: must have {allowed}")
    return jax.nn.logsumexp(jnp.concatenate([out[None], offers]), axis=0)


def _refuse_nan(function: str, name: str, values: Numbers) -> None:
    """Raises ValueError where a utility is NaN; one without limit is an offer like any other."""
    value = concrete(values)
    if value is not None and value.dtype.kind == "f" and np.isnan(value).any():
        raise refuse(function, name, values, "numbers, not NaN")


def _solve(
    system: System, state: NetworkState, taste_scale: jax.Array, elsewhere: jax.Array
) -> tuple[chain.Problem, chain.Point, chain.Point, jax.Array]:
    """The best contract in the form of the chain, without derivatives."""
    given = jax.lax.stop_gradient((system, state, taste_scale, elsewhere))
    dtype = jnp.result_type(*jax.tree.leaves(given))
    fixed, held, scale, others = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), given)
    problem = chain.pose(fixed, held, scale, others)
    return problem, *response_search.solve(fixed, held, problem)


def build_contract(
    system: System, state: NetworkState, taste_scale: jax.Array, point: chain.Point
) -> Contract:
    """The contract of a point of the chain. What is held fixed is the order of the chain alone, so that IC
    holds beside the point too: the constraints then do not move under a derivative."""
    point = jax.lax.stop_gradient(point)
    low, high = frequency_bounds(system, state)
    frequency = low + (high - low) * point.item
    cost = 1.0 / state.device_types
    slopes = effort(system, low + (high - low) * point.rent[:-1])
    first = point.lowest * jax.lax.stop_gradient(taste_scale)
    utilities = running_sum(jnp.concatenate([first, (cost[:-1] - cost[1:]) * slopes]))
    return Contract(frequency=frequency, payment=utilities + cost * effort(system, frequency))
