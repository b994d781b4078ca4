"""The best contracts for two types of devices that enrol, in one network for ever: a dynamic program.

A contract is (u_1, u_2): the best f given them does not depend on who is enrolled (`rent_contract`). The
state is (n_1, n_2). V is convex, so bilinear interpolation between nodes lies above it. What lies
between the utilities that are looked at is counted in, as `enrolment_bound` says, one axis at a time: so
value iteration with what is counted in gives values v with T v ≤ v + Δ, and v + Δ/(1 − γ) is an upper bound.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue, refuse
from jaxcontract.core.pytree import register
from jaxcontract.mechanism.enrolment import content, find_lowest, first_best, surplus_at
from jaxcontract.mechanism.enrolment_bound import (
    interpolate,
    locate,
    make_lattice,
    missed_between,
    place_nodes,
    separate_values,
)
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.freshness import frequency_bounds, quality_index
from jaxcontract.mechanism.records import NetworkState, Numbers, System, floats, floats_within
from jaxcontract.mechanism.rounds import one_round

NODES = 61  # of n_1 and of n_2
FIRST, SECOND = 161, 201  # utilities of type 1 and of type 2 that are looked at
LEAST_SLOPE = 0.25  # of f°_1, below which S_1 is replaced by its tangent, which lies above it
IMPROVEMENTS, SWEEPS = 7, 80


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnrolmentProgram(ByValue):
    """The solution of the program, and what it is worth.

    nodes:       [2, N]  n_1 and n_2
    values:      [N, N]  within `residual`/(1 − γ) of an upper bound everywhere: of the iteration, or without
        IC where that bounds better
    residual:    []  Δ
    upper_bound: []  no contracts earn more from the first shares on, Σ_z γ^z of what rounds earn
    """

    nodes: jax.Array
    values: jax.Array
    residual: jax.Array
    upper_bound: jax.Array


class _Actions(NamedTuple):
    """What is looked at: pairs of utilities u_1 [A] and u_2 [B].

    earned:  [2, A, B]  M Q_k (S_k − u_k), what a pair earns of each type for the share that is enrolled,
        with what may lie around the pair counted in; minus infinity of pairs that no contract is near to
    content: (G(u_1) [A], G(u_2) [B])
    """

    utilities: tuple[jax.Array, jax.Array]
    earned: jax.Array
    content: tuple[jax.Array, jax.Array]


@one_round(discount=0, most_rent=0)
def enrolment_program(
    system: System, state: NetworkState, law: EnrolmentLaw, discount: Numbers, most_rent: Numbers = jnp.inf
) -> EnrolmentProgram:
    """Solve the game of enrolment for two types in one network for ever.

    discount:  []  γ, in [0, 1)
    most_rent: []  the greatest u_1 that a contract may leave

    Returns a solution with a certified upper bound; what it can be had for is `follow_program`'s.

    Raises:
        ValueError: when there are not two types, the system has a quality or an effort of its own, or the
            numbers are none.
    """
    discount = floats_within(discount, "enrolment_program", "discount", low=0, high=1, below=True)
    _check(system, state)
    lattice = make_lattice(law)
    alone = separate_values(system, state, law, lattice, discount)
    nodes = place_nodes(law, NODES)
    start = [interpolate(one, *locate(lattice.nodes, nodes)) for one in alone]
    actions = _make_actions(system, state, law, discount, floats(most_rent, "enrolment_program", "most_rent"))
    apart = start[0][:, None] + start[1][None]
    values, residual = _iterate(law, discount, actions, nodes, apart)
    residual = jnp.maximum(residual, 0.0)
    first = locate(nodes, jnp.asarray(law.first_enrolled))
    bound = interpolate(interpolate(values, *first), *first) + residual / (1.0 - discount)
    without_ic = sum(interpolate(one, *locate(lattice.nodes, law.first_enrolled)) for one in alone)
    # The pairs are too far from each other for types that are nearly alike, whose IC is of no consequence,
    # and for devices that hardly differ in what they want, where the program may not even be a number.
    fine_enough = bound <= without_ic
    return EnrolmentProgram(
        nodes=jnp.stack([nodes, nodes]),
        values=jnp.where(fine_enough, values, apart),
        residual=jnp.where(fine_enough, residual, 0.0),
        upper_bound=jnp.where(fine_enough, bound, without_ic),
    )


def _check(system: System, state: NetworkState) -> None:
    if system.brings_its_own:
        raise refuse("enrolment_program", "system", type(system).__name__, "one with the paper's quality")
    if state.device_types.shape != (2,):
        raise ValueError(
            f"enrolment_program.state with {len(state.device_types)} device types: must have two"
        )


def find_farthest(law: EnrolmentLaw, surplus: jax.Array, discount: jax.Array) -> jax.Array:
    """A utility above which no best contract lies, for any type. Returns [].

    One more device of type k is worth S°_k/(1 − γ (1 − η)) at most, M Q_k times: above this utility each
    further payment costs more than the devices that it brings, even where as few as can be are enrolled.

    surplus: [K]  S°_k
    """
    worth = discount * law.turnover * jnp.maximum(surplus, 0.0) / (1.0 - discount * (1.0 - law.turnover))
    ratio = law.taste_scale * find_lowest(law) / jnp.maximum(worth, jnp.finfo(worth.dtype).tiny)
    share = 0.5 + 0.5 * jnp.sqrt(jnp.maximum(1.0 - 4.0 * ratio, 0.0))
    share = jnp.minimum(share, 1.0 - jnp.finfo(share.dtype).eps)
    reach = law.outside_utility + law.taste_scale * (jnp.log(share) - jnp.log1p(-share))
    return jnp.max(jnp.where(ratio < 0.25, jnp.maximum(reach, 0.0), 0.0))


def _make_actions(
    system: System, state: NetworkState, law: EnrolmentLaw, discount: jax.Array, most_rent: jax.Array
) -> _Actions:
    cost = 1.0 / state.device_types
    apart = jnp.maximum(cost[0] - cost[1], jnp.finfo(cost.dtype).eps * cost[0])
    frequency, surplus = first_best(system, state)
    farthest = find_farthest(law, surplus, discount)
    first = jnp.linspace(0.0, jnp.minimum(farthest, most_rent), FIRST)
    second = jnp.linspace(0.0, farthest + frequency[0] * apart, SECOND)
    slope = (second[None] - first[:, None]) / apart
    weight = system.num_devices * state.type_probs
    curves = _Curves(system, state, frequency)
    earned = jnp.stack(
        [
            weight[0] * (curves.below(slope) - first[:, None]),
            weight[1] * (curves.above(slope) - second[None]),
        ]
    )
    # Cells, [A − 1, B − 1], by the least and the greatest slope in them.
    cells = slope[1:, :-1], slope[:-1, 1:]
    steps = (jnp.square(first[1]) + jnp.square(second[1])) / (8.0 * jnp.square(apart))
    missed = weight[:, None, None] * steps * curves.bend(*cells)
    low, high = frequency_bounds(system, state)
    near = (cells[1] >= low) & (cells[0] <= high)
    missed = _around(jnp.where(near, missed, -jnp.inf))
    contents = content(law, first), content(law, second)
    return _Actions((first, second), earned + missed, contents)


def _around(cells: jax.Array) -> jax.Array:
    """The greatest value of the cells that meet at each point: [..., A − 1, B − 1] to [..., A, B]."""
    padded = jnp.pad(cells, ((0, 0), (1, 1), (1, 1)), constant_values=-jnp.inf)
    corners = padded[:, :-1, :-1], padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, 1:, 1:]
    return jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:]))


class _Curves(NamedTuple):
    """What both types are worth along the slope s of their rents, beyond what is feasible too.

    There it goes on along a tangent, or stays: as no less than where it is feasible, and without a kink that
    points upwards.
    """

    system: System
    state: NetworkState
    best: jax.Array

    def ends(self) -> tuple[jax.Array, jax.Array]:
        """The slopes from which on S_1 is looked at, and up to which S_2 is. Returns [] twice."""
        low, high = frequency_bounds(self.system, self.state)
        return jnp.maximum(LEAST_SLOPE * self.best[0], low), high

    def below(self, slope: jax.Array) -> jax.Array:
        """S_1(min(f°_1, s)). Shapes [...] to [...]."""
        start, _ = self.ends()
        kept = jnp.clip(slope, start, self.best[0])
        fall = self.rise(0, start) * jnp.minimum(slope - start, 0.0)
        on = jnp.maximum(self.rise(0, self.best[0]), 0.0) * jnp.maximum(slope - self.best[0], 0.0)
        return surplus_at(self.system, self.of(0), kept[None])[0] + fall + on

    def above(self, slope: jax.Array) -> jax.Array:
        """S_2(max(f°_2, s)). Shapes [...] to [...]."""
        _, end = self.ends()
        kept = jnp.clip(slope, self.best[1], end)
        on = jnp.minimum(self.rise(1, self.best[1]), 0.0) * jnp.minimum(slope - self.best[1], 0.0)
        return surplus_at(self.system, self.of(1), kept[None])[0] + on

    def bend(self, least: jax.Array, most: jax.Array) -> jax.Array:
        """max |S_k''| between two slopes, of both: [A, B] to [2, A, B]."""
        start, end = self.ends()
        first = self._bend(jnp.maximum(least, start), jnp.minimum(most, self.best[0]))
        second = self._bend(jnp.maximum(least, self.best[1]), jnp.minimum(most, end))
        return jnp.stack([first, second])

    def of(self, which: int) -> NetworkState:
        """The network with one of the types alone."""
        part = slice(which, which + 1)
        return self.state.replace(type_probs=jnp.ones(1), device_types=self.state.device_types[part])

    def rise(self, which: int, frequency: jax.Array) -> jax.Array:
        """S_k'(f). Shapes [] to []."""
        slope = self._slope(frequency) / quality_index(self.system, self.state, frequency)
        return self.system.unit_profit * slope - 1.0 / self.state.device_types[which]

    def _slope(self, frequency: jax.Array) -> jax.Array:
        """W'(f)."""
        return self.system.slot_duration * (0.5 * self.system.aoi_preference / frequency**2 - 1.0)

    def _bend(self, least: jax.Array, most: jax.Array) -> jax.Array:
        """max |β QoD''| for f in between: QoD'' = W''/W − (W'/W)², W is concave. 0 where there is none."""
        inside = most > least
        least, most = jnp.where(inside, least, self.best[0]), jnp.where(inside, most, self.best[0])
        index = jnp.minimum(*(quality_index(self.system, self.state, end) for end in (least, most)))
        steepest = jnp.maximum(*(jnp.abs(self._slope(end)) for end in (least, most)))
        curvature = self.system.slot_duration * self.system.aoi_preference / least**3
        bend = self.system.unit_profit * (curvature / index + jnp.square(steepest / index))
        return jnp.where(inside, bend, 0.0)


