"""What a person should know of a run that went on without an error: options that do nothing, learners that
did not move. No JAX."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcontract.config.setting import Setting
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.policies.gaussian import LOG_STD_RANGE, Gaussian

if TYPE_CHECKING:
    from jaxcontract.learning.policies.network_policy import NetworkPolicy

STILL = 1e-10  # KL divergences below it are rounding


def without_effect(setting: Setting) -> dict[str, str]:
    """The options of a setting whose value changes no result: {name: where that is so}."""
    return {**setting.algorithm.without_effect(), **setting.game.without_effect()}


def unmoved(curve: Sequence[Mapping[str, Any]], seeds: Sequence[int], algorithm: LearnerConfig) -> list[str]:
    """A line for every seed whose policy no update has moved.

    curve: the points of the run, with the learner's `kl`, one number for each seed
    """
    if algorithm.gradient_steps == 1:
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


def at_their_limit(policies: Sequence["NetworkPolicy"], seeds: Sequence[int]) -> list[str]:
    """A line for every seed of which a Gaussian's deviation stands where training has to hold it."""
    low, high = LOG_STD_RANGE
    return [
        f"seed {seed}: a deviation of its actions has come to {np.exp(limit):.3g}, where training holds it"
        for seed, policy in zip(seeds, policies, strict=True)
        if isinstance(policy.head, Gaussian)
        for limit in (low, high)
        if np.any(np.asarray(policy.parameters["log_std"]) == np.float32(limit))
    ]
