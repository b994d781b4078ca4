"""Devices that enrol, paid out of a budget that must last: both games at once, in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue, check_parts, documented, number
from jaxcontract.core.pytree import register
from jaxcontract.core.spaces import Box
from jaxcontract.envs.enrolment import find_units, make_contracts
from jaxcontract.envs.enrolment_budget_config import EnrolmentBudgetGame, EnrolmentBudgetOptions
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
    one_row,
)
from jaxcontract.mechanism.enrolment import EnrolmentLaw, find_lowest
from jaxcontract.mechanism.enrolment_budget import paid_round
from jaxcontract.mechanism.network_states import NetworkDistribution, observe
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import unchecked


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnrolmentBudgetParams(MoneyNumbers):
    """Everything numeric about the game; all traced.

    system:       the deployment
    distribution: the law of its networks
    enrolment:    how devices come and go
    slope_shift:  [K − 1]  of the logits of an action, as in `EnrolmentParams`
    redraw:       the chance that a round's network is drawn anew
    money:        what all rounds may cost together
    mean_spend:   what a round of (10) costs in the mean when all devices are enrolled
    price_unit:   what prices of money are counted in
    reward_unit:  what rewards are divided by

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    system: System = dataclasses.field(default_factory=System)
    distribution: NetworkDistribution = dataclasses.field(default_factory=NetworkDistribution)
    enrolment: EnrolmentLaw = dataclasses.field(default_factory=EnrolmentLaw)
    slope_shift: Any = number(0.0, "shift of the logits of slopes, one for all or [K − 1]", empty=True)
    redraw: Any = number(0.0, "chance that a round's network is drawn anew", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self, system=System, distribution=NetworkDistribution, enrolment=EnrolmentLaw)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnrolmentBudgetState(ByValue):
    """What the next step needs, of B rounds side by side.

    networks: max_aoi, max_latency [1, B]; type_probs, device_types [K, B]
    enrolled: [K, B]  n_k
    money:    [B]     what is left
    round:    [B]     how many rounds have been played
    """

    networks: NetworkState
    enrolled: jax.Array
    money: jax.Array
    round: jax.Array


