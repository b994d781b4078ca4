"""Frequency, payment and information rent of each of eight types."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxcontract.evaluation.offers import offer, scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.figures import TypeLines, by_type
from jaxcontract.mechanism.optimum import complete_information_contract, optimal_contract
from reproduction.cases import Case, Scale
from reproduction.item import Item
from reproduction.menus import MANY, batch, even_state, many_types_ppo, uneven_state, utilities
from reproduction.trainer import TrainedCase, Trainer

TITLE = "Items and rents by type"


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """One policy for eight types."""
    return {MANY: many_types_ppo(scale)[:1]}


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """A row of panels for a state whose types are told apart and for one whose types pool."""
    del trainer
    run = outcomes[MANY][0]
    panels, rows = [], []
    states = {"equally likely types": even_state(), "every other type rare: neighbours pool": uneven_state()}
    for title, state in states.items():
        solution = solve_reference(run.case.params.system, batch(state))
        contracts = {
            "complete information": scheme_contracts(complete_information_contract, solution),
            "optimum": scheme_contracts(optimal_contract, solution),
            "PPO feasible": offer(run.policy, run.case.env, run.case.params, solution.states),
        }
        lines = {
            scheme: TypeLines(
                frequency=np.asarray(contract.frequency)[0],
                payment=np.asarray(contract.payment)[0],
                utility=np.diagonal(utilities(state, contract)),
            )
            for scheme, contract in contracts.items()
        }
        panels.append((title, lines))
        rows += [
            {
                "state": title,
                "scheme": scheme,
                "type": k + 1,
                "device_type": float(np.asarray(state.device_types)[k]),
                "type_prob": float(np.asarray(state.type_probs)[k]),
                "frequency": one.frequency[k],
                "payment": one.payment[k],
                "utility": one.utility[k],
            }
            for scheme, one in lines.items()
            for k in range(MANY)
        ]
    return Item(tables={"by_type": rows}, figures={"by_type": partial(by_type, panels)})
