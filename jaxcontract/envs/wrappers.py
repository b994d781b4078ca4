"""An environment in the units in which general learners do best: observations and actions in [−1, 1]."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import Record, number
from jaxcontract.core.host_policy import HostPolicy
from jaxcontract.core.item_layout import ItemLayout, find_item_layout
from jaxcontract.core.spaces import Box
from jaxcontract.learning.boxes import box_bounds, make_normalizer

REACH = 6.0  # the best contract within ± 6 loses 3e-5 to the best of all at K = 2, 1.5e-3 at K = 8


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaledEnv(Record):
    """An environment of gymnax's shape, seen through two fixed linear maps; its rules stay the same.

    Observations: an entry with two bounds is mapped from them to [−1, 1], or to 0 where they coincide;
        any other is left as it is.
    Actions: every entry is in [−1, 1]. One with two bounds is mapped from [−1, 1] to them, so that raw
        actions are f, r = (1 + a)/2. One without is multiplied by `reach`: R^{2K} becomes a box, which
        leaves out the contracts that are too close to the edge of the feasible set.

    env: with `reset`, `step`, `observation_space` and `action_space` of gymnax 1.x, Boxes both

    >>> from jaxcontract.envs.contract import ContractEnv
    >>> scaled = ScaledEnv(env=ContractEnv(actions="raw"))
    >>> scaled.env_action(jnp.array([-1.0, 0.0, 0.5, 1.0])).tolist()
    [0.0, 0.5, 0.75, 1.0]
    """

    env: Any
    reach: float = number(
        REACH, "what an action of 1 stands for where actions have no bounds", static=True, low=0, above=True
    )

    @property
    def name(self) -> str:
        """That of the env inside."""
        return str(self.env.name)

    @property
    def default_params(self) -> Any:
        """Those of the env inside."""
        return self.env.default_params

    def reset(self, key: jax.Array, params: Any = None) -> tuple[jax.Array, Any]:
        """The first round of an episode: (observation, state). The key is consumed."""
        observation, state = self.env.reset(key, params)
        return self.scale(observation, params), state

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> tuple[Any, ...]:
        """Play one round: (observation, state, reward, terminated, truncated, info). The key is consumed."""
        observation, state, *outcome, info = self.env.step(
            key, state, self.env_action(action, params), params
        )
        info = {**info, "final_observation": self.scale(info["final_observation"], params)}
        return self.scale(observation, params), state, *outcome, info

    def item_layout(self) -> ItemLayout | None:
        """That of the env inside, if it has one: scaling moves no entry."""
        return find_item_layout(self.env)

    def scale(self, observation: Any, params: Any = None) -> jax.Array:
        """An observation [O] of the env, as a learner sees it.

        Raises:
            ValueError: when it has another length.
        """
        params, observation = self._params(params), jnp.asarray(observation)
        normalizer = make_normalizer(self.env.observation_space(params))
        seen = self.observation_space(params)
        if observation.shape != tuple(seen.shape):
            raise ValueError(
                f"ScaledEnv: an observation of shape {observation.shape}: must be {tuple(seen.shape)}"
            )
        # Rounding may leave the box by the last bit, which those who check it call an error.
        return jnp.clip(normalizer.normalize(observation), seen.low, seen.high)

    def env_action(self, action: Any, params: Any = None) -> jax.Array:
        """A learner's action [A], as the env takes it.

        Raises:
            ValueError: when it has another length.
        """
        low, high = self._action_bounds(params)
        return low + 0.5 * (high - low) * (1.0 + self._action(action, low.shape))

    def learner_action(self, action: Any, params: Any = None) -> jax.Array:
        """The inverse of `env_action`: what a learner calls an action [A] of the env."""
        low, high = self._action_bounds(params)
        return 2.0 * (self._action(action, low.shape) - low) / (high - low) - 1.0

    def policy(self, act: Callable[[np.ndarray], Any], params: Any) -> HostPolicy:
        """What a learner of this environment has learned as a policy of the env inside, for `evaluate`.

        act: observations [N, O] → actions [N, A] of this environment, in NumPy, such as
            `lambda observation: model.predict(observation, deterministic=True)[0]`
        params: those that it was trained with, by whose ranges its observations were scaled
        """

        space: Any = self.observation_space(params)
        # In NumPy alone: whoever plays episodes in one program calls this back while the program runs.
        normalizer, seen, bounds = jax.device_get(
            (
                make_normalizer(self.env.observation_space(params)),
                box_bounds(space),
                self._action_bounds(params),
            )
        )
        low, high = bounds

        def act_inside(observation: np.ndarray) -> np.ndarray:
            scaled = np.clip(normalizer.normalize(np.asarray(observation).T).T, *seen)
            action = np.asarray(act(scaled.astype(np.float32)))
            if action.shape != (len(scaled), *low.shape):
                wanted = f"({len(scaled)}, {len(low)})"
                raise ValueError(f"ScaledEnv: actions of shape {action.shape}: must be {wanted}")
            return np.asarray(low + 0.5 * (high - low) * (1.0 + action))

        return HostPolicy(act_inside)

    def observation_space(self, params: Any = None) -> Box:
        """[O], from −1 to 1 where the env's has two bounds."""
        space = self.env.observation_space(self._params(params))
        low, high = box_bounds(space)
        bounded = jnp.isfinite(low) & jnp.isfinite(high)
        return Box(jnp.where(bounded, -1.0, low), jnp.where(bounded, 1.0, high), space.shape)

    def action_space(self, params: Any = None) -> Box:
        """[A]: the box [−1, 1]."""
        return Box(-1.0, 1.0, self.env.action_space(self._params(params)).shape)

    @staticmethod
    def _action(action: Any, shape: tuple[int, ...]) -> jax.Array:
        action = jnp.asarray(action)
        if action.shape != shape:
            raise ValueError(f"ScaledEnv: an action of shape {action.shape}: must be {shape}")
        return action

    def _action_bounds(self, params: Any) -> tuple[jax.Array, jax.Array]:
        """What −1 and 1 stand for, [A] each."""
        low, high = box_bounds(self.env.action_space(self._params(params)))
        bounded = jnp.isfinite(low) & jnp.isfinite(high)
        return jnp.where(bounded, low, -self.reach), jnp.where(bounded, high, self.reach)

    def _params(self, params: Any) -> Any:
        return self.env.default_params if params is None else params
