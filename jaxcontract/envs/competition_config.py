"""Stations that compete for devices, as a person chooses the game. No JAX: `competition.py` plays it."""

import dataclasses
from typing import Any, ClassVar

from jaxcontract.core.fields import Record, number, refuse, whole
from jaxcontract.envs.game import Game
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import check_quality


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompetitionOptions(Record):
    """What shapes the game. Static under JAX."""

    num_stations: int = whole(2, "base stations N that compete for the devices", low=1)
    num_types: int = whole(2, "device types K", low=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParticipationOptions(Record):
    """What shapes the game of one station. Static under JAX."""

    num_types: int = whole(2, "device types K", low=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompetitionNumbers(Record):
    """The numbers of the game, traced under JAX."""

    taste_scale: Any = number(
        1.0, "scale μ of devices' taste for one offer or another", unit="units of payment", low=0, above=True
    )
    episode_length: Any = whole(512, "rounds in an episode", low=1, static=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompetitionRules(CompetitionOptions, CompetitionNumbers):
    """All that a person can choose of the rules."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParticipationRules(ParticipationOptions, CompetitionNumbers):
    """All that a person can choose of the rules, of one station."""

    num_stations: ClassVar[int] = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompetitionGame(Game):
    """Every station offers a contract; each device takes an item of one station, or none.

    problem: the deployment of every station
    law:     where the networks come from; requirements are drawn for each station
    env:     the rules

    Raises:
        ValueError: when no contract has a quality of data, or the law is of another number of types.
    """

    environment: ClassVar[str] = "jaxcontract.envs.competition:make_env"
    reference: ClassVar[str] = "jaxcontract.evaluation.competition_reference:CompetitionReference"
    eval_states: ClassVar[int] = 200
    curve_states: ClassVar[int] = 32

    problem: System = dataclasses.field(default_factory=System)
    law: NetworkLaw = dataclasses.field(default_factory=NetworkLaw)
    env: Any = dataclasses.field(default_factory=CompetitionRules)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.problem, self.law.aoi_range[-1], self.law.latency_range[-1])
        bands = len(self.law.type_edges) - 1
        if bands > 0 and bands != self.env.num_types:
            allowed = f"{bands}, the bands of type_edges = {self.law.type_edges}"
            raise refuse(type(self.env).__name__, "num_types", self.env.num_types, allowed)

    @property
    def has_rivals(self) -> bool:
        """From two stations on."""
        return bool(self.env.num_stations > 1)

    def describe(self) -> str:
        """Its sizes and the devices' taste."""
        rules, count = self.env, self.env.num_stations
        return f"{count} station{'s' * (count > 1)}, K = {rules.num_types}, μ = {rules.taste_scale:g}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParticipationGame(CompetitionGame):
    """One station, and devices that may walk away."""

    env: ParticipationRules = dataclasses.field(default_factory=ParticipationRules)
