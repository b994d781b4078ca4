"""Upper bounds on what enrolment can earn, for any number of types: incentive compatibility left out.

Without IC the types have nothing to do with each other: f_k = f°_k, and what is left is one program over
n_k for each type, V(n) = max_{u ≥ 0} M Q_k n (S°_k − u) + γ V(n'). V is a supremum of functions affine in n,
so it is convex, and linear interpolation between nodes lies above it.

The utilities that are looked at are a lattice, and what lies between its points is counted in: between two
points at a distance h, a function with a second derivative of at least −C exceeds the greater of the two
by C h²/8 at most. Kinks of an interpolated convex function point the other way and cost nothing.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.enrolment import content, find_lowest, first_best
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.records import NetworkState, Numbers, System, floats_within
from jaxcontract.mechanism.rounds import check_system, one_round

STEEPEST = 0.0962251  # max |G''|, 1/(6√3), rounded up
NODES, UTILITIES = 101, 513
NARROWEST = 1e-2  # range of the nodes
FARTHEST = 12.0  # in units of μ above κ, where the lattice of utilities ends: all but 6e-6 are content
SWEEPS = 100  # at once, until a bound no longer falls
SETTLED = 1e-7  # of the bound, that as many sweeps may still take off
MOST_ROUNDS = 100  # of sweeps


class Lattice(NamedTuple):
    """Where a type's program is looked at.

    nodes: [N]  n, ascending to 1; utilities: [U]  u, ascending from 0, and step, their distance []
    below, share: [N, U]  the node below n' and how far n' is from it to the next
    """

    nodes: jax.Array
    utilities: jax.Array
    step: jax.Array
    below: jax.Array
    share: jax.Array


def make_lattice(law: EnrolmentLaw) -> Lattice:
    """The lattice of any type: devices of all types come and go by one law."""
    nodes = place_nodes(law, NODES)
    farthest = jnp.maximum(law.outside_utility, 0.0) + FARTHEST * law.taste_scale
    utilities = jnp.linspace(0.0, farthest, UTILITIES)
    following = nodes[:, None] * (1.0 - law.turnover) + law.turnover * content(law, utilities)[None]
    below, share = locate(nodes, following)
    return Lattice(nodes, utilities, utilities[1], below, share)


def place_nodes(law: EnrolmentLaw, count: int) -> jax.Array:
    """Shares n, [`count`], evenly from the least that can be enrolled to 1: apart though nobody leaves."""
    return jnp.linspace(jnp.minimum(find_lowest(law), 1.0 - NARROWEST), 1.0, count)


def locate(nodes: jax.Array, at: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The node below each point of evenly spaced nodes, and how far it is from there to the next."""
    position = (at - nodes[0]) / (nodes[1] - nodes[0])
    below = jnp.clip(position.astype(int), 0, len(nodes) - 2)
    return below, position - below


def interpolate(values: jax.Array, below: jax.Array, share: jax.Array) -> jax.Array:
    """Values [N] at nodes, linearly in between. Shape of `below`."""
    return values[below] * (1.0 - share) + values[below + 1] * share


def missed_between(law: EnrolmentLaw, slope: jax.Array, step: jax.Array) -> jax.Array:
    """What V(n'(u)) may have between two utilities above both, where |V'| is at most `slope`. Returns []."""
    return slope * law.turnover * STEEPEST * jnp.square(step / law.taste_scale) / 8.0


def look_back(
    law: EnrolmentLaw,
    lattice: Lattice,
    values: jax.Array,
    weight: jax.Array,
    surplus: jax.Array,
    discount: jax.Array,
) -> jax.Array:
    """An upper bound at the nodes [N] one round earlier, for a bound [N] that is convex.

    weight:  []  M Q_k
    surplus: []  S°_k
    """
    slope = jnp.max(jnp.abs(jnp.diff(values))) / (lattice.nodes[1] - lattice.nodes[0])
    beyond = slope * law.turnover * (1.0 - content(law, lattice.utilities[-1]))
    missed = jnp.maximum(missed_between(law, slope, lattice.step), beyond)
    earned = weight * lattice.nodes[:, None] * (surplus - lattice.utilities)[None]
    ahead = interpolate(values, lattice.below, lattice.share)
    return jnp.max(earned + discount * ahead, axis=1) + discount * missed