@jax.tree_util.register_static
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentBudgetEnv(EnrolmentBudgetOptions, OneColumn):
    """A station offers a contract a round to those who are enrolled, out of one budget for Z rounds.

    Devices come, stay or leave by what their type has just earned, as in `EnrolmentEnv`. A contract dearer
    than what is left is not signed, as in `BudgetEnv`: the round earns 0, and so does every device.

    Observation: [7 + 3K], (11), n_1 … n_K, the money left, the rounds left, and the money left for each of
        them in units of the mean spend, up to 2.
    Action: [1 + K], any numbers: the price λ of money, which rises with the action from 0 on, and an action
        of `EnrolmentEnv`, whose frequencies are then the best for its rents with β/(1 + λ).
    Reward: M Σ Q_k n_k (β QoD(f_k) − r_k) of what is signed, in units of `reward_unit`.
    Info: `contract` [K], `utility`, `spent`, `money` after the round, [] each, `enrolled` [K] after it, and
        gymnax's `terminated`, `truncated`, `final_observation`.
    Episode: terminated after Z rounds, never truncated. Without money the episode goes on.

    Raises:
        ValueError: naming the field, its value and what is allowed.

    >>> env = EnrolmentBudgetEnv(num_rounds=10)
    >>> observation, state = env.reset(jax.random.key(0), env.default_params)
    >>> observation.shape, env.action_space(env.default_params).shape
    ((13,), (3,))
    """

    @property
    def name(self) -> str:
        return "EnrolmentBudget-v0"

    @property
    def num_actions(self) -> int:
        """The length of an action, 1 + K."""
        return 1 + self.num_types

    @property
    def default_params(self) -> EnrolmentBudgetParams:
        """The paper's constants, K equal bands of types, μ = κ = 1, η = 0.1, 30 % of the mean spend."""
        rules = EnrolmentBudgetGame().env.replace(num_types=self.num_types, num_rounds=self.num_rounds)
        return make_params(EnrolmentBudgetGame(env=rules))

    def observe(
        self,
        network: NetworkState,
        enrolled: jax.Array,
        money: jax.Array,
        rounds_left: jax.Array,
        params: EnrolmentBudgetParams | None = None,
    ) -> jax.Array:
        """What is seen of one network with shares n [K], money [] and so many rounds [] left: [7 + 3K]."""
        left = jnp.asarray(money, float)[None], jnp.asarray(rounds_left)[None]
        shares = jnp.asarray(enrolled, float)[:, None]
        return _observe(self._params(params), one_row(network), shares, *left)[:, 0]

    def contract(
        self, network: NetworkState, action: jax.Array, params: EnrolmentBudgetParams | None = None
    ) -> Contract:
        """The contract [K] that an action [1 + K] stands for in a network.

        Raises:
            ValueError: when the action has another shape, or NaN.
        """
        made = _make_contracts(self._params(params), one_row(network), self.check_action(action)[:, None])
        return Contract(frequency=made.frequency[:, 0], payment=made.payment[:, 0])

    def action_space(self, params: EnrolmentBudgetParams | None = None) -> Box:
        """[1 + K]: any numbers."""
        del params
        return Box(-jnp.inf, jnp.inf, (self.num_actions,))

    def observation_space(self, params: EnrolmentBudgetParams | None = None) -> Box:
        """[7 + 3K], bounded by the laws of networks and of enrolment, the budget and the rounds."""
        params = self._params(params)
        shares, nothing = jnp.ones(self.num_types), jnp.zeros(3)
        low = jnp.concatenate([shares * find_lowest(params.enrolment), nothing])
        high = jnp.concatenate([shares, most_money(params, self.num_rounds)])
        return bound_observations(params.system, params.distribution, low, high)

    def _begin(
        self, key: jax.Array, params: EnrolmentBudgetParams, count: int
    ) -> tuple[jax.Array, EnrolmentBudgetState]:
        networks = draw_rows(key, params.distribution, count)
        state = EnrolmentBudgetState(
            networks=networks,
            enrolled=jnp.zeros_like(networks.type_probs) + params.enrolment.first_enrolled,
            money=jnp.zeros_like(networks.max_aoi[0]) + params.money,
            round=jnp.zeros(count, int),
        )
        return self._see(params, state), state

    def _see(self, params: EnrolmentBudgetParams, state: EnrolmentBudgetState) -> jax.Array:
        rounds_left = self.num_rounds - state.round
        return _observe(params, state.networks, state.enrolled, state.money, rounds_left)

    def _play(
        self, key: jax.Array, state: EnrolmentBudgetState, action: jax.Array, params: EnrolmentBudgetParams
    ) -> tuple[jax.Array, EnrolmentBudgetState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """One round of each of B, every argument with an axis of B last."""
        key_fresh, key_change = jax.random.split(key)
        contract = _make_contracts(params, state.networks, action)
        law, before = params.enrolment, (state.enrolled, state.money)
        played = unchecked(paid_round)(params.system, state.networks, law, contract, *before)
        begun, fresh = self._begin(key_fresh, params, state.round.shape[0])
        following = EnrolmentBudgetState(
            networks=change_networks(key_change, state.networks, fresh.networks, params.redraw),
            enrolled=played.enrolled,
            money=state.money - played.spent,
            round=state.round + 1,
        )
        observation, terminated = self._see(params, following), following.round >= self.num_rounds
        truncated = jnp.zeros_like(terminated)
        info = {
            "contract": contract,
            "utility": played.earned,
            "spent": played.spent,
            "money": following.money,
            "enrolled": played.enrolled,
            "terminated": terminated,
            "truncated": truncated,
            "final_observation": observation,
        }
        observation, following = choose(terminated, (begun, fresh), (observation, following))
        return observation, following, played.earned / params.reward_unit, terminated, truncated, info

    def _params(self, params: EnrolmentBudgetParams | None) -> EnrolmentBudgetParams:
        if params is None:
            return self.default_params
        check_one_game(params, EnrolmentBudgetParams, ("redraw", *MONEY_NUMBERS))
        check_types(self, params)
        return params


def _make_contracts(params: EnrolmentBudgetParams, networks: NetworkState, action: jax.Array) -> Contract:
    """The contracts [K, B] of actions [1 + K, B]."""
    return make_contracts(params, networks, action[1:], find_price(params, action[:1]))


def _observe(
    params: EnrolmentBudgetParams,
    networks: NetworkState,
    enrolled: jax.Array,
    money: jax.Array,
    rounds_left: jax.Array,
) -> jax.Array:
    """[7 + 3K, B]."""
    seen = unchecked(observe)(params.system, networks)
    return jnp.concatenate([seen, enrolled, observe_money(params, money, rounds_left)])


def make_params(game: EnrolmentBudgetGame) -> EnrolmentBudgetParams:
    """The numbers of a game."""
    units = find_units(game)
    mean = measure_mean_round(game.problem, units["distribution"])
    return EnrolmentBudgetParams(
        system=game.problem,
        enrolment=game.enrolment,
        redraw=game.env.redraw,
        money=game.env.budget * game.env.num_rounds * mean.spent,
        mean_spend=mean.spent,
        price_unit=mean.price_unit,
        **units,
    )


def make_env(game: EnrolmentBudgetGame) -> tuple[EnrolmentBudgetEnv, EnrolmentBudgetParams]:
    """The environment and its parameters that a game describes."""
    env = EnrolmentBudgetEnv(num_types=game.env.num_types, num_rounds=game.env.num_rounds)
    return env, make_params(game)
