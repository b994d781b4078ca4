"""Rules for spending a budget over rounds, and what they earn along paths of networks.

A rule is (state, money [], rounds_left []) to the price of money [] at which a round's contract is made;
`play_budget` signs it if there is money enough.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.budget import DEAREST, affordable_price, least_price, priced_round
from jaxcontract.mechanism.budget_program import BudgetProgram, PriceTable
from jaxcontract.mechanism.records import NetworkState, Numbers, System
from jaxcontract.mechanism.rounds import check_system

LOOKED_AT = 65  # prices, evenly in ln(1 + λ), and as many again beside the best

Rule: TypeAlias = Callable[[NetworkState, jax.Array, jax.Array], jax.Array]


def play_budget(
    system: System, states: NetworkState, budget: Numbers, rule: Rule
) -> tuple[jax.Array, jax.Array]:
    """What each of Z rounds earns and costs under a rule. Returns [Z] twice.

    states: [Z, ...]  the network of each round; budget: []

    An infinite price has the round skipped.

    Raises:
        ValueError: when the system is none.
    """
    check_system(system)
    count = states.max_aoi.shape[0]

    def one(money, given):
        state, rounds_left = given
        price = rule(state, money, rounds_left)
        utility, payment = priced_round(system, state, jnp.minimum(price, DEAREST))
        signed = jnp.isfinite(price) & (payment <= money)
        spent = jnp.where(signed, payment, 0.0)
        return money - spent, (jnp.where(signed, utility, 0.0), spent)

    rounds_left = count - jnp.arange(count)
    start = jnp.asarray(budget, states.max_aoi.dtype)
    earned, spent = jax.lax.scan(one, start, (states, rounds_left))[1]
    return earned, spent


def spend_freely() -> Rule:
    """The contract of (10), until a round costs more than is left."""
    return lambda _, money, __: jnp.zeros_like(money)


def split_equally(system: System) -> Rule:
    """Each round may cost an equal part of what is left."""

    def rule(state, money, rounds_left):
        price = affordable_price(system, state, money / rounds_left)
        return jnp.where(priced_round(system, state, price)[0] > 0, price, jnp.inf)

    return rule


def fix_price(system: System, table: PriceTable, budget: Numbers, num_rounds: int) -> Rule:
    """One price for all rounds, at which they cost the budget in the mean."""
    fixed = find_price(table, jnp.asarray(budget) / num_rounds)
    return lambda state, *_: jnp.where(is_worth(system, state, fixed), fixed, jnp.inf)


def resolve_price(system: System, table: PriceTable) -> Rule:
    """The price at which this round, and those that are left in the mean, cost the money left."""

    def rule(state, money, rounds_left):
        def is_enough(price):
            later = (rounds_left - 1) * jnp.interp(price, table.price, table.mean_payment)
            utility, payment = priced_round(system, state, price)
            return jnp.where(utility > price * payment, payment, 0.0) + later <= money

        price = least_price(is_enough, money.dtype)
        return jnp.where(is_worth(system, state, price), price, jnp.inf)

    return rule


def is_worth(system: System, state: NetworkState, price: jax.Array) -> jax.Array:
    """Whether a round earns more than its payments are worth in others, at that price. Returns []."""
    utility, payment = priced_round(system, state, price)
    return utility > price * payment


def find_price(table: PriceTable, payment: Numbers) -> jax.Array:
    """The least price at which a round costs that at most in the mean. Returns []."""
    mean = table.mean_payment
    return least_price(lambda price: jnp.interp(price, table.price, mean) <= payment, mean.dtype)


def follow_budget_program(system: System, program: BudgetProgram) -> Rule:
    """The price whose contract is best by what it earns now and the program's value of what it leaves."""

    def rule(state, money, rounds_left):
        later = program.values[rounds_left - 1]

        def look(ends):
            prices = jnp.expm1(jnp.linspace(ends[0], ends[1], LOOKED_AT))
            utility, payment = jax.vmap(priced_round, (None, None, 0))(system, state, prices)
            ahead = jnp.interp(money - payment, program.money, later)
            total = jnp.where(payment <= money, utility + ahead, -jnp.inf)
            best = jnp.argmax(total)
            reach = (ends[1] - ends[0]) / (LOOKED_AT - 1)
            middle = jnp.log1p(prices[best])
            around = jnp.maximum(middle - reach, ends[0]), jnp.minimum(middle + reach, ends[1])
            return around, prices[best], total[best]

        # All that is left may be spent, at this price: what is looked at begins there.
        least = jnp.log1p(affordable_price(system, state, money))
        around, _, _ = look((least, jnp.log1p(jnp.asarray(DEAREST, least.dtype))))
        _, price, most = look(around)
        return jnp.where(most > jnp.interp(money, program.money, later), price, jnp.inf)

    return rule
