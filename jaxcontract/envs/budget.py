"""Payments out of a budget that must last several rounds: a game of rounds that matter, in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue, check_parts, documented, number
from jaxcontract.core.pytree import register
from jaxcontract.core.spaces import Box
from jaxcontract.envs.budget_config import BudgetGame, BudgetOptions
from jaxcontract.envs.money import (
    MONEY_NUMBERS,
    MoneyNumbers,
    find_price,
    measure_mean_round,
    most_money,
    observe_money,
)
from jaxcontract.envs.params import check_one_game, check_types
from jaxcontract.envs.round_rules import (
    OneColumn,
    bound_observations,
    change_networks,
    choose,
    draw_rows,
    make_distribution,
    one_row,
)
from jaxcontract.envs.scale import Scale, fit_scale
from jaxcontract.mechanism.budget import priced_contract, total_payment
from jaxcontract.mechanism.feasible import RENT_SCALE, feasible_contract
from jaxcontract.mechanism.incentives import station_utility
from jaxcontract.mechanism.network_states import NetworkDistribution, observe
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import unchecked


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class BudgetParams(MoneyNumbers):
    """Everything numeric about the game; all traced.

    system:       the deployment
    distribution: the law of its networks
    scale:        what frequencies and rents of `feasible` actions are counted in
    redraw:       the chance that a round's network is drawn anew
    money:        what all rounds may cost together
    mean_spend:   what a round costs in the mean without a budget
    price_unit:   what prices of money are counted in
    reward_unit:  what rewards are divided by

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    system: System = dataclasses.field(default_factory=System)
    distribution: NetworkDistribution = dataclasses.field(default_factory=NetworkDistribution)
    scale: Scale = dataclasses.field(default_factory=Scale)
    redraw: Any = number(1.0, "chance that a round's network is drawn anew", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self, system=System, distribution=NetworkDistribution, scale=Scale)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class BudgetState(ByValue):
    """What the next step needs, of B rounds side by side.

    networks: max_aoi, max_latency [1, B]; type_probs, device_types [K, B]
    money:    [B]  what is left
    round:    [B]  how many rounds have been played
    """

    networks: NetworkState
    money: jax.Array
    round: jax.Array


