"""Payments out of a budget that must last several rounds, as a person chooses the game. No JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxcontract.core.fields import choice, number, whole
from jaxcontract.envs.game import Game
from jaxcontract.envs.round_options import NETWORKS, NetworkChange, RoundOptions, check_bands
from jaxcontract.learning.algorithms.ppo.config import WITH_CRITIC
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import check_quality


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetOptions(RoundOptions):
    """What shapes the game. Static under JAX."""

    num_rounds: int = whole(20, "rounds Z that the budget must last", low=1)
    actions: str = choice(
        "price", "how an action becomes a contract: by a price of money, or as any", ("price", "feasible")
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetRules(BudgetOptions, NetworkChange):
    """All that a person can choose of the rules."""

    networks: str = choice("independent", "how the network changes from round to round", NETWORKS)
    budget: float = number(
        0.7,
        "what all rounds may cost, as a share of what they cost in the mean without a budget",
        low=0,
        above=True,
        static=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetGame(Game):
    """A station pays for the contracts of Z rounds out of one budget.

    problem: the deployment
    law:     where its networks come from
    env:     the rules

    Raises:
        ValueError: when no contract has a quality of data, or the law is of another number of types.
    """

    environment: ClassVar[str] = "jaxcontract.envs.budget:make_env"
    reference: ClassVar[str] = "jaxcontract.evaluation.budget_reference:BudgetReference"
    eval_states: ClassVar[int] = 2000
    curve_states: ClassVar[int] = 200
    # A bonus keeps prices from being settled before what they cost later is known.
    learner_defaults: ClassVar[Mapping[str, Any]] = {
        **WITH_CRITIC,
        "num_envs": 512,
        "num_steps": 20,
        "minibatches": 16,
        "discount": 1.0,
        "gae_lambda": 0.6,
        "entropy_coefficient": 0.04,
    }
    without_slope: ClassVar[str] = "its slope is that of one round, and what counts is the money left"

    problem: System = dataclasses.field(default_factory=System)
    law: NetworkLaw = dataclasses.field(default_factory=NetworkLaw)
    env: BudgetRules = dataclasses.field(default_factory=BudgetRules)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.problem, self.law.aoi_range[-1], self.law.latency_range[-1])
        check_bands(self.law, self.env)

    def describe(self) -> str:
        """Its size, the rounds and the budget, and how networks change."""
        rules = self.env
        return (
            f"K = {rules.num_types}, {rules.num_rounds} rounds, budget {rules.budget:.3g} of the mean spend, "
            f"{rules.networks} networks, {rules.actions} actions"
        )

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result: {name: where that is so}."""
        return self.env.without_effect()
