"""Devices that enrol, paid out of a budget that must last Z rounds: one round, and an upper bound on all.

A contract dearer than what is left is not signed: the round earns 0, the money is kept, and devices earn 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.budget import priced_system
from jaxcontract.mechanism.enrolment import enrol, enrolment_utility, first_best
from jaxcontract.mechanism.enrolment_bound import bound_rounds, make_lattice
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.incentives import own_utilities
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats, floats_within
from jaxcontract.mechanism.rounds import check_system, one_round, unchecked

SECTIONS = 12  # of the range of prices, by the golden ratio: a bound holds at any price
GOLDEN = 0.6180339887


class PaidRound(NamedTuple):
    """What a round came to: earned [], spent [] and the shares enrolled in the next, [K]."""

    earned: jax.Array
    spent: jax.Array
    enrolled: jax.Array


@one_round(enrolled=1)
def enrolled_payment(system: System, state: NetworkState, contract: Contract, enrolled: Numbers) -> jax.Array:
    """M Σ_k Q_k n_k r_k, what a round costs. Returns [].

    enrolled: [K]  n_k, in [0, 1]

    Raises:
        ValueError: when the shares are not numbers.
    """
    present = state.type_probs * floats(enrolled, "enrolled_payment", "enrolled")
    return system.num_devices * jnp.sum(present * contract.payment, axis=0)


@one_round(enrolled=1, money=0)
def paid_round(
    system: System,
    state: NetworkState,
    law: EnrolmentLaw,
    contract: Contract,
    enrolled: Numbers,
    money: Numbers,
) -> PaidRound:
    """One round, in which a contract is signed if the money is enough for those who are enrolled.

    enrolled: [K]  n_k, in [0, 1]; money: []  what is left

    Raises:
        ValueError: when the shares or the money are not numbers.
    """
    enrolled, money = floats(enrolled, "paid_round", "enrolled"), floats(money, "paid_round", "money")
    given = system, state, contract, enrolled
    payment = unchecked(enrolled_payment)(*given)
    signed = payment <= money
    earned = jnp.where(signed, unchecked(enrolment_utility)(*given), 0.0)
    utilities = jnp.where(signed, own_utilities(state, contract, system), 0.0)
    following = unchecked(enrol)(law, enrolled, utilities)
    return PaidRound(earned, jnp.where(signed, payment, 0.0), following)


def enrolment_budget_bound(
    system: System, states: NetworkState, law: EnrolmentLaw, budget: Numbers
) -> tuple[jax.Array, jax.Array]:
    """No contracts earn more than this along a path of networks, even if all of it is known. Returns [], [].

    states: [Z, ...]  the network of each round
    budget: []        what all rounds may cost together

    Σ U_z ≤ λ b + Σ (U_z − λ p_z) at any price λ ≥ 0 of money, and U_z − λ p_z is (1 + λ) times what the round
    earns with β/(1 + λ): so the bound of enrolment (`path_bound`, γ = 1, IC left out), to which a round that
    is not signed is added. The second number is the price at which it is smallest.

    Raises:
        ValueError: when the system is none, or the budget no number in its range.
    """
    check_system(system)
    budget = floats_within(budget, "enrolment_budget_bound", "budget", low=0)
    lattice, weights = make_lattice(law), system.num_devices * states.type_probs

    def bound(log_price):
        price = jnp.expm1(log_price)
        priced = priced_system(system, price)
        surplus = jax.vmap(lambda state: first_best(priced, state)[1])(states)
        # Without a contract all earn 0, as with one of no surplus and no rent.
        free = bound_rounds(law, lattice, weights, jnp.maximum(surplus, 0.0), jnp.ones((), surplus.dtype))
        return price * budget + (1.0 + price) * free

    nothing = jnp.zeros((), budget.dtype)
    unpriced = bound(nothing)
    # At a price of U/b, U a bound without a budget, money alone is worth as much.
    price, least = _least(bound, nothing, jnp.log1p(unpriced / budget))
    better = least < unpriced
    return jnp.where(better, least, unpriced), jnp.where(better, jnp.expm1(price), 0.0)


def _least(
    function: Callable[[jax.Array], jax.Array], low: jax.Array, high: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Where a convex function is least between two ends, by golden sections, and its value there."""

    def inner(low, high):
        reach = GOLDEN * (high - low)
        return high - reach, low + reach

    def narrow(_, carry):
        low, high, left, right = carry
        below, above = inner(low, high)
        falls = left > right
        low, high = jnp.where(falls, below, low), jnp.where(falls, high, above)
        below, above = inner(low, high)
        fresh = function(jnp.where(falls, above, below))
        return low, high, jnp.where(falls, right, fresh), jnp.where(falls, fresh, left)

    below, above = inner(low, high)
    carry = low, high, function(below), function(above)
    low, high, left, right = jax.lax.fori_loop(0, SECTIONS, narrow, carry)
    below, above = inner(low, high)
    return jnp.where(left < right, below, above), jnp.minimum(left, right)
