"""GDMOPT, a diffusion model as actor in torch and tianshou, with our game in place of its environment."""

import contextlib
import copy
import dataclasses
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gym
import gymnasium
import numpy as np
import tianshou
import torch
from tianshou.env import DummyVectorEnv
from tianshou.trainer import offpolicy_trainer

import jaxcontract as jc
from jaxcontract.adapters import ENV_ID
from learners.game import MEASURES
from learners.plan import GAMES

NUM_TYPES = 2
VERSIONS = {"torch": torch, "tianshou": tianshou, "gym": gym, "gymnasium": gymnasium, "numpy": np}
OPTIONS = ("n_timesteps", "bc_coef", "step_per_collect", "batch_size", "actor_lr", "critic_lr")


class OneRound(gym.Env):
    """Our game as its environment is: the older gym's API, an episode of one round, and no expert.

    Actions are vectors [2K] in [−1, 1]; their length stands where its learner looks for it.
    """

    def __init__(self, game: str, seed: int) -> None:
        self.inside = gymnasium.make(ENV_ID, num_types=NUM_TYPES, **GAMES[game])
        self.inside.reset(seed=seed)
        seen = self.inside.observation_space
        self.observation_space = gym.spaces.Box(seen.low, seen.high)
        self.action_space = gym.spaces.Discrete(self.inside.action_space.shape[0])
        self.inside.step(self.inside.action_space.sample())  # compiled now

    def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
        return self.inside.reset()[0], {"rounds": 0}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        observation, reward, *_ = self.inside.step(np.asarray(action, np.float32))
        return observation, reward, True, {"rounds": 1}


@dataclasses.dataclass(frozen=True)
class Kept:
    """What was learned by a moment: rounds played, seconds of wall and of processor time, the weights."""

    seconds: float
    processor_seconds: float
    env_steps: int
    weights: Any


class Keeper:
    """Runs tianshou's trainer as it is asked to, keeps the actor at some moments and ends at the last."""

    def __init__(self, moments: Sequence[float]) -> None:
        self.left = [0.0, *moments]
        self.kept: list[Kept] = []
        self.actor: Any = None

    def train(self, policy: Any, *arguments: Any, **keywords: Any) -> Any:
        """In place of `offpolicy_trainer`: the same training, silent."""
        self.actor = policy._actor
        self.began = time.perf_counter(), time.process_time()
        keywords |= {"train_fn": self._look, "stop_fn": lambda _: not self.left}
        return offpolicy_trainer(policy, *arguments, **keywords, verbose=False, show_progress=False)

    def _look(self, _: int, env_steps: int) -> None:
        """Called before each round: is it time to keep what is there?"""
        seconds, spent = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        if self.left and seconds >= self.left[0]:
            self.left.pop(0)
            weights = copy.deepcopy(self.actor.state_dict())
            self.kept.append(Kept(seconds, spent, env_steps, weights))


def train(repository: Path, game: str, seed: int, moments: Sequence[float]) -> dict[str, Any]:
    """Train by the clone's own program at its own numbers, and measure what it had learned at each moment.

    Raises:
        ImportError: when the clone's program lacks a library.
    """
    # Networks of this size gain little from more threads, which wait for one another where cores are busy.
    torch.set_num_threads(1)
    keeper = Keeper(moments)
    with tempfile.TemporaryDirectory() as logs, _as_called(["--device", "cpu", "--logdir", logs]):
        program: Any = import_program(
            repository, lambda: OneRound(game, seed), lambda: OneRound(game, seed + 1)
        )
        program.offpolicy_trainer = keeper.train
        options = program.get_args()
        np.random.seed(seed)  # noqa: NPY002 - it draws its noise and its batches here
        torch.manual_seed(seed)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            program.main(options)
    return {
        "game": game,
        "num_types": NUM_TYPES,
        "seed": seed,
        "options": {name: getattr(options, name) for name in OPTIONS},
        "curve": [measure(keeper.actor, kept, game) for kept in keeper.kept],
    }


def import_program(repository: Path, make_train: Callable[[], Any], make_test: Callable[[], Any]) -> Any:
    """The clone's `main`, which takes its environments from a module `env`: from us, that is."""

    def make_envs(training_num: int = 0, test_num: int = 0) -> tuple[Any, Any, Any]:
        return (
            make_train(),
            DummyVectorEnv([make_train] * training_num),
            DummyVectorEnv([make_test] * test_num),
        )

    ours: Any = types.ModuleType("env")
    ours.make_aigc_env = make_envs
    sys.modules["env"] = ours
    sys.modules.pop("main", None)
    sys.path.insert(0, str(repository.resolve()))
    try:
        return importlib.import_module("main")
    finally:
        sys.path.pop(0)


@contextlib.contextmanager
def _as_called(arguments: list[str]) -> Iterator[None]:
    """The command line that the clone's program reads."""
    before, sys.argv = sys.argv, ["main.py", *arguments]
    try:
        yield
    finally:
        sys.argv = before


def measure(actor: Any, kept: Kept, game: str) -> dict[str, Any]:
    """What was kept on 20,000 unseen states: its actions as it draws them, and without noise."""
    env: Any = gymnasium.make(ENV_ID, num_types=NUM_TYPES, **GAMES[game]).unwrapped
    actor.load_state_dict(kept.weights)
    figures = {name: value for name, value in vars(kept).items() if name != "weights"}
    for name, act in {"drawn": draw, "without_noise": denoise}.items():
        torch.manual_seed(0)
        policy = env.env.policy(lambda seen, act=act: act(actor, seen), env.params)
        report = jc.evaluate(policy, env.env.env, env.params)
        figures[name] = {measure: getattr(report, measure) for measure in MEASURES}
    return figures


@torch.no_grad()
def draw(actor: Any, observation: np.ndarray) -> np.ndarray:
    """One action for every observation [N, O], denoised from noise: [N, A]."""
    drawn: np.ndarray = actor(torch.from_numpy(observation)).numpy()
    return drawn


@torch.no_grad()
def denoise(actor: Any, observation: np.ndarray) -> np.ndarray:
    """The same, with every draw of noise at its mean, 0: always the same action."""
    seen = torch.from_numpy(observation)
    action = torch.zeros(len(seen), actor.action_dim)
    for step in reversed(range(actor.n_timesteps)):
        action, *_ = actor.p_mean_variance(x=action, t=torch.full((len(seen),), step), s=seen)
    found: np.ndarray = action.clamp(-1.0, 1.0).numpy()
    return found


def describe(repository: Path) -> dict[str, Any]:
    """The clone's commit, if git knows it, and the libraries' versions."""
    asked = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    commit = None
    if (repository / ".git").exists() and shutil.which("git"):
        commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or None
    return {"commit": commit, "versions": {name: library.__version__ for name, library in VERSIONS.items()}}
