"""IC and IR seen: what each type would earn from each item."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxcontract.evaluation.offers import offer, scheme_contracts
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.figures import incentive_check
from jaxcontract.mechanism.network_states import printed_states
from jaxcontract.mechanism.optimum import optimal_contract
from reproduction.cases import Case, Scale, feasible_ppo
from reproduction.item import Claim, Item, verdict
from reproduction.learning import FEASIBLE_UPDATES
from reproduction.menus import MANY, batch, even_state, many_types_ppo, utilities
from reproduction.trainer import TrainedCase, Trainer

TITLE = "IC and IR of exact and learned contracts"


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """The paper's seed at K = 2 and at K = 8."""
    return {
        2: feasible_ppo(1, scale.updates(FEASIBLE_UPDATES), curve=True),
        MANY: many_types_ppo(scale)[:1],
    }


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """Curves of u[k, j] over j, and the least slack of every contract."""
    del trainer
    states = {2: jax.tree.map(lambda leaf: leaf[0], printed_states()), MANY: even_state()}
    panels, rows, slacks = [], [], {}
    for size, runs in outcomes.items():
        case = runs[0].case
        solution = solve_reference(case.params.system, batch(states[size]))
        contracts = {
            "optimum": scheme_contracts(optimal_contract, solution),
            "PPO feasible": offer(runs[0].policy, case.env, case.params, solution.states),
        }
        for scheme, contract in contracts.items():
            table = utilities(states[size], contract)
            panels.append((f"K = {size}, {scheme}", table, scheme))
            own = np.diagonal(table)
            slacks[f"{scheme}, K = {size}"] = min(own.min(), (own[:, None] - table).min())
            rows += [
                {"num_types": size, "scheme": scheme, "type": k + 1, "item": j + 1, "utility": table[k, j]}
                for k in range(size)
                for j in range(size)
            ]
    worst = ", ".join(f"{name}: {slack:.1e}" for name, slack in slacks.items())
    return Item(
        tables={"incentives": rows},
        figures={"incentives": partial(incentive_check, panels)},
        claims=[
            Claim(
                "Each type takes part and prefers its own item: IR (8) and IC (9).",
                verdict(min(slacks.values()) >= -1e-6),
                f"Least slack of all K² constraints (binding ones are zero up to rounding): {worst}.",
            )
        ],
    )
