"""Two equal base stations that can serve L of the M devices each: two players, in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import check_key, check_parts, documented
from jaxcontract.core.pytree import register
from jaxcontract.core.spaces import Box
from jaxcontract.envs.capacity_config import CapacityGame, CapacityNumbers, CapacityOptions
from jaxcontract.envs.capacity_rules import (
    STATIONS,
    draw_equal_networks,
    find_prices,
    make_offers,
    share_served,
)
from jaxcontract.envs.competition import PlayersInRows
from jaxcontract.envs.competition_rules import CompetitionState, observe_all
from jaxcontract.envs.params import check_one_game, check_types
from jaxcontract.mechanism.network_states import NetworkDistribution, observation_bounds
from jaxcontract.mechanism.records import Contract, NetworkState, System, floats
from jaxcontract.mechanism.rounds import put_rounds_last


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CapacityParams(CapacityNumbers):
    """Everything numeric about the game; all traced.

    system:       the deployment of both stations
    distribution: the law of the networks
    reward_unit:  what rewards are divided by

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    system: System = dataclasses.field(default_factory=System)
    distribution: NetworkDistribution = dataclasses.field(
        default_factory=lambda: NetworkDistribution.equal_bands(1)
    )
    reward_unit: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self, system=System, distribution=NetworkDistribution)