@one_round(discount=0)
def separate_bound(system: System, state: NetworkState, law: EnrolmentLaw, discount: Numbers) -> jax.Array:
    """No contracts earn more than this, Σ_z γ^z of what rounds earn, in one network for ever. Returns [].

    discount: []  γ, in [0, 1)

    IC (9) is left out, which makes it larger than what can be had: by .4 to 1.7 % at K = 8.

    Raises:
        ValueError: when the discount is no number in its range.
    """
    discount = floats_within(discount, "separate_bound", "discount", low=0, high=1, below=True)
    lattice = make_lattice(law)
    bounds = separate_values(system, state, law, lattice, discount)
    below, share = locate(lattice.nodes, jnp.asarray(law.first_enrolled))
    return jnp.sum(jax.vmap(lambda values: interpolate(values, below, share))(bounds))


def separate_values(
    system: System, state: NetworkState, law: EnrolmentLaw, lattice: Lattice, discount: jax.Array
) -> jax.Array:
    """The bound of each type at the nodes, [K, N], in one network for ever.

    Sweeps begin at a constant that is an upper bound, so that each of them is one, settled or not.
    """
    _, surplus = first_best(system, state)
    weight = system.num_devices * state.type_probs
    most = weight * jnp.maximum(surplus, 0.0) / (1.0 - discount)
    start = most[:, None] * jnp.ones_like(lattice.nodes)[None]
    step = jax.vmap(look_back, (None, None, 0, 0, 0, None))

    def sweep(values, _):
        # Where utilities are far apart beside μ, what lies between them would lift a bound above its start.
        return jnp.minimum(step(law, lattice, values, weight, surplus, discount), start), None

    def unsettled(carry):
        values, before, count = carry
        fallen = jnp.max(before - values)
        return (fallen > SETTLED * jnp.max(jnp.abs(values))) & (count < MOST_ROUNDS)

    def advance(carry):
        values, _, count = carry
        return jax.lax.scan(sweep, values, length=SWEEPS)[0], values, count + 1

    carry = jax.lax.scan(sweep, start, length=SWEEPS)[0], start, jnp.asarray(1)
    return jax.lax.while_loop(unsettled, advance, carry)[0]


def path_bound(system: System, states: NetworkState, law: EnrolmentLaw, discount: Numbers) -> jax.Array:
    """No contracts earn more than this along a path of networks, even if all of it is known. Returns [].

    states: [Z, ...]  the network of each round
    discount: []      γ, in [0, 1]

    What is earned is Σ_{z < Z} γ^z of what rounds earn; nothing after them counts. IC is left out.

    Raises:
        ValueError: when the system is none, or the discount no number in its range.
    """
    check_system(system)
    discount = floats_within(discount, "path_bound", "discount", low=0, high=1)
    surplus = jax.vmap(lambda state: first_best(system, state)[1])(states)
    return bound_rounds(law, make_lattice(law), system.num_devices * states.type_probs, surplus, discount)


def bound_rounds(
    law: EnrolmentLaw, lattice: Lattice, weights: jax.Array, surplus: jax.Array, discount: jax.Array
) -> jax.Array:
    """The bound of rounds with weights M Q_k and surpluses S°_k, [Z, K] each. Returns []."""
    step = jax.vmap(look_back, (None, None, 0, 0, 0, None))

    def earlier(carry, now):
        values, most = carry
        weight, surplus = now
        most = weight * jnp.maximum(surplus, 0.0) + discount * most
        return (jnp.minimum(step(law, lattice, values, weight, surplus, discount), most[:, None]), most), None

    nothing = jnp.zeros((surplus.shape[1], NODES), surplus.dtype)
    (values, _), _ = jax.lax.scan(earlier, (nothing, nothing[:, 0]), (weights, surplus), reverse=True)
    below, share = locate(lattice.nodes, jnp.asarray(law.first_enrolled))
    return jnp.sum(jax.vmap(lambda one: interpolate(one, below, share))(values))
