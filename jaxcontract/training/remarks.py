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


def below_one_item(reports: Sequence[Any], pooled: Any, seeds: Sequence[int]) -> list[str]:
    """A line for every seed whose infeasible contracts make it earn less than one item for all.

    reports: of the seeds, with `feasible` and `reward`
    pooled:  that of the best single item, on the same states
    """
    return [
        f"seed {seed}: with {1 - report.feasible:.3%} of its contracts infeasible it earns "
        f"{report.reward:.6g} by (13), less than the best single item for all, {pooled.reward:.6g}"
        for seed, report in zip(seeds, reports, strict=True)
        if report.feasible < 1 and report.reward < pooled.reward
    ]


def below_at_some_sizes(by_size: Sequence[Mapping[int, Any]], seeds: Sequence[int]) -> list[str]:
    """A line for every seed that earns less than one item for all at some numbers of types.

    by_size: {K: report} of each seed, with `screening_gap`
    """
    lines = []
    for seed, reports in zip(seeds, by_size, strict=True):
        gaps = {size: report.screening_gap for size, report in reports.items() if report.screening_gap > 1}
        if gaps:
            where = ", ".join(f"K = {size} (a screening gap of {gap:.0%})" for size, gap in gaps.items())
            lines.append(f"seed {seed}: earns less than the best single item for all at {where}")
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
