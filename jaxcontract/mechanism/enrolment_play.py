"""What contracts earn from devices that enrol, round after round: each value bounds the best from below."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.enrolment import content, enrolment_round, first_best, rent_contract, surplus_at
from jaxcontract.mechanism.enrolment_bound import locate
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.enrolment_program import EnrolmentProgram, find_farthest
from jaxcontract.mechanism.freshness import frequency_bounds
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System
from jaxcontract.mechanism.rounds import check_system

WIDE, CLOSE = 97, 33  # rents, and slopes, that are looked at: over their ranges, then beside the best
FURTHEST_SLOPE = 1.5  # of f°_2


class Played(NamedTuple):
    """Rounds as they went.

    value: []  Σ γ^z of what they earned; contracts: [Z, K]; enrolled: [Z, K]  before each
    """

    value: jax.Array
    contracts: Contract
    enrolled: jax.Array


def play_rounds(
    system: System,
    states: NetworkState,
    law: EnrolmentLaw,
    discount: Numbers,
    offer: Callable[[NetworkState, jax.Array], Contract],
) -> Played:
    """Play Z rounds with contracts that depend on the network and on who is enrolled.

    states:   [Z, ...]  the network of each round
    discount: []  γ
    offer:    (state, enrolled [K]) to a contract [K]

    Raises:
        ValueError: when the system is none.
    """
    check_system(system)

    def one(carry, state):
        enrolled, weight = carry
        contract = offer(state, enrolled)
        earned, following = enrolment_round(system, state, law, contract, enrolled)
        return (following, weight * discount), (weight * earned, contract, enrolled)

    first = jnp.full(states.device_types.shape[1:], law.first_enrolled, states.device_types.dtype)
    start = first, jnp.ones((), first.dtype)
    _, (earned, contracts, enrolled) = jax.lax.scan(one, start, states)
    return Played(jnp.sum(earned), contracts, enrolled)


def play_contracts(
    system: System, states: NetworkState, law: EnrolmentLaw, discount: Numbers, contracts: Contract
) -> Played:
    """Play Z rounds with given contracts [Z, K]; otherwise as `play_rounds`."""

    def one(enrolled, given):
        state, contract = given
        earned, following = enrolment_round(system, state, law, contract, enrolled)
        return following, (earned, enrolled)

    first = jnp.full(states.device_types.shape[1:], law.first_enrolled, states.device_types.dtype)
    _, (earned, enrolled) = jax.lax.scan(one, first, (states, contracts))
    return Played(jnp.sum(earned * jnp.asarray(discount) ** jnp.arange(len(earned))), contracts, enrolled)


def stay(state: NetworkState, num_rounds: int) -> NetworkState:
    """The same network for Z rounds, [Z, ...]."""
    repeated: NetworkState = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (num_rounds, *jnp.shape(leaf))), state
    )
    return repeated


def follow_program(
    system: System,
    state: NetworkState,
    law: EnrolmentLaw,
    program: EnrolmentProgram,
    discount: Numbers,
    most_rent: Numbers = jnp.inf,
) -> Callable[[NetworkState, jax.Array], Contract]:
    """The contracts of a solved program: each looks one round ahead. For `play_rounds` in its network.

    most_rent: []  as the program had it
    """
    frequency, surplus = first_best(system, state)
    low, high = frequency_bounds(system, state)
    rents = 0.0, jnp.minimum(find_farthest(law, surplus, jnp.asarray(discount)), most_rent)
    slopes = low, jnp.minimum(high, FURTHEST_SLOPE * frequency[1])
    wide = _Pairs.make(system, state, law, jnp.linspace(*rents, WIDE), jnp.linspace(*slopes, WIDE))

    def around(best, ends):
        reach = 1.5 * (ends[1] - ends[0]) / (WIDE - 1)
        return jnp.linspace(jnp.maximum(best - reach, ends[0]), jnp.minimum(best + reach, ends[1]), CLOSE)

    def offer(state: NetworkState, enrolled: jax.Array) -> Contract:
        rent, slope = wide.choose(law, program, discount, enrolled)
        close = _Pairs.make(system, state, law, around(rent, rents), around(slope, slopes))
        rent, slope = close.choose(law, program, discount, enrolled)
        return rent_contract(system, state, rent, slope[None])

    return offer


class _Pairs(NamedTuple):
    """Pairs of a rent u_1 [R] and a slope [S] of the rents.

    earned: [2, R, S]  what each earns of each type, for the share of it that is enrolled
    content: ([R], [R, S])  G of both types
    """

    rent: jax.Array
    slope: jax.Array
    earned: jax.Array
    content: tuple[jax.Array, jax.Array]

    @classmethod
    def make(
        cls, system: System, state: NetworkState, law: EnrolmentLaw, rent: jax.Array, slope: jax.Array
    ) -> "_Pairs":
        frequency, _ = first_best(system, state)
        items = jnp.stack([jnp.minimum(frequency[0], slope), jnp.maximum(frequency[1], slope)])
        values = surplus_at(system, state, items)
        apart = 1.0 / state.device_types[0] - 1.0 / state.device_types[1]
        second = rent[:, None] + apart * slope[None]
        margin = jnp.stack([values[0][None] - rent[:, None], values[1][None] - second])
        weight = system.num_devices * state.type_probs
        return cls(rent, slope, weight[:, None, None] * margin, (content(law, rent), content(law, second)))

    def choose(
        self, law: EnrolmentLaw, program: EnrolmentProgram, discount: Numbers, enrolled: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """The pair that is best, with the program's values of the shares that follow."""
        kept = (1.0 - law.turnover) * enrolled
        below, along = locate(program.nodes[0], kept[0] + law.turnover * self.content[0])
        values = program.values
        lines = values[below] * (1.0 - along[:, None]) + values[below + 1] * along[:, None]  # [R, N]
        below, across = locate(program.nodes[1], kept[1] + law.turnover * self.content[1])
        ahead = jnp.take_along_axis(lines, below, 1) * (1.0 - across)
        ahead = ahead + jnp.take_along_axis(lines, below + 1, 1) * across
        total = enrolled[0] * self.earned[0] + enrolled[1] * self.earned[1] + discount * ahead
        best = jnp.argmax(jnp.ravel(total))
        return self.rent[best // len(self.slope)], self.slope[best % len(self.slope)]
