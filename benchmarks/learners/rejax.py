"""rejax's PPO: PureJaxRL's way of training, environment and learner in one compiled program."""

import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import rejax as library
from gymnax.environments import spaces

from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from learners.game import Game
from learners.plan import Plan

if int(version("gymnax").partition(".")[0]) > 0:
    raise ImportError(f"gymnax {version('gymnax')} is installed, whose step rejax does not know (gymnax<1)")


class OldGymnaxEnv(gymnax.environments.environment.Environment):
    """The game in the shape that gymnax had before 1.0: `step` returns one `done`, never set here.

    `step` and `reset` are overridden themselves: the base class resets in every step, which costs.
    """

    def __init__(self, game: Game) -> None:
        self.game = game

    @property
    def default_params(self) -> Any:
        return gymnax.environments.environment.EnvParams()

    def reset(self, key, params=None):
        del params
        return self.game.reset(key)

    def step(self, key, state, action, params=None):
        del params
        observation, state, reward, *_ = self.game.step(key, state, action)
        return observation, state, reward, jnp.asarray(False), {}

    def action_space(self, params=None):
        del params
        space = self.game.action_space()
        bound = 1.0 if space.high == 1.0 else jnp.inf
        return spaces.Box(-bound, bound, space.shape)

    def observation_space(self, params=None):
        del params
        return spaces.Box(-1.0, 1.0, self.game.observation_space().shape)


class Rejax:
    """A `child.Learner` around rejax's train state, [S, ...]: its seeds are a batch, by `vmap`."""

    def __init__(self, plan: Plan) -> None:
        self.game, self.num_seeds = Game(plan.game, plan.num_types), plan.seeds
        self.algorithm = make_algorithm(self.game, plan.config)
        began = time.perf_counter()
        keys = jax.random.split(jax.random.key(0), plan.seeds)
        self.state = jax.jit(jax.vmap(self.algorithm.init_state))(keys)
        self.program = jax.jit(self._iterate).lower(self.state, 1).compile()
        self.compile_seconds = time.perf_counter() - began

    def _iterate(self, state: Any, count: jax.Array) -> Any:
        iterate = jax.vmap(self.algorithm.train_iteration)
        return jax.lax.fori_loop(0, count, lambda _, state: iterate(state), state)

    def advance(self, num_updates: int) -> None:
        self.state = jax.block_until_ready(self.program(self.state, num_updates))

    def policies(self) -> Sequence[Any]:
        weights = jax.device_get(self.state.actor_ts.params)
        rows = (jax.tree.map(lambda leaf, row=row: leaf[row], weights) for row in range(self.num_seeds))
        return [partial(_mode, self.algorithm.actor, self.game, row) for row in rows]


def make_algorithm(game: Game, config: PPOConfig) -> Any:
    """rejax's PPO at our sizes and numbers.

    Two of our numbers it has no place for: its fresh policy's deviation is 1, and its `max_grad_norm` clips
    each element of a gradient apart, not the norm, and is left at its default, none.
    """
    network: Any = config.network
    return library.PPO.create(
        env=OldGymnaxEnv(game),
        num_envs=config.num_envs,
        num_steps=config.num_steps,
        num_epochs=config.epochs,
        num_minibatches=config.minibatches,
        agent_kwargs={"hidden_layer_sizes": network.hidden_sizes, "activation": "tanh"},
        learning_rate=_make_schedule(config),
        gamma=config.discount,
        gae_lambda=config.gae_lambda,
        clip_eps=config.clip_range,
        vf_coef=config.value_coefficient,
        ent_coef=config.entropy_coefficient,
    )


def _make_schedule(config: PPOConfig) -> optax.Schedule:
    """The step size by gradient step: linear to its final value, as ours."""
    steps = config.num_updates * config.epochs * config.minibatches
    return optax.linear_schedule(config.learning_rate, config.final_learning_rate, steps)


@partial(jax.jit, static_argnums=(0, 1))
def _mode(actor: Any, game: Game, weights: Any, observation: np.ndarray) -> jax.Array:
    """The action of every observation [N, O]: [N, A]. rejax's own `act` draws one at random."""

    def mean(module, inputs):
        return module._action_dist(inputs).mean()

    action = actor.apply(weights, jax.vmap(game.scaled.scale)(observation), method=mean)
    return jax.vmap(game.scaled.env_action)(jnp.clip(action, *actor.action_range))
