"""What is seen of money, what an action says of its price, and what budgets are shares of."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import Record, number
from jaxcontract.envs.round_rules import draw_rows
from jaxcontract.mechanism.budget import DEAREST, total_payment
from jaxcontract.mechanism.incentives import station_utility
from jaxcontract.mechanism.network_states import NetworkDistribution
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.records import System
from jaxcontract.mechanism.rounds import unchecked

MOST_RATE = 2.0  # money for a round, in units of the mean spend, beyond which all is plenty
STRAIGHT = 4.0  # actions from which on a price rises in a straight line, lest it overflow
SAMPLED = 4096  # networks, of which the mean spend is the mean


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MoneyNumbers(Record):
    """What a budget is, and what it and what it earns are counted in; traced under JAX."""

    money: Any = number(1.0, "what all rounds may cost", unit="units of payment", low=0, above=True)
    mean_spend: Any = number(1.0, "what a round costs", unit="units of payment", low=0, above=True)
    price_unit: Any = number(1.0, "what prices of money are counted in", low=0, above=True)
    reward_unit: Any = number(1.0, "what rewards are divided by", low=0, above=True)


MONEY_NUMBERS = tuple(field.name for field in dataclasses.fields(MoneyNumbers))


class MeanRound(NamedTuple):
    """What a round costs and earns in the mean without a budget, when everyone takes part."""

    spent: float
    worth: float

    @property
    def price_unit(self) -> float:
        """What prices of money are counted in."""
        return max(0.1 * abs(self.worth) / self.spent, 1e-6)


def measure_mean_round(system: System, distribution: NetworkDistribution) -> MeanRound:
    """The mean of 4096 networks, the same every time."""
    with jax.enable_x64(False), jax.threefry_partitionable(True):
        networks = draw_rows(jax.random.key(0, impl="threefry2x32"), distribution, SAMPLED)
        contract = unchecked(optimal_contract)(system, networks)
        earned = unchecked(station_utility)(system, networks, contract)
        spent = float(jnp.mean(unchecked(total_payment)(system, networks, contract)))
        worth = float(jnp.mean(jnp.where(jnp.isfinite(earned), earned, 0.0)))
    return MeanRound(spent, worth)


def find_price(params: Any, action: jax.Array) -> jax.Array:
    """The price of money that an action stands for: its exponential up to 4, a straight line from there on.

    Shapes [...] to [...]. At 0 it is the unit of prices, `params.price_unit`; it ends at a million units.
    """
    rising = jnp.exp(jnp.minimum(action, STRAIGHT)) + jnp.maximum(action - STRAIGHT, 0.0)
    return params.price_unit * jnp.minimum(rising, DEAREST)


def observe_money(params: Any, money: jax.Array, rounds_left: jax.Array) -> jax.Array:
    """The money left, the rounds left, and money for each of them in units of the mean spend. [3, B]."""
    rate = money / (params.mean_spend * jnp.maximum(rounds_left, 1))
    return jnp.stack([money, rounds_left.astype(money.dtype), jnp.minimum(rate, MOST_RATE)])


def most_money(params: Any, num_rounds: int) -> jax.Array:
    """The greatest of `observe_money`, [3]; the least are 0."""
    return jnp.stack([jnp.asarray(params.money, float), jnp.asarray(float(num_rounds)), MOST_RATE])
