"""What is measured of a policy over whole episodes of rounds that depend on each other."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from jaxcontract.core.fields import ByValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpisodeReport(ByValue):
    """How much a policy earns over S episodes, each with networks that no training draws.

    num_states:     S
    value:          mean of what an episode earns, discounted as the game says; `reward` by the name that all
        games have
    standard_error: of that mean, over the episodes
    upper_bound:    mean of what no policy earns more of on these episodes; `optimum` likewise
    share_of_bound: value / upper bound
    regret:         mean of upper bound less value; worst_regret: the largest of an episode
    feasible:       share of contracts that meet IR and IC up to 1e-6 of the largest payment
    max_violation:  the largest amount by which one is missed
    screening_gap:  NaN: of no meaning here
    values, bounds: [S]  of each episode
    """

    measures: ClassVar[Mapping[str, tuple[str, str]]] = {
        "value": ("value", "{:.3f}"),
        "standard_error": ("± s.e.", "{:.3f}"),
        "upper_bound": ("upper bound", "{:.3f}"),
        "share_of_bound": ("share of bound", "{:.2%}"),
        "worst_regret": ("worst regret", "{:.3f}"),
        "feasible": ("feasible", "{:.5f}"),
    }
    optimum_title: ClassVar[str] = "mean upper bound of an episode"

    num_states: int
    value: float
    reward: float
    standard_error: float
    upper_bound: float
    optimum: float
    share_of_bound: float
    regret: float
    worst_regret: float
    feasible: float
    max_violation: float
    values: np.ndarray
    bounds: np.ndarray
    screening_gap: float = float("nan")


def report_episodes(
    values: np.ndarray, bounds: np.ndarray, *, feasible: float = 1.0, max_violation: float = 0.0
) -> EpisodeReport:
    """The report of what episodes earned, [S], and of what they could earn at most, [S]."""
    value, bound = float(np.mean(values)), float(np.mean(bounds))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return EpisodeReport(
        num_states=len(values),
        value=value,
        reward=value,
        standard_error=spread / np.sqrt(len(values)),
        upper_bound=bound,
        optimum=bound,
        share_of_bound=value / bound if bound > 0 else float("nan"),
        regret=bound - value,
        worst_regret=float(np.max(bounds - values)),
        feasible=feasible,
        max_violation=max_violation,
        values=np.asarray(values),
        bounds=np.asarray(bounds),
    )
