"""Two equal stations of limited capacity, as a person chooses the game. No JAX: `capacity.py` plays it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from jaxcontract.core.fields import Record, number, refuse, whole
from jaxcontract.envs.game import Game
from jaxcontract.learning.algorithms.ppo.config import WITH_CRITIC
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import check_quality, greatest_index

FREQUENCIES = 257  # at which it is looked for a contract that earns something


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityRules(Record):
    """The numbers of the game, traced under JAX: all that a person can choose of the rules."""

    capacity: Any = number(
        0.75, "share L/M of the devices that a station can serve", low=0.5, above=True, high=1, below=True
    )
    episode_length: Any = whole(512, "rounds in an episode", low=1, static=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityGame(Game):
    """Two equal stations pay for devices of one type, and the higher payer is served first.

    problem: the deployment of both
    law:     where the networks come from, of one device type
    env:     the rules

    Raises:
        ValueError: when no contract has a quality of data, or none earns anything, or the law is of several
            types.
    """

    environment: ClassVar[str] = "jaxcontract.envs.capacity:make_env"
    reference: ClassVar[str] = "jaxcontract.evaluation.capacity_reference:CapacityReference"
    eval_states: ClassVar[int] = 1024
    curve_states: ClassVar[int] = 64
    # Without a bonus the policy narrows until its stations outbid each other all the way to c_0 + S.
    # Groups of actions in place of a critic end 0.01 more exploitable here.
    learner_defaults: ClassVar[Mapping[str, Any]] = {
        **WITH_CRITIC,
        "entropy_coefficient": 0.26,
    }
    without_slope: ClassVar[str] = (
        "what a station earns jumps where it outbids its rival, and everywhere else falls with its payment"
    )

    problem: System = dataclasses.field(default_factory=System)
    law: NetworkLaw = dataclasses.field(default_factory=NetworkLaw)
    env: CapacityRules = dataclasses.field(default_factory=CapacityRules)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.problem, self.law.aoi_range[-1], self.law.latency_range[-1])
        shares = np.asarray(self.env.capacity, np.float32)  # as JAX counts
        if not np.all((shares > 0.5) & (shares < 1)):
            allowed = "in (0.5, 1) in single precision too"
            raise refuse("CapacityRules", "capacity", self.env.capacity, allowed)
        if len(self.law.type_edges) > 2:
            raise refuse("NetworkLaw", "type_edges", self.law.type_edges, "2 numbers: there is one type")
        if self.problem.brings_its_own:
            return
        worth = _greatest_surplus(self.problem, self.law)
        if worth <= 0:
            allowed = f"so much that some network is worth serving: the best leaves S = {worth:.3g}"
            raise refuse("System", "unit_profit", self.problem.unit_profit, allowed)

    @property
    def has_rivals(self) -> bool:
        """They are two."""
        return True

    def describe(self) -> str:
        """Its capacity."""
        return f"2 stations, K = 1, capacity L/M = {self.env.capacity:g}"


def _greatest_surplus(problem: System, law: NetworkLaw) -> float:
    """The largest β QoD(f) − f/φ in the network with the mildest requirements and the cheapest devices."""
    frequency = np.geomspace(problem.min_frequency, problem.max_frequency, FREQUENCIES)
    each = problem.replace(min_frequency=frequency, max_frequency=frequency)
    index = greatest_index(each, law.aoi_range[-1], law.latency_range[-1])
    has_quality = index > 0
    earned = problem.unit_profit * np.log(index[has_quality]) - frequency[has_quality] / law.edges(1)[-1]
    return float(np.max(earned, initial=-np.inf))
