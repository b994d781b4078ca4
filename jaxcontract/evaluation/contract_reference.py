"""The exact optimum of (10) as the reference of the contract game."""

import dataclasses
import math
from typing import Any

from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.evaluation.evaluate import evaluate
from jaxcontract.evaluation.offers import random_contracts, scheme_contracts
from jaxcontract.evaluation.reference import ReferenceSolution, solve_reference
from jaxcontract.evaluation.report import Report, judge
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.network_states import NetworkDistribution
from jaxcontract.mechanism.optimum import pooled_contract


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
            env = ContractEnv(num_types=self.env.num_types, actions=actions)
            contracts[name] = random_contracts(env, self.params, states.states)
        numbers: dict[str, Any] = {"penalty": self.params.penalty, "tolerance": self.params.tolerance}
        return {name: judge(offered, states, **numbers) for name, offered in contracts.items()}

    def remarks(self, report: Report) -> list[str]:
        """What a person should know of the states: no optimum, one at a bound on f, a loss, or one item."""
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
                f"the optimum of the unseen states earns {report.optimum:.4f} on average, and offering "
                "nothing 0: costs and unit_profit must be in one unit"
            )
        if report.feasible > 0 and math.isnan(report.screening_gap) and self.env.num_types > 1:
            lines.append(
                "one item for all types earns as much as the optimum: telling them apart earns nothing"
            )
        return lines
