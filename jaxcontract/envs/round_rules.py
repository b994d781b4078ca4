"""How networks change from round to round, and one round of a game that is played many at once: [..., B]."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import check_key, concrete, refuse
from jaxcontract.core.spaces import Box
from jaxcontract.envs.competition import PlayersInRows
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.network_states import NetworkDistribution, observation_bounds, sample_network
from jaxcontract.mechanism.records import NetworkState, System, floats
from jaxcontract.mechanism.rounds import put_rounds_last


def draw_rows(key: jax.Array, distribution: NetworkDistribution, count: int) -> NetworkState:
    """The networks of B = `count` rounds: type_probs, device_types [K, B], max_aoi, max_latency [1, B]."""
    return put_rounds_last(sample_network(key, distribution, count))


def one_row(network: NetworkState) -> NetworkState:
    """One network as those of B = 1 rounds."""
    return put_rounds_last(jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], network))


def change_networks(key: jax.Array, networks: NetworkState, fresh: NetworkState, redraw: Any) -> NetworkState:
    """The networks of the next rounds: those drawn afresh with the chance `redraw`, or else as they were."""
    anew = jax.random.uniform(key, networks.max_aoi.shape[-1:]) < redraw
    return choose(anew, fresh, networks)


def choose(which: jax.Array, there: Any, here: Any) -> Any:
    """The columns of one pytree [..., B] where `which` [B] is true, and of another elsewhere."""

    def pick(one: jax.Array, other: jax.Array) -> jax.Array:
        return jnp.where(jnp.reshape(which, (1,) * (one.ndim - 1) + which.shape), one, other)

    return jax.tree.map(pick, there, here)


def make_distribution(law: NetworkLaw, num_types: int) -> NetworkDistribution:
    """The distribution of a law's networks of K types."""
    same = {name: getattr(law, name) for name in ("aoi_range", "latency_range", "concentration")}
    return NetworkDistribution(type_edges=law.edges(num_types), **same)


def bound_observations(
    system: System, distribution: NetworkDistribution, low: jax.Array, high: jax.Array
) -> Box:
    """The Box of (11) and of what else is seen, between `low` and `high` [...]."""
    ends = observation_bounds(system, distribution)
    low, high = (jnp.concatenate([*pair]) for pair in zip(ends, (low, high), strict=True))
    return Box(low, high, low.shape)


class OneColumn:
    """`reset` and `step` of gymnax, for one environment of a game that plays rounds side by side."""

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def num_actions(self) -> int:
        """The length of an action."""
        raise NotImplementedError

    def _params(self, params: Any) -> Any:
        raise NotImplementedError

    def _begin(self, key: jax.Array, params: Any, count: int) -> tuple[jax.Array, Any]:
        raise NotImplementedError

    def _play(self, key: jax.Array, state: Any, action: jax.Array, params: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    def reset(self, key: jax.Array, params: Any = None) -> tuple[jax.Array, Any]:
        """The first round of an episode: (observation, state). The key is consumed.

        Raises:
            ValueError: when the key is none, or the params are of another game, number of types, or a batch.
        """
        check_key(self.name, key)
        observation, state = self._begin(key, self._params(params), 1)
        return observation[:, 0], state

    def step(
        self, key: jax.Array, state: Any, action: jax.Array, params: Any = None
    ) -> tuple[jax.Array, Any, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """Play one round: (observation, state, reward, terminated, truncated, info). The key is consumed.

        Raises:
            ValueError: when the action has another shape, or NaN.
        """
        params, action = self._params(params), self.check_action(action)
        observation, state, *outcome, info = self._play(key, state, action[:, None], params)
        reward, terminated, truncated = (one[0] for one in outcome)
        return observation[:, 0], state, reward, terminated, truncated, _first_column(info)

    def check_action(self, action: Any) -> jax.Array:
        """An action as an array. Raises ValueError when it has another shape, or NaN."""
        action = floats(action, self.name, "action")
        if jnp.shape(action) != (self.num_actions,):
            raise ValueError(
                f"{self.name}: an action of shape {jnp.shape(action)}: must be ({self.num_actions},)"
            )
        value = concrete(action)
        if value is not None and np.any(np.isnan(value)):
            raise refuse(self.name, "action", value, "without NaN")
        return action

    def rounds_last(self) -> PlayersInRows | None:
        """The same game for B rounds at once; None of a subclass whose rules are not known here."""
        cls = type(self)
        ours = cls.reset is OneColumn.reset and cls.step is OneColumn.step
        return PlayersInRows(env=self) if ours else None


def _first_column(info: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = jax.tree.map(lambda leaf: leaf[..., 0], info)
    return first
