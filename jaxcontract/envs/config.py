"""The contract game as a person chooses it. No JAX: `contract.py` plays it."""

import dataclasses
import math
from typing import Any, ClassVar

from jaxcontract.core.fields import Record, choice, number, refuse, sizes, whole
from jaxcontract.envs.game import Game
from jaxcontract.mechanism.network_law import HIGHEST_TYPE, LOWEST_TYPE, NetworkLaw
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import TOLERANCE, check_quality


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnvOptions(Record):
    """What shapes the game: its size, its actions and what it pays. Static under JAX."""

    num_types: int = whole(2, "device types K", low=1)
    fewest_types: int = whole(
        0,
        "the fewest device types, of networks that have these up to num_types; 0: all have num_types",
        low=0,
    )
    leave_out_types: tuple[int, ...] = sizes(
        (),
        "numbers of device types between fewest_types and num_types that no network has",
        low=1,
        empty=True,
    )
    actions: str = choice("feasible", "how an action becomes a contract", ("feasible", "raw"))
    reward: str = choice("centred", "what the learner is paid", ("centred", "paper"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fewest_types > self.num_types:
            allowed = f"in [0, num_types = {self.num_types}]"
            raise refuse(type(self).__name__, "fewest_types", self.fewest_types, allowed)
        if self.fewest_types and self.actions == "raw":
            allowed = "0 with raw actions, whose payments would not know where types end"
            raise refuse(type(self).__name__, "fewest_types", self.fewest_types, allowed)
        between = range(self.fewest_types + 1, self.num_types) if self.fewest_types else range(0)
        if not set(self.leave_out_types) <= set(between):
            allowed = "whole numbers above fewest_types and below num_types"
            raise refuse(type(self).__name__, "leave_out_types", self.leave_out_types, allowed)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of types that networks have, ascending."""
        first = self.fewest_types or self.num_types
        return tuple(size for size in range(first, self.num_types + 1) if size not in self.leave_out_types)

    def takes(self, num_types: int) -> bool:
        """Whether networks of so many types can be played, after padding or as they are."""
        return (self.fewest_types or self.num_types) <= num_types <= self.num_types


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnvNumbers(Record):
    """The numbers of the game, traced under JAX."""

    penalty: Any = number(-500.0, "reward U_p of an infeasible contract (13)", high=0)
    violation_price: Any = number(
        25.0, "centred reward lost per device and unit of payment by which constraints are missed", low=0
    )
    safety_margin: Any = number(
        0.0, "slack that constraints must keep to cost nothing", unit="units of payment", low=0
    )
    tolerance: Any = number(
        TOLERANCE, "violation that still counts as feasible", unit="units of payment", low=0
    )
    episode_length: Any = whole(512, "rounds Z in an episode", low=1, static=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContractRules(EnvOptions, EnvNumbers):
    """All that a person can choose of the game's rules."""

    scaling: str = choice(
        "law",
        "what actions and rewards are counted in: fitted to the law of the networks, or the paper's units",
        ("law", "paper"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContractGame(Game):
    """The paper's game: a base station offers one contract a round.

    problem: the deployment
    law:     where its networks come from
    env:     the rules

    Raises:
        ValueError: when no contract of the game has a quality of data, as with slots of 2 s, or the law is of
            another number of types.
    """

    environment: ClassVar[str] = "jaxcontract.envs.contract:make_env"
    reference: ClassVar[str] = "jaxcontract.evaluation.contract_reference:ContractReference"

    has_items: ClassVar[bool] = True

    problem: System = dataclasses.field(default_factory=System)
    law: NetworkLaw = dataclasses.field(default_factory=NetworkLaw)
    env: ContractRules = dataclasses.field(default_factory=ContractRules)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.problem, self.law.aoi_range[-1], self.law.latency_range[-1])
        bands = len(self.law.type_edges) - 1
        if bands > 0 and self.env.fewest_types:
            allowed = "none where networks have various numbers of types: all have equal bands"
            raise refuse("NetworkLaw", "type_edges", self.law.type_edges, allowed)
        if bands > 0 and bands != self.env.num_types:
            allowed = f"{bands}, the bands of type_edges = {self.law.type_edges}"
            raise refuse("ContractRules", "num_types", self.env.num_types, allowed)

    def in_learner_units(self) -> "ContractGame":
        """The game with payments counted so that the middle type of the law costs what the paper's does.

        Costs 1/φ and β are divided by one number, which is a change of the unit of payments alone: training
        takes the same steps bit for bit whatever that unit was. With the reward in units of payment (13), or
        the paper's scaling, the unit is part of the game.
        """
        if self.env.scaling != "law" or self.env.reward == "paper":
            return self
        edges = self.law.edges(self.env.num_types)
        unit = math.sqrt((LOWEST_TYPE / edges[0]) * (HIGHEST_TYPE / edges[-1]))
        if unit == 1.0:
            return self
        law = dataclasses.replace(self.law, type_edges=tuple(edge * unit for edge in edges))
        problem = dataclasses.replace(self.problem, unit_profit=self.problem.unit_profit / unit)
        return dataclasses.replace(self, law=law, problem=problem)

    def describe(self) -> str:
        """Its size, its actions and what it pays."""
        env = self.env
        many = f"{env.fewest_types}-{env.num_types}" if env.fewest_types else f"{env.num_types}"
        without = f" without {', '.join(map(str, env.leave_out_types))}" if env.leave_out_types else ""
        return f"K = {many}{without}, {self.env.actions} actions, {self.env.reward} reward"

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result: {name: where that is so}."""
        if self.env.reward == "paper":
            return dict.fromkeys(("violation_price", "safety_margin"), "reward = paper")
        if self.env.actions == "feasible" and self.env.safety_margin == 0:
            return {"violation_price": "actions = feasible and safety_margin = 0"}
        return {}
