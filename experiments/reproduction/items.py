"""Fig. 2(b): the items offered in the three printed network states, learned beside exact."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxcontract.evaluation.offers import offer, scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.evaluation.report import judge
from jaxcontract.figures import items
from jaxcontract.mechanism.network_states import printed_states
from jaxcontract.mechanism.optimum import optimal_contract
from reproduction.cases import FIGURE_SEED, Case, Scale, feasible_ppo, game_params, printed_ppo
from reproduction.item import Claim, Item, verdict
from reproduction.learning import FEASIBLE_UPDATES, PRINTED_UPDATES
from reproduction.trainer import TrainedCase, Trainer

TITLE = "Fig. 2(b): contracts in the printed states"


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """The first seed of Fig. 2(a), which is the paper's."""
    return {
        "PPO printed": printed_ppo(1, scale.updates(PRINTED_UPDATES), curve=True),
        "PPO feasible": feasible_ppo(1, scale.updates(FEASIBLE_UPDATES), curve=True),
    }


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """Items of every scheme in the three states."""
    del trainer
    params = game_params(2)
    solution = solve_reference(params.system, printed_states())
    contracts = {"optimum": scheme_contracts(optimal_contract, solution)}
    for name, runs in outcomes.items():
        contracts[name] = offer(runs[0].policy, runs[0].case.env, params, solution.states)
    reports = {name: judge(contract, solution) for name, contract in contracts.items()}
    device_types = np.asarray(solution.states.device_types)
    feasible = {name: np.isfinite(one.regrets) for name, one in reports.items()}
    figure = partial(
        items,
        {name: np.asarray(contract.frequency) for name, contract in contracts.items()},
        {name: np.asarray(contract.payment) for name, contract in contracts.items()},
        feasible,
        device_types,
        [f"state {number}" for number in (1, 2, 3)],
    )
    rows = [
        {
            "state": state + 1,
            "scheme": name,
            "type": k + 1,
            "frequency": contract.frequency[state, k],
            "payment": contract.payment[state, k],
            "utility": contract.payment[state, k] - contract.frequency[state, k] / device_types[state, k],
            "feasible": bool(feasible[name][state]),
            "regret": reports[name].regrets[state],
        }
        for state in range(3)
        for name, contract in contracts.items()
        for k in range(2)
    ]
    pooled = ", ".join(f"{loss:.2f}" for loss in solution.optimum - solution.pooled)
    regrets = {name: one.regrets for name, one in reports.items()}
    stable = bool(np.all(feasible["PPO printed"]) and np.nanmax(regrets["PPO printed"]) < 1)
    return Item(
        tables={"fig2b": rows},
        figures={"fig2b": figure},
        claims=[
            Claim(
                "The algorithm maintains stable performance regardless of network states (Fig. 2(b)).",
                verdict(stable),
                f"Seed {FIGURE_SEED}, the three printed states: as printed, "
                f"{_by_state(regrets['PPO printed'])}; with feasible actions, "
                f"{_by_state(regrets['PPO feasible'])}. One item for all loses {pooled}.",
            )
        ],
    )


def _by_state(regrets: np.ndarray) -> str:
    words = [f"{one:.3g}" if np.isfinite(one) else "infeasible" for one in regrets]
    return "regrets " + ", ".join(words)
