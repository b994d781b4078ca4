"""The best contract for devices that may walk away: an interior-point method along the chain of types.

In units of the taste scale μ the unknowns are what the lowest type earns, v = u_1/μ ≥ 0, and the chain
0 ≤ f_1 ≤ s_1 ≤ f_2 ≤ … ≤ f_K ≤ 1 of shares of the range of frequencies. IC between neighbours is this
order, where s_k sets the rents: u_{k+1} = u_k + (c_k − c_{k+1}) e(s_k) with c = 1/φ. The objective couples
neighbours only, so that a Newton step is one pass down and one pass up the types.
"""

import functools
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.accumulate import running_sum
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import frequency_bounds, log_quality
from jaxcontract.mechanism.records import NetworkState, System

UNROLLED = 2  # types up to which a pass over them is unrolled; more would take seconds to compile
STEPS = (1.0, 0.25, 0.0)  # parts of a Newton step that are tried
INSIDE = 0.995  # of the way to the nearest bound that a step may go
FURTHEST = 4.0  # that a utility may move in a step, in units of the taste scale
WITHIN = 1e3  # times the barrier's own multipliers, which the dual ones may be
NOTHING = -1e6  # ln of a gain that is 0 in any precision, also where rivals offer without limit


class Problem(NamedTuple):
    """One station's problem. All utilities are in units of the taste scale μ.

    log_weight: [K]  ln Q_k, minus infinity for a type that never occurs
    log_others: [K]  ln E_k, of what devices could choose besides
    cost:       [K]  c_k/μ
    step:       [K]  (c_k − c_{k+1})/μ; zero at K
    forgone:    [K]  what the owner earns from a device that does not come, which counts against S_k
    surplus_at: (f [...], c/μ [...]) → S(f)/μ, with nothing forgone
    taken:      f [K] → e(f)
    low, width: [1]  least f, and how far above it f may go

    Rounds may lie side by side along an axis behind these, as in `rounds.py`.
    """

    log_weight: jax.Array
    log_others: jax.Array
    cost: jax.Array
    step: jax.Array
    forgone: jax.Array
    surplus_at: Any
    taken: Any
    low: jax.Array
    width: jax.Array

    def surplus(self, frequency: jax.Array) -> jax.Array:
        """S_k(f_k)/μ, [K]."""
        worth: jax.Array = self.surplus_at(frequency, self.cost) - self.forgone
        return worth


class Point(NamedTuple):
    """v = u_1/μ [1], the shares of f_k [K] and of s_k [K], whose last is fixed at 1."""

    lowest: jax.Array
    item: jax.Array
    rent: jax.Array


class Multipliers(NamedTuple):
    """Of v ≥ 0 [1], of f_k ≥ s_{k−1} [K] and of s_k ≥ f_k [K]."""

    lowest: jax.Array
    above: jax.Array
    below: jax.Array


def pose(
    system: System,
    state: NetworkState,
    taste_scale: jax.Array,
    log_others: jax.Array,
    forgone: jax.Array | None = None,
) -> Problem:
    """The problem of one station. taste_scale: []; log_others: [K]; forgone: [K], in units of payment."""
    low, high = (jnp.atleast_1d(end) for end in frequency_bounds(system, state))
    cost = 1.0 / (state.device_types * taste_scale)

    def surplus_at(frequency, cost):
        quality = log_quality(system, state, frequency)
        quality = jnp.where(jnp.isfinite(quality), quality, 0.0)  # undefined everywhere: any items will do
        return system.unit_profit / taste_scale * quality - cost * effort(system, frequency)

    return Problem(
        log_weight=jnp.log(state.type_probs),
        log_others=log_others,
        cost=cost,
        step=jnp.concatenate([cost[:-1] - cost[1:], jnp.zeros_like(cost[:1])]),
        forgone=jnp.zeros_like(cost) if forgone is None else forgone / taste_scale,
        surplus_at=surplus_at,
        taken=partial(effort, system),
        low=low,
        width=high - low,
    )


def utilities(problem: Problem, point: Point) -> jax.Array:
    """u_k/μ = v + Σ_{j<k} (c_j − c_{j+1}) e(s_j)/μ. Returns [K]."""
    rises = problem.step * problem.taken(problem.low + problem.width * point.rent)
    return point.lowest + running_sum(jnp.concatenate([jnp.zeros_like(rises[:1]), rises[:-1]]))


def alone(problem: Problem, surplus: jax.Array) -> jax.Array:
    """argmax_u P_k(u) (S_k − u), each type by itself, in units of μ. surplus: [K]. Returns [K].

    u/μ = ln y + ln E, as y is in `log_gain_alone`: without the difference of two large numbers.
    """
    return jnp.minimum(log_gain_alone(problem, surplus) + problem.log_others, surplus - 1.0)


