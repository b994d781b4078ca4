"""Base stations that compete for devices with a choice: a game of N players, in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import check_key, check_parts, documented
from jaxcontract.core.pytree import register
from jaxcontract.core.spaces import Box
from jaxcontract.envs.competition_config import CompetitionGame, CompetitionNumbers, CompetitionOptions
from jaxcontract.envs.competition_rules import (
    CompetitionState,
    draw_networks,
    earn,
    make_contracts,
    observe_all,
)
from jaxcontract.envs.params import check_one_game, check_types
from jaxcontract.envs.scale import fit_scale
from jaxcontract.mechanism.network_states import NetworkDistribution, observation_bounds
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, floats
from jaxcontract.mechanism.rounds import put_rounds_last

OUTSIDE = 0.1  # of what one device is worth to a station alone: the unit of its reward


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CompetitionParams(CompetitionNumbers):
    """Everything numeric about the game; all traced.

    system:          the deployment of every station
    distribution:    the law of the networks; requirements are drawn for each station, types for all
    frequency_shift: of the logits of frequencies, as `fit_scale` finds it
    reward_unit:     what rewards are divided by

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    system: System = dataclasses.field(default_factory=System)
    distribution: NetworkDistribution = dataclasses.field(default_factory=NetworkDistribution)
    frequency_shift: Any = 0.0
    reward_unit: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self, system=System, distribution=NetworkDistribution)


