"""The best use of a budget over rounds with independent networks: a dynamic program in the money left.

V_m(b) = E_s max(V_{m−1}(b), max_p U(s, p) + V_{m−1}(b − p)) with m rounds left, where U(s, p) is the most
that payments p can earn in network s. Along the price of money (`priced_round`) it is known exactly; it is
concave in p, so that what is interpolated between prices lies below it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.budget import priced_round
from jaxcontract.mechanism.records import NetworkState, Numbers, System

PRICES, DEAREST = 257, 1e4  # prices of money in a table, evenly in ln(1 + λ)
MONEY, PARTS = 257, 65  # amounts left, and payments of a round, that are looked at


class PriceTable(NamedTuple):
    """What networks [S] earn and cost along the price of money.

    price: [L]  ascending from 0; utility, payment: [S, L]; weight: [S]  the chance of each network
    """

    price: jax.Array
    utility: jax.Array
    payment: jax.Array
    weight: jax.Array

    @property
    def mean_payment(self) -> jax.Array:
        """E p(λ) of rounds that are worth their price, [L]."""
        signed = self.utility > self.price[None] * self.payment
        return jnp.sum(self.weight[:, None] * jnp.where(signed, self.payment, 0.0), axis=0)


class BudgetProgram(NamedTuple):
    """money: [N]  amounts left, ascending from 0; values: [Z + 1, N]  V_m, by the rounds m left."""

    money: jax.Array
    values: jax.Array


def make_price_table(
    system: System, states: NetworkState, weight: jax.Array | None = None, prices: int = PRICES
) -> PriceTable:
    """The table of networks [S, ...] and their chances [S], by default equal."""
    count = states.max_aoi.shape[0]
    weight = jnp.full(count, 1.0 / count) if weight is None else weight
    price = jnp.expm1(jnp.linspace(0.0, jnp.log1p(DEAREST), prices))
    along = jax.vmap(priced_round, (None, None, 0))
    utility, payment = jax.vmap(along, (None, 0, None))(system, states, price)
    return PriceTable(price, utility, payment, weight)


def budget_program(table: PriceTable, budget: Numbers, num_rounds: int) -> BudgetProgram:
    """Solve the program for Z = `num_rounds` rounds of independent networks and budgets up to this one.

    Values are below the exact ones, as far as interpolation over p, and over b where V is concave, goes.
    """
    money = jnp.linspace(0.0, budget, MONEY)
    earned, left = jax.vmap(_spend, (0, 0, None))(table.utility, table.payment, money)  # [S, N, P]
    gap = money[1]
    below = jnp.clip((left / gap).astype(int), 0, MONEY - 2)
    share = left / gap - below

    def round_before(values, _):
        ahead = values[below] * (1.0 - share) + values[below + 1] * share
        best = jnp.maximum(jnp.max(earned + ahead, axis=2), values[None])
        values = jnp.sum(table.weight[:, None] * best, axis=0)
        return values, values

    nothing = jnp.zeros_like(money)
    _, values = jax.lax.scan(round_before, nothing, length=num_rounds)
    return BudgetProgram(money, jnp.concatenate([nothing[None], values]))


def _spend(utility: jax.Array, payment: jax.Array, money: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What payments of a round earn, and what they leave of the money, [N, P] each, for one network."""
    parts = jnp.linspace(0.0, 1.0, PARTS)
    most = jnp.minimum(money, payment[0])
    paid = payment[-1] + parts[None] * jnp.maximum(most - payment[-1], 0.0)[:, None]
    earned = jnp.interp(paid, payment[::-1], utility[::-1])
    return jnp.where(paid <= money[:, None], earned, -jnp.inf), jnp.maximum(money[:, None] - paid, 0.0)