def log_gain_alone(problem: Problem, surplus: jax.Array) -> jax.Array:
    """ln max_u P_k(u) (S_k − u), each type by itself, in units of μ. surplus: [K]. Returns [K].

    With y = (S − u)/μ − 1 the condition is y + ln y = S/μ − ln E − 1 (Lambert's W), solved for ln y; there
    y = P/(1 − P), which is P (S − u)/μ.
    """
    target = jnp.maximum(surplus - problem.log_others - 1.0, NOTHING)
    root = jnp.where(target < 1.0, target, jnp.log(jnp.maximum(target, 1.0)))
    for _ in range(5):
        root -= (root + jnp.exp(root) - target) / (1.0 + jnp.exp(root))
    return root


def along(function: Any, at: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A function of each number by itself, its slope and its curvature. at: [K]. Returns [K] each."""
    ones = jnp.ones_like(at)

    def slope(at):
        return jax.jvp(function, (at,), (ones,))

    (value, first), (_, second) = jax.jvp(slope, (at,), (ones,))
    return value, first, second


def earned(problem: Problem, point: Point, scale: jax.Array) -> jax.Array:
    """Σ Q_k P_k (S_k − u_k)/μ, divided by e^scale. Returns [1]."""
    utility = utilities(problem, point)
    logs = problem.log_weight - jax.nn.softplus(problem.log_others - utility) - scale
    margin = problem.surplus(problem.low + problem.width * point.item) - utility
    return jnp.sum(jnp.exp(logs) * margin, axis=0, keepdims=True)


def _gaps(point: Point) -> tuple[jax.Array, jax.Array]:
    """f_k − s_{k−1} [K] and s_k − f_k [K], as shares."""
    before = jnp.concatenate([jnp.zeros_like(point.rent[:1]), point.rent[:-1]])
    return point.item - before, point.rent - point.item


def _merit(problem: Problem, point: Point, scale: jax.Array, barrier: jax.Array) -> jax.Array:
    above, below = _gaps(point)
    logs = jnp.log(point.lowest) + jnp.sum(jnp.log(above * below), axis=0, keepdims=True)
    return earned(problem, point, scale) + barrier * logs


class _Model(NamedTuple):
    """The quadratic model of one type's terms, [K] each, in the order of the passes."""

    u: jax.Array
    uu: jax.Array
    f: jax.Array
    ff: jax.Array
    uf: jax.Array
    rise: jax.Array
    bend: jax.Array
    push_above: jax.Array
    push_below: jax.Array
    pull_above: jax.Array
    pull_below: jax.Array
    free: jax.Array


def _model(problem: Problem, point: Point, dual: Multipliers, scale: jax.Array, barrier: jax.Array) -> _Model:
    utility = utilities(problem, point)
    surplus, slope, curvature = along(problem.surplus, problem.low + problem.width * point.item)
    _, rise, bend = along(problem.taken, problem.low + problem.width * point.rent)
    distance = problem.log_others - utility
    weight = jnp.exp(problem.log_weight - jax.nn.softplus(distance) - scale)
    leave, margin = jax.nn.sigmoid(distance), surplus - utility
    above, below = _gaps(point)
    free = jnp.ones_like(utility).at[-1].set(0.0)
    return _Model(
        u=weight * (leave * margin - 1.0),
        uu=weight * leave * ((2.0 * leave - 1.0) * margin - 2.0),
        f=weight * slope * problem.width,
        ff=weight * curvature * problem.width**2,
        uf=weight * leave * slope * problem.width,
        rise=problem.step * rise * problem.width,
        bend=problem.step * bend * problem.width**2,
        push_above=barrier / above,
        push_below=barrier / below,
        pull_above=dual.above / above,
        pull_below=dual.below / below,
        free=free,
    )


def _inverse(pivot: jax.Array) -> jax.Array:
    """1/pivot, made negative where it is not: the step then still goes up."""
    return -1.0 / jnp.maximum(jnp.abs(pivot), 1e3 * jnp.finfo(pivot.dtype).tiny ** 0.5)


def _newton(model: _Model, push: jax.Array, pull: jax.Array) -> Point:
    """The Newton step, by eliminating s_K−1, f_K, … down to u_1 and going back up.

    push, pull: [1], the barrier's slope and curvature at v ≥ 0
    """
    unroll = len(model.u) if len(model.u) <= UNROLLED else 1
    zero = jnp.zeros_like(model.u[0])

    def down(carry, m):
        (n_u, n_s, n_uu, n_us, n_ss), adjoint = carry
        g_s = n_s + m.rise * n_u + m.push_below
        h_us = n_us + m.rise * n_uu
        h_ss = n_ss + 2.0 * m.rise * n_us + m.rise**2 * n_uu + adjoint * m.bend - m.pull_below
        h_sf = m.pull_below
        by_s = m.free * _inverse(h_ss)
        g_u, g_f = m.u + n_u - h_us * g_s * by_s, m.f - m.push_below - h_sf * g_s * by_s + m.push_above
        h_uu, h_uf = m.uu + n_uu - h_us**2 * by_s, m.uf - h_us * h_sf * by_s
        by_f = _inverse(m.ff - m.pull_below - h_sf**2 * by_s - m.pull_above)
        h_fp = m.pull_above
        value = (
            g_u - h_uf * g_f * by_f,
            -m.push_above - h_fp * g_f * by_f,
            h_uu - h_uf**2 * by_f,
            -h_uf * h_fp * by_f,
            -h_fp - h_fp**2 * by_f,
        )
        return (value, adjoint + m.u), (by_s, g_s, h_us, h_sf, by_f, g_f, h_uf, h_fp)

    start = ((zero,) * 5, zero)
    ((g_u, _, h_uu, _, _), _), kept = jax.lax.scan(down, start, model, reverse=True, unroll=unroll)
    first = -(g_u + push[0]) * _inverse(h_uu - pull[0])

    def up(carry, passed):
        utility, before = carry
        (by_s, g_s, h_us, h_sf, by_f, g_f, h_uf, h_fp), rise = passed
        item = -by_f * (g_f + h_uf * utility + h_fp * before)
        rent = -by_s * (g_s + h_us * utility + h_sf * item)
        return (utility + rise * rent, rent), (item, rent, utility)

    _, (item, rent, utility) = jax.lax.scan(up, (first, zero), (kept, model.rise), unroll=unroll)
    short = FURTHEST / jnp.maximum(jnp.max(jnp.abs(utility), axis=0, keepdims=True), FURTHEST)
    return Point(short * first[None], short * item, short * rent)


def _room(value: Sequence[jax.Array], change: Sequence[jax.Array]) -> jax.Array:
    """The longest step in (0, 1] that keeps all of these positive. Returns [1]."""
    shares = [
        jnp.max(-move / (INSIDE * part), axis=0, keepdims=True)
        for part, move in zip(value, change, strict=True)
    ]
    return 1.0 / jnp.maximum(1.0, functools.reduce(jnp.maximum, shares))


def take_round(many: Any, which: jax.Array) -> Any:
    """One of several points, or values, [R, ...], round by round. which: [1]."""
    return jax.tree.map(lambda part: jnp.take_along_axis(part, which[None], axis=0)[0], many)


def climb(problem: Problem, start: Point, scale: jax.Array, barriers: jax.Array) -> Point:
    """A local optimum near `start`: one primal-dual Newton step for each weight of the barrier.

    barriers: [N], falling
    """
    above, below = _gaps(start)
    dual = Multipliers(*(barriers[0] / gap for gap in (start.lowest, above, below)))

    def step(carry, barrier):
        point, dual = carry
        model = _model(problem, point, dual, scale, barrier)
        move = _newton(model, barrier / point.lowest, dual.lowest / point.lowest)
        gaps, changes = (point.lowest, *_gaps(point)), (move.lowest, *_gaps(move))
        room = _room(gaps, changes)
        tried = [jax.tree.map(lambda a, b, size=size: a + size * room * b, point, move) for size in STEPS]
        merits = [_merit(problem, one, scale, barrier) for one in tried]
        duals = tuple(
            barrier / gap - one - one / gap * change
            for gap, one, change in zip(gaps, dual, changes, strict=True)
        )
        size = _room(dual, duals)
        point = _best_of(tried, merits)
        gaps = (point.lowest, *_gaps(point))
        dual = Multipliers(
            *(
                jnp.clip(one + size * change, barrier / (WITHIN * gap), WITHIN * barrier / gap)
                for gap, one, change in zip(gaps, dual, duals, strict=True)
            )
        )
        return (point, dual), None

    (point, _), _ = jax.lax.scan(step, (start, dual), barriers)
    return point


def _best_of(points: Sequence[Point], merits: Sequence[jax.Array]) -> Point:
    """The first point of the greatest merit [1], where a NaN is none. The last is where the step began."""
    best, most = points[-1], merits[-1]
    for point, merit in zip(points[-2::-1], merits[-2::-1], strict=True):
        better = merit >= most
        best = jax.tree.map(lambda new, old, better=better: jnp.where(better, new, old), point, best)
        most = jnp.where(better, merit, most)
    return best
