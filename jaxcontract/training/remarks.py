"""What a person should know of a run that went on without an error: options that do nothing, learners that
did not move. No JAX."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcontract.config.setting import Setting
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.config import LOG_STD_RANGE
from jaxcontract.mechanism.system import System

STILL = 1e-10  # KL divergences below it are rounding


def without_effect(setting: Setting) -> dict[str, str]:
    """The options of a setting whose value changes no result: {name: where that is so}."""
    ppo, found = setting.ppo, dict[str, str]()
    if ppo.estimator == "paper":
        why = "estimator = paper"
        found |= {"gae_lambda": why, "episode_length": why}
    elif ppo.discount == 0:
        why = "discount = 0"
        found |= {"gae_lambda": why, "episode_length": why}
    if ppo.epochs * ppo.minibatches == 1:
        found["clip_range"] = "one gradient step for each rollout"
    if setting.options.reward == "paper":
        found |= dict.fromkeys(("violation_price", "safety_margin"), "reward = paper")
    elif setting.options.actions == "feasible" and setting.numbers.safety_margin == 0:
        found["violation_price"] = "actions = feasible and safety_margin = 0"
    if ppo.num_updates == 1:
        found["final_learning_rate"] = "num_updates = 1"
    return found


def unmoved(curve: Sequence[Mapping[str, Any]], seeds: Sequence[int], ppo: PPOConfig) -> list[str]:
    """A line for every seed whose policy no update has moved.

    curve: the points of the run, with the learner's `kl`, one number for each seed
    """
    if ppo.epochs * ppo.minibatches == 1:
        return []  # measured before the only step, kl says nothing
    rows = [row["learner"]["kl"] for row in curve if "kl" in row["learner"]]
    lines = []
    for position, seed in enumerate(seeds):
        values = [row[position] for row in rows]
        if values and all(value is not None and value < STILL for value in values):
            lines.append(
                f"seed {seed}: no update has moved its policy (kl below {STILL:g}); look at learning_rate, "
                "max_gradient_norm and value_coefficient"
            )
    return lines


def of_the_states(without_quality: float, bound_binds: float, system: System) -> list[str]:
    """What a person should know of the states that a run is measured on: shares of them, as in a `Report`."""
    lines = []
    if without_quality:
        lines.append(
            f"in {without_quality:.2%} of the unseen states no contract has a quality of data (W ≤ 0 for "
            "every f): these have no optimum and no regret"
        )
    if bound_binds:
        lines.append(
            f"in {bound_binds:.2%} of the unseen states a bound on f binds at the optimum: U_B* is the best "
            f"with min_frequency = {system.min_frequency:g} and max_frequency = {system.max_frequency:g}"
        )
    return lines


def at_their_limit(log_stds: Sequence[np.ndarray], seeds: Sequence[int]) -> list[str]:
    """A line for every seed of which a deviation stands where training has to hold it.

    log_stds: [A] of each seed's policy
    """
    low, high = LOG_STD_RANGE
    return [
        f"seed {seed}: a deviation of its actions has come to {np.exp(limit):.3g}, where training holds it"
        for seed, log_std in zip(seeds, log_stds, strict=True)
        for limit in (low, high)
        if np.any(log_std == np.float32(limit))
    ]
