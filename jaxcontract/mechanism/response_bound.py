"""An upper bound on what any feasible contract earns from devices that may walk away: a Lagrangian bound.

The constraints that couple the types are relaxed with multipliers read off a contract, which need not be the
best one: any multipliers give a bound. What remains is one problem for each type in (u_k, f_k). There f is
eliminated exactly, and u is cut into cells with a bound of their own on each. Offsets from the contract's
utilities are used throughout, and cells are finest around zero. Rents of neighbours differ by at most
(c_k − c_{k+1}) e(f_max), so that where u_1 lies says where the others are: the bound is the worst over the
cells of u_1.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.accumulate import running_sum
from jaxcontract.mechanism.best_response import Point, Problem, alone, along, log_gain_alone, utilities
from jaxcontract.mechanism.optimum import best_frequency
from jaxcontract.mechanism.records import NetworkState, System

CELLS = 40  # on each side of the contract's utility
ROUNDING = 16.0  # roundings by which a surplus may be too low
FINEST = 1e-4  # half the width of the cell in the middle, in units of the taste scale, or less (`_offsets`)


class Relaxed(NamedTuple):
    """The Lagrangian: slopes [K] in u_k/μ and in e(f_k) − home_k, home [K], and a constant []."""

    utility: jax.Array
    taken: jax.Array
    home: jax.Array
    constant: jax.Array


def upper_bound(
    system: System,
    state: NetworkState,
    taste_scale: jax.Array,
    problem: Problem,
    point: Point,
    others: Point,
    scale: jax.Array,
) -> jax.Array:
    """A bound on `earned` over every feasible contract, divided by e^scale as that is. Returns [].

    point:  the best contract known, around which the cells are
    others: [R, ...]  contracts whose multipliers are tried, besides none at all; where u_1 is far from the
            best one's, those of another local optimum bound better
    """
    offsets = _offsets(problem, point)
    here = utilities(problem, point)

    def bound(other: Point, share: jax.Array) -> jax.Array:
        relaxed = _relax(problem, other, scale)
        utility, taken, constant = (
            share * part for part in (relaxed.utility, relaxed.taken, relaxed.constant)
        )
        constant += jnp.sum(utility * (here - utilities(problem, other)), axis=0)
        relaxed = Relaxed(utility, taken, relaxed.home, constant)
        cells = _bound_cells(system, state, taste_scale, problem, here, scale, relaxed, offsets)
        return constant + _sum_over_types(problem, point, cells, offsets)

    several = jax.tree.map(lambda one, more: jnp.concatenate([one[None], one[None], more]), point, others)
    shares = jnp.ones_like(several.lowest[:, 0]).at[0].set(0.0)
    bounds = jax.vmap(bound)(several, shares)
    return jnp.max(jnp.min(bounds, axis=0), axis=0)


def bound_separately(
    system: System, state: NetworkState, taste_scale: jax.Array, problem: Problem
) -> jax.Array:
    """Σ Q_k max P_k (S_k − u_k)/μ, each type by itself: what IC and IR only lower. Returns [].

    Looser than `upper_bound`, but finite for any offers of rivals.
    """
    surplus = problem.surplus(best_frequency(system, state, problem.cost * taste_scale))
    surplus += ROUNDING * jnp.finfo(surplus.dtype).eps * jnp.abs(surplus)
    return jnp.sum(jnp.exp(problem.log_weight + log_gain_alone(problem, surplus)), axis=0)


def _offsets(problem: Problem, point: Point) -> jax.Array:
    """Edges of each type's cells, from the contract's utility. Returns [K, 4 CELLS], ascending.

    They are finest around the contract's utility and around what the type would get if it were alone, where
    its part of the Lagrangian bends.
    """
    utility = utilities(problem, point)
    surplus = problem.surplus(_frequency(problem, point.item))
    reach = jnp.maximum(jnp.max(surplus, axis=0), point.lowest[0]) + jnp.max(utility, axis=0) + 2.0
    reach = reach + jnp.sum(problem.step, axis=0) * _ends(problem)[1][0]
    finest = FINEST * jnp.clip(jnp.max(surplus, axis=0), jnp.finfo(reach.dtype).tiny ** 0.5, 1.0)
    side = finest * (reach / finest) ** jnp.linspace(0.0, 1.0, CELLS, dtype=reach.dtype)
    both = jnp.concatenate([-side[::-1], side])[None, :]
    bend = jnp.clip(alone(problem, surplus) - utility, -reach, reach)[:, None]
    around = jnp.clip(bend + both, -reach, reach)
    edges = jnp.sort(jnp.concatenate([jnp.broadcast_to(both, around.shape), around], axis=1), axis=1)
    return jnp.maximum(edges, (_least_rises(problem) - utility)[:, None])


def _least_rises(problem: Problem) -> jax.Array:
    """u_k/μ ≥ Σ_{j<k} (c_j − c_{j+1}) e(f_min)/μ, since u_1 ≥ 0. Returns [K]."""
    steps = jnp.concatenate([jnp.zeros_like(problem.step[:1]), problem.step[:-1]])
    return running_sum(steps) * _ends(problem)[0]


def _frequency(problem: Problem, share: jax.Array) -> jax.Array:
    return problem.low + problem.width * share


def _ends(problem: Problem) -> tuple[jax.Array, jax.Array]:
    """e(f) at the least and at the greatest f."""
    return problem.taken(problem.low), problem.taken(problem.low + problem.width)


def _relax(problem: Problem, point: Point, scale: jax.Array) -> Relaxed:
    """Multipliers that make the point stationary, as far as non-negative ones can.

    Going up the chain e(f_1) ≤ e(s_1) ≤ e(f_2) ≤ …, each multiplier is the one before it and the slope at
    what stands between them. What stationarity is missed by at an s is added in full (`constant`).
    """
    utility, size = utilities(problem, point), len(point.item)
    zeros = jnp.zeros_like(utility)
    frequency = _frequency(problem, point.item)
    surplus, slope, _ = along(problem.surplus, frequency)
    taken, rise, _ = along(problem.taken, frequency)
    distance = problem.log_others - utility
    weight = jnp.exp(problem.log_weight - jax.nn.softplus(distance) - scale)
    by_utility = weight * (jax.nn.sigmoid(distance) * (surplus - utility) - 1.0)
    costate = running_sum(by_utility[::-1])[::-1] - by_utility  # Σ_{j>k}
    slopes = jnp.stack([weight * slope / rise, costate * problem.step], axis=1).reshape(2 * size)
    sums = jnp.concatenate([jnp.zeros_like(slopes[:1]), running_sum(slopes[:-1])])  # [2K], last is after f_K
    multiplier = jnp.maximum(sums - jnp.min(jnp.minimum(sums, 0.0), axis=0), 0.0)
    before, after = multiplier[0::2], multiplier[1::2]  # of f_k ≥ s_{k−1}, of s_k ≥ f_k
    low, high = _ends(problem)
    rents = problem.taken(_frequency(problem, point.rent)).at[-1].set(high[0])
    gap_before = taken - jnp.concatenate([low, rents[:-1]])
    slack = jnp.sum(before * gap_before + after * (rents - taken), axis=0)
    missed = (costate * problem.step + after)[:-1] - before[1:]
    missed = jnp.maximum(missed * (high - rents[:-1]), missed * (low - rents[:-1]))
    return Relaxed(
        utility=costate - jnp.concatenate([zeros[:1], costate[:-1]]),
        taken=before - after,
        home=taken,
        constant=slack + jnp.sum(missed, axis=0),
    )


def _bound_cells(system, state, taste_scale, problem, here, scale, relaxed, offsets):
    """What each type's part of the Lagrangian is at most in each cell of its utility. Returns [K, cells].

    In a cell the part is π (S − u) + a u with π = Q P, where S is no more than at the cell's upper end, since
    the best f's surplus rises with π (ψ(π) = max_f π S + b e is convex). Its curvature in u is bounded by
    π (1 − P) (|S − u| + 2), so that no point is above the better end by more than h²/8 of that.
    """
    utility = here[:, None] + offsets
    distance = problem.log_others[:, None] - utility
    weight = jnp.exp(problem.log_weight[:, None] - jax.nn.softplus(distance) - scale)
    leave = jax.nn.sigmoid(distance)
    eliminated, surplus = _best_items(system, state, taste_scale, problem, relaxed, weight)
    left, right = slice(None, -1), slice(1, None)
    best = jnp.maximum(surplus[:, left], surplus[:, right])
    linear = relaxed.utility[:, None] * offsets
    constant = eliminated[:, left] - best * weight[:, left]
    at_left = constant + weight[:, left] * (best - utility[:, left]) + linear[:, left]
    at_right = constant + weight[:, right] * (best - utility[:, right]) + linear[:, right]
    margin = jnp.maximum(jnp.abs(best - utility[:, left]), jnp.abs(best - utility[:, right]))
    width = offsets[:, right] - offsets[:, left]
    curvature = weight[:, right] * leave[:, left] * (margin + 2.0)
    smooth = jnp.maximum(at_left, at_right) + curvature * width**2 / 8.0
    most = best - utility[:, left]
    most = jnp.maximum(most * weight[:, right], most * weight[:, left])
    coarse = constant + most + jnp.maximum(linear[:, left], linear[:, right])
    return jnp.minimum(smooth, coarse)


def _best_items(system, state, taste_scale, problem, relaxed, weight):
    """ψ(π) = max_f π S(f) + b (e(f) − e*) and the S of the best f, for π [K, N]. Returns [K, N] twice.

    S is concave in e: the tangent at any f bounds ψ, and does so exactly at the best one.
    """
    low, high = _ends(problem)
    slope = relaxed.taken[:, None]
    safe = jnp.maximum(weight, jnp.finfo(weight.dtype).tiny)
    price = problem.cost[:, None] - jnp.where(slope == 0, 0.0, slope / safe)
    big = jnp.sqrt(jnp.finfo(weight.dtype).max)
    frequency = best_at_any_cost(system, state, jnp.clip(price, -big, big) * taste_scale)
    flat = frequency.reshape(-1)

    def each(function):
        return tuple(part.reshape(frequency.shape) for part in along(function, flat)[:2])

    def worth(frequency):
        cost, forgone = (jnp.repeat(part, weight.shape[1]) for part in (problem.cost, problem.forgone))
        return problem.surplus_at(frequency, cost) - forgone

    surplus, gain = each(worth)
    taken, rise = each(problem.taken)
    tangent = weight * gain / rise + slope
    missed = jnp.maximum(tangent * (high[0] - taken), tangent * (low[0] - taken))
    return weight * surplus + slope * (taken - relaxed.home[:, None]) + missed, surplus


def best_at_any_cost(system: System, state: NetworkState, cost: jax.Array) -> jax.Array:
    """`best_frequency`, also where one more update is paid for: cost [K, ...] of either sign."""
    if system.brings_its_own:
        return best_frequency(system, state, cost)
    root = best_frequency(system, state, jnp.maximum(cost, 0.0))
    preference, slot = system.aoi_preference, system.slot_duration
    base = 1.0 + preference * state.max_aoi + (1.0 - preference) * state.max_latency
    base = base - slot * (1.0 - 0.5 * preference)
    frequency = root
    for _ in range(6):  # W′ = cost · W/β, where W hardly varies
        index = base - slot * (frequency + 0.5 * preference / frequency)
        inverse = 1.0 + jnp.minimum(cost, 0.0) * index / (system.unit_profit * slot)
        square = 0.5 * preference / jnp.maximum(inverse, 1e-12)
        frequency = jnp.clip(jnp.sqrt(square), jnp.min(root), system.max_frequency)
    return jnp.where(cost < 0, frequency, root)


def _sum_over_types(problem: Problem, point: Point, cells: jax.Array, offsets: jax.Array) -> jax.Array:
    """For u_1 in each of the cells, the sum of what the types can bring at most. Returns [cells].

    Types' utilities lie between u_1 + Σ (c_j − c_{j+1}) e(f_min) and the same with e(f_max).
    """
    utility = utilities(problem, point)
    apart = utility - utility[:1]
    rises = running_sum(jnp.concatenate([jnp.zeros_like(apart[:1]), problem.step[:-1]]))
    low, high = (rises * end - apart for end in _ends(problem))
    left, right = offsets[:, :-1], offsets[:, 1:]
    rounding = 8.0 * jnp.finfo(utility.dtype).eps * (1.0 + jnp.abs(utility))
    first = jax.vmap(jnp.searchsorted)(right, left[:1] + (low - rounding)[:, None])
    last = jax.vmap(partial(jnp.searchsorted, side="right"))(left, right[:1] + (high + rounding)[:, None]) - 1
    total = jnp.sum(_range_max(cells, first, last), axis=0)
    return jnp.where(right[0] + point.lowest[0] >= 0, total, -jnp.inf)  # IR: u_1 ≥ 0


def _range_max(values: jax.Array, first: jax.Array, last: jax.Array) -> jax.Array:
    """The maximum of values [K, N] from `first` to `last` [K, ...], minus infinity where there is none.

    From the maxima of all stretches of 1, 2, 4, … values, two of which cover any range.
    """
    size = values.shape[1]
    levels = [values]
    while 2 ** len(levels) <= size:
        half = 2 ** (len(levels) - 1)
        ahead = jnp.pad(levels[-1][:, half:], ((0, 0), (0, half)), constant_values=-jnp.inf)
        levels.append(jnp.maximum(levels[-1], ahead))
    table = jnp.stack(levels)
    level = 31 - jax.lax.clz(jnp.maximum(last - first + 1, 1).astype(jnp.int32))
    row = jnp.arange(len(values))[:, None]
    start = jnp.clip(first, 0, size - 1)
    end = jnp.clip(last + 1 - 2**level, 0, size - 1)
    most = jnp.maximum(table[level, row, start], table[level, row, end])
    return jnp.where(last >= first, most, -jnp.inf)
