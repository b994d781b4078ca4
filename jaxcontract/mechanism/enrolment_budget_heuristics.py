"""Contracts for devices that enrol, paid out of a budget, found without learning.

An offer is (state, enrolled [K], money [], rounds_left []) to a contract [K]; `play_paid_rounds` signs it if
there is money enough.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.budget import HALVINGS, least_price, priced_system
from jaxcontract.mechanism.enrolment_budget import (
    enrolled_payment,
    enrolment_budget_bound,
    paid_round,
)
from jaxcontract.mechanism.enrolment_heuristics import myopic_contract
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.enrolment_paths import plan_contracts
from jaxcontract.mechanism.enrolment_play import stay
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System
from jaxcontract.mechanism.rounds import check_system, one_round

# Of 1 + λ beside that of the bound. Plans cost more than what the bound leaves out, and skip no round.
PRICES = (0.9, 0.97, 1.0, 1.04, 1.08, 1.15, 1.3, 1.7)

Offer: TypeAlias = Callable[[NetworkState, jax.Array, jax.Array, jax.Array], Contract]


class PaidRounds(NamedTuple):
    """Rounds as they went: earned, spent [Z]; contracts [Z, K], signed or not; enrolled [Z, K] before."""

    earned: jax.Array
    spent: jax.Array
    contracts: Contract
    enrolled: jax.Array


def play_paid_rounds(
    system: System, states: NetworkState, law: EnrolmentLaw, budget: Numbers, offer: Offer
) -> PaidRounds:
    """Play Z rounds with contracts that depend on the network, who is enrolled, and the money.

    states: [Z, ...]  the network of each round; budget: []

    Raises:
        ValueError: when the system is none.
    """
    check_system(system)
    count = states.max_aoi.shape[0]

    def one(carry, given):
        enrolled, money = carry
        state, rounds_left = given
        contract = offer(state, enrolled, money, rounds_left)
        played = paid_round(system, state, law, contract, enrolled, money)
        told = PaidRounds(played.earned, played.spent, contract, enrolled)
        return (played.enrolled, money - played.spent), told

    first = jnp.full(states.device_types.shape[1:], law.first_enrolled, states.device_types.dtype)
    start = first, jnp.asarray(budget, first.dtype)
    told: PaidRounds = jax.lax.scan(one, start, (states, count - jnp.arange(count)))[1]
    return told


def offer_myopically(system: System) -> Offer:
    """The contract that is best for its round alone, until one costs more than is left."""
    return lambda state, enrolled, *_: myopic_contract(system, state, enrolled)


def offer_equal_parts(system: System) -> Offer:
    """The myopic contract at the least price of money at which it costs an equal part of what is left."""

    def offer(state, enrolled, money, rounds_left):
        def priced(price):
            return myopic_contract(priced_system(system, price), state, enrolled)

        def is_enough(price):
            return enrolled_payment(system, state, priced(price), enrolled) <= money / rounds_left

        return priced(least_price(is_enough, money.dtype))

    return offer


@one_round(budget=0)
def plan_paid_contracts(
    system: System, state: NetworkState, law: EnrolmentLaw, budget: Numbers, num_rounds: int
) -> Contract:
    """Contracts [Z, K] planned for Z = `num_rounds` rounds in one network and a budget.

    Plans at several prices of money (`plan_contracts`) around that of the bound, and one between the two on
    either side of the budget, since what plans cost jumps with the price; the one that earns most.

    budget: []
    """
    path = stay(state, num_rounds)
    _, price = enrolment_budget_bound(system, path, law, budget)
    prices = (1.0 + price) * jnp.asarray(PRICES, price.dtype) - 1.0

    def plan(price):
        return plan_contracts(priced_system(system, price), state, law, 1.0, num_rounds)

    plans = jax.vmap(plan)(jnp.maximum(prices, 0.0))
    between = _spend_budget(system, path, law, budget, plans)
    plans = jax.tree.map(lambda many, one: jnp.concatenate([many, one[None]]), plans, between)
    played = jax.vmap(lambda plan: play_plan(system, path, law, budget, plan))(plans)
    best: Contract = jax.tree.map(lambda leaf: leaf[jnp.argmax(jnp.sum(played.earned, axis=1))], plans)
    return best


def _spend_budget(
    system: System, path: NetworkState, law: EnrolmentLaw, budget: Numbers, plans: Contract
) -> Contract:
    """The plan [Z, K] on the line between the dearest of `plans` [P, Z, K] within the budget and the next.

    IR and IC are linear in the items, so that each plan on the line satisfies them.
    """

    def spend(plan):
        return jnp.sum(play_plan(system, path, law, jnp.inf, plan).spent)

    spends = jax.vmap(spend)(plans)
    # What is left round by round is rounded otherwise than the sum, and the last round is to be signed too.
    budget = budget * (1.0 - len(path.max_aoi) * jnp.finfo(spends.dtype).eps)
    within = spends <= budget
    cheap = jnp.argmax(jnp.where(within, spends, -jnp.inf))
    dear = jnp.argmin(jnp.where(within, jnp.inf, spends))

    def mix(share):
        mixed: Contract = jax.tree.map(lambda leaf: (1.0 - share) * leaf[cheap] + share * leaf[dear], plans)
        return mixed

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        fits = spend(mix(middle)) <= budget
        return jnp.where(fits, middle, low), jnp.where(fits, high, middle)

    zero = jnp.zeros((), spends.dtype)
    share, _ = jax.lax.fori_loop(0, HALVINGS, halve, (zero, zero + 1.0))
    return mix(share)


def play_plan(
    system: System, states: NetworkState, law: EnrolmentLaw, budget: Numbers, contracts: Contract
) -> PaidRounds:
    """Play Z rounds with given contracts [Z, K]; otherwise as `play_paid_rounds`."""
    count = contracts.frequency.shape[0]

    def offer(state, enrolled, money, rounds_left):
        del state, enrolled, money
        given: Contract = jax.tree.map(lambda leaf: leaf[count - rounds_left], contracts)
        return given

    return play_paid_rounds(system, states, law, budget, offer)