@jax.tree_util.register_static
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class CompetitionEnv(CompetitionOptions):
    """N stations offer a contract each, every round; a device of type k takes item k of one, or none.

    It chooses by a logit of scale μ (`taste_scale`) over what the stations leave it, and 0 for none. A
    station earns what the devices are worth that it gets, less what it pays them.

    Every station sees all requirements, its own first: no policy could answer its rivals otherwise. What
    rivals offered in the round before says nothing more, as each round has a network of its own. So one
    policy plays all stations, each from where it stands, with one set of weights, as in JaxMARL's IPPO.

    Observation: [N, 4 + 2K + 2(N − 1)], (11) with the station's own requirements, then the others' Ā_max and
        D̄_max in turn.
    Action: [N, 2K], any numbers: K logits of the frequencies and K − 1 of the payments' steps, as in
        `feasible_contract`; between them the logit of the share of its surplus that type 1 is left.
    Reward: [N], U_i in units of `reward_unit`. Its derivative by the actions is of each station's own
        alone: what the rivals offer counts as given.
    Info: `contract` [N, K], `utility` U_i [N], `participation` [N, K], and gymnax's `terminated`,
        `truncated`, `final_observation`.
    Episode: truncated, never terminated, as in `ContractEnv`: the next network does not depend on actions.

    With one station the axis N is left out: gymnax's own shape.

    Raises:
        ValueError: naming the field, its value and what is allowed.

    >>> env = CompetitionEnv(num_stations=3)
    >>> observation, state = env.reset(jax.random.key(0), env.default_params)
    >>> observation.shape, env.action_space(env.default_params).shape
    ((3, 12), (4,))
    """

    @property
    def name(self) -> str:
        return "Competition-v0" if self.num_stations > 1 else "Participation-v0"

    @property
    def default_params(self) -> CompetitionParams:
        """The paper's constants, with K equal bands of device types and μ = 1."""
        return make_params(self, System(), NetworkDistribution.equal_bands(self.num_types), {})

    def reset(
        self, key: jax.Array, params: CompetitionParams | None = None
    ) -> tuple[jax.Array, CompetitionState]:
        """The first round of an episode: (observation, state). The key is consumed.

        Raises:
            ValueError: when the key is none, or the params are for another number of types, or a batch.
        """
        check_key(self.name, key)
        observation, state = self._begin(key, self._params(params), 1)
        return self._one(observation), state

    def step(
        self,
        key: jax.Array,
        state: CompetitionState,
        action: jax.Array,
        params: CompetitionParams | None = None,
    ) -> tuple[jax.Array, CompetitionState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """Play one round: (observation, state, reward, terminated, truncated, info). The key is consumed.

        Raises:
            ValueError: when the actions have another shape.
        """
        params = self._params(params)
        shape = (2 * self.num_types,) if self.num_stations == 1 else (self.num_stations, 2 * self.num_types)
        action = floats(action, self.name, "action")
        if jnp.shape(action) != shape:
            raise ValueError(f"{self.name}: actions of shape {jnp.shape(action)}: must be {shape}")
        rows = jnp.reshape(action, (self.num_stations, -1)).T
        observation, state, reward, terminated, truncated, info = self._play(key, state, rows, params)
        contract = Contract(**{name: self._one(items) for name, items in vars(info["contract"]).items()})
        info = {
            "contract": contract,
            "utility": self._each(info["utility"]),
            "participation": self._one(info["participation"]),
            "terminated": terminated[0],
            "truncated": truncated[0],
            "final_observation": self._one(info["final_observation"]),
        }
        ends = terminated[0], truncated[0]
        return self._one(observation), state, self._each(reward), *ends, info

    def observe(self, networks: NetworkState, params: CompetitionParams | None = None) -> jax.Array:
        """What each station sees of the networks [N, ...] of one round: [N, O]."""
        rows = put_rounds_last(networks)
        return observe_all(self._params(params).system, rows, self.num_stations).T

    def contracts(
        self, networks: NetworkState, action: Numbers, params: CompetitionParams | None = None
    ) -> Contract:
        """The contracts [N, K] that actions [N, 2K] stand for in the networks [N, ...] of one round."""
        params = self._params(params)
        action = floats(action, self.name, "action")
        made = make_contracts(params.system, put_rounds_last(networks), action.T, params.frequency_shift)
        return Contract(frequency=made.frequency.T, payment=made.payment.T)

    def rounds_last(self) -> "PlayersInRows | None":
        """The same game for B rounds at once, each station of each round a row of its own."""
        cls = type(self)
        ours = all(getattr(cls, name) is getattr(CompetitionEnv, name) for name in ("reset", "step"))
        return PlayersInRows(env=self) if ours else None

    def action_space(self, params: CompetitionParams | None = None) -> Box:
        """[2K] of each station: all of R^{2K}."""
        del params
        return Box(-jnp.inf, jnp.inf, (2 * self.num_types,))

    def observation_space(self, params: CompetitionParams | None = None) -> Box:
        """[4 + 2K + 2(N − 1)] of each station, bounded by the distribution of networks."""
        params = self._params(params)
        law = params.distribution
        low, high = observation_bounds(params.system, law)
        rivals = self.num_stations - 1
        others = [jnp.tile(jnp.stack([law.aoi_range[at], law.latency_range[at]]), rivals) for at in (0, 1)]
        low, high = (jnp.concatenate(pair) for pair in zip((low, high), others, strict=True))
        return Box(low, high, low.shape)

    def _begin(
        self, key: jax.Array, params: CompetitionParams, count: int
    ) -> tuple[jax.Array, CompetitionState]:
        networks = draw_networks(key, params.distribution, self.num_stations, count)
        observation = observe_all(params.system, networks, self.num_stations)
        return observation, CompetitionState(networks=networks, round=jnp.zeros(count, int))

    def _play(
        self, key: jax.Array, state: CompetitionState, action: jax.Array, params: CompetitionParams
    ) -> tuple[jax.Array, CompetitionState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """One round of each of B, every argument with an axis of R = N B rows last."""
        contract = make_contracts(params.system, state.networks, action, params.frequency_shift)
        utility, taken = earn(params.system, state.networks, contract, params.taste_scale, self.num_stations)
        observation, following = self._begin(key, params, state.round.shape[0])
        rounds = state.round + 1
        truncated = rounds >= params.episode_length
        following = dataclasses.replace(following, round=jnp.where(truncated, 0, rounds))
        ends = jnp.tile(truncated, self.num_stations)
        terminated = jnp.zeros_like(ends)
        info = {
            "contract": contract,
            "utility": utility,
            "participation": taken,
            "terminated": terminated,
            "truncated": ends,
            "final_observation": observation,
        }
        return observation, following, utility / params.reward_unit, terminated, ends, info

    def _one(self, rows: jax.Array) -> jax.Array:
        """[F, N] → [N, F], or [F] of one station."""
        return rows.T if self.num_stations > 1 else rows[:, 0]

    def _each(self, rows: jax.Array) -> jax.Array:
        """[N] → [N], or [] of one station."""
        return rows if self.num_stations > 1 else rows[0]

    def _params(self, params: CompetitionParams | None) -> CompetitionParams:
        if params is None:
            return self.default_params
        numbers = [field.name for field in dataclasses.fields(CompetitionNumbers)]
        check_one_game(params, CompetitionParams, numbers)
        check_types(self, params)
        return params


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class PlayersInRows:
    """Many rounds of a game of N players from one key, as R = N B rows: a `RoundsLastEnvironment`.

    Row n B + b is player n of round b, so that a learner of one player's game learns one policy for all
    players: each row has its own observation, action and reward.
    """

    env: Any  # `CompetitionEnv`, or another game of players by the same private methods

    def reset(self, key: jax.Array, params: Any, count: int) -> tuple[jax.Array, CompetitionState]:
        """Begin B = `count` episodes: (observation [O, N B], state). The key is consumed."""
        begun: tuple[jax.Array, CompetitionState] = self.env._begin(key, self.env._params(params), count)
        return begun

    def step(
        self, key: jax.Array, state: CompetitionState, action: jax.Array, params: Any
    ) -> tuple[jax.Array, CompetitionState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """Play one round of each, for actions [A, N B]. The key is consumed."""
        played: tuple[jax.Array, CompetitionState, jax.Array, jax.Array, jax.Array, dict[str, Any]]
        played = self.env._play(key, state, action, self.env._params(params))
        return played

    def reward_against(
        self, key: jax.Array, state: CompetitionState, action: jax.Array, rivals: jax.Array, params: Any
    ) -> jax.Array:
        """What each player earns by its own action [A, N B] if all others take `rivals` [A, N B]: [N B].

        The key is that of the `step` with `action`, whose chances these are.
        """
        (rounds,) = state.round.shape
        players = jnp.arange(action.shape[-1] // rounds)

        def earn_alone(player):
            own = jnp.repeat(players == player, rounds)
            reward = self.step(key, state, jnp.where(own, action, rivals), params)[2]
            return jnp.reshape(reward, (-1, rounds))[player]

        return jnp.ravel(jax.vmap(earn_alone)(players))


def make_params(
    env: CompetitionEnv, system: System, distribution: NetworkDistribution, numbers: dict[str, Any]
) -> CompetitionParams:
    """The numbers of a game, with the units that suit its deployment and law."""
    plain = CompetitionParams(system=system, distribution=distribution, **numbers)
    law = distribution
    middle = 1.0 + system.aoi_preference * jnp.mean(law.aoi_range)
    middle = middle + (1.0 - system.aoi_preference) * jnp.mean(law.latency_range)
    worth = float(system.unit_profit * jnp.log(middle))
    unit = OUTSIDE * worth if env.num_stations == 1 else min(float(plain.taste_scale), OUTSIDE * worth)
    return plain.replace(
        frequency_shift=fit_scale(system, distribution).frequency_shift,
        reward_unit=float(system.num_devices) * unit,
    )


def make_env(game: CompetitionGame) -> tuple[CompetitionEnv, CompetitionParams]:
    """The environment and its parameters that a game describes."""
    env = CompetitionEnv(num_stations=game.env.num_stations, num_types=game.env.num_types)
    law = game.law
    distribution = NetworkDistribution(
        aoi_range=law.aoi_range,
        latency_range=law.latency_range,
        type_edges=law.edges(env.num_types),
        concentration=law.concentration,
    )
    fields = dataclasses.fields(CompetitionNumbers)
    numbers = {field.name: getattr(game.env, field.name) for field in fields}
    return env, make_params(env, game.problem, distribution, numbers)
