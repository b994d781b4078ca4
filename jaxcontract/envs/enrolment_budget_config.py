"""Devices that enrol, paid out of a budget that must last, as a person chooses the game. No JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxcontract.core.fields import number, whole
from jaxcontract.envs.game import Game
from jaxcontract.envs.round_options import NetworkChange, RoundOptions, check_bands
from jaxcontract.learning.algorithms.ppo.config import WITH_CRITIC
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import check_quality


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentBudgetOptions(RoundOptions):
    """What shapes the game. Static under JAX."""

    num_rounds: int = whole(20, "rounds Z that the budget must last", low=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentBudgetRules(EnrolmentBudgetOptions, NetworkChange):
    """All that a person can choose of the rules."""

    budget: float = number(
        0.3,
        "what all rounds may cost, as a share of what they cost in the mean when all devices are enrolled",
        low=0,
        above=True,
        static=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentBudgetGame(Game):
    """A station pays those who are enrolled out of one budget for Z rounds; who is, depends on its offers.

    problem:   the deployment
    law:       where its networks come from
    enrolment: how devices come and go
    env:       the rules

    Raises:
        ValueError: when no contract has a quality of data, or the law is of another number of types.
    """

    environment: ClassVar[str] = "jaxcontract.envs.enrolment_budget:make_env"
    reference: ClassVar[str] = "jaxcontract.evaluation.enrolment_budget_reference:EnrolmentBudgetReference"
    eval_states: ClassVar[int] = 40
    curve_states: ClassVar[int] = 20
    learner_defaults: ClassVar[Mapping[str, Any]] = {
        **WITH_CRITIC,
        "num_envs": 512,
        "num_steps": 20,
        "minibatches": 16,
        "discount": 1.0,
        "gae_lambda": 0.9,
        "entropy_coefficient": 0.02,
    }
    without_slope: ClassVar[str] = "its slope is that of one round, and what counts is who and what is left"

    problem: System = dataclasses.field(default_factory=System)
    law: NetworkLaw = dataclasses.field(default_factory=NetworkLaw)
    enrolment: EnrolmentLaw = dataclasses.field(default_factory=EnrolmentLaw)
    env: EnrolmentBudgetRules = dataclasses.field(default_factory=EnrolmentBudgetRules)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.problem, self.law.aoi_range[-1], self.law.latency_range[-1])
        check_bands(self.law, self.env)

    def describe(self) -> str:
        """Its size, the rounds and the budget, how devices come and go, and how networks change."""
        law, rules = self.enrolment, self.env
        return (
            f"K = {rules.num_types}, {rules.num_rounds} rounds, budget {rules.budget:.3g} of the mean spend, "
            f"{rules.networks} networks, μ = {law.taste_scale:g}, κ = {law.outside_utility:g}, "
            f"η = {law.turnover:g}"
        )

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result: {name: where that is so}."""
        return self.env.without_effect()