@jax.tree_util.register_static
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetEnv(BudgetOptions, OneColumn):
    """A station offers a contract a round, and its payments come out of one budget for Z rounds.

    A contract dearer than what is left is not signed: the round earns 0 and the money is kept.

    Observation: [7 + 2K], (11), the money left, the rounds left, and the money left for each of them in
        units of the mean spend of a round, up to 2.
    Action: `price` [1]: the price λ of money, at which the round's contract is the best: (10) with β/(1 + λ).
        Where the round is not worth its price, nothing is offered. It rises with the action, from 0 on.
        `feasible` [2K]: any contract within IR and IC, as in `ContractEnv`.
    Reward: U_B of what is signed, in units of `reward_unit`.
    Info: `contract` [K], `utility`, `spent`, `money` after the round, [] each, and gymnax's `terminated`,
        `truncated`, `final_observation`.
    Episode: terminated after Z rounds, never truncated: money is worth nothing then, and was all that rounds
        had in common. Without money the episode goes on.

    Raises:
        ValueError: naming the field, its value and what is allowed.

    >>> env = BudgetEnv(num_rounds=10)
    >>> observation, state = env.reset(jax.random.key(0), env.default_params)
    >>> observation.shape, env.action_space(env.default_params).shape
    ((11,), (1,))
    """

    @property
    def name(self) -> str:
        return "Budget-v0"

    @property
    def num_actions(self) -> int:
        """The length of an action, 1 or 2K."""
        return 1 if self.actions == "price" else 2 * self.num_types

    @property
    def default_params(self) -> BudgetParams:
        """The paper's constants, with K equal bands of device types, and 70 % of the mean spend."""
        rules = BudgetGame().env.replace(num_types=self.num_types, num_rounds=self.num_rounds)
        return make_params(BudgetGame(env=rules))

    def observe(
        self,
        network: NetworkState,
        money: jax.Array,
        rounds_left: jax.Array,
        params: BudgetParams | None = None,
    ) -> jax.Array:
        """What is seen of one network with so much money [] and so many rounds [] left: [7 + 2K]."""
        rows = one_row(network)
        left = jnp.asarray(money, float)[None], jnp.asarray(rounds_left)[None]
        return _observe(self._params(params), rows, *left)[:, 0]

    def action_space(self, params: BudgetParams | None = None) -> Box:
        """[1] or [2K]: any numbers."""
        del params
        return Box(-jnp.inf, jnp.inf, (self.num_actions,))

    def observation_space(self, params: BudgetParams | None = None) -> Box:
        """[7 + 2K], bounded by the distribution of networks, the budget and the rounds."""
        params = self._params(params)
        most = most_money(params, self.num_rounds)
        return bound_observations(params.system, params.distribution, jnp.zeros(3), most)

    def sign(
        self, params: BudgetParams, networks: NetworkState, money: jax.Array, action: jax.Array
    ) -> tuple[Contract, jax.Array, jax.Array]:
        """The contracts [K, B] of actions [A, B]; what they earn and cost, [B] each, 0 where not signed."""
        system = params.system
        if self.actions == "price":
            price = find_price(params, action)
            contract = unchecked(priced_contract)(system, networks, price)
            least = price[0] * unchecked(total_payment)(system, networks, contract)
        else:
            rent = RENT_SCALE * params.scale.payment_unit
            contract = unchecked(feasible_contract)(
                system, networks, action, rent, params.scale.frequency_shift
            )
            least = jnp.full_like(money, -jnp.inf)
        utility = unchecked(station_utility)(system, networks, contract)
        payment = unchecked(total_payment)(system, networks, contract)
        signed = (payment <= money) & (utility > least)
        return contract, jnp.where(signed, utility, 0.0), jnp.where(signed, payment, 0.0)

    def _begin(self, key: jax.Array, params: BudgetParams, count: int) -> tuple[jax.Array, BudgetState]:
        networks = draw_rows(key, params.distribution, count)
        money = jnp.zeros_like(networks.max_aoi[0]) + params.money
        played = jnp.zeros(count, int)
        state = BudgetState(networks=networks, money=money, round=played)
        return _observe(params, networks, money, self.num_rounds - played), state

    def _play(
        self, key: jax.Array, state: BudgetState, action: jax.Array, params: BudgetParams
    ) -> tuple[jax.Array, BudgetState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """One round of each of B, every argument with an axis of B last."""
        key_fresh, key_change = jax.random.split(key)
        contract, utility, spent = self.sign(params, state.networks, state.money, action)
        money, rounds = state.money - spent, state.round + 1
        begun, fresh = self._begin(key_fresh, params, state.round.shape[0])
        networks = change_networks(key_change, state.networks, fresh.networks, params.redraw)
        observation = _observe(params, networks, money, self.num_rounds - rounds)
        terminated = rounds >= self.num_rounds
        truncated = jnp.zeros_like(terminated)
        info = {
            "contract": contract,
            "utility": utility,
            "spent": spent,
            "money": money,
            "terminated": terminated,
            "truncated": truncated,
            "final_observation": observation,
        }
        following = BudgetState(networks=networks, money=money, round=rounds)
        observation, following = choose(terminated, (begun, fresh), (observation, following))
        return observation, following, utility / params.reward_unit, terminated, truncated, info

    def _params(self, params: BudgetParams | None) -> BudgetParams:
        if params is None:
            return self.default_params
        check_one_game(params, BudgetParams, ("redraw", *MONEY_NUMBERS))
        check_types(self, params)
        return params


def _observe(
    params: BudgetParams, networks: NetworkState, money: jax.Array, rounds_left: jax.Array
) -> jax.Array:
    """[7 + 2K, B]."""
    seen = unchecked(observe)(params.system, networks)
    return jnp.concatenate([seen, observe_money(params, money, rounds_left)])


def make_params(game: BudgetGame) -> BudgetParams:
    """The numbers of a game."""
    law = make_distribution(game.law, game.env.num_types)
    mean = measure_mean_round(game.problem, law)
    return BudgetParams(
        system=game.problem,
        distribution=law,
        scale=Scale() if game.problem.brings_its_own else fit_scale(game.problem, law),
        redraw=game.env.redraw,
        money=game.env.budget * game.env.num_rounds * mean.spent,
        mean_spend=mean.spent,
        price_unit=mean.price_unit,
        reward_unit=max(abs(mean.worth), 1e-6 * float(game.problem.unit_profit)),
    )


def make_env(game: BudgetGame) -> tuple[BudgetEnv, BudgetParams]:
    """The environment and its parameters that a game describes."""
    rules = game.env
    env = BudgetEnv(num_types=rules.num_types, num_rounds=rules.num_rounds, actions=rules.actions)
    return env, make_params(game)