@jax.tree_util.register_static
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityEnv(CapacityOptions):
    """Two equal stations post a menu each for K types of devices, every round; K is 1 or 2.

    Both ask for f° of every type, which the equilibrium has with one. A device applies where it is left more.
    A station that more than L prefer serves L of them at random, the others go to its rival: with one type
    the higher payer fills L, and the other gets the M − L that are left. The symmetric equilibrium is mixed:
    a policy must draw its payments (`jc.capacity_distribution`; with two types, `mechanism.menu_game` finds
    one on a grid of menus).

    Observation: [2, 6 + 2K], (11) of the network, then its Ā_max and D̄_max again, the rival's as well.
    Action: [2, K], x in [0, 1], x_1 up to `greatest_rent`. The first type is paid r = c_0 + S x_1, from its
        cost to all that its data is worth. Other numbers count as what they say: below 0 no device of it
        comes, above 1 each one is a loss. x_2 is where u_2 − u_1 lies between the two ends that IC leaves;
        beyond them it counts as the nearer one.
    Reward: [2], U_i in units of `reward_unit`. It has no slope that leads anywhere: it jumps where a station
        outbids the other, and falls with its own payment everywhere else.
    Info: `contract` [2, K], `utility` U_i [2], `served` [2, K], the share of each type's devices that each
        serves, and gymnax's `terminated`, `truncated`, `final_observation`.
    Episode: truncated, never terminated: the next network does not depend on actions.

    Raises:
        ValueError: naming the field, its value and what is allowed.

    >>> env = CapacityEnv()
    >>> observation, state = env.reset(jax.random.key(0), env.default_params)
    >>> observation.shape, env.action_space(env.default_params).shape
    ((2, 8), (1,))
    """

    @property
    def name(self) -> str:
        return "Capacity-v0"

    @property
    def default_params(self) -> CapacityParams:
        """The paper's constants, and L/M = 3/4."""
        return make_params(System(), NetworkDistribution.equal_bands(self.num_types), {})

    def reset(
        self, key: jax.Array, params: CapacityParams | None = None
    ) -> tuple[jax.Array, CompetitionState]:
        """The first round of an episode: (observation, state). The key is consumed.

        Raises:
            ValueError: when the key is none, or the params are for another number of types, or a batch.
        """
        check_key(self.name, key)
        observation, state = self._begin(key, self._params(params), 1)
        return observation.T, state

    def step(
        self, key: jax.Array, state: CompetitionState, action: jax.Array, params: CapacityParams | None = None
    ) -> tuple[jax.Array, CompetitionState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """Play one round: (observation, state, reward, terminated, truncated, info). The key is consumed.

        Raises:
            ValueError: when the actions have another shape.
        """
        params = self._params(params)
        action = floats(action, self.name, "action")
        shape = (STATIONS, self.num_types)
        if jnp.shape(action) != shape:
            raise ValueError(f"{self.name}: actions of shape {jnp.shape(action)}: must be {shape}")
        observation, state, reward, terminated, truncated, info = self._play(key, state, action.T, params)
        contract = jax.tree.map(jnp.transpose, info["contract"])
        ends = {"terminated": terminated[0], "truncated": truncated[0]}
        rows = {name: info[name].T for name in ("served", "final_observation")}
        info = {**info, **ends, **rows, "contract": contract}
        return observation.T, state, reward, ends["terminated"], ends["truncated"], info

    def observe(self, network: NetworkState, params: CapacityParams | None = None) -> jax.Array:
        """What either station sees of the network of one round: [6 + 2K]."""
        rows = put_rounds_last(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), network))
        return observe_all(self._params(params).system, rows, STATIONS)[:, 0]

    def rounds_last(self) -> PlayersInRows | None:
        """The same game for B rounds at once, each station of each round a row of its own."""
        cls = type(self)
        ours = all(getattr(cls, name) is getattr(CapacityEnv, name) for name in ("reset", "step"))
        return PlayersInRows(env=self) if ours else None

    def action_space(self, params: CapacityParams | None = None) -> Box:
        """[K] of each station: x in [0, 1], x_1 up to `greatest_rent`."""
        greatest = jnp.asarray(self._params(params).greatest_rent, float)
        return Box(0.0, jnp.ones(self.num_types).at[0].set(greatest), (self.num_types,))

    def observation_space(self, params: CapacityParams | None = None) -> Box:
        """[6 + 2K] of each station, bounded by the distribution of networks."""
        params = self._params(params)
        law = params.distribution
        own = observation_bounds(params.system, law)
        rival = [jnp.stack([law.aoi_range[end], law.latency_range[end]]) for end in (0, 1)]
        low, high = (jnp.concatenate(pair) for pair in zip(own, rival, strict=True))
        return Box(low, high, low.shape)

    def _begin(
        self, key: jax.Array, params: CapacityParams, count: int
    ) -> tuple[jax.Array, CompetitionState]:
        networks = draw_equal_networks(key, params.distribution, count)
        observation = observe_all(params.system, networks, STATIONS)
        return observation, CompetitionState(networks=networks, round=jnp.zeros(count, int))

    def _play(
        self, key: jax.Array, state: CompetitionState, action: jax.Array, params: CapacityParams
    ) -> tuple[jax.Array, CompetitionState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """One round of each of B, every argument with an axis of R = 2 B rows last."""
        prices = find_prices(params.system, state.networks)
        offers = make_offers(prices, state.networks.device_types, action)
        probs = state.networks.type_probs
        served = share_served(offers.rents, probs, params.capacity)
        utility = params.system.num_devices * jnp.sum(probs * served * offers.margin, axis=0)
        observation, following = self._begin(key, params, state.round.shape[0])
        rounds = state.round + 1
        truncated = rounds >= params.episode_length
        following = dataclasses.replace(following, round=jnp.where(truncated, 0, rounds))
        ends = jnp.tile(truncated, STATIONS)
        terminated = jnp.zeros_like(ends)
        info = {
            "contract": Contract(frequency=prices.frequency, payment=offers.payment),
            "utility": utility,
            "served": served,
            "terminated": terminated,
            "truncated": ends,
            "final_observation": observation,
        }
        return observation, following, utility / params.reward_unit, terminated, ends, info

    def _params(self, params: CapacityParams | None) -> CapacityParams:
        if params is None:
            return self.default_params
        numbers = [field.name for field in dataclasses.fields(CapacityNumbers)]
        check_one_game(params, CapacityParams, numbers)
        check_types(self, params)
        return params


def make_params(system: System, distribution: NetworkDistribution, numbers: dict[str, Any]) -> CapacityParams:
    """The numbers of a game, with rewards in units of what all devices are worth to a station alone."""
    law = distribution
    middle = NetworkState(
        max_aoi=jnp.mean(law.aoi_range),
        max_latency=jnp.mean(law.latency_range),
        type_probs=jnp.full(law.num_types, 1.0 / law.num_types),
        device_types=0.5 * (law.type_edges[1:] + law.type_edges[:-1]),
    )
    unit = float(jnp.mean(find_prices(system, middle).surplus))
    unit = unit if unit > 0 else float(system.unit_profit)
    return CapacityParams(
        system=system,
        distribution=distribution,
        reward_unit=float(system.num_devices) * unit,
        **numbers,
    )


def make_env(game: CapacityGame) -> tuple[CapacityEnv, CapacityParams]:
    """The environment and its parameters that a game describes."""
    law = game.law
    distribution = NetworkDistribution(
        aoi_range=law.aoi_range,
        latency_range=law.latency_range,
        type_edges=law.edges(game.env.num_types),
        concentration=law.concentration,
    )
    numbers = {field.name: getattr(game.env, field.name) for field in dataclasses.fields(CapacityNumbers)}
    return CapacityEnv(num_types=game.env.num_types), make_params(game.problem, distribution, numbers)
