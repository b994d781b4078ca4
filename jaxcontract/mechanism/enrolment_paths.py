"""Contracts planned for many rounds ahead in one network, for any number of types: a local optimum of paths.

Nothing is drawn in one network, so that a plan is as good as a policy, and what it earns is a lower bound.
"""

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.enrolment import content, enrol, enrolment_utility, first_best, rent_contract
from jaxcontract.mechanism.enrolment_bound import interpolate, locate, make_lattice, separate_values
from jaxcontract.mechanism.enrolment_heuristics import ascend
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.freshness import frequency_bounds
from jaxcontract.mechanism.incentives import own_utilities
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats_within
from jaxcontract.mechanism.rounds import one_round

LEAST = 1e-3  # rent, in units of μ, and gap between slopes, as a share, at the start of a climb


@one_round(discount=0)
def plan_contracts(
    system: System, state: NetworkState, law: EnrolmentLaw, discount: Numbers, num_rounds: int
) -> Contract:
    """Contracts [Z, K] that earn much together, Σ_z γ^z, in one network for Z = `num_rounds` rounds.

    discount: []  γ, in [0, 1]

    The climb begins at what would be best without IC, for ever and with γ of at most 1 − 1/Z, brought within
    IC round by round.

    Raises:
        ValueError: when the discount is no number in its range.
    """
    discount = floats_within(discount, "plan_contracts", "discount", low=0, high=1)
    low, high = frequency_bounds(system, state)
    patience = jnp.minimum(discount, 1.0 - 1.0 / num_rounds)
    wanted = _separate_path(system, state, law, patience, num_rounds)
    cost = 1.0 / state.device_types
    slopes = jnp.diff(wanted, axis=1) / (cost[:-1] - cost[1:])[None]
    shares = jax.lax.cummax((jnp.clip(slopes, low, high) - low) / (high - low), axis=1)
    gaps = jnp.diff(shares, axis=1, prepend=0.0)
    start = jnp.concatenate([wanted[:, :1] / law.taste_scale, gaps], axis=1)

    def contracts(vectors):
        # Squares reach 0, where constraints bind, in a few steps.
        rents, gaps = law.taste_scale * jnp.square(vectors[:, 0]), jnp.square(vectors[:, 1:])
        parts = jnp.cumsum(gaps, axis=1) / jnp.maximum(jnp.sum(gaps, axis=1, keepdims=True), 1.0)
        make = jax.vmap(rent_contract, (None, None, 0, 0))
        return make(system, state, rents, low + (high - low) * parts)

    def earned(vectors):
        return path_value(system, state, law, discount, contracts(vectors))

    start = jnp.sqrt(jnp.maximum(start, LEAST))
    scale = jnp.maximum(jnp.abs(earned(start)), jnp.finfo(start.dtype).tiny)
    return contracts(ascend(lambda vectors: earned(vectors) / scale, start))


def path_value(
    system: System, state: NetworkState, law: EnrolmentLaw, discount: Numbers, contracts: Contract
) -> jax.Array:
    """Σ_z γ^z of what contracts [Z, K] earn one after another in one network. Returns []."""
    utilities = jax.vmap(lambda contract: own_utilities(state, contract, system))(contracts)
    first = jnp.full(utilities.shape[1:], law.first_enrolled, utilities.dtype)

    def one(enrolled, utilities):
        return enrol(law, enrolled, utilities), enrolled

    _, enrolled = jax.lax.scan(one, first, utilities)
    earned = jax.vmap(enrolment_utility, (None, None, 0, 0))(system, state, contracts, enrolled)
    return jnp.sum(earned * jnp.asarray(discount) ** jnp.arange(len(earned)))


def _separate_path(
    system: System, state: NetworkState, law: EnrolmentLaw, discount: jax.Array, num_rounds: int
) -> jax.Array:
    """The utilities [Z, K] of types that have nothing to do with each other, by the program of each."""
    lattice = make_lattice(law)
    values = separate_values(system, state, law, lattice, discount)
    _, surplus = first_best(system, state)
    contents = content(law, lattice.utilities)

    def choose(values, surplus, share):
        following = share + law.turnover * (contents - share)
        ahead = interpolate(values, *locate(lattice.nodes, following))
        # Relative to M Q_k, which both terms have; none of a type that does not occur.
        return lattice.utilities[jnp.argmax(share * (surplus - lattice.utilities) + discount * ahead)]

    weight = system.num_devices * state.type_probs
    relative = values / jnp.where(weight > 0, weight, 1.0)[:, None]

    def one(enrolled, _):
        utilities = jax.vmap(choose)(relative, surplus, enrolled)
        return enrol(law, enrolled, utilities), utilities

    first = jnp.full(surplus.shape, law.first_enrolled, surplus.dtype)
    return jax.lax.scan(one, first, length=num_rounds)[1]