def _iterate(
    law: EnrolmentLaw, discount: jax.Array, actions: _Actions, nodes: jax.Array, values: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Values [N, N] and max (T v − v), by iteration over contracts with sweeps of each in between."""

    def improve(values, _):
        chosen, looked = _look_ahead(law, discount, actions, nodes, values)
        ahead = [_locate_next(law, nodes, actions.content[k], chosen[k], k) for k in (0, 1)]
        flow = looked - discount * _interpolate_both(values, *ahead)

        def sweep(values, _):
            return flow + discount * _interpolate_both(values, *ahead), None

        return jax.lax.scan(sweep, looked, length=SWEEPS)[0], None

    values, _ = jax.lax.scan(improve, values, length=IMPROVEMENTS)
    _, looked = _look_ahead(law, discount, actions, nodes, values)
    return values, jnp.max(looked - values)


def _locate_next(
    law: EnrolmentLaw, nodes: jax.Array, contents: jax.Array, chosen: jax.Array, axis: int
) -> tuple[jax.Array, jax.Array]:
    """Where n_k' is among the nodes, for the utility chosen at each, [N, N] twice."""
    here = nodes[:, None] if axis == 0 else nodes[None]
    return locate(nodes, (1.0 - law.turnover) * here + law.turnover * contents[chosen])


def _interpolate_both(
    values: jax.Array, first: tuple[jax.Array, jax.Array], second: tuple[jax.Array, jax.Array]
) -> jax.Array:
    """Values [N, N] at nodes, bilinearly in between."""
    (i, along), (j, across) = first, second
    lower = values[i, j] * (1.0 - across) + values[i, j + 1] * across
    upper = values[i + 1, j] * (1.0 - across) + values[i + 1, j + 1] * across
    return lower * (1.0 - along) + upper * along


def _look_ahead(
    law: EnrolmentLaw, discount: jax.Array, actions: _Actions, nodes: jax.Array, values: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    """The best pair of utilities at each node, (i, j), and an upper bound of T v there, [N, N] each."""
    missed = discount * sum(
        _missed_along(law, nodes, line, actions.utilities[k]) for k, line in enumerate((values, values.T))
    )
    next_first, next_second = (
        (1.0 - law.turnover) * nodes[:, None] + law.turnover * one[None] for one in actions.content
    )
    rows, columns = locate(nodes, next_first), locate(nodes, next_second)  # [N, A], [N, B]

    def at_second(given):
        share_second, below, across = given
        lines = values[:, below] * (1.0 - across)[None] + values[:, below + 1] * across[None]  # [N, B]

        def at_first(given):
            share_first, below, along = given
            ahead = lines[below] * (1.0 - along[:, None]) + lines[below + 1] * along[:, None]
            earned = share_first * actions.earned[0] + share_second * actions.earned[1]
            # A maximum along rows is vectorised, an argmax over all pairs is not.
            i = jnp.argmax(jnp.max(earned + discount * ahead, axis=1))
            row = share_first * actions.earned[0, i] + share_second * actions.earned[1, i]
            row = row + discount * (lines[below[i]] * (1.0 - along[i]) + lines[below[i] + 1] * along[i])
            j = jnp.argmax(row)
            return i, j, row[j]

        return jax.lax.map(at_first, (nodes, *rows))

    first, second, most = jax.lax.map(at_second, (nodes, *columns))
    return (first.T, second.T), most.T + missed


def _missed_along(law: EnrolmentLaw, nodes: jax.Array, values: jax.Array, utilities: jax.Array) -> jax.Array:
    """What V may have between neighbouring utilities of one type above both, along axis 0. Returns [].

    Values of an iteration under way need not be convex: kinks that point upwards are counted as well.
    """
    gap = nodes[1] - nodes[0]
    slopes = jnp.diff(values, axis=0) / gap
    moved = 0.25 * law.turnover * utilities[1] / law.taste_scale  # G' is 1/4 at most
    kink = jnp.maximum(0.0, jnp.max(-jnp.diff(slopes, axis=0)))
    kinks = kink * 0.25 * moved * (1.0 + jnp.ceil(moved / gap))
    return missed_between(law, jnp.max(jnp.abs(slopes)), utilities[1]) + kinks


def solve_programs(
    system: System, states: NetworkState, law: EnrolmentLaw, discount: Numbers
) -> EnrolmentProgram:
    """`enrolment_program` of networks [S, ...], one after another."""
    return jax.lax.map(lambda state: enrolment_program(system, state, law, discount), states)
