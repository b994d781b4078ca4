"""Devices that come back only if they were treated well: a game of rounds that matter, in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue, check_parts, documented, number
from jaxcontract.core.pytree import register
from jaxcontract.core.spaces import Box
from jaxcontract.envs.enrolment_config import EnrolmentGame, EnrolmentNumbers
from jaxcontract.envs.params import check_one_game, check_types
from jaxcontract.envs.round_options import RoundOptions
from jaxcontract.envs.round_rules import (
    OneColumn,
    bound_observations,
    change_networks,
    choose,
    draw_rows,
    make_distribution,
    one_row,
)
from jaxcontract.mechanism.accumulate import running_sum
from jaxcontract.mechanism.budget import priced_system
from jaxcontract.mechanism.enrolment import (
    EnrolmentLaw,
    enrol,
    enrolment_utility,
    find_lowest,
    first_best,
    rent_contract,
)
from jaxcontract.mechanism.freshness import frequency_bounds
from jaxcontract.mechanism.incentives import own_utilities
from jaxcontract.mechanism.network_states import NetworkDistribution, observe
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import unchecked

REACH = 5.0  # in units of μ above κ: the greatest u_1 of an action, at which .7 % of the devices leave
LEAST_GAP = 1e-3  # of the range of f, between two slopes at an action of 0


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnrolmentParams(EnrolmentNumbers):
    """Everything numeric about the game; all traced.

    system:       the deployment
    distribution: the law of its networks
    enrolment:    how devices come and go
    redraw:       the chance that a round's network is drawn anew
    slope_shift:  [K − 1]  of the logits of an action: at 0 slopes are those of the middle network, at
        complete information
    reward_unit:  what rewards are divided by

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    system: System = dataclasses.field(default_factory=System)
    distribution: NetworkDistribution = dataclasses.field(default_factory=NetworkDistribution)
    enrolment: EnrolmentLaw = dataclasses.field(default_factory=EnrolmentLaw)
    redraw: Any = 0.0
    slope_shift: Any = number(0.0, "shift of the logits of slopes, one for all or [K − 1]", empty=True)
    reward_unit: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self, system=System, distribution=NetworkDistribution, enrolment=EnrolmentLaw)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnrolmentState(ByValue):
    """What the next step needs, of B rounds side by side.

    networks: max_aoi, max_latency [1, B]; type_probs, device_types [K, B]
    enrolled: [K, B]  n_k
    round:    [B]     how many rounds have been played
    """

    networks: NetworkState
    enrolled: jax.Array
    round: jax.Array


