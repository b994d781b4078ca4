"""Two equal stations of limited capacity, as a person chooses the game. No JAX: `capacity.py` plays it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from jaxcontract.core.fields import Record, number, refuse, whole
from jaxcontract.core.protocols import Environment, Reference
from jaxcontract.core.registry import resolve
from jaxcontract.envs.game import Game
from jaxcontract.learning.algorithms.ppo.config import WITH_CRITIC
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import check_quality, greatest_index

MENU_REFERENCE = "jaxcontract.evaluation.menu_reference:MenuReference"  # of two types
FREQUENCIES = 257  # at which it is looked for a contract that earns something


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityOptions(Record):
    """What shapes the game. Static under JAX."""

    num_types: int = whole(1, "device types K", low=1, high=2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityNumbers(Record):
    """The numbers of the game, traced under JAX."""

    capacity: Any = number(
        0.75, "share L/M of the devices that a station can serve", low=0.5, above=True, high=1, below=True
    )
    greatest_rent: Any = number(
        1.0,
        "where the range of actions ends for the first type, as a share x_1 of its surplus",
        low=0,
        above=True,
        high=1,
    )
    episode_length: Any = whole(512, "rounds in an episode", low=1, static=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityRules(CapacityOptions, CapacityNumbers):
    """All that a person can choose of the rules."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityGame(Game):
    """Two equal stations pay for devices of one type or two, and the higher payer is served first.

    problem: the deployment of both
    law:     where the networks come from
    env:     the rules

    Raises:
        ValueError: when no contract has a quality of data, or none earns anything; when the law is of another
            number of types; or when the lower of two types is worth less than it costs in some network.
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
        bands = len(self.law.type_edges) - 1
        if bands > 0 and bands != self.env.num_types:
            allowed = f"{bands}, the bands of type_edges = {self.law.type_edges}"
            raise refuse("CapacityRules", "num_types", self.env.num_types, allowed)
        if self.problem.brings_its_own:
            return
        low, high = (_best_surplus(self.problem, self.law, self.env.num_types, end) for end in (0, -1))
        if high <= 0:
            allowed = f"so much that some network is worth serving: the best leaves S = {high:.3g}"
            raise refuse("System", "unit_profit", self.problem.unit_profit, allowed)
        if self.env.num_types > 1 and low <= 0:
            # IC pays the other type for what this one is asked for, worth it or not.
            every = "so much that the lowest type is worth serving in every network"
            allowed = f"{every}: the worst leaves S_1 = {low:.3g}"
            raise refuse("System", "unit_profit", self.problem.unit_profit, allowed)

    @property
    def has_rivals(self) -> bool:
        """They are two."""
        return True

    def describe(self) -> str:
        """Its capacity."""
        return f"2 stations, K = {self.env.num_types}, capacity L/M = {self.env.capacity:g}"

    def make_reference(self, env: Environment, params: Any) -> Reference:
        """With one type the mixed equilibrium is known; with two the best deviation is searched for."""
        if self.env.num_types == 1:
            return super().make_reference(env, params)
        reference: Reference = resolve(MENU_REFERENCE)(env, params)
        return reference

    def count_states(self) -> tuple[int, int]:
        """Fewer with two types, whose laws are looked at in a plane."""
        return super().count_states() if self.env.num_types == 1 else (64, 8)


def _best_surplus(problem: System, law: NetworkLaw, num_types: int, end: int) -> float:
    """The largest β QoD(f) − f/φ at one end of the law: the mildest requirements and cheapest devices, −1,
    or the harshest and dearest, 0.
    """
    frequency = np.geomspace(problem.min_frequency, problem.max_frequency, FREQUENCIES)
    each = problem.replace(min_frequency=frequency, max_frequency=frequency)
    index = greatest_index(each, law.aoi_range[end], law.latency_range[end])
    has_quality = index > 0
    earned = (
        problem.unit_profit * np.log(index[has_quality]) - frequency[has_quality] / law.edges(num_types)[end]
    )
    return float(np.max(earned, initial=-np.inf))
