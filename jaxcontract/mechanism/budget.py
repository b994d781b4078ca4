"""Payments out of a budget that must last Z rounds: the price of money, and the best in hindsight.

A contract dearer than what is left is not signed: the round earns 0 and the money is kept. So
each round may be skipped, and what is left after the last round is worth nothing.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.incentives import station_utility
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats_within
from jaxcontract.mechanism.rounds import check_system, one_round, unchecked

DEAREST = 1e6  # price of money, above which nothing is looked for
HALVINGS = 60


@one_round()
def total_payment(system: System, state: NetworkState, contract: Contract) -> jax.Array:
    """M Σ_k Q_k r_k, what a round costs. Returns []."""
    return system.num_devices * jnp.sum(state.type_probs * contract.payment, axis=0)


def priced_system(system: System, price: Numbers) -> System:
    """The deployment in which a station takes a unit of payment for 1 + λ: profit β/(1 + λ).

    Its utilities are 1/(1 + λ) of U − λ p.
    """
    return system.replace(unit_profit=system.unit_profit / (1.0 + price))


@one_round(price=0)
def priced_contract(system: System, state: NetworkState, price: Numbers) -> Contract:
    """argmax U_B − λ M Σ Q_k r_k within IR, IC and the bounds on f: (10) with β/(1 + λ). Returns [K].

    price: []  λ ≥ 0, what a unit of payment is worth in later rounds, besides itself

    Raises:
        ValueError: when the price is no number in its range.
    """
    price = floats_within(price, "priced_contract", "price", low=0)
    # Of rounds side by side, each has a price.
    return unchecked(optimal_contract)(priced_system(system, price), state)


@one_round(price=0)
def priced_round(system: System, state: NetworkState, price: Numbers) -> tuple[jax.Array, jax.Array]:
    """U_B and M Σ Q_k r_k of `priced_contract`. Returns [] twice. Both fall as the price rises.

    Raises:
        ValueError: when the price is no number in its range.
    """
    contract = priced_contract(system, state, price)
    return station_utility(system, state, contract), total_payment(system, state, contract)


@one_round(payment=0)
def affordable_price(system: System, state: NetworkState, payment: Numbers) -> jax.Array:
    """The least price at which a round costs that at most. Returns [].

    payment: []  what may be spent; where no contract is as cheap, the price is 1e6

    Raises:
        ValueError: when the payment is no number in its range.
    """
    payment = floats_within(payment, "affordable_price", "payment", low=0)
    return least_price(lambda price: priced_round(system, state, price)[1] <= payment, payment.dtype)


def least_price(holds: Callable[[jax.Array], jax.Array], dtype: Any) -> jax.Array:
    """The least price from which on something holds, by bisection of its logarithm. Returns []."""
    top = jnp.log1p(jnp.asarray(DEAREST, dtype))

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        here = holds(jnp.expm1(middle))
        return jnp.where(here, low, middle), jnp.where(here, middle, high)

    _, high = jax.lax.fori_loop(0, HALVINGS, halve, (jnp.zeros_like(top), top))
    return jnp.where(holds(jnp.zeros_like(top)), 0.0, jnp.expm1(high))


def hindsight_bound(system: System, states: NetworkState, budget: Numbers) -> jax.Array:
    """No contracts earn more than this in these rounds, even if all networks are known. Returns [].

    states: [Z, ...]; budget: []  what all rounds may cost together

    The Lagrangian bound λ b + Σ_z max(0, max U_z − λ p_z), at the price of money that spends the budget: it
    is valid at any price, and smallest there. 0 is for a round that is skipped.

    Raises:
        ValueError: when the system is none, or the budget no number in its range.
    """
    check_system(system)
    budget = floats_within(budget, "hindsight_bound", "budget", low=0)

    def spend(price):
        utility, payment = jax.vmap(lambda state: priced_round(system, state, price))(states)
        net = utility - price * payment
        return jnp.sum(jnp.where(net > 0, payment, 0.0)), jnp.sum(jnp.maximum(net, 0.0))

    price = least_price(lambda price: spend(price)[0] <= budget, budget.dtype)
    return price * budget + spend(price)[1]
