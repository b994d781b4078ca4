"""The trainings that the reproduction is made of: who learns, what is played, from which seed."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import change
from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.mechanism.network_law import HIGHEST_TYPE, LOWEST_TYPE
from jaxcontract.mechanism.network_states import NetworkDistribution
from jaxcontract.mechanism.records import System

FIGURE_SEED = 312  # of the paper's Fig. 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the reproduction is.

    seeds:        of Fig. 2(a), from FIGURE_SEED on; others: of every other training
    budget:       share of the updates that each learner gets
    states:       unseen states on which results are measured
    mirrored:     states drawn for Fig. 3, each of which comes with three images
    every_value:  all values of each sweep, or the two ends and the default only
    """

    seeds: int
    others: int
    budget: float
    states: int
    mirrored: int
    every_value: bool

    def updates(self, whole: int) -> int:
        """The updates made of a whole budget, at least two."""
        return max(2, round(self.budget * whole))

    def values(self, every: Iterable[float]) -> list[float]:
        """The values of a sweep, or its two ends."""
        values = list(every)
        return values if self.every_value else [values[0], values[-1]]


FULL = Scale(seeds=20, others=3, budget=1.0, states=20_000, mirrored=75_000, every_value=True)
QUICK = Scale(seeds=3, others=2, budget=0.05, states=4_000, mirrored=50_000, every_value=False)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One training. `curve`: whether it is measured as it goes, or at its end only."""

    seed: int
    env: ContractEnv
    params: EnvParams
    config: Any
    curve: bool = False

    @property
    def shape(self) -> Any:
        """Equal for cases that one compiled program can train together."""
        self.config.make()  # its module makes the configuration a pytree
        structures = jax.tree.structure(self.params), jax.tree.structure(self.config)
        return type(self.config), self.env, structures, self.curve

    @property
    def fingerprint(self) -> str:
        """A name that equal cases share, whatever order they come in."""
        leaves, _ = jax.tree.flatten_with_path(self.params)
        description = {
            "jaxcontract": version("jaxcontract"),
            "jax": jax.__version__,
            "learner": type(self.config).__name__,
            "seed": self.seed,
            "env": dataclasses.asdict(self.env),
            "params": {jax.tree_util.keystr(path): np.asarray(leaf).tolist() for path, leaf in leaves},
            "concentration": self.params.distribution.concentration,
            "config": dataclasses.asdict(self.config),
            "curve": self.curve,
        }
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def work(self) -> float:
        """About the seconds that one core of 2025 takes, for the estimate of the time left."""
        config, num_types = self.config, self.env.num_types
        epochs = getattr(config, "epochs", 0)  # the plain gradient's one pass is its playing
        steps = epochs * getattr(config, "minibatches", 1) * config.num_updates
        played = getattr(config, "num_steps", 1) * config.num_updates
        passes = config.env_steps * epochs
        return 2e-4 * steps + 8e-5 * played + (1.2e-6 + 3e-8 * num_types) * (passes + config.env_steps)


def seeds(count: int) -> list[int]:
    """The paper's seed and its successors."""
    return list(range(FIGURE_SEED, FIGURE_SEED + count))


def game_params(num_types: int, system: System | None = None, cost_scale: float = 1.0) -> EnvParams:
    """The paper's game for K types; all costs of an update are multiplied by `cost_scale`."""
    edges = np.linspace(LOWEST_TYPE, HIGHEST_TYPE, num_types + 1) / cost_scale
    distribution = NetworkDistribution(type_edges=tuple(edges.tolist()))
    return EnvParams(system=System() if system is None else system, distribution=distribution)


def ppo_of(preset: str) -> PPOConfig:
    """What PPO is told by a preset; with a critic and GAE, as the paper has it."""
    config = PRESETS[preset].algorithm
    assert isinstance(config, PPOConfig)
    return config if config.group_size == 1 else PPOConfig()


def preset_ppo(
    preset: str,
    count: int,
    updates: int,
    *,
    num_types: int = 2,
    params: EnvParams | None = None,
    curve: bool = False,
    **changes: Any,
) -> list[Case]:
    """PPO as a preset has it, over `count` seeds, with changes to its configuration."""
    setting = PRESETS[preset]
    config = ppo_of(preset).replace(num_updates=updates, **changes)
    env, _ = change(setting, {"num_types": num_types}).game.make()
    return _cases(count, env, params or game_params(num_types), config, curve)


feasible_ppo = partial(preset_ppo, "default")  # feasible actions, centred reward
printed_ppo = partial(preset_ppo, "paper")  # Algorithm 1 as printed


def plain_gradient(
    count: int,
    updates: int,
    *,
    num_types: int = 2,
    params: EnvParams | None = None,
    curve: bool = False,
) -> list[Case]:
    """The slope of the utility through `feasible_contract`: no critic, no noise, no ratio."""
    config = GradientConfig(num_updates=updates, learning_rate=3e-3)
    env = ContractEnv(num_types=num_types)
    return _cases(count, env, params or game_params(num_types), config, curve)


def _cases(count: int, env: Any, params: EnvParams, config: LearnerConfig, curve: bool) -> list[Case]:
    return [Case(seed=seed, env=env, params=params, config=config, curve=curve) for seed in seeds(count)]
