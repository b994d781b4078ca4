"""The exact optimum of (10) as the reference of the contract game."""

import dataclasses
from typing import Any

from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.evaluation.evaluate import evaluate
from jaxcontract.evaluation.offers import random_contracts, scheme_contracts
from jaxcontract.evaluation.reference import ReferenceSolution, solve_reference
from jaxcontract.evaluation.report import Report, judge
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.network_states import NetworkDistribution
from jaxcontract.mechanism.optimum import pooled_contract

WORTH_NOTHING = 1e-6  # of U_B*; at the paper's constants screening is worth 2e-4 of it


@dataclasses.dataclass(frozen=True)
class ContractReference:
    """Measures policies of the contract game against the optimum of every state. A `Reference`."""

    env: ContractEnv
    params: EnvParams

    def test_states(self, count: int, seed: int) -> ReferenceSolution:
        """Unseen network states, each solved exactly."""
        distribution: NetworkDistribution = self.params.distribution
        return solve_reference(self.params.system, unseen_states(distribution, count, seed=seed))

    def evaluate(self, policy: Any, states: ReferenceSolution) -> Report:
        """Its contracts against the optimum, state by state."""
        return evaluate(policy, self.env, self.params, states=states)

    def baselines(self, states: ReferenceSolution) -> dict[str, Report]:
        """The best pooled item, random feasible contracts, random ones."""
        contracts = {"pooled": scheme_contracts(pooled_contract, states)}
        for name, actions in (("random feasible", "feasible"), ("random", "raw")):
            fewest = self.env.fewest_types if actions == "feasible" else 0
            env = ContractEnv(num_types=self.env.num_types, fewest_types=fewest, actions=actions)
            contracts[name] = random_contracts(env, self.params, states.states)
        numbers: dict[str, Any] = {"penalty": self.params.penalty, "tolerance": self.params.allowed_violation}
        return {name: judge(offered, states, **numbers) for name, offered in contracts.items()}

    def remarks(self, report: Report) -> list[str]:
        """What a person should know of the states and of the result.

        How many states have no optimum, or one at a bound on f; where the game is not worth playing, or
        screening worth nothing; a policy that earns less than one item for all.
        """
        lines, system = [], self.params.system
        if report.without_quality:
            lines.append(
                f"in {report.without_quality:.2%} of the unseen states no contract has a quality of data "
                "(W ≤ 0 for every f): these have no optimum and no regret"
            )
        if report.bound_binds:
            lines.append(
                f"in {report.bound_binds:.2%} of the unseen states a bound on f binds at the optimum: "
                f"U_B* is the best with min_frequency = {system.min_frequency:g} and "
                f"max_frequency = {system.max_frequency:g}"
            )
        if report.optimum < 0:
            lines.append(
                f"the best contracts earn {report.optimum:.6g} in the mean, and offering nothing earns 0: "
                "costs (1/φ) and unit_profit must be in one unit of payment"
            )
        part = report.screening_worth / abs(report.optimum) if report.optimum else float("nan")
        if part < WORTH_NOTHING and self.env.num_types > 1:
            lines.append(
                f"screening is worth nothing here: one item for all earns U_B* but for {part:.1e} of it, and "
                "the screening gap says how a learner does at what does not matter"
            )
        elif report.screening_gap > 1:
            lines.append(
                f"a policy has a screening gap of {report.screening_gap:.0%}: it earns less than the best "
                "single item for all"
            )
        return lines
