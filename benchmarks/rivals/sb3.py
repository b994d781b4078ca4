"""stable-baselines3's PPO in torch, its environments stepped in one JAX call or one by one."""

import copy
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import jax
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from rivals.game import Game
from rivals.plan import Plan

FAR = 100.0  # it wants bounds; no action of the unbounded game comes near these


class OneCallVecEnv(VecEnv):
    """B environments that one compiled JAX program steps together."""

    def __init__(self, game: Game, num_envs: int, seed: int) -> None:
        super().__init__(num_envs, *spaces(game))
        self.key = jax.random.key(seed)
        self.begin = jax.jit(lambda key: jax.vmap(game.reset)(jax.random.split(key, num_envs)))
        self.play = jax.jit(partial(_play, game))
        self.infos: list[dict[str, Any]] = [{} for _ in range(num_envs)]
        self.never_done = np.zeros(num_envs, bool)

    def reset(self) -> np.ndarray:
        self.key, key = jax.random.split(self.key)
        observation, self.state = self.begin(key)
        return np.array(observation)  # a copy, for torch wants arrays that can be written to

    def step_async(self, actions: np.ndarray) -> None:
        self.key, observation, self.state, reward = self.play(self.key, self.state, actions)
        self.result = observation, reward

    def step_wait(self) -> Any:
        observation, reward = self.result
        return np.array(observation), np.asarray(reward), self.never_done, self.infos

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name, indices=None):
        del indices
        if attr_name != "render_mode":
            raise AttributeError(attr_name)
        return [None] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        raise NotImplementedError

    def env_method(self, method_name, *method_args, indices=None, **method_kwargs):
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class, indices=None):
        del wrapper_class, indices
        return [False] * self.num_envs


class GymnasiumEnv(gym.Env):
    """One environment in gymnasium's shape; all of them share the compiled `begin` and `play`."""

    def __init__(self, game: Game, begin: Any, play: Any, seed: int) -> None:
        self.observation_space, self.action_space = spaces(game)
        self.begin, self.play = begin, play
        self.key = jax.random.key(seed)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed, options=options)
        self.key, observation, self.state = self.begin(self.key)
        return np.asarray(observation), {}

    def step(self, action):
        self.key, observation, self.state, reward = self.play(self.key, self.state, action)
        return np.asarray(observation), float(reward), False, False, {}


class StableBaselines:
    """A `child.Learner` around SB3's model."""

    def __init__(self, plan: Plan, make_envs: Any) -> None:
        self.game, config = Game(plan.game), plan.config
        began = time.perf_counter()
        envs = make_envs(self.game, config.parallel_rounds)
        envs.reset()
        envs.step(np.zeros((config.parallel_rounds, self.game.num_actions), np.float32))
        self.compile_seconds = time.perf_counter() - began
        self.batch_size = config.batch_size
        self.model = PPO(
            "MlpPolicy",
            envs,
            n_steps=config.rollout_length,
            batch_size=config.batch_size // config.minibatches,
            n_epochs=config.epochs,
            learning_rate=partial(self._falling, config),
            gamma=config.discount,
            gae_lambda=config.trace_decay,
            clip_range=config.clip_range,
            vf_coef=config.value_coefficient,
            ent_coef=config.entropy_coefficient,
            max_grad_norm=config.max_gradient_norm,
            policy_kwargs={
                "net_arch": {"pi": list(config.hidden_sizes), "vf": list(config.hidden_sizes)},
                "activation_fn": torch.nn.Tanh,
                "log_std_init": math.log(config.initial_std),
            },
            seed=0,
            device="cpu",  # what it recommends for networks of this size
        )
        self.spare = copy.deepcopy(self.model.policy)

    def _falling(self, config: Any, _: float) -> float:
        """The step size by rounds played: linear to its final value, as ours.

        SB3's own measure of progress counts to the end of each call of `learn`, not of the training.
        """
        played = self.model.num_timesteps - self.batch_size if hasattr(self, "model") else 0
        left = 1.0 - played / config.env_steps
        return config.final_learning_rate + left * (config.learning_rate - config.final_learning_rate)

    def advance(self, num_updates: int) -> None:
        self.model.learn(num_updates * self.batch_size, reset_num_timesteps=False)

    def policies(self) -> Sequence[Any]:
        weights = copy.deepcopy(self.model.policy.state_dict())
        return [partial(_mode, self.game, self.spare, weights)]


def vectorised(plan: Plan) -> StableBaselines:
    """All environments stepped in one JAX call."""
    return StableBaselines(plan, lambda game, num_envs: OneCallVecEnv(game, num_envs, seed=0))


def gymnasium(plan: Plan) -> StableBaselines:
    """Environments of gymnasium's shape, stepped one by one by SB3's DummyVecEnv."""
    return StableBaselines(plan, _one_by_one)


def spaces(game: Game) -> tuple[gym.spaces.Box, gym.spaces.Box]:
    """The boxes of observations and actions."""
    bound = 1.0 if game.bounded else FAR
    return (
        gym.spaces.Box(-1.0, 1.0, (game.num_inputs,), np.float32),
        gym.spaces.Box(-bound, bound, (game.num_actions,), np.float32),
    )


def _one_by_one(game: Game, num_envs: int) -> DummyVecEnv:
    begin, play = jax.jit(partial(_begin_one, game)), jax.jit(partial(_play_one, game))
    return DummyVecEnv([partial(GymnasiumEnv, game, begin, play, seed) for seed in range(num_envs)])


def _play(game: Game, key: jax.Array, state: Any, action: jax.Array) -> Any:
    """A round of B environments: (key, observation [B, O], state, reward [B])."""
    key, key_step = jax.random.split(key)
    keys = jax.random.split(key_step, len(action))
    return key, *jax.vmap(game.step)(keys, state, action)


def _begin_one(game: Game, key: jax.Array) -> Any:
    key, key_reset = jax.random.split(key)
    return key, *game.reset(key_reset)


def _play_one(game: Game, key: jax.Array, state: Any, action: jax.Array) -> Any:
    key, key_step = jax.random.split(key)
    return key, *game.step(key_step, state, action)


def _mode(game: Game, policy: Any, weights: Any, observation: np.ndarray) -> Any:
    """The action of every observation [N, O]: [N, A]."""
    policy.load_state_dict(weights)
    action, _ = policy.predict(np.asarray(game.scaled(observation), np.float32), deterministic=True)
    return game.env_action(action)
