"""Competing stations as JaxMARL has agents: dictionaries by agent, episodes that begin anew by themselves."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.spaces import Box
from jaxcontract.envs.competition import CompetitionEnv, CompetitionParams
from jaxcontract.envs.competition_rules import CompetitionState, observe_all
from jaxcontract.envs.wrappers import REACH, ScaledEnv
from jaxcontract.mechanism.records import check_kind

Dictionary = dict[str, Any]


class JaxMARLEnv:
    """A `CompetitionEnv` with the members of JaxMARL's `MultiAgentEnv`; it does not import JaxMARL.

        env = JaxMARLEnv(CompetitionEnv(num_stations=3))
        logged = jaxmarl.wrappers.baselines.LogWrapper(env)

    Agents: station_0, station_1 and so on. All methods are pure, on one round: `vmap` plays many. `jit` is
    the caller's.

    Observation of an agent: [4 + 2K + 2(N − 1)], its own network and requirements first, in [−1, 1].
    Action: [2K], in [−1, 1]; `ScaledEnv` says what both stand for. Actions outside are taken as they are.
    Reward: [], U_i in units of `params.reward_unit`.
    Dones: after `params.episode_length` rounds, for all agents and "__all__". JaxMARL has no truncation.
    Infos: `utility` U_i [N], a number for each agent, as JaxMARL's learners ask of every entry.

    env, params: the game and its numbers, by default the env's
    reach:       what an action of 1 stands for, as in `ScaledEnv`

    Raises:
        ValueError: when the env or the params are of another kind, or `reach` is out of range.
    """

    def __init__(
        self, env: CompetitionEnv, params: CompetitionParams | None = None, *, reach: float = REACH
    ) -> None:
        check_kind("env", env, CompetitionEnv)
        if params is not None:
            check_kind("params", params, CompetitionParams)
        self.env, self.params = env, jax.device_put(env.default_params if params is None else params)
        self._scaled = ScaledEnv(env=env, reach=reach)
        self.num_agents = env.num_stations
        self.agents = [f"station_{number}" for number in range(env.num_stations)]
        self.agent_classes = {"station": list(self.agents)}
        seen, done = (
            space(self.params) for space in (self._scaled.observation_space, self._scaled.action_space)
        )
        self.observation_spaces = dict.fromkeys(self.agents, seen)
        self.action_spaces = dict.fromkeys(self.agents, done)

    @property
    def name(self) -> str:
        """That of the env."""
        return self.env.name

    def observation_space(self, agent: str) -> Box:
        """A Box [O]."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """A Box [2K]."""
        return self.action_spaces[agent]

    def reset(self, key: jax.Array) -> tuple[Dictionary, CompetitionState]:
        """Begin an episode: (observations, state). The key is consumed."""
        _, state = self.env.reset(key, self.params)
        return self.get_obs(state), state

    def step(
        self,
        key: jax.Array,
        state: CompetitionState,
        actions: Mapping[str, jax.Array],
        reset_state: CompetitionState | None = None,
    ) -> tuple[Dictionary, CompetitionState, Dictionary, Dictionary, dict[str, Any]]:
        """Play one round, and begin an episode anew where it ends one. The key is consumed.

        reset_state: where the next episode begins; by default it is drawn

        Returns (observations, state, rewards, dones, infos); observations are those to act on next.

        Raises:
            ValueError: when the actions are not of all agents, or one has another shape.
        """
        key, key_reset = jax.random.split(key)
        _, following, rewards, dones, infos = self.step_env(key, state, actions)
        begun = self.reset(key_reset)[1] if reset_state is None else reset_state
        following = jax.tree.map(lambda new, old: jnp.where(dones["__all__"], new, old), begun, following)
        return self.get_obs(following), following, rewards, dones, infos

    def step_env(
        self, key: jax.Array, state: CompetitionState, actions: Mapping[str, jax.Array]
    ) -> tuple[Dictionary, CompetitionState, Dictionary, Dictionary, dict[str, Any]]:
        """`step` without beginning anew: rounds are counted on."""
        rows = self._env_actions(actions)
        rows = rows[0] if self.num_agents == 1 else rows
        _, following, reward, terminated, truncated, info = self.env.step(key, state, rows, self.params)
        following = dataclasses.replace(following, round=state.round + 1)
        rewards = self._by_agent(jnp.atleast_1d(reward))
        dones = dict.fromkeys([*self.agents, "__all__"], terminated | truncated)
        infos = {"utility": jnp.atleast_1d(info["utility"])}
        return self.get_obs(following), following, rewards, dones, infos

    def get_obs(self, state: CompetitionState) -> Dictionary:
        """What each agent sees of a state."""
        rows = observe_all(self.params.system, state.networks, self.num_agents).T
        return self._by_agent(self._scale(rows))

    def policy(self, act: Callable[[jax.Array], jax.Array]) -> jax.tree_util.Partial:
        """What was learned here as a policy of the env, for `CompetitionReference.evaluate`.

        act: observations [N, O] → actions [N, 2K] of all agents, as they are here, that JAX can trace
        """

        def act_inside(observation: jax.Array) -> jax.Array:
            return self._unscale(act(self._scale(observation)))

        return jax.tree_util.Partial(act_inside)

    def _scale(self, rows: jax.Array) -> jax.Array:
        return jax.vmap(partial(self._scaled.scale, params=self.params))(rows)

    def _unscale(self, rows: jax.Array) -> jax.Array:
        return jax.vmap(partial(self._scaled.env_action, params=self.params))(rows)

    def _env_actions(self, actions: Mapping[str, jax.Array]) -> jax.Array:
        """The actions [N, 2K] of the env."""
        missing = [agent for agent in self.agents if agent not in actions]
        if missing or len(actions) != self.num_agents:
            raise ValueError(f"step: actions of {sorted(actions)}: must be of {self.agents}")
        for agent in self.agents:
            shape = jnp.shape(actions[agent])
            if shape != self.action_space(agent).shape:
                raise ValueError(
                    f"step: an action of shape {shape} of {agent}: must be {self.action_space(agent).shape}"
                )
        return self._unscale(jnp.stack([actions[agent] for agent in self.agents]))

    def _by_agent(self, rows: jax.Array) -> Dictionary:
        return dict(zip(self.agents, rows, strict=True))
