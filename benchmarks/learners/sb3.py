"""stable-baselines3's PPO in torch, its environments stepped in one JAX call or one by one."""

import copy
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from jaxcontract.adapters.envs import GymnasiumEnv, GymnasiumVectorEnv
from jaxcontract.adapters.stable_baselines3 import OneCallVecEnv
from learners.game import Game
from learners.plan import Plan


class StableBaselines:
    """A `child.Learner` around SB3's model."""

    def __init__(self, plan: Plan, make_envs: Any) -> None:
        self.game, config = Game(plan.game, plan.num_types), plan.config
        began = time.perf_counter()
        envs = make_envs(self.game, config.num_envs)
        envs.reset()
        envs.step(np.zeros((config.num_envs, *envs.action_space.shape), np.float32))
        self.compile_seconds = time.perf_counter() - began
        self.batch_size = config.batch_size
        network: Any = config.network
        head: Any = config.policy_head
        hidden = list(network.hidden_sizes)
        self.model = PPO(
            "MlpPolicy",
            envs,
            n_steps=config.num_steps,
            batch_size=config.batch_size // config.minibatches,
            n_epochs=config.epochs,
            learning_rate=partial(self._fall, config),
            gamma=config.discount,
            gae_lambda=config.gae_lambda,
            clip_range=config.clip_range,
            vf_coef=config.value_coefficient,
            ent_coef=config.entropy_coefficient,
            max_grad_norm=config.max_gradient_norm,
            policy_kwargs={
                "net_arch": {"pi": hidden, "vf": hidden},
                "activation_fn": torch.nn.Tanh,
                "log_std_init": math.log(head.initial_std),
            },
            seed=0,
            device="cpu",  # what it recommends for networks of this size
        )
        self.spare = copy.deepcopy(self.model.policy)

    def _fall(self, config: Any, _: float) -> float:
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


def make_vectorised(plan: Plan) -> StableBaselines:
    """All environments stepped in one JAX call."""
    return StableBaselines(
        plan, lambda game, num_envs: OneCallVecEnv(GymnasiumVectorEnv(game, num_envs=num_envs))
    )


def make_one_by_one(plan: Plan) -> StableBaselines:
    """Environments of gymnasium's shape, stepped one by one by SB3's DummyVecEnv."""
    return StableBaselines(plan, lambda game, num_envs: DummyVecEnv([partial(GymnasiumEnv, game)] * num_envs))


def _mode(game: Game, policy: Any, weights: Any, observation: np.ndarray) -> Any:
    """The action of every observation [N, O]: [N, A]."""
    policy.load_state_dict(weights)
    mode = game.scaled.policy(lambda seen: policy.predict(seen, deterministic=True)[0], game.default_params)
    return mode.act(observation)
