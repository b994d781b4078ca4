"""Where the climbs to the best contract begin, and which end is best, for devices that may walk away."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.best_response import Point, Problem, alone, climb, earned, take_round, utilities
from jaxcontract.mechanism.optimum import best_frequency, pooled_virtual_costs
from jaxcontract.mechanism.records import NetworkState, System

SPREAD = 0.1  # weight of evenly spaced points in the first chain, which keeps its gaps open
STARTS = 4  # climbs from the best of so many first guesses, one for each type at most
# Of the barrier, by bytes of a number: first, last, steps.
WEIGHTS = {4: (1e-1, 1e-6, 16), 8: (1e-1, 1e-10, 22)}
HELD = 4  # steps at the first weight
FALL = 1.5  # of the logarithm of the weight in each step after these
LEAST_GUESS = 0.1  # of u_1, in units of the taste scale, or of the surplus where that is less
FEES = (4.0, 0.5, 0.0625)  # around the best flat fee known, how far others are tried; as above


def solve(system: System, state: NetworkState, problem: Problem) -> tuple[Point, Point, jax.Array]:
    """The best of several local optima, all of them [R, ...], and a scale [1] to count earnings in.

    The guesses: frequencies of complete information, rents in between, and u_1 such that one of the types
    gets what it would get if it were alone. For small μ the best optimum is beside one of these. Where the
    taste scale is so extreme that none of them is reached, the contract of (10) and a flat fee is better.
    """
    size = len(state.device_types)
    frequency = best_frequency(system, state, 1.0 / state.device_types)
    surplus = problem.surplus(frequency)
    wanted = alone(problem, surplus)
    # Where μ is far above what there is to win, the barrier and the guesses are in units of the latter.
    unit = jnp.clip(jnp.max(surplus, axis=0, keepdims=True), jnp.finfo(surplus.dtype).tiny ** 0.5, 1.0)
    item, rent = _first_chain(problem, frequency)
    ahead = utilities(problem, Point(jnp.zeros_like(wanted[:1]), item, rent))
    guesses = jnp.maximum(wanted - ahead, LEAST_GUESS * unit)[:, None]  # [K, 1]
    starts = [Point(guess, item, rent) for guess in guesses]
    scales = [_weight(problem, start, unit) for start in starts]
    scale = functools.reduce(jnp.maximum, scales)
    values = jnp.concatenate([earned(problem, start, scale) for start in starts])
    chosen = jnp.argsort(-values, axis=0)[: min(size, STARTS)]
    weights = _barriers(item.dtype)

    def from_guess(which):
        start = Point(take_round(guesses, which[None]), item, rent)
        own = _weight(problem, start, unit)
        return climb(problem, start, own, weights), own

    points, scales = jax.vmap(from_guess)(chosen)
    plain = _charge_a_fee(system, state, problem, wanted)
    points = jax.tree.map(lambda many, one: jnp.concatenate([many, one[None]]), points, plain)
    scale = jnp.maximum(jnp.max(scales, axis=0), _weight(problem, plain, unit))
    values = jax.vmap(lambda point: earned(problem, point, scale))(points)
    best = jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values), axis=0)
    return take_round(points, best), points, scale


def _charge_a_fee(system: System, state: NetworkState, problem: Problem, wanted: jax.Array) -> Point:
    """The contract of (10), with the flat fee u_1 ≥ 0 that earns most: near what one of the types wants.

    wanted: [K], of `alone`
    """
    frequency = best_frequency(system, state, pooled_virtual_costs(state))
    share = (frequency - problem.low) / jnp.maximum(problem.width, jnp.finfo(frequency.dtype).tiny)
    share = jnp.clip(share, 0.0, 1.0)
    rent = jnp.concatenate([share[:-1], jnp.ones_like(share[:1])])
    ahead = utilities(problem, Point(jnp.zeros_like(wanted[:1]), share, rent))

    def choose(fees: jax.Array) -> jax.Array:
        scale = _weight(problem, Point(jnp.max(fees, axis=0), share, rent), 1.0)
        values = jax.vmap(lambda fee: earned(problem, Point(fee, share, rent), scale))(fees)
        return take_round(fees, jnp.argmax(values, axis=0))

    fee = choose(jnp.concatenate([jnp.zeros_like(wanted[:1]), jnp.maximum(wanted - ahead, 0.0)])[:, None])
    steps = jnp.linspace(-1.0, 1.0, 17, dtype=fee.dtype).reshape(17, *(1 for _ in fee.shape))

    def refine(fee, reach):
        return choose(jnp.maximum(fee[None] + reach * steps, 0.0)), None

    fee, _ = jax.lax.scan(refine, fee, jnp.asarray(FEES, fee.dtype))
    return Point(fee, share, rent)


def _first_chain(problem: Problem, frequency: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Shares of f and of the rents' slopes that keep all gaps of the chain open, [K] twice."""
    size = len(frequency)
    share = (frequency - problem.low) / jnp.maximum(problem.width, jnp.finfo(frequency.dtype).tiny)
    between = jnp.concatenate([0.5 * (share[1:] + share[:-1]), jnp.ones_like(share[:1])])
    even = jnp.arange(1, 2 * size + 1, dtype=share.dtype) / (2 * size)
    odd, even = (
        jnp.reshape(part, (size, *(1 for _ in share.shape[1:]))) for part in (even[0::2], even[1::2])
    )
    return (1.0 - SPREAD) * share + SPREAD * odd, (1.0 - SPREAD) * between + SPREAD * even


def _weight(problem: Problem, point: Point, unit: jax.Array | float) -> jax.Array:
    """The greatest ln Q_k P_k, and the unit's. 0 where it is none. Returns [1]."""
    logs = problem.log_weight - jax.nn.softplus(problem.log_others - utilities(problem, point))
    most = jnp.max(logs, axis=0, keepdims=True)
    return jnp.where(jnp.isfinite(most), most + jnp.log(unit), 0.0)


def _barriers(dtype: Any) -> jax.Array:
    first, last, steps = WEIGHTS[min(jnp.dtype(dtype).itemsize, 8)]
    falls = jnp.maximum(jnp.arange(steps, dtype=dtype) - HELD, 0.0)
    return jnp.maximum(first * jnp.exp(-FALL * falls), last)
