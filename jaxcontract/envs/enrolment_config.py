"""Devices that come back only if they were treated well, as a person chooses the game. No JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxcontract.core.fields import Record, number, whole
from jaxcontract.envs.game import Game
from jaxcontract.envs.round_options import NetworkChange, RoundOptions, check_bands
from jaxcontract.learning.algorithms.ppo.config import WITH_CRITIC
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import check_quality


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentNumbers(Record):
    """The numbers of the game, traced under JAX."""

    value_discount: Any = number(
        0.95, "discount γ of what a policy is worth when it is measured", low=0, high=1, below=True
    )
    episode_length: Any = whole(64, "rounds in an episode of training", low=1, static=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentRules(RoundOptions, NetworkChange, EnrolmentNumbers):
    """All that a person can choose of the rules."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentGame(Game):
    """A station offers a contract a round to those who are enrolled, and who is depends on its offers.

    problem:   the deployment
    law:       where its networks come from
    enrolment: how devices come and go
    env:       the rules

    Raises:
        ValueError: when no contract has a quality of data, or the law is of another number of types.
    """

    environment: ClassVar[str] = "jaxcontract.envs.enrolment:make_env"
    reference: ClassVar[str] = "jaxcontract.evaluation.enrolment_reference:EnrolmentReference"
    eval_states: ClassVar[int] = 20
    curve_states: ClassVar[int] = 8
    # The best u_1 jumps between 0 and more as n_k rises: a bonus keeps it from being settled too early.
    learner_defaults: ClassVar[Mapping[str, Any]] = {
        **WITH_CRITIC,
        "num_envs": 256,
        "num_steps": 32,
        "minibatches": 16,
        "discount": 0.95,
        "gae_lambda": 0.9,
        "entropy_coefficient": 0.02,
    }
    without_slope: ClassVar[str] = "its slope is that of one round, and what counts is who comes back"

    problem: System = dataclasses.field(default_factory=System)
    law: NetworkLaw = dataclasses.field(default_factory=NetworkLaw)
    enrolment: EnrolmentLaw = dataclasses.field(default_factory=EnrolmentLaw)
    env: EnrolmentRules = dataclasses.field(default_factory=EnrolmentRules)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.problem, self.law.aoi_range[-1], self.law.latency_range[-1])
        check_bands(self.law, self.env)

    def describe(self) -> str:
        """Its size, how devices come and go, and how networks change."""
        law, rules = self.enrolment, self.env
        return (
            f"K = {rules.num_types}, {rules.networks} networks, μ = {law.taste_scale:g}, "
            f"κ = {law.outside_utility:g}, η = {law.turnover:g}"
        )

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result: {name: where that is so}."""
        return self.env.without_effect()
