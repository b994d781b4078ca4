"""What a run found, as plain values: all the numbers that its tables show, and the tables show no others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.evaluation import statistics
from jaxcontract.evaluation.offers import offer, scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.evaluation.report import judge
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.mechanism.network_states import printed_states
from jaxcontract.mechanism.optimum import optimal_contract

OF_STATES = ("without_quality", "bound_binds")  # of the contract game
MEASURES: Mapping[str, tuple[str, str]] = {
    "feasible": ("feasible", "{:.5f}"),
    "regret": ("mean regret", "{:.5f}"),
    "worst_regret": ("worst regret", "{:.3f}"),
    "screening_gap": ("screening gap", "{:.2%}"),
    "max_violation": ("max violation", "{:.1e}"),
    "reward": ("reward (13)", "{:.3f}"),
}


def measures_of(report: Any) -> Mapping[str, tuple[str, str]]:
    """The numbers of a report that are shown, by name: title and format; a game's report may have its own."""
    return getattr(report, "measures", MEASURES)


def measured(report: Any) -> dict[str, float]:
    """The numbers of a report that are shown."""
    return {name: getattr(report, name) for name in measures_of(report)}


def over_seeds(reports: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Each number's mean over the seeds that have one, and the ends of its 95 % bootstrap interval."""
    names = tuple(measures_of(reports[0]))
    columns = np.array([[getattr(report, name) for name in names] for report in reports], float)
    centre, low, high = (ends.tolist() for ends in statistics.over_seeds(columns))
    return {
        "mean": dict(zip(names, centre, strict=True)),
        "interval": {name: list(ends) for name, *ends in zip(names, low, high, strict=True)},
    }


def results(seeds: Sequence[int], reports: Sequence[Any], references: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured on unseen states: of every seed, over the seeds, and of what needs no learning.

    references: by name; a space in it becomes `_`
    """
    return {
        "num_states": reports[0].num_states,
        "optimum": reports[0].optimum,
        **{name: getattr(reports[0], name) for name in OF_STATES if hasattr(reports[0], name)},
        "seeds": [{"seed": seed, **measured(report)} for seed, report in zip(seeds, reports, strict=True)],
        **over_seeds(reports),
        **{name.replace(" ", "_"): measured(report) for name, report in references.items()},
    }


def results_by_size(seeds: Sequence[int], found: Sequence[Mapping[int, Any]]) -> list[dict[str, Any]]:
    """What was measured on unseen networks of each number of types.

    found: {K: report} of each seed
    """
    return [
        {
            "num_types": size,
            "num_states": found[0][size].num_states,
            "optimum": found[0][size].optimum,
            "seeds": [{"seed": seed, **measured(own[size])} for seed, own in zip(seeds, found, strict=True)],
        }
        for size in found[0]
    ]


def printed_items(policy: NetworkPolicy, env: ContractEnv, params: EnvParams) -> list[dict[str, Any]]:
    """The contracts of the paper's three printed states: learned, exact, and the regret. K = 2.

    A regret is NaN where the learned contract is infeasible.
    """
    solution = solve_reference(params.system, printed_states())
    learned = offer(policy, env, params, solution.states)
    exact = scheme_contracts(optimal_contract, solution)
    report = judge(learned, solution, penalty=params.penalty, tolerance=params.allowed_violation)
    return [
        {
            "state": row + 1,
            "learned": _items(learned, row),
            "exact": _items(exact, row),
            "regret": float(report.regrets[row]),
        }
        for row in range(3)
    ]


def _items(contracts: Any, row: int) -> dict[str, list[float]]:
    return {name: getattr(contracts, name)[row].tolist() for name in ("frequency", "payment")}