@jax.tree_util.register_static
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentEnv(RoundOptions, OneColumn):
    """A station offers a contract a round to the devices that are enrolled.

    Devices come, stay or leave by what their type has just earned: n_k' = (1 − η) n_k + η G((u_k − κ)/μ).
    What a contract pays today decides who is there tomorrow.

    Observation: [4 + 3K], (11) and n_1 … n_K.
    Action: [K], any numbers: the logit of u_1 between 0 and max(κ, 0) + 5 μ, and K − 1 logits whose softmax,
        with a fixed zero behind them, gives the gaps between the slopes s_k of the rents. Each action is a
        contract within IR and IC, whose frequencies are the best for the rents that it leaves
        (`rent_contract`); every contract that is best for some n is one of them, up to that u_1.
    Reward: M Σ Q_k n_k (β QoD(f_k) − r_k), in units of `reward_unit`.
    Info: `contract` [K], `utility` [], `enrolled` [K] after the round, and gymnax's `terminated`,
        `truncated`, `final_observation`.
    Episode: truncated, never terminated: devices would go on coming and going.

    Raises:
        ValueError: naming the field, its value and what is allowed.

    >>> env = EnrolmentEnv()
    >>> observation, state = env.reset(jax.random.key(0), env.default_params)
    >>> observation.shape, env.action_space(env.default_params).shape
    ((10,), (2,))
    """

    @property
    def name(self) -> str:
        return "Enrolment-v0"

    @property
    def num_actions(self) -> int:
        """The length of an action, K."""
        return self.num_types

    @property
    def default_params(self) -> EnrolmentParams:
        """The paper's constants, with K equal bands of device types, and μ = κ = 1, η = 0.1."""
        return make_params(EnrolmentGame(env=EnrolmentGame().env.replace(num_types=self.num_types)))

    def observe(
        self, network: NetworkState, enrolled: jax.Array, params: EnrolmentParams | None = None
    ) -> jax.Array:
        """What is seen of one network with the shares n [K]: [4 + 3K]."""
        rows = one_row(network)
        return _observe(self._params(params).system, rows, jnp.asarray(enrolled, float)[:, None])[:, 0]

    def contract(
        self, network: NetworkState, action: jax.Array, params: EnrolmentParams | None = None
    ) -> Contract:
        """The contract [K] that an action [K] stands for in a network.

        Raises:
            ValueError: when the action has another shape, or NaN.
        """
        rows = one_row(network)
        made = make_contracts(self._params(params), rows, self.check_action(action)[:, None])
        return Contract(frequency=made.frequency[:, 0], payment=made.payment[:, 0])

    def action_space(self, params: EnrolmentParams | None = None) -> Box:
        """[K]: all of R^K."""
        del params
        return Box(-jnp.inf, jnp.inf, (self.num_types,))

    def observation_space(self, params: EnrolmentParams | None = None) -> Box:
        """[4 + 3K], bounded by the distribution of networks and the law of enrolment."""
        params = self._params(params)
        most = jnp.ones(self.num_types)
        low = most * find_lowest(params.enrolment)
        return bound_observations(params.system, params.distribution, low, most)

    def _begin(self, key: jax.Array, params: EnrolmentParams, count: int) -> tuple[jax.Array, EnrolmentState]:
        networks = draw_rows(key, params.distribution, count)
        enrolled = jnp.zeros_like(networks.type_probs) + params.enrolment.first_enrolled
        observation = _observe(params.system, networks, enrolled)
        return observation, EnrolmentState(networks=networks, enrolled=enrolled, round=jnp.zeros(count, int))

    def _play(
        self, key: jax.Array, state: EnrolmentState, action: jax.Array, params: EnrolmentParams
    ) -> tuple[jax.Array, EnrolmentState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """One round of each of B, every argument with an axis of B last."""
        key_fresh, key_change = jax.random.split(key)
        contract = make_contracts(params, state.networks, action)
        utility = unchecked(enrolment_utility)(params.system, state.networks, contract, state.enrolled)
        rents = own_utilities(state.networks, contract, params.system)
        enrolled = unchecked(enrol)(params.enrolment, state.enrolled, rents)
        begun, fresh = self._begin(key_fresh, params, state.round.shape[0])
        networks = change_networks(key_change, state.networks, fresh.networks, params.redraw)
        rounds = state.round + 1
        truncated = rounds >= params.episode_length
        observation = _observe(params.system, networks, enrolled)
        following = EnrolmentState(networks=networks, enrolled=enrolled, round=rounds)
        terminated = jnp.zeros_like(truncated)
        info = {
            "contract": contract,
            "utility": utility,
            "enrolled": enrolled,
            "terminated": terminated,
            "truncated": truncated,
            "final_observation": observation,
        }
        observation, following = choose(truncated, (begun, fresh), (observation, following))
        return observation, following, utility / params.reward_unit, terminated, truncated, info

    def _params(self, params: EnrolmentParams | None) -> EnrolmentParams:
        if params is None:
            return self.default_params
        numbers = [field.name for field in dataclasses.fields(EnrolmentNumbers)]
        check_one_game(params, EnrolmentParams, numbers)
        check_types(self, params)
        return params


def make_contracts(params: Any, networks: NetworkState, action: jax.Array, price: Any = 0.0) -> Contract:
    """The contracts [K, B] of actions [K, B] in networks of B rounds.

    params: with `system`, `enrolment` and `slope_shift`, as `EnrolmentParams`
    price:  [1, B]  of money, at which frequencies are the best for the rents
    """
    law, system = params.enrolment, params.system
    reach = jnp.maximum(law.outside_utility, 0.0) + REACH * law.taste_scale
    rent = reach * jax.nn.sigmoid(action[:1])
    shift = jnp.broadcast_to(jnp.reshape(params.slope_shift, (-1, 1)), action[1:].shape)
    logits = jnp.concatenate([action[1:] + shift, jnp.zeros_like(action[:1])])
    low, high = frequency_bounds(system, networks)
    slopes = action[1:]
    if len(action) > 1:
        slopes = low + (high - low) * running_sum(jax.nn.softmax(logits, axis=0)[:-1])
    return unchecked(rent_contract)(priced_system(system, price), networks, rent, slopes)


def _observe(system: System, networks: NetworkState, enrolled: jax.Array) -> jax.Array:
    """[4 + 3K, B]."""
    return jnp.concatenate([unchecked(observe)(system, networks), enrolled])


def make_params(game: EnrolmentGame) -> EnrolmentParams:
    """The numbers of a game."""
    numbers = {field.name: getattr(game.env, field.name) for field in dataclasses.fields(EnrolmentNumbers)}
    return EnrolmentParams(
        system=game.problem, enrolment=game.enrolment, redraw=game.env.redraw, **find_units(game), **numbers
    )


def find_units(game: Any) -> dict[str, Any]:
    """The law of networks, and what actions and rewards are counted in, by their fields' names.

    The unit of rewards is what all devices are worth in the middle network. game: with `problem`, `law` and
    `env`, as `EnrolmentGame`
    """
    size = game.env.num_types
    law = make_distribution(game.law, size)
    edges = jnp.asarray(law.type_edges)
    middle = NetworkState(
        max_aoi=jnp.mean(law.aoi_range),
        max_latency=jnp.mean(law.latency_range),
        type_probs=jnp.full(size, 1.0 / size),
        device_types=0.5 * (edges[1:] + edges[:-1]),
    )
    frequency, surplus = first_best(game.problem, middle)
    unit = float(jnp.mean(surplus))
    unit = unit if unit > 0 else float(game.problem.unit_profit)
    return {
        "distribution": law,
        "slope_shift": find_slope_shift(game.problem, middle, frequency),
        "reward_unit": float(game.problem.num_devices) * unit,
    }


def find_slope_shift(system: System, middle: NetworkState, frequency: jax.Array) -> jax.Array:
    """The logits [K − 1] at which slopes lie halfway between neighbours' frequencies [K], in one network."""
    low, high = frequency_bounds(system, middle)
    slopes = 0.5 * (frequency[:-1] + frequency[1:])
    gaps = jnp.diff(slopes, prepend=low, append=high) / jnp.maximum(high - low, LEAST_GAP)
    gaps = jnp.log(jnp.maximum(gaps, LEAST_GAP))
    return gaps[:-1] - gaps[-1:]


def make_env(game: EnrolmentGame) -> tuple[EnrolmentEnv, EnrolmentParams]:
    """The environment and its parameters that a game describes."""
    return EnrolmentEnv(num_types=game.env.num_types), make_params(game)
