"""Results as tables that a person reads in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from jaxcontract.env import ContractEnv, EnvParams
from jaxcontract.evaluation import Report
from jaxcontract.learning.policy import Policy
from jaxcontract.summary import over_seeds, printed_items

MEASURES = {
    "feasible": ("feasible", "{:.5f}"),
    "regret": ("mean regret", "{:.5f}"),
    "worst_regret": ("worst regret", "{:.3f}"),
    "screening_gap": ("screening gap", "{:.2%}"),
    "max_violation": ("max violation", "{:.1e}"),
    "reward": ("reward (13)", "{:.3f}"),
}


def seeds_table(seeds: Sequence[int], reports: Sequence[Report], references: Mapping[str, Report]) -> Table:
    """A row for each seed, the mean with its interval, and the schemes that need no learning."""
    first = reports[0]
    table = plain_table(
        f"On {first.num_states:,} unseen states (mean optimum U_B* = {first.optimum:.3f})",
        ["seed", *(title for title, _ in MEASURES.values())],
    )
    for seed, report in zip(seeds, reports, strict=True):
        table.add_row(str(seed), *_cells(report))
    table.add_section()
    together = over_seeds(reports)
    table.add_row("mean", *(_cell(name, together["mean"][name]) for name in MEASURES))
    for label, end in (("95 % from", 0), ("to", 1)):
        table.add_row(label, *(_cell(name, together["interval"][name][end]) for name in MEASURES))
    table.add_section()
    for name, report in references.items():
        table.add_row(name, *_cells(report))
    return table


def learners_table(rows: Sequence[tuple[str, Report, float, int | None]]) -> Table:
    """A row for each (name, report, seconds, env steps or None) of learners that are set side by side."""
    names = ("feasible", "regret", "worst_regret", "screening_gap")
    first = rows[0][1]
    table = plain_table(
        f"On {first.num_states:,} unseen states (mean optimum U_B* = {first.optimum:.3f})",
        ["learner", *(MEASURES[name][0] for name in names), "seconds", "env steps"],
    )
    for label, report, seconds, env_steps in rows:
        cells = (_cell(name, getattr(report, name)) for name in names)
        table.add_row(label, *cells, f"{seconds:.1f}", "-" if env_steps is None else f"{env_steps:,}")
    return table


def printed_states_table(policy: Policy, env: ContractEnv, params: EnvParams) -> Table:
    """The contract of the paper's three printed states: learned beside exact, item by item. K = 2."""
    table = plain_table(
        "The paper's printed states: learned and exact items",
        ["state", "type", "f learned", "f exact", "r learned", "r exact", "regret"],
    )
    pairs = [(name, of) for name in ("frequency", "payment") for of in ("learned", "exact")]
    for row in printed_items(policy, env, params):
        regret = row["regret"]
        ends = [f"{regret:.5f}" if np.isfinite(regret) else "infeasible", ""]
        for k in range(2):
            numbers = (f"{row[of][name][k]:.5f}" for name, of in pairs)
            table.add_row("" if k else str(row["state"]), str(k + 1), *numbers, ends[k])
    return table


def plain_table(title: str, columns: Sequence[str]) -> Table:
    """An empty table without lines, its columns aligned at the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _cells(report: Report) -> list[str]:
    return [_cell(name, getattr(report, name)) for name in MEASURES]


def _cell(name: str, value: Any) -> str:
    return MEASURES[name][1].format(value) if np.isfinite(value) else "-"
